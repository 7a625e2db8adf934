//! Who waits for changes of an account's volumes in a Region hears of those, and of no others.

use std::{
    collections::HashMap,
    fmt,
    sync::atomic::{AtomicBool, Ordering},
};

use keyward_store::{node::Invalidate, path::Split};
use keyward_types::{account::AccountId, region::Region};
use parking_lot::Mutex;
use tokio::sync::watch;

/// Tells of changes of volumes, and of the agents that store them.
#[derive(Default)]
pub(crate) struct VolumeChanges {
    /// Whether anybody may listen: without, a change takes no lock.
    heard: AtomicBool,
    /// By `PARTITION/ACCOUNT/REGION`.
    listeners: Mutex<HashMap<Box<str>, watch::Sender<()>>>,
}

impl VolumeChanges {
    /// Tells of every change from now on, after this node's caches have applied it.
    pub fn listen(&self, region: Region, account: AccountId) -> watch::Receiver<()> {
        let partition = region.partition();
        let home = format!("{partition}/{account}/{region}").into_boxed_str();
        let mut listeners = self.listeners.lock();
        listeners.retain(|_, sender| sender.receiver_count() > 0);
        self.heard.store(true, Ordering::SeqCst);
        let sender = listeners.entry(home);
        sender.or_insert_with(|| watch::Sender::new(())).subscribe()
    }
}

impl Invalidate for VolumeChanges {
    fn changed(&self, path: &Split<'_>) {
        if !self.heard.load(Ordering::SeqCst)
            || path.with("volume", 3).is_none() && path.with("agent", 3).is_none()
        {
            return;
        }
        if let Some(home) = path.first(3)
            && let Some(sender) = self.listeners.lock().get(home)
        {
            sender.send_replace(());
        }
    }

    fn clear(&self) {
        for sender in self.listeners.lock().values() {
            sender.send_replace(());
        }
    }
}

impl fmt::Debug for VolumeChanges {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("VolumeChanges").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use keyward_store::path::Path;
    use keyward_types::storage::VolumeId;

    use super::*;
    use crate::directory::paths;

    #[test]
    fn who_waits_hears_of_the_volumes_of_its_account_and_region_alone() {
        let place = |region: &str, account: &str| {
            let region = Region::parse(region).unwrap();
            (region, AccountId::parse(account).unwrap())
        };
        let here = place("us-east-1", "111122223333");
        let volume = |(region, account): (Region, AccountId)| {
            paths::volume(region, account, &VolumeId::parse("fs-1").unwrap())
        };
        let changes = VolumeChanges::default();
        changes.changed(&volume(here).split());
        let mut heard = changes.listen(here.0, here.1);
        let mut hears = |path: &Path| {
            heard.borrow_and_update();
            changes.changed(&path.split());
            heard.has_changed().unwrap()
        };
        assert!(hears(&volume(here)));
        for other in [
            volume(place("eu-west-1", "111122223333")),
            volume(place("us-east-1", "444455556666")),
            paths::of_kind(here.0, here.1, "file-system", "fs-1").unwrap(),
        ] {
            assert!(!hears(&other), "{other:?}");
        }
        heard.borrow_and_update();
        changes.clear();
        assert!(heard.has_changed().unwrap());
        // Places without listeners are forgotten.
        drop(heard);
        let elsewhere = place("eu-west-1", "444455556666");
        let _heard = changes.listen(elsewhere.0, elsewhere.1);
        assert_eq!(changes.listeners.lock().len(), 1);
    }
}
