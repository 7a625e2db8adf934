//! When backups are due and expire, by examples and in random histories of clocks that jump.

use std::collections::BTreeMap;

use proptest::{collection::vec, prelude::*};

use super::*;

const USUAL: Schedule = Schedule {
    hour: USUAL_HOUR,
    days: USUAL_DAYS,
};
const HOUR: i64 = 3_600_000;

fn time(text: &str) -> Timestamp {
    parse_time(text).unwrap()
}

fn scheduled(text: &str) -> Backup {
    Backup::begun(time(text), true)
}

fn is_due(schedule: Schedule, backups: &[Backup], now: Timestamp) -> bool {
    let made = Made {
        backups: backups.to_vec(),
        ..Made::default()
    };
    made.is_due(schedule, now)
}

fn volume(number: u8) -> VolumeId {
    VolumeId::parse(&format!("fs-{number:017}")).unwrap()
}

#[test]
fn a_name_says_when_and_how_a_backup_was_made() {
    let backup = Backup::begun(Timestamp::from_millis(1_796_014_800_999), true);
    assert_eq!(backup.name(), "scheduled-20261130T050000Z");
    assert_eq!(Backup::parse(&backup.name()), Some(backup));
    let by_hand = Backup::begun(backup.at, false);
    assert_eq!(by_hand.name(), "manual-20261130T050000Z");
    assert_eq!(Backup::parse(&by_hand.name()), Some(by_hand));
    for other in [
        "",
        "20261130T050000Z",
        "scheduled-",
        "scheduled-20261131T050000Z",
        "scheduled-20260229T050000Z",
        "scheduled-20261130T240000Z",
        "scheduled-20261130T050000",
        "scheduled-20261130 050000Z",
        "scheduled-+2261130T050000Z",
        "scheduled-20261130T050000Z.receiving",
        "scheduled-manual-20261130T050000Z",
        "Manual-20261130T050000Z",
        "monday",
    ] {
        assert_eq!(Backup::parse(other), None, "{other}");
    }
}

#[test]
fn the_days_backup_is_due_at_five_and_made_once() {
    let before = time("20261130T045959Z");
    let at = time("20261130T050000Z");
    assert!(is_due(USUAL, &[], before), "the first one is due at once");
    let yesterday = [scheduled("20261129T050003Z")];
    assert!(!is_due(USUAL, &yesterday, before));
    assert!(is_due(USUAL, &yesterday, at));
    let today = [yesterday[0], scheduled("20261130T050001Z")];
    assert!(!is_due(USUAL, &today, time("20261130T050002Z")));
    assert!(!is_due(USUAL, &today, time("20261201T045959Z")));
    assert!(is_due(USUAL, &today, time("20261201T050000Z")));
    let midnight = Schedule { hour: 0, ..USUAL };
    assert!(is_due(midnight, &today, time("20261201T000000Z")));
    // What somebody has made by hand is no reason to leave the schedule's out.
    let by_hand = [yesterday[0], Backup::begun(at, false)];
    assert!(is_due(USUAL, &by_hand, time("20261130T060000Z")));
}

#[test]
fn one_that_was_missed_is_made_as_soon_as_it_can_be_and_only_once() {
    let old = [scheduled("20261101T050000Z")];
    let now = time("20261130T173000Z");
    assert!(is_due(USUAL, &old, now));
    assert!(!is_due(USUAL, &[old[0], Backup::begun(now, true)], now));
}

#[test]
fn a_clock_that_was_ahead_keeps_no_backup_from_being_made() {
    let ahead = [scheduled("20361130T050000Z")];
    assert!(is_due(USUAL, &ahead, time("20261130T060000Z")));
    // Nor when the day comes that its name says.
    let mut made = Made {
        backups: ahead.to_vec(),
        ..Made::default()
    };
    made.look(time("20261130T060000Z"));
    assert!(made.is_due(USUAL, time("20361130T060000Z")));
    // A clock that is set back by a little does not make the day's backup twice.
    let made = [scheduled("20261130T050002Z")];
    assert!(!is_due(USUAL, &made, time("20261130T050001Z")));
}

#[test]
fn a_failed_one_is_tried_again_later_and_holds_up_no_other() {
    let now = time("20261130T060000Z");
    let at = |minutes: u64| Monotonic::from_millis(minutes * 60_000);
    let mut volumes = BTreeMap::from([(volume(1), Made::default()), (volume(2), Made::default())]);
    let mut waits = Vec::new();
    let mut failed: Option<Failed> = None;
    for _ in 0..9 {
        let next = Failed::after(failed.as_ref(), "no space".to_owned(), (now, at(0)));
        waits.push(next.again.millis() / 60_000);
        failed = Some(next);
    }
    assert_eq!(waits, [1, 2, 4, 8, 16, 32, 60, 60, 60]);
    let failed = Failed::after(None, "no space".to_owned(), (now, at(0)));
    volumes.get_mut(&volume(1)).unwrap().failed = Some(failed);
    assert_eq!(next(USUAL, &volumes, false, (now, at(0))), Some(&volume(2)));
    assert_eq!(next(USUAL, &volumes, true, (now, at(0))), None);
    assert_eq!(next(USUAL, &volumes, false, (now, at(1))), Some(&volume(2)));
    volumes.get_mut(&volume(2)).unwrap().backups = vec![Backup::begun(now, true)];
    assert_eq!(next(USUAL, &volumes, false, (now, at(0))), None);
    assert_eq!(next(USUAL, &volumes, false, (now, at(1))), Some(&volume(1)));
}

#[test]
fn whose_backup_is_the_oldest_is_the_first() {
    let made = |text: &str| Made {
        backups: vec![scheduled(text)],
        ..Made::default()
    };
    let volumes = BTreeMap::from([
        (volume(1), made("20261128T050000Z")),
        (volume(2), made("20261127T050000Z")),
        (volume(3), made("20261130T050000Z")),
    ]);
    let now = (time("20261130T060000Z"), Monotonic::from_millis(0));
    assert_eq!(next(USUAL, &volumes, false, now), Some(&volume(2)));
}

#[test]
fn backups_expire_but_never_the_newest_or_what_was_made_by_hand() {
    let now = time("20261130T060000Z");
    let by_hand = Backup::begun(time("20200101T000000Z"), false);
    let (oldest, old) = (scheduled("20260101T050000Z"), scheduled("20261026T055959Z"));
    let kept = scheduled("20261026T060000Z");
    let all = [old, by_hand, kept, oldest];
    assert_eq!(expired(USUAL, &all, false, now), [oldest, old]);
    assert_eq!(expired(USUAL, &[by_hand, old], false, now), []);
    assert_eq!(expired(USUAL, &[by_hand, old], true, now), [old]);
    // Not even if the clock was ahead once.
    let ahead = scheduled("20361130T050000Z");
    assert_eq!(expired(USUAL, &[old, ahead], false, now), []);
    let many: Vec<Backup> = (1..=9)
        .map(|day| scheduled(&format!("2026010{day}T050000Z")))
        .collect();
    assert_eq!(expired(USUAL, &many, false, now), many[..MOST_EXPIRED]);
}

#[test]
fn the_server_is_told_of_the_newest_one_and_of_failures() {
    let now = time("20261130T060000Z");
    let mut made = Made::default();
    assert_eq!(made.report(now, (true, None)), None);
    made.backups = vec![scheduled("20261129T050000Z"), scheduled("20361130T050000Z")];
    let json =
        |made: &Made| serde_json::to_string(&made.report(now, (true, Some(7))).unwrap()).unwrap();
    assert_eq!(
        json(&made),
        r#"{"Tried":1795928400,"Time":1795928400,"Generation":7}"#
    );
    let monotonic = Monotonic::from_millis(0);
    made.failed = Some(Failed::after(None, "no space".to_owned(), (now, monotonic)));
    assert_eq!(
        json(&made),
        r#"{"Tried":1796018400,"Time":1795928400,"Generation":7,"Message":"no space"}"#
    );
}

#[test]
fn the_server_is_told_of_what_was_done_by_hand_whatever_the_policy_is() {
    let now = time("20261130T060000Z");
    let mut made = Made {
        backups: vec![scheduled("20261129T050000Z")],
        ..Made::default()
    };
    let json = |made: &Made, backs_up| {
        let report = made.report(now, (backs_up, Some(7)));
        report.map(|report| serde_json::to_string(&report).unwrap())
    };
    let of_schedule = r#"{"Tried":1795928400,"Time":1795928400,"Generation":7}"#;
    assert_eq!(json(&made, false), None);
    assert_eq!(json(&made, true).unwrap(), of_schedule);
    made.by_hand = Some(ByHand {
        at: time("20261129T060000Z"),
        failure: Some("no space".to_owned()),
    });
    let failed = r#"{"Tried":1795932000,"Time":1795928400,"Generation":7,"Message":"no space","ByHand":true}"#;
    for backs_up in [true, false] {
        assert_eq!(json(&made, backs_up).unwrap(), failed);
    }
    // The last one counts.
    let monotonic = Monotonic::from_millis(0);
    made.failed = Some(Failed::after(None, "gone".to_owned(), (now, monotonic)));
    assert_eq!(
        json(&made, true).unwrap(),
        r#"{"Tried":1796018400,"Time":1795928400,"Generation":7,"Message":"gone"}"#
    );
    made.failed = None;
    made.by_hand = Some(ByHand {
        at: time("20261129T060000Z"),
        failure: None,
    });
    assert_eq!(
        json(&made, false).unwrap(),
        r#"{"Tried":1795928400,"Time":1795928400,"Generation":7,"ByHand":true}"#
    );
    assert_eq!(json(&made, true).unwrap(), of_schedule);
}

/// What happens next: hours that pass, or a clock that jumps.
#[derive(Clone, Debug)]
enum Happens {
    Hours(u8),
    Jump(i64),
    Fails,
    ByHand,
}

fn happens() -> impl Strategy<Value = Happens> {
    prop_oneof![
        6 => (1..60_u8).prop_map(Happens::Hours),
        1 => (-5_000_i64..5_000).prop_map(Happens::Jump),
        1 => Just(Happens::Fails),
        1 => Just(Happens::ByHand),
    ]
}

/// One volume, its backups, and a clock. Everything is done as the agent does it, once an hour.
struct History {
    schedule: Schedule,
    now: Timestamp,
    elapsed: u64,
    made: BTreeMap<VolumeId, Made>,
    /// In the order in which they were made, whatever the clock said.
    order: Vec<Backup>,
}

impl History {
    /// Lets an hour pass. Returns whether a backup was made.
    fn hour(&mut self, fails: bool) -> bool {
        self.now = self.now.plus_millis(HOUR);
        self.elapsed += HOUR as u64;
        let clocks = (self.now, Monotonic::from_millis(self.elapsed));
        self.made.values_mut().for_each(|made| made.look(self.now));
        let Some(volume) = next(self.schedule, &self.made, false, clocks).cloned() else {
            return false;
        };
        let made = self.made.get_mut(&volume).unwrap();
        let backup = Backup::begun(self.now, true);
        // A name that is taken is another reason to fail.
        if fails || made.backups.contains(&backup) {
            let failed = Failed::after(made.failed.as_ref(), "no".to_owned(), clocks);
            made.failed = Some(failed);
            return false;
        }
        made.failed = None;
        made.backups.push(backup);
        self.order.push(backup);
        let before = made.backups.clone();
        let gone = expired(self.schedule, &before, false, self.now);
        assert!(gone.len() <= MOST_EXPIRED);
        assert!(gone.iter().all(|backup| backup.is_scheduled));
        assert!(!gone.contains(&backup), "the newest stays");
        let days = i64::from(self.schedule.days) * DAY_MILLIS;
        assert!(
            gone.iter()
                .all(|backup| self.now.millis_since(backup.at) > days)
        );
        made.backups.retain(|backup| !gone.contains(backup));
        true
    }
}

proptest! {
    #[test]
    fn however_the_clock_jumps_there_is_a_backup_every_day_and_the_newest_stays(
        all in vec(happens(), 1..60),
        hour in 0..24_u8,
        days in 1..60_u16,
    ) {
        let mut history = History {
            schedule: Schedule { hour, days },
            now: time("20261130T120000Z"),
            elapsed: 0,
            made: BTreeMap::from([(volume(1), Made::default())]),
            order: Vec::new(),
        };
        let mut by_hand = Vec::new();
        for happens in all {
            match happens {
                Happens::Hours(hours) => (0..hours).for_each(|_| {
                    history.hour(false);
                }),
                Happens::Jump(hours) => history.now = history.now.plus_millis(hours * HOUR),
                Happens::Fails => {
                    history.hour(true);
                }
                Happens::ByHand => {
                    let backup = Backup::begun(history.now, false);
                    let made = history.made.get_mut(&volume(1)).unwrap();
                    if !made.backups.contains(&backup) {
                        made.backups.push(backup);
                        by_hand.push(backup);
                    }
                }
            }
            let made = history.made.get(&volume(1)).unwrap();
            if let Some(last) = history.order.last() {
                prop_assert!(made.backups.contains(last), "the newest stays");
            }
            prop_assert!(by_hand.iter().all(|backup| made.backups.contains(backup)));
        }
        // Whatever the clock was, from now on one is made every day.
        let made = (0..48).filter(|_| history.hour(false)).count();
        prop_assert!((1..=3).contains(&made), "{made}");
        let made = (0..240).filter(|_| history.hour(false)).count();
        prop_assert!((9..=11).contains(&made), "{made}");
    }

    #[test]
    fn names_are_read_back(seconds in 0_i64..253_402_300_800, is_scheduled: bool) {
        let backup = Backup::begun(Timestamp::from_seconds(seconds), is_scheduled);
        prop_assert_eq!(Backup::parse(&backup.name()), Some(backup));
    }

    #[test]
    fn no_name_is_misread(name in "(scheduled-|manual-)?[0-9]{8}T[0-9]{6}Z") {
        if let Some(backup) = Backup::parse(&name) {
            prop_assert_eq!(backup.name(), name);
        }
    }
}

#[test]
fn what_the_server_is_told_of_a_generation_fits_into_its_numbers() {
    let now = time("20261130T060000Z");
    let made = Made {
        backups: vec![scheduled("20261130T050000Z")],
        ..Made::default()
    };
    let told = |generation| made.report(now, (true, generation)).unwrap().generation;
    assert_eq!(told(None), None);
    assert_eq!(told(Some(7)), Some(7));
    assert_eq!(told(Some(u64::MAX)), Some(9_223_372_036_854_775_807));
}
