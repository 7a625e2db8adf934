//! What agents have said of backups since this server has started, for its metrics.

use std::collections::BTreeSet;

use keyward_engine::directory::records::storage::BackupReport;
use keyward_types::storage::VolumeId;
use parking_lot::Mutex;

/// The volumes whose last backup has failed.
#[derive(Debug, Default)]
pub struct Backups(Mutex<BTreeSet<VolumeId>>);

impl Backups {
    /// An agent says how the backups of a volume are.
    pub fn hear(&self, volume: &VolumeId, backup: &BackupReport) {
        match backup.failure {
            Some(_) => self.0.lock().insert(volume.clone()),
            None => self.0.lock().remove(volume),
        };
    }

    /// A volume is gone.
    pub fn forget(&self, volume: &VolumeId) {
        self.0.lock().remove(volume);
    }

    /// How many have failed.
    pub fn failed(&self) -> usize {
        self.0.lock().len()
    }
}
