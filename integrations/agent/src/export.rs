//! How a volume is to be served over NFS, from what is wanted and what is there.

use crate::{
    local::{Local, Runs},
    note::Stage,
    plan::obstacle,
    wanted::{Presence, Target, Wanted},
};

/// How a volume is to be served.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Export {
    /// On which targets; `None` if it is not served at all.
    pub targets: Vec<Target>,
    /// Whether its files can be used. If not, clients are answered that there is an I/O error.
    pub open: bool,
    /// Grows when clients may have other rights than before.
    pub revision: u64,
}

/// How a volume is to be served now. While a step is being done with it, nobody uses its files.
pub fn export(wanted: Option<&Wanted>, local: &Local) -> Export {
    let present = wanted.filter(|wanted| wanted.presence == Presence::Present);
    match (present, local.stage) {
        (Some(wanted), Some(Stage::Made)) => Export {
            targets: wanted.targets.clone(),
            open: local.runs == Runs::Mounted
                && !local.busy
                && local.damaged.is_none()
                && obstacle(wanted, local).is_none(),
            revision: wanted.authorization_revision,
        },
        _ => Export::default(),
    }
}

#[cfg(test)]
mod tests {
    use keyward_types::storage::VolumeId;

    use super::*;

    fn wanted(presence: Presence) -> Wanted {
        let volume = VolumeId::parse("fs-00000000000000001").unwrap();
        let target = Target {
            mount_target_id: "fsmt-1".to_owned(),
            ip_address: [127, 0, 0, 1].into(),
            port: 2049,
            cidrs: Vec::new(),
        };
        let mut wanted = Wanted::plain(volume, 1, presence);
        wanted.targets.push(target);
        wanted.authorization_revision = 7;
        wanted
    }

    #[test]
    fn only_a_volume_that_is_made_and_wanted_is_served() {
        let made = Local {
            stage: Some(Stage::Made),
            generation: 1,
            runs: Runs::Mounted,
            ..Local::default()
        };
        let served = export(Some(&wanted(Presence::Present)), &made);
        assert!(served.open && served.targets.len() == 1 && served.revision == 7);
        let none = Export::default();
        assert_eq!(export(Some(&wanted(Presence::Absent)), &made), none);
        assert_eq!(export(None, &made), none);
        for stage in [None, Some(Stage::Making), Some(Stage::Ending)] {
            let local = Local {
                stage,
                ..made.clone()
            };
            assert_eq!(export(Some(&wanted(Presence::Present)), &local), none);
        }
    }

    #[test]
    fn what_is_cut_off_or_worked_on_keeps_its_targets_and_is_closed() {
        let cut_off = Local {
            stage: Some(Stage::Made),
            generation: 1,
            runs: Runs::CutOff("it is disabled".to_owned()),
            ..Local::default()
        };
        let busy = Local {
            runs: Runs::Mounted,
            busy: true,
            ..cut_off.clone()
        };
        let outdated = Local {
            generation: 2,
            busy: false,
            ..busy.clone()
        };
        for local in [cut_off, busy, outdated] {
            let served = export(Some(&wanted(Presence::Present)), &local);
            assert!(!served.open && served.targets.len() == 1, "{local:?}");
        }
    }
}
