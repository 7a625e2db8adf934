//! The thread that asks KMS, and all that it needs, started before the volume is served: a machine that has no thread
//! left to give must not keep a volume attached.

use std::{
    panic::{self, AssertUnwindSafe},
    sync::{
        Arc,
        mpsc::{self, Sender},
    },
};

use anyhow::anyhow;
use keyward_crypto::secret::arena::Arena;
use keyward_types::time::Monotonic;
use keyward_volume::{KeyInfo, Volume};

use super::{ANSWER, Answer, Asking, Event, Options, spawn};
use crate::{image::inspect, kms::Kms};

/// Whether the key may be used.
pub struct Question {
    /// When it is asked.
    pub asked: Monotonic,
    /// What is said about the data key.
    pub key: KeyInfo,
    /// The volume; `None` if it is cut off.
    pub volume: Option<Arc<Volume>>,
}

/// Starts the thread. Each question ends in [`Event::Answered`], whatever happens.
///
/// # Errors
/// When there is no thread, or nothing to ask with.
pub fn start(
    options: &Options,
    arena: Arena,
    events: Sender<Event>,
) -> anyhow::Result<Sender<Question>> {
    let kms = Kms::with_resolver(options.source.clone())?.patient_for(ANSWER);
    let (image, source) = (options.image.clone(), options.source.clone());
    let (questions, incoming) = mpsc::channel::<Question>();
    spawn("question", move || {
        for question in incoming {
            let asking = Asking {
                at: question.asked,
                wrapped: question
                    .volume
                    .is_some()
                    .then(|| question.key.wrapped.clone()),
            };
            let answer = answered(|| match &question.volume {
                Some(volume) => still_the_same(&kms, &question.key, volume, &arena),
                // It may have another wrapped key by now.
                None => match inspect(&image).and_then(|found| {
                    source.check_context(&found)?;
                    Ok(found.key)
                }) {
                    Err(error) => Answer::Unasked(error),
                    Ok(key) => kms.decrypt(&key).map_or_else(Answer::Failed, Answer::Key),
                },
            });
            // The volume is let go before whoever waits for the answer.
            drop(question);
            if events.send(Event::Answered(asking, answer)).is_err() {
                return;
            }
        }
    })?;
    Ok(questions)
}

fn still_the_same(kms: &Kms, key: &KeyInfo, volume: &Volume, arena: &Arena) -> Answer {
    match kms.decrypt(key) {
        Err(failure) => Answer::Failed(failure),
        Ok(data_key) => match volume.has_data_key(&data_key, arena) {
            Ok(true) => Answer::Fine,
            Ok(false) => Answer::OtherKey,
            Err(error) => Answer::Unasked(error.into()),
        },
    }
}

/// The answer, also if asking panics, as where a library can have no thread.
fn answered(ask: impl FnOnce() -> Answer) -> Answer {
    panic::catch_unwind(AssertUnwindSafe(ask))
        .unwrap_or_else(|_| Answer::Unasked(anyhow!("asking KMS has failed within this program")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_is_an_answer() {
        let answer = answered(|| panic!("no thread"));
        assert!(matches!(answer, Answer::Unasked(_)));
    }
}
