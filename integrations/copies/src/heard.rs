//! A place of which somebody wants to know that it answers.

use std::{fmt, fs::File};

use crate::{
    Error,
    name::VolumeName,
    objects::{Each, Key, Objects},
};

/// Is told of each answer.
pub(crate) type OnAnswer = Box<dyn Fn() + Send + Sync>;

/// The place, and who is told.
pub(crate) struct Heard {
    inner: Box<dyn Objects>,
    told: OnAnswer,
}

impl Heard {
    pub(crate) fn new(inner: Box<dyn Objects>, told: OnAnswer) -> Self {
        Self { inner, told }
    }

    fn answered<T>(&self, answer: Result<T, Error>) -> Result<T, Error> {
        // What fails may have taken long, and is told by its error.
        if answer.is_ok() {
            (self.told)();
        }
        answer
    }
}

impl fmt::Debug for Heard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.inner.fmt(f)
    }
}

impl Objects for Heard {
    fn shown(&self) -> String {
        self.inner.shown()
    }

    fn whole(&self, key: &Key) -> String {
        self.inner.whole(key)
    }

    fn put(&self, key: &Key, bytes: Vec<u8>) -> Result<(), Error> {
        self.answered(self.inner.put(key, bytes))
    }

    fn get(&self, key: &Key, limit: u64) -> Result<Option<Vec<u8>>, Error> {
        self.answered(self.inner.get(key, limit))
    }

    fn list(&self, folders: &[&str], each: Each<'_>) -> Result<(), Error> {
        let listed = self.inner.list(folders, &mut |names, bytes| {
            (self.told)();
            each(names, bytes)
        });
        self.answered(listed)
    }

    fn remove(&self, key: &Key) -> Result<(), Error> {
        self.answered(self.inner.remove(key))
    }

    fn settle(&self) -> Result<(), Error> {
        self.answered(self.inner.settle())
    }

    fn lock(&self, volume: &VolumeName) -> Result<Option<File>, Error> {
        self.answered(self.inner.lock(volume))
    }
}
