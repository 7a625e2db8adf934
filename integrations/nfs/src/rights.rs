//! Whether open connections keep their rights.

use std::sync::Arc;

use tokio::{
    sync::watch,
    task::JoinHandle,
    time::{Instant, sleep},
};

use crate::{
    authorize::{Question, Refused, Rights},
    shared::Shared,
    volume::Volume,
};

/// Asks again and again, and ends with the reason when the connection must.
pub(crate) struct Watch {
    pub(crate) task: JoinHandle<String>,
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Watch {
    /// `revision` has seen everything that had happened before the client was asked about.
    pub(crate) fn begin(
        shared: Arc<Shared>,
        volume: Arc<Volume>,
        mut revision: watch::Receiver<u64>,
        question: Question,
        rights: Rights,
    ) -> Self {
        let question = Question {
            again: true,
            ..question
        };
        let task = tokio::spawn(async move {
            let mut answered = Instant::now();
            loop {
                let limits = shared.limits;
                tokio::select! {
                    () = sleep(limits.reauthorize) => {}
                    changed = revision.changed() => if changed.is_err() {
                        return "the server has ended".to_owned();
                    },
                }
                match shared.questions.again(&question).await {
                    Ok(now) if now == rights => {
                        answered = Instant::now();
                        volume.known.note(question.client, answered);
                    }
                    Ok(_) => {
                        return "its rights have changed, and it must connect again".to_owned();
                    }
                    Err(refused @ Refused::Denied { .. }) => return refused.to_string(),
                    Err(refused) => {
                        if answered.elapsed() >= limits.unanswered {
                            return refused.to_string();
                        }
                        tracing::warn!(volume = question.volume, client = %question.client, %refused, "an NFS connection goes on, although nobody could be asked");
                    }
                }
            }
        });
        Self { task }
    }
}
