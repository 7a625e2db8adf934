//! Where copies are.

use std::{
    fmt,
    path::{Path, PathBuf},
};

use crate::{Error, directory::Directory, objects::Objects};

/// A directory or a bucket.
pub struct Place(Box<dyn Objects>);

/// How the path of a bucket begins.
const BUCKET: &str = "s3://";

/// Where a bucket is and who asks, as far as that is not as the environment says. Nothing of it is secret.
#[derive(Clone, Debug, Default)]
pub struct BucketOptions {
    /// The URL of the service that has it.
    pub endpoint_url: Option<String>,
    /// Its Region.
    pub region: Option<String>,
    /// The profile whose access key is used.
    pub profile: Option<String>,
    /// A file of certificates to trust in addition to the system's.
    pub ca_file: Option<PathBuf>,
}

impl Place {
    /// The place that a text names: the path of a directory that exists, or `s3://BUCKET/PREFIX`.
    ///
    /// # Errors
    /// When it names none, or the place cannot be used.
    pub fn parse(text: &str, _bucket: &BucketOptions) -> Result<Self, Error> {
        if text.starts_with(BUCKET) {
            return Err(Error::Place {
                place: text.to_owned(),
                why: "this release knows no buckets",
            });
        }
        if text.is_empty() {
            return Err(Error::Place {
                place: String::new(),
                why: "name a directory, or a bucket as s3://BUCKET/PREFIX",
            });
        }
        Ok(Self(Box::new(Directory::open(Path::new(text))?)))
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
