//! A machine in memory. Each of its operations can stop, before or after it has had its effect, and the program with it.

use std::{
    cell::{Cell, RefCell},
    collections::BTreeMap,
};

use keyward_agent::{
    local::{Local, Runs},
    note::Note,
    steps::{How, Machine},
    wanted::Wanted,
};
use keyward_types::storage::VolumeId;

/// An image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Image {
    /// As its note calls it.
    pub name: String,
    /// Whether it has a file system.
    pub formatted: bool,
    /// What somebody has written to it.
    pub data: Option<u32>,
}

/// The machine.
#[derive(Debug, Default)]
pub struct Simulated {
    pub notes: RefCell<BTreeMap<VolumeId, Note>>,
    pub images: RefCell<BTreeMap<VolumeId, Image>>,
    /// What runs, by volume, and for which image.
    pub runs: RefCell<BTreeMap<VolumeId, (String, Runs)>>,
    /// The volumes whose key may not be used.
    pub locked: RefCell<Vec<VolumeId>>,
    /// How many operations are left until one stops, and whether it has its effect.
    pub fuse: Cell<Option<(u32, bool)>>,
    names: Cell<u32>,
}

/// An operation has stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stopped;

impl Simulated {
    /// Has an effect, unless the fuse has burnt down.
    fn operation(&self, effect: impl FnOnce() -> Result<(), Stopped>) -> Result<(), Stopped> {
        match self.fuse.get() {
            Some((0, has_effect)) => {
                if has_effect {
                    effect()?;
                }
                Err(Stopped)
            }
            Some((left, has_effect)) => {
                self.fuse.set(Some((left - 1, has_effect)));
                effect()
            }
            None => effect(),
        }
    }

    fn is_locked(&self, volume: &VolumeId) -> bool {
        self.locked.borrow().contains(volume)
    }

    fn run(&self, note: &Note) -> Result<(), Stopped> {
        if note.encrypted && self.is_locked(&note.volume) {
            return Err(Stopped);
        }
        let running = (note.image.clone(), Runs::Mounted);
        self.runs.borrow_mut().insert(note.volume.clone(), running);
        Ok(())
    }

    /// What an agent sees of a volume.
    pub fn look(&self, volume: &VolumeId) -> Local {
        let note = self.notes.borrow().get(volume).cloned();
        let runs = self.runs.borrow().get(volume).cloned();
        let runs = runs.filter(|(image, _)| note.as_ref().is_some_and(|note| note.image == *image));
        Local {
            generation: note.as_ref().map_or(0, |note| note.generation),
            encrypted: note.as_ref().is_some_and(|note| note.encrypted),
            size: note.as_ref().and_then(|note| note.size),
            stage: note.map(|note| note.stage),
            runs: runs.map_or(Runs::Nothing, |(_, runs)| runs),
            ..Local::default()
        }
    }

    /// A volume's own process does what it does by itself: it cuts off, and comes back.
    pub fn processes(&self) {
        for (volume, (_, runs)) in self.runs.borrow_mut().iter_mut() {
            let encrypted = self
                .notes
                .borrow()
                .get(volume)
                .is_some_and(|note| note.encrypted);
            match runs {
                Runs::Mounted if encrypted && self.is_locked(volume) => {
                    *runs = Runs::CutOff("it is disabled".to_owned());
                }
                Runs::CutOff(_) if !self.is_locked(volume) => *runs = Runs::Mounted,
                _ => {}
            }
        }
    }

    /// A volume's process is killed.
    pub fn kill(&self, volume: &VolumeId) {
        if let Some((_, runs)) = self.runs.borrow_mut().get_mut(volume) {
            *runs = Runs::Remains;
        }
    }

    /// Nothing of a volume is found any more after a start of the machine.
    pub fn lose(&self, volume: &VolumeId) {
        self.runs.borrow_mut().remove(volume);
        self.notes.borrow_mut().remove(volume);
        self.images.borrow_mut().remove(volume);
    }

    /// Somebody writes to a volume that is mounted.
    pub fn write_data(&self, volume: &VolumeId, data: u32) -> bool {
        let mounted = self.look(volume).runs == Runs::Mounted;
        if let Some(image) = self.images.borrow_mut().get_mut(volume)
            && mounted
        {
            image.data = Some(data);
            return true;
        }
        false
    }
}

impl Machine for Simulated {
    type Error = Stopped;

    fn new_image(&self) -> String {
        self.names.set(self.names.get() + 1);
        format!("{:032x}", self.names.get())
    }

    fn grow(&self, _note: &Note, size: u64) -> Result<u64, Stopped> {
        self.operation(|| Ok(()))?;
        Ok(size)
    }

    fn size(&self, _wanted: &Wanted) -> u64 {
        1 << 30
    }

    fn write(&self, note: &Note) -> Result<(), Stopped> {
        self.operation(|| {
            let mut notes = self.notes.borrow_mut();
            notes.insert(note.volume.clone(), note.clone());
            Ok(())
        })
    }

    fn forget(&self, volume: &VolumeId) -> Result<(), Stopped> {
        self.operation(|| {
            self.notes.borrow_mut().remove(volume);
            Ok(())
        })
    }

    fn make(&self, note: &Note, _wanted: &Wanted) -> Result<(), Stopped> {
        self.operation(|| {
            let mut images = self.images.borrow_mut();
            assert!(
                !images.contains_key(&note.volume),
                "an image is overwritten"
            );
            let image = Image {
                name: note.image.clone(),
                formatted: false,
                data: None,
            };
            images.insert(note.volume.clone(), image);
            Ok(())
        })?;
        self.operation(|| {
            let mut images = self.images.borrow_mut();
            let image = images.get_mut(&note.volume).expect("it is there");
            assert!(!image.formatted, "it is formatted twice");
            image.formatted = true;
            Ok(())
        })?;
        self.operation(|| self.run(note))
    }

    fn copy(&self, note: &Note, _wanted: &Wanted) -> Result<u64, Stopped> {
        self.operation(|| {
            let mut images = self.images.borrow_mut();
            assert!(
                !images.contains_key(&note.volume),
                "an image is overwritten"
            );
            let image = Image {
                name: note.image.clone(),
                formatted: true,
                data: None,
            };
            images.insert(note.volume.clone(), image);
            Ok(())
        })?;
        Ok(1 << 30)
    }

    fn attach(&self, note: &Note, _wanted: &Wanted) -> Result<(), Stopped> {
        let image = self.images.borrow().get(&note.volume).cloned();
        let image = image.expect("an image that was made is there");
        assert_eq!(image.name, note.image);
        assert!(image.formatted, "what was made has a file system");
        let runs = self.look(&note.volume).runs;
        assert_ne!(runs, Runs::Remains, "what is left is readable meanwhile");
        self.operation(|| self.run(note))
    }

    fn end(&self, note: &Note, _how: How) -> Result<(), Stopped> {
        self.operation(|| {
            self.runs.borrow_mut().remove(&note.volume);
            Ok(())
        })
    }

    fn destroy(&self, note: &Note) -> Result<(), Stopped> {
        assert!(
            !self.runs.borrow().contains_key(&note.volume),
            "an image in use is destroyed"
        );
        self.operation(|| {
            self.images.borrow_mut().remove(&note.volume);
            Ok(())
        })
    }
}
