//! What commands have done by the process of an attached volume while it goes on serving.

use std::{
    fs::File,
    sync::{Arc, mpsc::Sender},
};

use anyhow::{Context as _, anyhow, bail};
use keyward_crypto::secret::{SecretBytes, arena::Arena};
use keyward_volume::{
    Copy, KeyInfo, Volume,
    disk::{Disk, FileDisk},
};
use parking_lot::Mutex;
use serde_json::{Value, json};

use super::Event;
use crate::{
    control::{Asked, Request},
    image::{copy, decrypt, parse_id},
    key::{Pending, Wrapped},
    kms::Kms,
    source::KeySource,
    state::States,
};

/// What a request needs.
pub struct Job {
    pub volume: Arc<Volume>,
    pub arena: Arena,
    /// Held while what is said about the data key is read and changed.
    pub changes: Arc<Mutex<()>>,
    pub source: KeySource,
    pub states: States,
    pub events: Sender<Event>,
}

impl Job {
    /// Does what is asked, and replies.
    pub fn run(&self, mut asked: Asked) {
        let result = match asked.request.clone() {
            Request::Check => self.check(&mut asked),
            Request::Grow { size } => self.grow(size),
            Request::Grown => self.grown(),
            Request::Rekey { key } => self.rekey(&key),
            Request::Snapshot {
                to,
                volume,
                key,
                is_new,
                assigned,
            } => self.snapshot((&to, &volume), (&key, is_new, assigned)),
            Request::BackUp => self.back_up(asked.file.take()),
            Request::Finish | Request::CutOff | Request::Recheck | Request::Answer => {
                Err(anyhow!("that is not for this thread"))
            }
        };
        asked.reply(result);
    }

    fn check(&self, asked: &mut Asked) -> anyhow::Result<Value> {
        let report = self
            .volume
            .check(&mut |done, total| asked.progress(done, total))?;
        Ok(serde_json::to_value(crate::report::Report::new(&report))?)
    }

    fn grow(&self, size: u64) -> anyhow::Result<Value> {
        self.volume.grow(size)?;
        // If nobody comes to grow the file system, the next attaching does.
        self.change(|key| {
            Pending::Grow.add(key);
            Ok(())
        })
    }

    fn grown(&self) -> anyhow::Result<Value> {
        self.change(|key| {
            Pending::Grow.remove(key);
            Ok(())
        })
    }

    fn rekey(&self, wrapped: &Wrapped) -> anyhow::Result<Value> {
        self.change(|key| {
            let new = wrapped.info(&key.labels)?;
            // Who attached it asks about the key that is known to them, and would not about another.
            if new.context != key.context {
                bail!("the volume is attached by an agent, as a file system of EFS: its data key stays as it is");
            }
            *key = new;
            self.must_be_the_same(key, self.source.clone()).map(drop)
        })
    }

    /// Changes what is said about the data key.
    fn change(
        &self,
        change: impl FnOnce(&mut KeyInfo) -> anyhow::Result<()>,
    ) -> anyhow::Result<Value> {
        let _alone = self.changes.lock();
        let mut key = self.volume.key_info();
        change(&mut key)?;
        let generation = self.volume.rekey(key.clone())?;
        let _ = self.events.send(Event::Rekeyed(key));
        Ok(json!({ "generation": generation }))
    }

    fn snapshot(
        &self,
        (to, volume): (&std::path::Path, &str),
        (wrapped, is_new, assigned): (&Wrapped, bool, Option<String>),
    ) -> anyhow::Result<Value> {
        let key = wrapped.info(&self.volume.key_info().labels)?;
        let source = self.source.of_copy(assigned, &key)?;
        let data_key = match is_new {
            true => decrypt(&Kms::with_resolver(source)?, &key)?,
            false => self.must_be_the_same(&key, source)?,
        };
        let made = Copy {
            volume_id: parse_id(volume).context("the copy's id is none")?,
            key,
            data_key: is_new.then_some(&data_key),
            arena: &self.arena,
        };
        copy(&self.volume, (to, &made), (&self.states, &data_key))?;
        Ok(Value::Null)
    }

    fn back_up(&self, to: Option<File>) -> anyhow::Result<Value> {
        let to = to.context("no file was handed over, or this process has too many open files")?;
        let disk: Arc<dyn Disk> = Arc::new(FileDisk::of(to)?);
        self.volume.back_up_to(&disk)?;
        Ok(Value::Null)
    }

    /// The data key, unless this process cannot unwrap it, or it is another one.
    fn must_be_the_same(&self, key: &KeyInfo, source: KeySource) -> anyhow::Result<SecretBytes> {
        // Within a job, where nothing may panic for want of a thread.
        let data_key = decrypt(&Kms::with_resolver(source)?, key)
            .context("the volume's process, with its own credentials, could not use it")?;
        if !self.volume.has_data_key(&data_key, &self.arena)? {
            bail!("that is not the volume's data key");
        }
        Ok(data_key)
    }
}
