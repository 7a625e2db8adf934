//! The volumes that cannot be used, as their agents have said since this server has started, for its metrics.

use std::collections::BTreeSet;

use keyward_engine::directory::records::storage::{VolumeRecord, VolumeState, Wanted};
use keyward_types::storage::VolumeId;
use parking_lot::Mutex;

/// Those that cannot be used although they are to be there: cut off, damaged, or not made yet.
#[derive(Debug, Default)]
pub struct FailedVolumes(Mutex<BTreeSet<VolumeId>>);

impl FailedVolumes {
    /// What is kept of a volume is this now.
    pub fn hear(&self, volume: &VolumeRecord) {
        let reported = volume.reported.as_ref();
        let has_failed = volume.wanted == Wanted::Present
            && reported.is_some_and(|reported| reported.state == VolumeState::Failed);
        match has_failed {
            true => self.0.lock().insert(volume.id.clone()),
            false => self.0.lock().remove(&volume.id),
        };
    }

    /// A volume is gone.
    pub fn forget(&self, volume: &VolumeId) {
        self.0.lock().remove(volume);
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        self.0.lock().len()
    }
}
