//! Callers who fail authentication, and web identities that no trust policy allows. They are
//! counted, and sampled into a log of bounded size, since strangers must not be able to fill the
//! disk.

use std::{
    fs::{self, File},
    io::{self, Write as _},
    net::IpAddr,
    path::{Path, PathBuf},
};

use keyward_types::time::Timestamp;
use keyward_wire::json::Writer;
use parking_lot::Mutex;

use crate::files;

/// The most samples per second.
const PER_SECOND: u32 = 10;
/// Bytes after which the log is rotated; two files are kept.
const MAX_BYTES: u64 = 1 << 20;
/// The longest texts that strangers send and that are logged, in characters.
const MAX_TEXT: usize = 128;

/// The log of refused callers.
#[derive(Debug)]
pub struct Refusals {
    path: PathBuf,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    file: File,
    length: u64,
    second: i64,
    in_second: u32,
}

/// What is known about a refused request. Only a web identity in it has been verified.
#[derive(Debug)]
pub struct Refusal<'a> {
    /// The time.
    pub at: Timestamp,
    /// The client's address.
    pub source_ip: IpAddr,
    /// The answer's code.
    pub code: &'a str,
    /// The claimed access key id, if there was one.
    pub access_key_id: Option<&'a str>,
    /// The operation, if known.
    pub operation: Option<&'a str>,
    /// The provider and the subject of a web identity whose token was verified.
    pub identity: Option<(&'a str, &'a str)>,
}

impl Refusals {
    /// Opens the log in a directory.
    ///
    /// # Errors
    /// When the system refuses.
    pub fn open(directory: &Path) -> io::Result<Self> {
        let path = directory.join("refused.jsonl");
        let file = files::append(&path)?;
        let length = file.metadata()?.len();
        Ok(Self {
            path,
            state: Mutex::new(State {
                file,
                length,
                second: 0,
                in_second: 0,
            }),
        })
    }

    /// Logs a sample, unless there have been enough in this second. If the log cannot be written,
    /// only the sample is lost.
    pub fn sample(&self, refusal: &Refusal<'_>) {
        let mut state = self.state.lock();
        if state.second != refusal.at.seconds() {
            state.second = refusal.at.seconds();
            state.in_second = 0;
        }
        state.in_second += 1;
        if state.in_second > PER_SECOND {
            return;
        }
        let mut line = Writer::render(256, |sample| {
            sample.string("time", &refusal.at.iso8601());
            sample.string("sourceIPAddress", &refusal.source_ip.to_string());
            sample.string("errorCode", refusal.code);
            if let Some(id) = refusal.access_key_id {
                sample.string("claimedAccessKeyId", &bounded(id));
            }
            if let Some(operation) = refusal.operation {
                sample.string("operation", &bounded(operation));
            }
            if let Some((provider, subject)) = refusal.identity {
                sample.string("identityProvider", &bounded(provider));
                sample.string("subject", &bounded(subject));
            }
        });
        line.push(b'\n');
        if state.length + line.len() as u64 > MAX_BYTES
            && let Err(error) = self.rotate(&mut state)
        {
            tracing::warn!(%error, "the log of refused callers cannot be rotated");
            return;
        }
        match state.file.write_all(&line) {
            Ok(()) => state.length += line.len() as u64,
            Err(error) => tracing::warn!(%error, "the log of refused callers cannot be written"),
        }
    }

    fn rotate(&self, state: &mut State) -> io::Result<()> {
        fs::rename(&self.path, self.path.with_extension("jsonl.1"))?;
        state.file = files::append(&self.path)?;
        state.length = 0;
        Ok(())
    }
}

fn bounded(text: &str) -> String {
    text.chars().take(MAX_TEXT).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strangers_cannot_fill_the_disk() {
        let directory = tempfile::tempdir().unwrap();
        let refusals = Refusals::open(directory.path()).unwrap();
        let long = "x".repeat(5000);
        for second in 0..2000 {
            for _ in 0..20 {
                refusals.sample(&Refusal {
                    at: Timestamp::from_seconds(second),
                    source_ip: "203.0.113.9".parse().unwrap(),
                    code: "MissingAuthenticationTokenException",
                    access_key_id: Some(&long),
                    operation: None,
                    identity: None,
                });
            }
        }
        let size = |name: &str| fs::metadata(directory.path().join(name)).unwrap().len();
        assert!(size("refused.jsonl") <= MAX_BYTES);
        assert!(size("refused.jsonl.1") <= MAX_BYTES);
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 2);
        let text = fs::read_to_string(directory.path().join("refused.jsonl.1")).unwrap();
        assert!(text.lines().all(|line| line.contains(
            "\"sourceIPAddress\":\"203.0.113.9\",\
             \"errorCode\":\"MissingAuthenticationTokenException\",\"claimedAccessKeyId\":\"xxx"
        )));
    }
}
