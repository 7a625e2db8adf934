//! Who waits for changes of an account's volumes in a Region hears of those, and of no others; and who waits for
//! changes of records that it names, of those.

use std::{
    collections::HashMap,
    fmt,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use keyward_store::{
    node::Invalidate,
    path::{Path, Split},
};
use keyward_types::{account::AccountId, region::Region};
use parking_lot::Mutex;
use tokio::sync::{Notify, watch};

/// Tells of changes of volumes, and of the agents that store them; and of records by their names.
#[derive(Default)]
pub(crate) struct VolumeChanges {
    /// Whether anybody may be listening: if nobody is, a change takes no lock.
    heard: AtomicBool,
    /// By `PARTITION/ACCOUNT/REGION`.
    listeners: Mutex<HashMap<Box<str>, watch::Sender<()>>>,
    /// Whether anybody may listen to a record.
    record_heard: AtomicBool,
    records: Mutex<Records>,
}

/// Who listens to which records.
#[derive(Default)]
struct Records {
    next: u64,
    /// By the whole path, each with its number.
    by_path: HashMap<Box<str>, Vec<(u64, Arc<Notify>)>>,
}

/// Hears of changes of some records, until it is dropped.
#[derive(Debug)]
pub struct RecordChanges<'c> {
    changes: &'c VolumeChanges,
    number: u64,
    paths: Vec<Path>,
    changed: Arc<Notify>,
}

impl RecordChanges<'_> {
    /// Ends when one of the records has changed since this was made, or since it ended the last time, after this
    /// node's caches have applied it.
    pub async fn changed(&self) {
        self.changed.notified().await;
    }
}

impl Drop for RecordChanges<'_> {
    fn drop(&mut self) {
        let mut records = self.changes.records.lock();
        for path in &self.paths {
            if let Some(listeners) = records.by_path.get_mut(path.as_str()) {
                listeners.retain(|(number, _)| *number != self.number);
                if listeners.is_empty() {
                    records.by_path.remove(path.as_str());
                }
            }
        }
    }
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

    /// Reports every change of these records from now on. [`is_record`] says which ones can be named.
    pub fn listen_to(&self, paths: Vec<Path>) -> RecordChanges<'_> {
        debug_assert!(paths.iter().all(|path| is_record(&path.split())));
        let changed = Arc::new(Notify::new());
        let mut records = self.records.lock();
        let number = records.next;
        records.next += 1;
        for path in &paths {
            let listeners = records.by_path.entry(path.as_str().into());
            let listener = (number, Arc::clone(&changed));
            listeners.or_default().push(listener);
        }
        self.record_heard.store(true, Ordering::SeqCst);
        drop(records);
        RecordChanges {
            changes: self,
            number,
            paths,
            changed,
        }
    }

    fn volume_changed(&self, path: &Split<'_>) {
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

    fn record_changed(&self, path: &Split<'_>) {
        if !self.record_heard.load(Ordering::SeqCst) || !is_record(path) {
            return;
        }
        let records = self.records.lock();
        for (_, listener) in records.by_path.get(path.whole()).into_iter().flatten() {
            // Kept for a listener that does not wait at the moment.
            listener.notify_one();
        }
    }
}

/// Whether it can be listened to: KMS keys, which have their policies, and grants. Nearly all other changes are
/// skipped without a lock.
fn is_record(path: &Split<'_>) -> bool {
    path.with("key", 3).is_some() || path.with("grant", 3).is_some()
}

impl Invalidate for VolumeChanges {
    fn changed(&self, path: &Split<'_>) {
        self.volume_changed(path);
        self.record_changed(path);
    }

    fn clear(&self) {
        for sender in self.listeners.lock().values() {
            sender.send_replace(());
        }
        for (_, listener) in self.records.lock().by_path.values().flatten() {
            listener.notify_one();
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
    use keyward_store::path::{Path, Segment};
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
            paths::of_kind(here.0, here.1, Segment::word("file-system"), "fs-1").unwrap(),
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

    /// Whether a listener has heard something since it was last asked.
    fn hears(listener: &RecordChanges<'_>) -> bool {
        let changed = std::pin::pin!(listener.changed());
        let mut context = std::task::Context::from_waker(std::task::Waker::noop());
        changed.poll(&mut context).is_ready()
    }

    #[test]
    fn who_names_records_hears_of_those_alone_and_misses_nothing() {
        let changes = VolumeChanges::default();
        let path = |text: &str| Path::parse(&format!("aws/111122223333/us-east-1/{text}")).unwrap();
        let (key, grant) = (path("key/one"), path("grant/one/first"));
        let listener = changes.listen_to(vec![key.clone(), grant.clone()]);
        let other = changes.listen_to(vec![grant.clone()]);
        assert!(!hears(&listener));
        for unrelated in ["key/two", "grant/one/second", "grant-entry/one/first"] {
            changes.changed(&path(unrelated).split());
            assert!(!hears(&listener), "{unrelated}");
        }
        changes.changed(&key.split());
        changes.changed(&key.split());
        assert!(hears(&listener) && !hears(&listener) && !hears(&other));
        changes.changed(&grant.split());
        assert!(hears(&listener) && hears(&other));
        changes.clear();
        assert!(hears(&listener) && hears(&other));
        drop(listener);
        drop(other);
        assert!(changes.records.lock().by_path.is_empty());
    }
}
