//! A power cut: every file holds what it held when it was last synced, and only names that were
//! synced are there.

use std::{collections::BTreeSet, os::unix::fs::MetadataExt as _, path::Path};

use super::*;

/// What was answered.
#[derive(Default)]
struct Answered {
    /// Keys that were made.
    keys: Vec<String>,
    /// Encryptions, by the number in their context.
    encryptions: Vec<u32>,
}

impl World {
    fn that_loses_power(config: &str) -> Self {
        let disk = Disk::new();
        fs::create_dir(disk.path("disk")).unwrap();
        Self::on(disk, config)
    }

    /// Makes a key and encrypts a few times.
    fn work(&mut self, answered: &mut Answered) {
        let made = self.call("CreateKey", &json!({})).unwrap();
        let key = made["KeyMetadata"]["KeyId"].as_str().unwrap().to_owned();
        for _ in 0..10 {
            let number = u32::try_from(answered.encryptions.len()).unwrap();
            let context = json!({"number": number.to_string()});
            let text = base64("x");
            let encrypt = json!({"KeyId": key, "Plaintext": text, "EncryptionContext": context});
            self.call("Encrypt", &encrypt).unwrap();
            answered.encryptions.push(number);
        }
        answered.keys.push(key);
    }

    /// Cuts the power and starts again: it must start, and have every key.
    fn cut_power(&mut self, answered: &Answered) {
        let disk = &self.disk;
        let command = &mut disk.command();
        (self.server).restart_after(command, |folder| disk.leave_what_was_synced(folder));
        self.connection = self.server.connect();
        for key in &answered.keys {
            self.call("DescribeKey", &json!({"KeyId": key})).unwrap();
        }
    }

    fn trail(&self) -> String {
        let path = self.server.data_dir().join("audit/trail-00000001.jsonl");
        fs::read_to_string(path).unwrap()
    }

    /// Keys whose creation is not on the trail.
    fn changes_lost(&self, answered: &Answered) -> usize {
        let trail = self.trail();
        let made: BTreeSet<&str> = (trail.lines())
            .filter(|line| line.contains("\"eventName\":\"CreateKey\""))
            .filter_map(|line| line.split("\"keyId\":\"").nth(1)?.split('"').next())
            .collect();
        let lost = answered
            .keys
            .iter()
            .filter(|key| !made.contains(key.as_str()));
        lost.count()
    }

    /// Encryptions that are not on the trail.
    fn encryptions_lost(&self, answered: &Answered) -> Vec<u32> {
        let trail = self.trail();
        let is_lost = |number: &u32| !trail.contains(&format!("{{\"number\":\"{number}\"}}"));
        let numbers = answered.encryptions.iter().copied();
        numbers.filter(is_lost).collect()
    }
}

impl Disk {
    fn leave_what_was_synced(&self, folder: &Path) {
        let kept = |path: &Path| {
            let inode = fs::metadata(path).unwrap().ino();
            self.path("disk").join(inode.to_string())
        };
        let Ok(names) = fs::read_to_string(kept(folder)) else {
            return fs::remove_dir_all(folder).unwrap();
        };
        let names: BTreeSet<&str> = names.lines().collect();
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_str().unwrap();
            if path.is_dir() {
                self.leave_what_was_synced(&path);
            } else if names.contains(name) {
                // What was never synced is empty.
                let content = fs::read(kept(&path)).unwrap_or_default();
                fs::write(&path, content).unwrap();
            } else {
                fs::remove_file(&path).unwrap();
            }
        }
    }
}

#[test]
fn with_a_strict_trail_a_power_cut_takes_nothing_that_was_answered() {
    let mut world = World::that_loses_power(STRICT);
    let mut answered = Answered::default();
    for _ in 0..4 {
        world.work(&mut answered);
        world.cut_power(&answered);
        assert_eq!(world.encryptions_lost(&answered), [] as [u32; 0]);
    }
    world.settle();
    assert_eq!(world.changes_lost(&answered), 0);
    world.verify_trail();
}

#[test]
fn a_power_cut_takes_the_last_events_that_changed_nothing_and_no_others() {
    let mut world = World::that_loses_power("");
    let mut answered = Answered::default();
    // What reached the disk before the last work begins stays.
    let mut safe = 0;
    for _ in 0..4 {
        world.work(&mut answered);
        world.cut_power(&answered);
        let lost = world.encryptions_lost(&answered);
        // The last ones of this round, without a gap.
        let end = u32::try_from(answered.encryptions.len()).unwrap();
        let first = lost.first().copied().unwrap_or(end);
        assert_eq!(lost, (first..end).collect::<Vec<_>>());
        assert!(first >= safe, "{first} was on disk");
        answered
            .encryptions
            .truncate(usize::try_from(first).unwrap());
        world.settle();
        safe = u32::try_from(answered.encryptions.len()).unwrap();
    }
    assert_eq!(world.changes_lost(&answered), 0);
    world.verify_trail();
}

impl World {
    /// Waits until the store knows that the trail is on disk as far as it is now. The first sync of
    /// the store's log may belong to an earlier part of the trail; the second does not.
    fn settle(&mut self) {
        let log = "store.db-wal";
        let before = self.disk.synced(log);
        while self.disk.synced(log) < before + 2 {
            self.call("ListKeys", &json!({})).unwrap();
            std::thread::sleep(std::time::Duration::from_millis(50));
        }
    }
}
