//! What the commands share that work with copies.

use std::path::PathBuf;

use anyhow::{Context as _, bail};
use clap::Args;
use keyward_copies::{BucketOptions, CopyName, Manifest, Place, list, newest};
use keyward_keeper::units::show_size;

/// What stands for a stream.
pub const STREAM: &str = "-";

/// The end of the help of commands that work with copies.
pub const BUCKETS: &str = "\
Places:
  A directory that exists, or s3://BUCKET/PREFIX: a bucket of Amazon S3, or of another service that
  understands its requests. Credentials, Region and URL of a bucket are found as the AWS CLI finds
  them, in AWS_ENDPOINT_URL_S3 or AWS_ENDPOINT_URL, AWS_REGION or AWS_DEFAULT_REGION,
  AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and AWS_SESSION_TOKEN, or in the profile that AWS_PROFILE
  names. AWS_CA_BUNDLE is a file of certificates to trust, as --ca-file is. No KMS is asked.";

// Where a bucket is, and who asks.
#[derive(Clone, Debug, Args)]
pub struct Bucket {
    /// The URL of the service that has the bucket [default: AWS_ENDPOINT_URL_S3, AWS_ENDPOINT_URL, or that of
    /// Amazon S3 in the Region]
    #[arg(long, value_name = "URL")]
    endpoint_url: Option<String>,
    /// The Region of the bucket [default: AWS_REGION]
    #[arg(long, value_name = "REGION")]
    region: Option<String>,
    /// A profile of the AWS CLI, whose access key is used for the bucket [default: AWS_PROFILE]
    #[arg(long, value_name = "NAME")]
    profile: Option<String>,
    /// A file of certificates to trust in addition to the system's (PEM): of authorities, or the
    /// service's own [default: AWS_CA_BUNDLE]
    #[arg(long, value_name = "FILE")]
    ca_file: Option<PathBuf>,
}

impl Bucket {
    /// The place that a text names.
    pub fn place(self, text: &str) -> anyhow::Result<Place> {
        let options = BucketOptions {
            endpoint_url: self.endpoint_url,
            region: self.region,
            profile: self.profile,
            ca_file: self.ca_file,
        };
        Ok(Place::parse(text, &options)?)
    }
}

/// The copy that is meant: the one of that name, the last one of a volume, or the last one at all if all copies are of
/// one volume. Names that are times are in their order.
pub fn choose(place: &Place, given: Option<&str>) -> anyhow::Result<CopyName> {
    if let Some(given) = given.filter(|given| given.contains('/')) {
        return Ok(CopyName::parse(given)?);
    }
    let mut copies = list(place)?;
    copies.retain(|copy| given.is_none_or(|given| copy.volume().as_str() == given));
    let Some(last) = copies.last() else {
        match given {
            Some(given) => bail!(
                "there is no copy of `{given}` in {place}: `keyward volume copies {place}` lists what there is"
            ),
            None => bail!("there is no copy in {place}"),
        }
    };
    if copies.iter().any(|copy| copy.volume() != last.volume()) {
        bail!(
            "{place} has copies of several volumes: choose one with --name VOLUME or --name VOLUME/NAME; `keyward volume copies {place}` lists them"
        );
    }
    newest(&copies).cloned().with_context(|| {
        format!(
            "not all copies of {} in {place} have names that end with their time, so that it is not known which is the last: choose one with --name VOLUME/NAME; `keyward volume copies {place}` lists them",
            last.volume()
        )
    })
}

/// The sizes of a copy.
pub fn sizes(manifest: &Manifest) -> String {
    let chunks = manifest.chunks().len();
    let plural = if chunks == 1 { "" } else { "s" };
    format!(
        "{} in {chunks} chunk{plural}",
        show_size(manifest.stored_bytes())
    )
}
