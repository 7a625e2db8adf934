//! What agents have said of backups since this server has started, for its metrics.

use std::collections::{BTreeMap, BTreeSet};

use keyward_engine::directory::records::storage::BackupReport;
use keyward_types::storage::{AgentId, VolumeId};
use parking_lot::Mutex;

/// What has failed.
#[derive(Debug, Default)]
pub struct Backups {
    /// The volumes whose last backup has failed.
    failed: Mutex<BTreeSet<VolumeId>>,
    /// The agents whose place for backups cannot be used, and why.
    places: Mutex<BTreeMap<AgentId, String>>,
}

impl Backups {
    /// An agent reports the state of a volume's backups.
    pub fn hear(&self, volume: &VolumeId, backup: &BackupReport) {
        match backup.failure {
            Some(_) => self.failed.lock().insert(volume.clone()),
            None => self.failed.lock().remove(volume),
        };
    }

    /// A volume is gone.
    pub fn forget(&self, volume: &VolumeId) {
        self.failed.lock().remove(volume);
    }

    /// How many have failed.
    pub fn failed(&self) -> usize {
        self.failed.lock().len()
    }

    /// An agent reports whether its place for backups can be used.
    pub fn hear_of_place(&self, agent: &AgentId, failure: Option<&str>) {
        match failure {
            Some(why) => self.places.lock().insert(agent.clone(), why.to_owned()),
            None => self.places.lock().remove(agent),
        };
    }

    /// Why an agent's place for backups cannot be used, if it has said so.
    pub fn place_failure(&self, agent: &AgentId) -> Option<String> {
        self.places.lock().get(agent).cloned()
    }
}
