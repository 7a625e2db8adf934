//! Whether a database server is to run on a volume, from what is wanted and what is there.

use crate::{
    local::{Local, Runs},
    note::Stage,
    plan::obstacle,
    wanted::{Database, Presence, Wanted},
};

/// What is to become of the database server on a volume.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Course<'w> {
    /// It is to be as it is wanted, which may be stopped.
    Follow(&'w Database),
    /// It stays as it is: a step is being done, which ends it first if it takes the volume away.
    Leave,
    /// It is to end: there is no volume that it could use.
    End,
}

/// What is to become of it now.
pub fn course<'w>(wanted: Option<&'w Wanted>, local: &Local) -> Course<'w> {
    if local.busy {
        return Course::Leave;
    }
    match (&local.runs, local.stage) {
        (Runs::Nothing | Runs::Remains | Runs::Starting | Runs::CutOff(_), _) => Course::End,
        (Runs::Mounted, Some(Stage::Made)) if local.damaged.is_none() => {
            let wanted = wanted.filter(|wanted| {
                wanted.presence == Presence::Present && obstacle(wanted, local).is_none()
            });
            let database = wanted.and_then(|wanted| wanted.database.as_ref());
            database.map_or(Course::Leave, Course::Follow)
        }
        (Runs::Mounted, _) => Course::Leave,
    }
}

#[cfg(test)]
mod tests {
    use keyward_types::storage::VolumeId;

    use super::*;

    fn wanted() -> Wanted {
        let volume = VolumeId::parse("db-AJS3ENW7IR2DMV6HQZCLU5GPYB").unwrap();
        let mut wanted = Wanted::plain(volume, 1, Presence::Present);
        let database = r#"{"Engine":"postgres","EngineVersion":"15.14","Running":true,"Address":"10.0.0.4","Port":5432,
            "MasterUsername":"admin","PasswordVerifier":"x","PasswordEpoch":1,"RestartEpoch":0,"Names":["a"],"Cidrs":[]}"#;
        wanted.database = serde_json::from_str(database).unwrap();
        wanted
    }

    fn mounted() -> Local {
        Local {
            stage: Some(Stage::Made),
            generation: 1,
            runs: Runs::Mounted,
            ..Local::default()
        }
    }

    #[test]
    fn a_database_runs_on_a_mounted_volume_that_is_noted_down_as_made() {
        let mut wanted = wanted();
        let database = wanted.database.clone().unwrap();
        assert_eq!(course(Some(&wanted), &mounted()), Course::Follow(&database));
        for stage in [None, Some(Stage::Making), Some(Stage::Ending)] {
            let local = Local { stage, ..mounted() };
            assert_eq!(course(Some(&wanted), &local), Course::Leave);
        }
        // What is to be deleted or released, a step does, which ends it.
        assert_eq!(course(None, &mounted()), Course::Leave);
        wanted.presence = Presence::Absent;
        assert_eq!(course(Some(&wanted), &mounted()), Course::Leave);
    }

    #[test]
    fn where_nothing_is_mounted_nothing_runs_whatever_is_noted_down() {
        let wanted = wanted();
        for runs in [
            Runs::Nothing,
            Runs::Remains,
            Runs::Starting,
            Runs::CutOff("it is disabled".to_owned()),
        ] {
            for damaged in [None, Some("forged".to_owned())] {
                let mut local = Local {
                    runs: runs.clone(),
                    damaged,
                    ..mounted()
                };
                assert_eq!(course(Some(&wanted), &local), Course::End);
                local.busy = true;
                assert_eq!(course(Some(&wanted), &local), Course::Leave);
            }
        }
    }

    #[test]
    fn nothing_is_started_by_a_note_that_does_not_count_or_says_something_else_than_the_server() {
        let mut wanted = wanted();
        let damaged = Local {
            damaged: Some("forged".to_owned()),
            ..mounted()
        };
        assert_eq!(course(Some(&wanted), &damaged), Course::Leave);
        wanted.encrypted = true;
        assert_eq!(course(Some(&wanted), &mounted()), Course::Leave);
        wanted.encrypted = false;
        wanted.generation = 2;
        assert_eq!(course(Some(&wanted), &mounted()), Course::Leave);
    }
}
