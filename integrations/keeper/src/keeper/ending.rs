//! How serving ends, and what is left to do then. A volume is closed only if nothing of it is attached any more: as
//! long as something is, the kernel still has its pages, and only a cut-off takes them away.

use std::{sync::Arc, time::Duration};

use anyhow::anyhow;
use keyward_attach::attachment::{Attachment, cut_off};
use keyward_types::time::{Clock as _, Monotonic};
use serde_json::{Value, json};

use super::{Ended, Event, Keeper, hand, live::program, spawn};
use crate::control::Asked;

/// How long the end of the served file is waited for after everything was unmounted.
const END_MILLIS: u64 = 10_000;
/// How long whoever has unmounted everything may take to say so.
const FINISH_MILLIS: u64 = 3_000;
/// How long shutting a file system down may take that is left of a cut-off.
const PATIENCE: Duration = Duration::from_secs(5);

impl Keeper {
    /// Looks whether the volume is still served, and does what follows if not.
    pub(super) fn look(&mut self, now: Monotonic) -> anyhow::Result<Option<Ended>> {
        let Some(live) = &self.live else {
            return Ok(None);
        };
        let waited = |since: &Monotonic| now.millis_since(*since);
        if !live.server.has_ended() {
            let late = |(_, since): &mut (Asked, Monotonic)| waited(since) >= END_MILLIS;
            if let Some((asked, _)) = self.finishing.take_if(late) {
                asked.reply(Err(anyhow!("the volume is still served")));
            }
            return Ok(None);
        }
        match Attachment::exists(&self.place) {
            Ok(false) => {}
            Ok(true) => {
                return self.cut("serving has ended, but the volume is still attached".to_owned());
            }
            Err(error) => {
                return self.cut(format!(
                    "serving has ended, and it is not known whether the volume is still attached: {:#}",
                    anyhow!(error)
                ));
            }
        }
        if let Some((asked, _)) = self.finishing.take() {
            self.close(Some(asked));
            return Ok(None);
        }
        // Perhaps `keyward volume detach` has done it, and is about to say so.
        let ended = *self.ended.get_or_insert(now);
        if waited(&ended) >= FINISH_MILLIS {
            tracing::warn!("the served file was unmounted by somebody else: the volume is closed");
            self.close(None);
            // If that could not be begun, it is tried again after the same time.
            self.ended = Some(now);
        }
        Ok(None)
    }

    /// Closes the volume when the served file has ended, which somebody has unmounted.
    pub(super) fn finish(&mut self, asked: Asked) {
        if self.finishing.is_some() {
            asked.reply(Err(anyhow!("the volume is being closed")));
        } else {
            self.finishing = Some((asked, self.clock.monotonic()));
        }
    }

    /// Ends the process of a volume that is cut off, unless something is left that must be found later.
    pub(super) fn end(&self, asked: Asked) -> Option<Ended> {
        let done = cut_off(&self.place, PATIENCE);
        if let Some(error) = done.failures.into_iter().next() {
            asked.reply(Err(
                anyhow!(error).context("the volume is cut off, but not all of it is taken away")
            ));
            return None;
        }
        self.forget();
        asked.reply(Ok(Value::Null));
        Some(Ended::Closed)
    }

    /// Ends as `keyward volume detach` does, with the help of another process: one that waits for its own
    /// disk cannot be ended.
    pub(super) fn stop(&mut self) -> anyhow::Result<Option<Ended>> {
        if self.closing.is_some() {
            return Ok(None);
        }
        if self.live.is_none() {
            return Ok(Some(Ended::Closed));
        }
        tracing::info!("this process is to end: the volume is detached");
        let mut command = program();
        command.args(["volume", "detach"]).arg(&self.options.image);
        if let Some(dir) = self.options.states.given() {
            command.arg("--state-dir").arg(dir);
        }
        let begun = spawn("detach", move || match command.output() {
            Ok(output) if output.status.success() => {}
            Ok(output) => {
                let why = String::from_utf8_lossy(&output.stderr);
                tracing::error!(why = why.trim_end(), "the volume stays attached");
            }
            Err(error) => tracing::error!(%error, "the volume stays attached"),
        });
        if let Err(error) = begun {
            let error = format!("{error:#}");
            tracing::error!(error, "the volume stays attached");
        }
        Ok(None)
    }

    /// Begins to close the volume, whose file nobody has mounted any more. It may wait for a copy to be complete.
    pub(super) fn close(&mut self, asked: Option<Asked>) {
        let Some(live) = self.live.take() else {
            return;
        };
        let (volume, events) = (Arc::clone(&live.volume), self.events.clone());
        let begun = hand("close", (live, asked), move |(live, asked)| {
            let _ = events.send(Event::Closed(asked, live.close()));
        });
        match begun {
            Ok(()) => self.closing = Some(volume),
            Err(((live, asked), error)) => {
                let why = format!("{error:#}");
                tracing::error!(why, "the volume cannot be closed yet");
                self.live = Some(live);
                if let Some(asked) = asked {
                    asked.reply(Err(error));
                }
            }
        }
    }

    pub(super) fn closed(
        &mut self,
        asked: Option<Asked>,
        closed: anyhow::Result<u64>,
    ) -> anyhow::Result<Option<Ended>> {
        self.closing = None;
        if let Ok(generation) = closed {
            self.notes.note(generation);
            tracing::info!(generation, "the volume is closed");
        }
        // Whoever looks after the reply finds the volume detached.
        self.forget();
        let failed = closed.as_ref().err().map(|error| format!("{error:#}"));
        if let Some(asked) = asked {
            asked.reply(closed.map(|generation| json!({ "generation": generation })));
        }
        match failed {
            None => Ok(Some(Ended::Closed)),
            // It is over all the same: nothing is served any more, and what was flushed is safe.
            Some(why) => Err(anyhow!("the volume could not be closed: {why}")),
        }
    }
}
