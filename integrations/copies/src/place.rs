//! Where copies are.

use std::{fmt, path::Path};

use keyward_client::bucket::Options;

use crate::{Error, bucket::Bucket, directory::Directory, heard::Heard, objects::Objects};

/// A directory or a bucket.
pub struct Place(Box<dyn Objects>);

/// How the path of a bucket begins.
const BUCKET: &str = "s3://";

impl Place {
    /// The place that a text names: the path of a directory that exists, or `s3://BUCKET/PREFIX`.
    ///
    /// # Errors
    /// When it names none, or the place cannot be used.
    pub fn parse(text: &str, bucket: &Options) -> Result<Self, Error> {
        if let Some(name) = text.strip_prefix(BUCKET) {
            return Ok(Self(Box::new(Bucket::new(name, bucket)?)));
        }
        if text.is_empty() {
            return Err(Error::Place {
                place: String::new(),
                why: "name a directory, or a bucket as s3://BUCKET/PREFIX",
            });
        }
        Ok(Self(Box::new(Directory::open(Path::new(text))?)))
    }

    /// The same place; `told` is called whenever it has answered something, by any thread.
    #[must_use]
    pub fn heard(self, told: impl Fn() + Send + Sync + 'static) -> Self {
        Self(Box::new(Heard::new(self.0, Box::new(told))))
    }

    pub(crate) fn objects(&self) -> &dyn Objects {
        &*self.0
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.shown())
    }
}

impl fmt::Debug for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Place").field(&self.0.shown()).finish()
    }
}
