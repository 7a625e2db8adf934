//! What the server is told of a volume, and when.

use std::time::Duration;

use keyward_types::time::Monotonic;
use serde::Serialize;

use crate::{
    local::{Local, Runs},
    note::Stage,
    plan::{DELETED_HERE, obstacle},
    wanted::{Presence, Wanted},
};

/// The most volumes in one report.
pub const MOST: usize = 20;
/// The longest message, in characters.
const LONGEST_MESSAGE: usize = 1000;
/// The longest message about a database, in bytes.
const LONGEST_DATABASE_MESSAGE: usize = 512;
/// How often the bytes in use and the generation of the image are told, at most.
const NEWS_EVERY: Duration = Duration::from_secs(60);
/// By how much they must have changed.
const NOTICEABLE: u64 = 64 << 10;

/// What is told of a volume.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Report {
    /// The volume.
    pub volume_id: String,
    /// Of which generation.
    pub generation: u64,
    /// What it is.
    pub state: VolumeState,
    /// The bytes in use.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bytes: Option<u64>,
    /// What is wrong, for the operator.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// All mount targets that are served or cannot be; `None` if nothing is known of them yet.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub targets: Option<Vec<TargetReport>>,
    /// How its backups are; `None` if there is nothing to tell.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub backup: Option<BackupReport>,
    /// The generation of the image, if it is encrypted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub image_generation: Option<u64>,
    /// How its database is; none if there is nothing to tell.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub database: Option<DatabaseReport>,
}

/// What is told of a mount target.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct TargetReport {
    /// Its id.
    pub mount_target_id: String,
    /// Whether it is served: ready or failed.
    pub state: VolumeState,
    /// Why it is not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
}

/// What the server is told of a volume's backups. Times are seconds since 1970.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct BackupReport {
    /// When one was last tried.
    pub tried: i64,
    /// When the newest one was begun.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub time: Option<i64>,
    /// The generation of the newest one's image.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub generation: Option<u64>,
    /// Why the last attempt failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// Whether somebody has made the last attempt by hand, so that it counts whatever the backup policy is.
    #[serde(skip_serializing_if = "is_not")]
    pub by_hand: bool,
}

/// What is told of the database on a volume.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct DatabaseReport {
    /// What it is.
    pub state: DatabaseState,
    /// The version that runs, or ran last.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub engine_version: Option<String>,
    /// The start that it was last told to make.
    pub restart_epoch: u64,
    /// The password that it has.
    pub password_epoch: u64,
    /// What is wrong, for the operator.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// Whether its volume is full.
    #[serde(skip_serializing_if = "is_not")]
    pub storage_full: bool,
}

/// What a database is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum DatabaseState {
    /// It is being created or started, or recovers.
    Starting,
    /// It can be used.
    Running,
    /// It does not run.
    Stopped,
    /// It does not run as it should.
    Failed,
}

impl DatabaseReport {
    fn shortened(mut self) -> Self {
        let message = self.message.map(|message| {
            let mut short = String::new();
            for letter in message.chars() {
                if short.len() + letter.len_utf8() > LONGEST_DATABASE_MESSAGE {
                    break;
                }
                short.push(letter);
            }
            short
        });
        self.message = message;
        self
    }
}

#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "serde passes a reference"
)]
const fn is_not(flag: &bool) -> bool {
    !*flag
}

impl TargetReport {
    /// A mount target that is served.
    pub const fn ready(mount_target_id: String) -> Self {
        Self {
            mount_target_id,
            state: VolumeState::Ready,
            message: None,
        }
    }

    /// A mount target that cannot be served.
    pub fn failed(mount_target_id: String, message: &str) -> Self {
        Self {
            mount_target_id,
            state: VolumeState::Failed,
            message: Some(shortened(message)),
        }
    }
}

impl BackupReport {
    fn shortened(mut self) -> Self {
        self.message = self.message.map(|message| shortened(&message));
        self
    }
}

/// What the agent knows besides what it sees.
#[derive(Clone, Copy, Debug, Default)]
pub struct More<'m> {
    /// The bytes in use, if the volume is mounted.
    pub bytes: Option<u64>,
    /// What became of its mount targets.
    pub targets: Option<&'m [TargetReport]>,
    /// How its backups are.
    pub backup: Option<&'m BackupReport>,
    /// The newest generation of its image that this machine knows.
    pub image_generation: Option<u64>,
    /// How its database is.
    pub database: Option<&'m DatabaseReport>,
}

/// A generation that the server takes. After many restores, an image may have a larger one.
fn told_generation(generation: u64) -> u64 {
    generation.min(i64::MAX.unsigned_abs())
}

/// A message that the server takes.
pub fn shortened(message: &str) -> String {
    message.chars().take(LONGEST_MESSAGE).collect()
}

/// What a volume is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum VolumeState {
    /// It can be used.
    Ready,
    /// It is not as it is wanted.
    Failed,
    /// It is gone.
    Gone,
}

/// What the server was told last of a volume, and when.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Told {
    report: Report,
    at: Monotonic,
}

impl Told {
    /// It was told that at this time.
    pub const fn new(report: Report, at: Monotonic) -> Self {
        Self { report, at }
    }

    /// The same, with the generation of the image that was detached since, if that is newer.
    pub fn with_generation(&self, generation: u64) -> Option<Report> {
        let generation = Some(told_generation(generation));
        (generation > self.report.image_generation).then(|| Report {
            image_generation: generation,
            ..self.report.clone()
        })
    }
}

/// What is to be told of a volume, if anything: when it is something else than before; and the bytes in use when they
/// have changed noticeably, and the generation of the image when it has grown, at most once a minute. `told` is what the server is known to have taken: none after a report
/// without an answer.
pub fn due(
    wanted: &Wanted,
    (local, more): (&Local, More<'_>),
    told: Option<&Told>,
    now: Monotonic,
) -> Option<Report> {
    let report = what(wanted, local, more)?;
    let Some(before) = told else {
        return Some(report);
    };
    let silent = Duration::from_millis(now.millis_since(before.at));
    let same = Report {
        bytes: report.bytes,
        image_generation: report.image_generation,
        ..before.report.clone()
    };
    if report != same {
        return Some(report);
    }
    if report.image_generation > before.report.image_generation && silent >= NEWS_EVERY {
        return Some(report);
    }
    let (Some(now_used), Some(then)) = (report.bytes, before.report.bytes) else {
        return (report.bytes != before.report.bytes).then_some(report);
    };
    (now_used.abs_diff(then) >= NOTICEABLE && silent >= NEWS_EVERY).then_some(report)
}

/// What there is to tell now.
fn what(wanted: &Wanted, local: &Local, more: More<'_>) -> Option<Report> {
    let report = |state, message: Option<&str>| {
        Some(Report {
            volume_id: wanted.volume.to_string(),
            generation: wanted.generation,
            state,
            bytes: more.bytes.filter(|_| state == VolumeState::Ready),
            message: message.map(shortened),
            targets: more
                .targets
                .filter(|_| wanted.presence == Presence::Present)
                .map(<[_]>::to_vec),
            backup: more
                .backup
                .filter(|_| wanted.presence == Presence::Present)
                .cloned()
                .map(BackupReport::shortened),
            image_generation: more.image_generation.map(told_generation),
            database: more
                .database
                .filter(|_| wanted.presence == Presence::Present)
                .cloned()
                .map(DatabaseReport::shortened),
        })
    };
    let failed = |message: &str| report(VolumeState::Failed, Some(message));
    if let Some(why) = &local.damaged {
        return failed(why);
    }
    if let Some(why) = obstacle(wanted, local) {
        return failed(why);
    }
    match (wanted.presence, local.stage, &local.runs) {
        (Presence::Absent, None, Runs::Nothing) if !local.busy => report(VolumeState::Gone, None),
        (Presence::Present, Some(Stage::Made), Runs::Nothing) if wanted.at_rest => {
            report(VolumeState::Ready, None)
        }
        (Presence::Present, Some(Stage::Made), Runs::Mounted) => match &local.astray {
            Some(astray) => failed(&astray.message),
            None => report(VolumeState::Ready, None),
        },
        (Presence::Present, _, Runs::CutOff(why)) => {
            failed(&format!("the volume is cut off: {why}"))
        }
        (Presence::Present, Some(Stage::Ending), _) => failed(DELETED_HERE),
        _ => failed(&local.failure.as_ref()?.message),
    }
}

#[cfg(test)]
mod tests {
    use keyward_types::storage::VolumeId;

    use super::*;
    use crate::{
        local::Failure,
        plan::{LOST_HERE, MOVED_HERE},
    };

    fn wanted(generation: u64, presence: Presence) -> Wanted {
        let volume = VolumeId::parse("fs-00000000000000001").unwrap();
        Wanted::plain(volume, generation, presence)
    }

    fn mounted() -> Local {
        mounted_for(1)
    }

    fn mounted_for(generation: u64) -> Local {
        Local {
            stage: Some(Stage::Made),
            generation,
            runs: Runs::Mounted,
            ..Local::default()
        }
    }

    fn bytes(used: u64) -> More<'static> {
        More {
            bytes: Some(used),
            ..More::default()
        }
    }

    fn at(seconds: u64) -> Monotonic {
        Monotonic::from_millis(seconds * 1000)
    }

    #[test]
    fn a_volume_is_ready_when_it_is_mounted_and_noted_down() {
        let present = wanted(3, Presence::Present);
        let report = due(&present, (&mounted_for(3), bytes(4096)), None, at(0)).unwrap();
        let json = serde_json::to_string(&report).unwrap();
        assert_eq!(
            json,
            r#"{"VolumeId":"fs-00000000000000001","Generation":3,"State":"READY","Bytes":4096}"#
        );
        let making = Local {
            stage: Some(Stage::Making),
            ..mounted()
        };
        assert_eq!(due(&present, (&making, More::default()), None, at(0)), None);
    }

    #[test]
    fn the_generation_of_the_image_is_told_when_it_grows_at_most_once_a_minute() {
        let present = wanted(3, Presence::Present);
        let more = |generation| More {
            bytes: Some(4096),
            image_generation: Some(generation),
            ..More::default()
        };
        let due = |generation, told: Option<&Told>, seconds| {
            let report = due(
                &present,
                (&mounted_for(3), more(generation)),
                told,
                at(seconds),
            );
            report.and_then(|report| report.image_generation)
        };
        assert_eq!(due(7, None, 0), Some(7));
        let report = what(&present, &mounted_for(3), more(7)).unwrap();
        let told = Told::new(report, at(0));
        assert_eq!(due(7, Some(&told), 120), None);
        assert_eq!(due(8, Some(&told), 59), None);
        assert_eq!(due(8, Some(&told), 60), Some(8));
        // One that was put back says nothing about what the server knows.
        assert_eq!(due(6, Some(&told), 120), None);
        assert_eq!(due(u64::MAX, None, 0), Some(i64::MAX.unsigned_abs()));
    }

    #[test]
    fn backups_are_told_of_whatever_the_volume_is_and_when_something_about_them_changes() {
        let present = wanted(3, Presence::Present);
        let mut backup = BackupReport {
            by_hand: false,
            tried: 1,
            time: Some(1),
            generation: None,
            message: None,
        };
        fn more(backup: Option<&BackupReport>) -> More<'_> {
            More {
                backup,
                ..More::default()
            }
        }
        let told = due(&present, (&mounted(), more(Some(&backup))), None, at(0)).unwrap();
        assert_eq!(told.backup.as_ref(), Some(&backup));
        let told = Told::new(told, at(0));
        let again = due(
            &present,
            (&mounted(), more(Some(&backup))),
            Some(&told),
            at(1),
        );
        assert_eq!(again, None);
        backup.message = Some("x".repeat(2 * LONGEST_MESSAGE));
        let again = due(
            &present,
            (&mounted(), more(Some(&backup))),
            Some(&told),
            at(1),
        )
        .unwrap();
        let message = again.backup.unwrap().message.unwrap();
        assert_eq!(message.len(), LONGEST_MESSAGE);
    }

    #[test]
    fn a_database_is_told_of_whenever_something_about_it_changes() {
        let present = wanted(3, Presence::Present);
        let mut database = DatabaseReport {
            state: DatabaseState::Starting,
            engine_version: None,
            restart_epoch: 1,
            password_epoch: 2,
            message: Some("\u{e4}".repeat(LONGEST_DATABASE_MESSAGE)),
            storage_full: false,
        };
        fn more(database: &DatabaseReport) -> More<'_> {
            More {
                database: Some(database),
                ..More::default()
            }
        }
        let told = due(&present, (&mounted_for(3), more(&database)), None, at(0)).unwrap();
        let message = told.database.as_ref().unwrap().message.as_ref().unwrap();
        assert_eq!(message.len(), LONGEST_DATABASE_MESSAGE);
        let told = Told::new(told, at(0));
        let again = |database: &DatabaseReport| {
            due(
                &present,
                (&mounted_for(3), more(database)),
                Some(&told),
                at(1),
            )
        };
        assert_eq!(again(&database), None);
        database.state = DatabaseState::Running;
        (database.message, database.engine_version) = (None, Some("15.18".to_owned()));
        let report = again(&database).unwrap();
        assert_eq!(
            serde_json::to_string(&report).unwrap(),
            r#"{"VolumeId":"fs-00000000000000001","Generation":3,"State":"READY","Database":{"State":"RUNNING","EngineVersion":"15.18","RestartEpoch":1,"PasswordEpoch":2}}"#
        );
    }

    #[test]
    fn a_volume_that_was_there_and_is_not_any_more_is_no_new_one() {
        let mut present = wanted(3, Presence::Present);
        present.made = true;
        let making = Local {
            stage: Some(Stage::Making),
            ..mounted()
        };
        for local in [Local::default(), making] {
            let report = due(&present, (&local, More::default()), None, at(0)).unwrap();
            assert_eq!(report.state, VolumeState::Failed);
            assert_eq!(report.message.as_deref(), Some(LOST_HERE));
        }
    }

    #[test]
    fn an_image_from_before_another_agent_had_the_volume_is_not_used() {
        let mut present = wanted(3, Presence::Present);
        for made in [false, true] {
            present.made = made;
            for generation in [1, 2] {
                let local = mounted_for(generation);
                let report = due(&present, (&local, More::default()), None, at(0)).unwrap();
                assert_eq!(report.state, VolumeState::Failed);
                assert_eq!(report.message.as_deref(), Some(MOVED_HERE));
            }
        }
    }

    #[test]
    fn the_same_is_told_once_and_bytes_at_most_once_a_minute() {
        let present = wanted(1, Presence::Present);
        let report = due(&present, (&mounted(), bytes(0)), None, at(0)).unwrap();
        let told = Told::new(report, at(0));
        let again = |wanted: &Wanted, used, now| {
            let local = mounted_for(wanted.generation);
            due(wanted, (&local, bytes(used)), Some(&told), at(now)).is_some()
        };
        assert!(!again(&present, 0, 1_000));
        assert!(!again(&present, 1 << 20, 59));
        assert!(again(&present, 1 << 20, 60));
        assert!(!again(&present, 4096, 1_000));
        assert!(again(&wanted(2, Presence::Present), 0, 1));
    }

    #[test]
    fn a_snapshot_is_ready_when_it_is_noted_down_as_made() {
        let mut snapshot = wanted(1, Presence::Present);
        snapshot.at_rest = true;
        let mut local = Local {
            runs: Runs::Nothing,
            ..mounted()
        };
        let report = due(&snapshot, (&local, bytes(4096)), None, at(0)).unwrap();
        assert_eq!(
            (report.state, report.bytes),
            (VolumeState::Ready, Some(4096))
        );
        local.missing = true;
        let report = due(&snapshot, (&local, More::default()), None, at(0)).unwrap();
        assert_eq!(report.state, VolumeState::Failed);
        (local.missing, local.stage) = (false, Some(Stage::Making));
        assert_eq!(due(&snapshot, (&local, More::default()), None, at(0)), None);
    }

    #[test]
    fn a_cut_off_and_a_failure_say_why() {
        let present = wanted(1, Presence::Present);
        let cut_off = Local {
            runs: Runs::CutOff("DisabledException: it is disabled.".to_owned()),
            ..mounted()
        };
        let report = due(&present, (&cut_off, More::default()), None, at(0)).unwrap();
        assert_eq!(
            (report.state, report.message.as_deref()),
            (
                VolumeState::Failed,
                Some("the volume is cut off: DisabledException: it is disabled.")
            )
        );
        let told = Told::new(report, at(0));
        assert_eq!(
            due(&present, (&cut_off, More::default()), Some(&told), at(500)),
            None
        );
        let back = due(&present, (&mounted(), More::default()), Some(&told), at(1)).unwrap();
        assert_eq!(back.state, VolumeState::Ready);
        let failing = Local {
            failure: Some(Failure::after(None, "é".repeat(2000), at(0))),
            ..Local::default()
        };
        let report = due(&present, (&failing, More::default()), None, at(0)).unwrap();
        assert_eq!(report.message.unwrap().chars().count(), LONGEST_MESSAGE);
    }

    #[test]
    fn what_becomes_of_mount_targets_is_told_at_once() {
        let present = wanted(1, Presence::Present);
        let report = due(&present, (&mounted(), bytes(0)), None, at(0)).unwrap();
        let told = Told::new(report, at(0));
        let targets = [
            TargetReport::ready("fsmt-1".to_owned()),
            TargetReport::failed("fsmt-2".to_owned(), "the address is in use"),
        ];
        let more = More {
            targets: Some(&targets),
            ..bytes(0)
        };
        let report = due(&present, (&mounted(), more), Some(&told), at(1)).unwrap();
        let json = serde_json::to_string(&report.targets).unwrap();
        assert_eq!(
            json,
            r#"[{"MountTargetId":"fsmt-1","State":"READY"},{"MountTargetId":"fsmt-2","State":"FAILED","Message":"the address is in use"}]"#
        );
        let told = Told::new(report, at(1));
        assert_eq!(due(&present, (&mounted(), more), Some(&told), at(2)), None);
        let none = More {
            targets: Some(&[]),
            ..bytes(0)
        };
        let report = due(&present, (&mounted(), none), Some(&told), at(2)).unwrap();
        assert_eq!(report.targets, Some(Vec::new()));
        // Of what is gone there is nothing more to say.
        let absent = wanted(2, Presence::Absent);
        let report = due(&absent, (&Local::default(), more), None, at(0)).unwrap();
        assert_eq!((report.state, report.targets), (VolumeState::Gone, None));
    }

    #[test]
    fn what_nobody_may_touch_is_told() {
        let damaged = Local {
            damaged: Some("its note cannot be read".to_owned()),
            ..mounted()
        };
        for presence in [Presence::Present, Presence::Absent] {
            let report = due(
                &wanted(1, presence),
                (&damaged, More::default()),
                None,
                at(0),
            )
            .unwrap();
            assert_eq!(report.state, VolumeState::Failed);
            assert_eq!(report.message.as_deref(), Some("its note cannot be read"));
        }
    }

    #[test]
    fn a_volume_is_gone_when_nothing_of_it_is_left() {
        let absent = wanted(2, Presence::Absent);
        let state = |local: &Local| {
            due(&absent, (local, More::default()), None, at(0)).map(|told| told.state)
        };
        assert_eq!(state(&Local::default()), Some(VolumeState::Gone));
        assert_eq!(state(&mounted()), None);
        let ending = Local {
            stage: Some(Stage::Ending),
            ..Local::default()
        };
        assert_eq!(state(&ending), None);
        let busy = Local {
            busy: true,
            ..Local::default()
        };
        assert_eq!(state(&busy), None);
    }
}
