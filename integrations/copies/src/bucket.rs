//! A bucket as a place.

use std::fs::File;

use keyward_client::bucket::{self, Options};

use crate::{
    Error,
    name::VolumeName,
    objects::{Each, Key, Objects},
};

/// The longest prefix, in bytes.
const MAX_PREFIX: usize = 512;

/// Objects whose names begin with a prefix.
#[derive(Debug)]
pub(crate) struct Bucket {
    bucket: bucket::Bucket,
    /// Empty, or with a `/` at its end.
    prefix: String,
    shown: String,
}

impl Bucket {
    /// The bucket that a text names, `BUCKET` or `BUCKET/PREFIX`.
    pub(crate) fn new(text: &str, options: &Options) -> Result<Self, Error> {
        let shown = format!("s3://{}", text.trim_end_matches('/'));
        let (name, prefix) = text.split_once('/').unwrap_or((text, ""));
        let prefix = prefix.trim_end_matches('/');
        let is_plain = |part: &str| {
            let mut bytes = part.bytes();
            !part.trim_start_matches('.').is_empty()
                && bytes.all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte))
        };
        let is_prefix = prefix.is_empty() || prefix.split('/').all(is_plain);
        if !is_prefix || prefix.len() > MAX_PREFIX {
            return Err(Error::Place {
                place: shown.escape_debug().to_string(),
                why: "the parts of the prefix, which `/` separates, have letters, digits, `.`, `_` and `-`, at most 512 together",
            });
        }
        let bucket = bucket::Bucket::new(name, options).map_err(Error::bucket)?;
        let prefix = match prefix {
            "" => String::new(),
            prefix => format!("{prefix}/"),
        };
        Ok(Self {
            bucket,
            prefix,
            shown,
        })
    }

    fn name(&self, key: &Key) -> String {
        format!("{}{key}", self.prefix)
    }
}

impl Objects for Bucket {
    fn shown(&self) -> String {
        self.shown.clone()
    }

    fn whole(&self, key: &Key) -> String {
        format!("{}/{key}", self.shown)
    }

    fn put(&self, key: &Key, bytes: Vec<u8>) -> Result<(), Error> {
        let put = self.bucket.put(&self.name(key), bytes);
        put.map_err(Error::bucket)
    }

    fn get(&self, key: &Key, limit: u64) -> Result<Option<Vec<u8>>, Error> {
        let got = self.bucket.get(&self.name(key), limit);
        got.map_err(Error::bucket)
    }

    fn list(&self, folders: &[&str], each: Each<'_>) -> Result<(), Error> {
        let prefix = format!("{}{}/", self.prefix, folders.join("/"));
        self.bucket.list(&prefix, &mut |name, bytes| {
            let below = name.strip_prefix(&prefix);
            match below.and_then(|below| below.split_once('/')) {
                Some((first, second)) if !second.contains('/') => each([first, second], bytes),
                // What has another name is not ours.
                _ => Ok(()),
            }
        })
    }

    fn remove(&self, key: &Key) -> Result<(), Error> {
        let removed = self.bucket.remove(&self.name(key));
        removed.map_err(Error::bucket)
    }

    fn settle(&self) -> Result<(), Error> {
        // What was answered is durable.
        Ok(())
    }

    fn lock(&self, _: &VolumeName) -> Result<Option<File>, Error> {
        // A bucket cannot: `docs/volumes.md` says what must not be done at once.
        Ok(None)
    }
}
