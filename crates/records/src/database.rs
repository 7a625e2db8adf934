//! What is kept of databases: what agents have installed, and what shall be of the database on a volume and is, as
//! its agent says.

use std::{fmt, net::Ipv4Addr};

use keyward_types::time::Timestamp;
use serde::{Deserialize, Serialize};

/// A database engine that an agent's machine has.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct InstalledEngine {
    /// Its name, such as `postgres`.
    pub engine: String,
    /// Its version, such as `15.14`.
    pub version: String,
}

/// What a database keeps instead of a password, in the form that PostgreSQL stores it (RFC 5803). Nobody can sign in
/// with it, but passwords can be guessed by it, so that it is shown nowhere.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct PasswordVerifier(String);

impl PasswordVerifier {
    /// As it is written.
    pub fn new(text: String) -> Self {
        Self(text)
    }

    /// As it is written, for the agent that runs the database.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for PasswordVerifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PasswordVerifier")
    }
}

/// The most events that are kept of a database. The oldest go first.
pub const MOST_EVENTS: usize = 50;

/// The database on a volume, as it shall be and as its agent says it is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DatabaseRecord {
    /// The engine, such as `postgres`.
    pub engine: String,
    /// Its version.
    pub version: String,
    /// Whether it is to run.
    pub running: bool,
    /// Where it is to be reached.
    pub address: Ipv4Addr,
    /// At which port.
    pub port: u16,
    /// The database that is made beside the engine's own, if there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The master user.
    pub master: String,
    /// That user's password.
    pub verifier: PasswordVerifier,
    /// Counts the master passwords.
    pub password_epoch: u64,
    /// Counts how often it was to be started anew.
    pub restart_epoch: u64,
    /// For which names it has a certificate.
    pub names: Vec<String>,
    /// The security groups that let clients in.
    pub groups: Vec<String>,
    /// Since when the key of its volume cannot be used, if that stopped it. It is not started again by itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub locked: Option<Timestamp>,
    /// Whether it ever ran.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub ran: bool,
    /// What its agent last said of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reported: Option<DatabaseReport>,
    /// What happened to it, the newest last.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub events: Vec<Event>,
}

/// What an agent said of a database.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DatabaseReport {
    /// What it is.
    pub state: DatabaseState,
    /// The version that runs.
    pub version: String,
    /// The [`password_epoch`](DatabaseRecord::password_epoch) whose password it has.
    pub password_epoch: u64,
    /// The [`restart_epoch`](DatabaseRecord::restart_epoch) that it was started for.
    pub restart_epoch: u64,
    /// When the agent said so.
    pub at: Timestamp,
    /// What went wrong, for the operator.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// Whether its volume is full.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub is_full: bool,
}

/// The state of a database on its agent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum DatabaseState {
    /// It is being made or started.
    Starting,
    /// It can be used.
    Running,
    /// It does not run.
    Stopped,
    /// It cannot be made or run.
    Failed,
}

/// Something that happened to a database.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Event {
    /// When.
    pub at: Timestamp,
    /// What.
    pub what: Happened,
}

/// What may happen to a database.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Happened {
    /// It was made and ran for the first time.
    Created,
    /// It was to be deleted.
    Deleting,
    /// It could not be made or run.
    Failed,
    /// It was started.
    Started,
    /// It was stopped.
    Stopped,
    /// It was started anew.
    Restarted,
    /// The master user has another password.
    Password,
    /// It has more storage.
    Grown,
    /// The key of its volume could not be used.
    Locked,
    /// A snapshot of it was to be made.
    #[serde(rename = "backing-up")]
    BackingUp,
    /// A snapshot of it was made.
    #[serde(rename = "backed-up")]
    BackedUp,
}

impl DatabaseRecord {
    /// What its agent last said that is wrong with it, if it is to run.
    pub fn failure(&self) -> Option<&DatabaseReport> {
        let reported = self.reported.as_ref().filter(|_| self.running);
        reported.filter(|reported| reported.state == DatabaseState::Failed || reported.is_full)
    }

    /// Keeps that something happened.
    pub fn happened(&mut self, at: Timestamp, what: Happened) {
        let over = (self.events.len() + 1).saturating_sub(MOST_EVENTS);
        self.events.drain(..over);
        self.events.push(Event { at, what });
    }

    /// Takes what its agent says of it.
    pub fn hear(&mut self, report: DatabaseReport) {
        let before = self.reported.as_ref();
        let was = before.map(|before| before.state);
        let (at, state) = (report.at, report.state);
        let restarted =
            before.is_some_and(|before| before.restart_epoch < report.restart_epoch) && self.ran;
        let has_password =
            before.is_some_and(|before| before.password_epoch < report.password_epoch) && self.ran;
        match state {
            DatabaseState::Running if !self.ran => {
                self.ran = true;
                self.happened(at, Happened::Created);
            }
            DatabaseState::Running if restarted => self.happened(at, Happened::Restarted),
            DatabaseState::Running if was != Some(state) => self.happened(at, Happened::Started),
            DatabaseState::Stopped if was != Some(state) && self.ran => {
                self.happened(at, Happened::Stopped);
            }
            DatabaseState::Failed if was != Some(state) => self.happened(at, Happened::Failed),
            DatabaseState::Running
            | DatabaseState::Starting
            | DatabaseState::Stopped
            | DatabaseState::Failed => {}
        }
        if has_password {
            self.happened(at, Happened::Password);
        }
        // Its machine may have been given a newer version that reads the same files.
        if state == DatabaseState::Running && major(&report.version) == major(&self.version) {
            self.version.clone_from(&report.version);
        }
        self.reported = Some(report);
    }
}

/// The first number of a version, which all versions have that can use the same files.
pub fn major(version: &str) -> &str {
    version.split('.').next().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn database() -> DatabaseRecord {
        DatabaseRecord {
            engine: "postgres".to_owned(),
            version: "15.14".to_owned(),
            running: true,
            address: Ipv4Addr::LOCALHOST,
            port: 5432,
            name: None,
            master: "master".to_owned(),
            verifier: PasswordVerifier::new("SCRAM-SHA-256$SECRET".to_owned()),
            password_epoch: 1,
            restart_epoch: 0,
            names: Vec::new(),
            groups: Vec::new(),
            locked: None,
            ran: false,
            reported: None,
            events: Vec::new(),
        }
    }

    #[test]
    fn reports_become_events_and_a_verifier_is_not_shown() {
        let mut found = database();
        assert!(!format!("{found:?}").contains("SECRET"));
        let report = |state, password_epoch, restart_epoch| DatabaseReport {
            state,
            version: "15.14".to_owned(),
            password_epoch,
            restart_epoch,
            at: Timestamp::from_seconds(1),
            message: None,
            is_full: false,
        };
        for told in [
            report(DatabaseState::Starting, 1, 0),
            report(DatabaseState::Running, 1, 0),
            report(DatabaseState::Running, 1, 0),
            report(DatabaseState::Running, 2, 0),
            report(DatabaseState::Starting, 2, 0),
            report(DatabaseState::Running, 2, 1),
            report(DatabaseState::Stopped, 2, 1),
            report(DatabaseState::Running, 2, 1),
            report(DatabaseState::Failed, 2, 1),
        ] {
            found.hear(told);
        }
        let happened: Vec<Happened> = found.events.iter().map(|event| event.what).collect();
        let expected = [
            Happened::Created,
            Happened::Password,
            Happened::Restarted,
            Happened::Stopped,
            Happened::Started,
            Happened::Failed,
        ];
        assert_eq!(happened, expected);
        for _ in 0..MOST_EVENTS {
            found.happened(Timestamp::from_seconds(2), Happened::Grown);
        }
        found.hear(DatabaseReport {
            version: "15.15".to_owned(),
            ..report(DatabaseState::Running, 2, 1)
        });
        assert_eq!(found.version, "15.15");
        found.hear(DatabaseReport {
            version: "16.1".to_owned(),
            ..report(DatabaseState::Running, 2, 1)
        });
        assert_eq!(found.version, "15.15");
        assert_eq!(found.events.len(), MOST_EVENTS);
        assert_eq!(found.events[0].what, Happened::Grown);
    }
}
