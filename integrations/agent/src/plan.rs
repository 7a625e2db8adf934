//! The next step with a volume, from what is wanted and what is there.

use std::{
    fmt::{self, Display, Formatter},
    path::Path,
};

use keyward_types::time::Monotonic;

use crate::{
    local::{Local, Runs},
    note::{Note, Stage},
    wanted::{Presence, Wanted},
};

/// A step. [`steps`](crate::steps) does it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Make it from nothing. What an interrupted attempt has left is dropped first.
    Make,
    /// Make it from another volume, in the same way.
    Copy,
    /// Note down that it is made, before anybody is told.
    NoteMade,
    /// Cut off what a process has left that was killed. Whether its key may be used, nobody asks any more.
    CutOff,
    /// Attach what is there.
    Attach,
    /// Make it larger, while it is used.
    Grow,
    /// Take it out of use, and leave it on disk.
    Release,
    /// Take it out of use, and delete it.
    Delete,
}

/// As the log says it.
impl Display for Step {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Make => "creating the volume",
            Self::Copy => "creating the volume from another one",
            Self::NoteMade => "the volume is created",
            Self::Attach => "attaching the volume",
            Self::Grow => "making the volume larger",
            Self::CutOff => "cutting off what a process of the volume has left",
            Self::Release => "detaching the volume, which stays on disk",
            Self::Delete => "deleting the volume",
        })
    }
}

/// What the operator is told of a volume that is wanted although this machine has begun to delete it.
pub const DELETED_HERE: &str =
    "this machine was told to delete the volume and has begun to: it cannot be used";

/// What the operator is told of a volume that was there once, and is not noted down here as made.
pub const LOST_HERE: &str = "the file system has been available before, and this machine has no completed image of it: it is not created again. Restore the agent's volumes/ directory as it was (perhaps its disk is not mounted). If another agent had the file system, bring its image here and run `keyward agent adopt FILE_SYSTEM IMAGE`. If the image is lost, restore a backup with `keyward agent restore FILE_SYSTEM`, or delete the file system";

/// What the operator is told of a volume that another agent had since this machine's image of it was made.
pub const MOVED_HERE: &str = "the file system was assigned to another agent meanwhile, and the image on this machine may be older than that agent's: it is not used. If the image in volumes/ is the newest one, run `keyward agent adopt FILE_SYSTEM`. Otherwise bring the newest one to this machine, move volumes/FILE_SYSTEM.img away, and run `keyward agent adopt FILE_SYSTEM IMAGE`";

/// What the operator is told of a volume whose image is not where this machine has had it.
pub const MISSING_HERE: &str = "the image of the file system (volumes/FILE_SYSTEM.img in the agent's state directory) is missing: somebody has moved or deleted it, or its disk is not mounted. Bring it back to that path, and it is attached again. If it is elsewhere on this machine, run `keyward agent adopt FILE_SYSTEM IMAGE`. If it is lost, restore a backup with `keyward agent restore FILE_SYSTEM`, or delete the file system";

/// What the operator is told of an encrypted volume of which nothing says how new its image has to be.
pub fn ageless_here(note: &Note, keepers: &Path) -> String {
    format!(
        "the file in which this machine recorded the age of the image ({}/{}.generation) is missing, so an older copy of the image would not be recognized: it is not attached. Restore the agent's keepers/ directory as it was. If it is lost and the image in volumes/ is the newest one, run `keyward agent adopt {volume}`; if not, bring the newest one there first, or move it away and restore a backup with `keyward agent restore {volume}`",
        keepers.display(),
        note.image,
        volume = note.volume,
    )
}

/// Whether another agent has had the volume since the image here was made, or brought here: it may have written to its own.
pub fn is_outdated(wanted: &Wanted, local: &Local) -> bool {
    wanted.presence == Presence::Present
        && local.stage == Some(Stage::Made)
        && local.generation != wanted.generation
}

/// What the operator is told of a volume that is encrypted for the server and not on this machine, or the other way round.
pub const EXCHANGED_HERE: &str = "this machine and the server disagree about whether the volume is encrypted: somebody has changed the file in volumes/ that records it, and perhaps the image. Nothing is read from the image or written to it. Restore both from a backup or a snapshot; anyone who could write to volumes/ may have read or changed what is there";

/// Whether the image here is encrypted although the volume is not to be, or is not although it is to be. Whoever can write
/// to the machine's disk must not decide that: what is written to the volume would be there in plaintext.
pub fn is_exchanged(wanted: &Wanted, local: &Local) -> bool {
    wanted.presence == Presence::Present
        && local.stage.is_some()
        && local.encrypted != wanted.encrypted
}

/// What keeps a volume that is wanted from being used, for the operator.
pub fn obstacle(wanted: &Wanted, local: &Local) -> Option<&'static str> {
    if is_lost(wanted, local) {
        Some(LOST_HERE)
    } else if is_exchanged(wanted, local) {
        Some(EXCHANGED_HERE)
    } else if is_outdated(wanted, local) {
        Some(MOVED_HERE)
    } else if is_missing(wanted, local) {
        Some(MISSING_HERE)
    } else {
        None
    }
}

/// Whether the machine has lost a volume that was there once, as the server knows: making it would put an empty one in its
/// place, and would overwrite what may only be missing for now.
pub fn is_lost(wanted: &Wanted, local: &Local) -> bool {
    wanted.made
        && wanted.presence == Presence::Present
        && matches!(local.stage, None | Some(Stage::Making))
}

/// Whether the image is not in its place that this machine has had. It may come back.
pub fn is_missing(wanted: &Wanted, local: &Local) -> bool {
    wanted.presence == Presence::Present && local.missing
}

/// How a volume is made that is not there.
fn making(wanted: Option<&Wanted>) -> Option<Step> {
    let wanted = wanted?;
    match (&wanted.origin, wanted.at_rest) {
        (Some(_), _) => Some(Step::Copy),
        // There is nothing that it could be made from.
        (None, true) => None,
        (None, false) => Some(Step::Make),
    }
}

fn is_at_rest(wanted: Option<&Wanted>) -> bool {
    wanted.is_some_and(|wanted| wanted.at_rest)
}

/// Whether a volume is to be larger than it is, or nobody knows how large it is.
fn grows(wanted: &Wanted, local: &Local) -> bool {
    let size = wanted.size_in_bytes;
    size.is_some_and(|size| local.size.is_none_or(|now| now < size))
}

/// The step that waits neither for the server nor for anything else: what nobody keeps must not stay readable.
pub fn at_once(local: &Local, now: Monotonic) -> Option<Step> {
    (local.may_be_cut_off(now) && local.runs == Runs::Remains).then_some(Step::CutOff)
}

/// The next step with a volume; `None` if there is nothing to do now. The server has named the volume, or has
/// not: no step is planned before it has been asked.
pub fn next(wanted: Option<&Wanted>, local: &Local, now: Monotonic) -> Option<Step> {
    if let Some(step) = at_once(local, now) {
        return Some(step);
    }
    if !local.is_free(now) {
        return None;
    }
    if wanted.is_some_and(|wanted| obstacle(wanted, local).is_some()) {
        let runs = local.stage.is_some() && local.runs != Runs::Nothing;
        return runs.then_some(Step::Release);
    }
    match (
        wanted.map(|wanted| wanted.presence),
        local.stage,
        &local.runs,
    ) {
        // It is not this agent's any more, or the server does not know it: whoever operates them decides.
        (None, _, Runs::Nothing) => None,
        (None, _, _) => Some(Step::Release),
        (Some(Presence::Absent), None, Runs::Nothing) => None,
        (Some(Presence::Absent), _, _) => Some(Step::Delete),
        (Some(Presence::Present), None, _) => making(wanted),
        (Some(Presence::Present), Some(Stage::Making), Runs::Mounted) => Some(Step::NoteMade),
        (Some(Presence::Present), Some(Stage::Making), Runs::Nothing) => making(wanted),
        // What is only kept is never attached.
        (Some(Presence::Present), Some(Stage::Made), runs) if is_at_rest(wanted) => {
            (*runs != Runs::Nothing).then_some(Step::Release)
        }
        (Some(Presence::Present), Some(Stage::Made), Runs::Nothing) => Some(Step::Attach),
        (Some(Presence::Present), Some(Stage::Made), Runs::Mounted)
            if wanted.is_some_and(|wanted| grows(wanted, local)) =>
        {
            Some(Step::Grow)
        }
        (Some(Presence::Present), Some(Stage::Making | Stage::Made), _) => None,
        (Some(Presence::Present), Some(Stage::Ending), _) => None,
    }
}

#[cfg(test)]
mod tests {
    use keyward_types::storage::VolumeId;

    use super::*;
    use crate::{local::Failure, wanted::Origin};

    const NOW: Monotonic = Monotonic::from_millis(0);

    fn step(presence: Option<Presence>, stage: Option<Stage>, runs: Runs) -> Option<Step> {
        let volume = VolumeId::parse("fs-00000000000000001").unwrap();
        let wanted = presence.map(|presence| Wanted::plain(volume, 1, presence));
        let local = Local {
            stage,
            generation: 1,
            runs,
            ..Local::default()
        };
        next(wanted.as_ref(), &local, NOW)
    }

    fn runs() -> [Runs; 5] {
        let cut_off = Runs::CutOff("it is disabled".to_owned());
        [
            Runs::Nothing,
            Runs::Remains,
            Runs::Starting,
            Runs::Mounted,
            cut_off,
        ]
    }

    #[test]
    fn a_new_volume_is_made_noted_down_and_then_left_alone() {
        let present = Some(Presence::Present);
        assert_eq!(step(present, None, Runs::Nothing), Some(Step::Make));
        let making = Some(Stage::Making);
        assert_eq!(step(present, making, Runs::Starting), None);
        assert_eq!(step(present, making, Runs::Mounted), Some(Step::NoteMade));
        assert_eq!(step(present, Some(Stage::Made), Runs::Mounted), None);
    }

    #[test]
    fn a_snapshot_is_made_from_its_origin_and_never_attached() {
        let volume = VolumeId::parse("snap-00000000000000001").unwrap();
        let origin = VolumeId::parse("db-AJS3ENW7IR2DMV6HQZCLU5GPYB").unwrap();
        let mut wanted = Wanted::plain(volume, 1, Presence::Present);
        wanted.at_rest = true;
        let step = |wanted: &Wanted, stage, runs| {
            let local = Local {
                stage,
                generation: 1,
                runs,
                ..Local::default()
            };
            next(Some(wanted), &local, NOW)
        };
        assert_eq!(step(&wanted, None, Runs::Nothing), None);
        wanted.origin = Some(Origin {
            volume: origin,
            reseal: false,
        });
        let making = Some(Stage::Making);
        assert_eq!(step(&wanted, None, Runs::Nothing), Some(Step::Copy));
        assert_eq!(step(&wanted, making, Runs::Nothing), Some(Step::Copy));
        let made = Some(Stage::Made);
        assert_eq!(step(&wanted, made, Runs::Nothing), None);
        assert_eq!(step(&wanted, made, Runs::Mounted), Some(Step::Release));
        // A restored instance is made in the same way, and then attached.
        wanted.at_rest = false;
        assert_eq!(step(&wanted, None, Runs::Nothing), Some(Step::Copy));
        assert_eq!(step(&wanted, made, Runs::Nothing), Some(Step::Attach));
        // What was there once is not made again.
        wanted.made = true;
        assert_eq!(step(&wanted, None, Runs::Nothing), None);
    }

    #[test]
    fn a_volume_grows_while_it_is_mounted_and_never_becomes_smaller() {
        let volume = VolumeId::parse("fs-00000000000000001").unwrap();
        let mut wanted = Wanted::plain(volume, 1, Presence::Present);
        wanted.size_in_bytes = Some(20);
        for runs in runs() {
            for (size, grows) in [
                (None, true),
                (Some(19), true),
                (Some(20), false),
                (Some(21), false),
            ] {
                let local = Local {
                    stage: Some(Stage::Made),
                    generation: 1,
                    size,
                    runs: runs.clone(),
                    ..Local::default()
                };
                let is_grown = next(Some(&wanted), &local, NOW) == Some(Step::Grow);
                assert_eq!(is_grown, grows && runs == Runs::Mounted, "{local:?}");
            }
        }
    }

    #[test]
    fn what_was_made_is_never_made_again() {
        for runs in runs() {
            for presence in [None, Some(Presence::Present), Some(Presence::Absent)] {
                for stage in [Stage::Made, Stage::Ending] {
                    assert_ne!(step(presence, Some(stage), runs.clone()), Some(Step::Make));
                }
            }
        }
    }

    #[test]
    fn what_the_server_knows_as_made_is_never_made_again_whatever_is_noted_down() {
        let volume = VolumeId::parse("fs-00000000000000001").unwrap();
        let mut wanted = Wanted::plain(volume, 1, Presence::Present);
        wanted.made = true;
        let others = runs().into_iter().filter(|runs| *runs != Runs::Remains);
        for runs in others {
            for stage in [None, Some(Stage::Making)] {
                let local = Local {
                    stage,
                    runs: runs.clone(),
                    ..Local::default()
                };
                let runs = stage.is_some() && runs != Runs::Nothing;
                let expected = runs.then_some(Step::Release);
                assert_eq!(next(Some(&wanted), &local, NOW), expected);
                assert!(is_lost(&wanted, &local));
                wanted.presence = Presence::Absent;
                assert!(!is_lost(&wanted, &local));
                wanted.presence = Presence::Present;
            }
        }
        let local = Local {
            stage: Some(Stage::Made),
            generation: 1,
            ..Local::default()
        };
        assert_eq!(next(Some(&wanted), &local, NOW), Some(Step::Attach));
    }

    #[test]
    fn an_outdated_image_is_taken_out_of_use_and_never_attached_or_made_anew() {
        let volume = VolumeId::parse("fs-00000000000000001").unwrap();
        for (made, runs) in [false, true].into_iter().flat_map(|made| {
            let others = runs().into_iter().filter(|runs| *runs != Runs::Remains);
            others.map(move |runs| (made, runs))
        }) {
            let mut wanted = Wanted::plain(volume.clone(), 3, Presence::Present);
            wanted.made = made;
            let expected = (runs != Runs::Nothing).then_some(Step::Release);
            let mut local = Local {
                stage: Some(Stage::Made),
                generation: 1,
                runs,
                ..Local::default()
            };
            assert!(is_outdated(&wanted, &local));
            assert_eq!(next(Some(&wanted), &local, NOW), expected);
            // It is deleted all the same.
            wanted.presence = Presence::Absent;
            assert_eq!(next(Some(&wanted), &local, NOW), Some(Step::Delete));
            wanted.presence = Presence::Present;
            local.generation = 3;
            assert!(!is_outdated(&wanted, &local));
        }
    }

    #[test]
    fn what_is_encrypted_for_the_server_only_is_taken_out_of_use() {
        let volume = VolumeId::parse("fs-00000000000000001").unwrap();
        for (encrypted, generation) in [(true, 1), (false, 1), (true, 2)] {
            let mut wanted = Wanted::plain(volume.clone(), 1, Presence::Present);
            wanted.encrypted = !encrypted;
            for stage in [Stage::Making, Stage::Made, Stage::Ending] {
                for runs in runs().into_iter().filter(|runs| *runs != Runs::Remains) {
                    let local = Local {
                        stage: Some(stage),
                        encrypted,
                        generation,
                        runs: runs.clone(),
                        ..Local::default()
                    };
                    let expected = (runs != Runs::Nothing).then_some(Step::Release);
                    assert_eq!(next(Some(&wanted), &local, NOW), expected);
                    assert_eq!(obstacle(&wanted, &local), Some(EXCHANGED_HERE));
                    // It can still be deleted.
                    wanted.presence = Presence::Absent;
                    assert_eq!(next(Some(&wanted), &local, NOW), Some(Step::Delete));
                    wanted.presence = Presence::Present;
                }
            }
        }
    }

    #[test]
    fn a_missing_image_is_waited_for_and_neither_attached_nor_made() {
        let volume = VolumeId::parse("fs-00000000000000001").unwrap();
        let mut wanted = Wanted::plain(volume, 1, Presence::Present);
        for made in [true, false] {
            wanted.made = made;
            let mut local = Local {
                stage: Some(Stage::Made),
                generation: 1,
                missing: true,
                ..Local::default()
            };
            assert_eq!(next(Some(&wanted), &local, NOW), None);
            assert_eq!(obstacle(&wanted, &local), Some(MISSING_HERE));
            // It can still be deleted.
            wanted.presence = Presence::Absent;
            assert_eq!(next(Some(&wanted), &local, NOW), Some(Step::Delete));
            wanted.presence = Presence::Present;
            local.missing = false;
            assert_eq!(next(Some(&wanted), &local, NOW), Some(Step::Attach));
        }
    }

    #[test]
    fn only_what_is_named_as_to_be_gone_is_deleted() {
        for runs in runs() {
            for stage in [
                None,
                Some(Stage::Making),
                Some(Stage::Made),
                Some(Stage::Ending),
            ] {
                for presence in [None, Some(Presence::Present)] {
                    assert_ne!(step(presence, stage, runs.clone()), Some(Step::Delete));
                }
            }
        }
        let absent = Some(Presence::Absent);
        assert_eq!(step(absent, None, Runs::Nothing), None);
        for stage in [Stage::Making, Stage::Made, Stage::Ending] {
            for runs in runs().into_iter().filter(|runs| *runs != Runs::Remains) {
                assert_eq!(step(absent, Some(stage), runs), Some(Step::Delete));
            }
        }
    }

    #[test]
    fn what_is_not_named_is_taken_out_of_use() {
        for runs in runs().into_iter().filter(|runs| *runs != Runs::Remains) {
            let expected = (runs != Runs::Nothing).then_some(Step::Release);
            assert_eq!(step(None, Some(Stage::Made), runs), expected);
        }
    }

    #[test]
    fn what_a_killed_process_left_is_cut_off_before_anything_else_and_without_the_server() {
        for presence in [None, Some(Presence::Present), Some(Presence::Absent)] {
            for stage in [Stage::Making, Stage::Made, Stage::Ending] {
                assert_eq!(
                    step(presence, Some(stage), Runs::Remains),
                    Some(Step::CutOff)
                );
            }
        }
        for runs in runs() {
            let expected = (runs == Runs::Remains).then_some(Step::CutOff);
            let mut local = Local {
                runs,
                ..Local::default()
            };
            assert_eq!(at_once(&local, NOW), expected);
            local.busy = true;
            assert_eq!(at_once(&local, NOW), None);
        }
    }

    #[test]
    fn a_volume_that_is_cut_off_comes_back_by_its_own_process() {
        let cut_off = Runs::CutOff("it is disabled".to_owned());
        for stage in [Stage::Making, Stage::Made] {
            assert_eq!(
                step(Some(Presence::Present), Some(stage), cut_off.clone()),
                None
            );
        }
    }

    #[test]
    fn nothing_is_begun_while_a_step_is_being_done_or_has_just_failed() {
        let volume = VolumeId::parse("fs-00000000000000001").unwrap();
        let wanted = Wanted::plain(volume, 1, Presence::Present);
        let failure = Failure::after(None, "no space".to_owned(), NOW);
        let local = Local {
            failure: Some(failure),
            ..Local::default()
        };
        assert_eq!(next(Some(&wanted), &local, NOW), None);
        let later = Monotonic::from_millis(1_000);
        assert_eq!(next(Some(&wanted), &local, later), Some(Step::Make));
        let busy = Local {
            busy: true,
            ..local.clone()
        };
        assert_eq!(next(Some(&wanted), &busy, later), None);
        let damaged = Local {
            damaged: Some("its note cannot be read".to_owned()),
            ..local
        };
        assert_eq!(next(Some(&wanted), &damaged, later), None);
    }
}
