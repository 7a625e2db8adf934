//! What the commands share that work with copies.

use std::path::PathBuf;

use clap::Args;
use keyward_client::hosts::Plaintext;
use keyward_copies::{BucketOptions, Manifest, Place};
use keyward_keeper::units::{counted, show_size};

/// What stands for a stream.
pub const STREAM: &str = "-";

/// The end of the help of commands that work with copies.
pub const BUCKETS: &str = "\
Places:
  A directory that exists, or s3://BUCKET/PREFIX: a bucket of Amazon S3, or of another service that
  understands its requests. Credentials, Region and URL of a bucket are found as the AWS CLI finds
  them, in AWS_ENDPOINT_URL_S3 or AWS_ENDPOINT_URL, AWS_REGION or AWS_DEFAULT_REGION,
  AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and AWS_SESSION_TOKEN, or in the profile that AWS_PROFILE
  names. AWS_CA_BUNDLE: the same as --ca-file. No KMS is asked.";

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
    /// Ask a service on another machine by a URL that begins with http://: what is sent and received is not
    /// encrypted on the network, apart from what is encrypted in the image
    #[arg(long)]
    danger_plaintext: bool,
}

impl Bucket {
    /// The place that a text names.
    pub fn place(self, text: &str) -> anyhow::Result<Place> {
        let options = BucketOptions {
            endpoint_url: self.endpoint_url,
            region: self.region,
            profile: self.profile,
            ca_file: self.ca_file,
            plaintext: Plaintext::everywhere_if(self.danger_plaintext),
        };
        Ok(Place::parse(text, &options)?)
    }
}

/// The sizes of a copy.
pub fn sizes(manifest: &Manifest) -> String {
    let chunks = counted(manifest.chunks().len() as u64, "chunk", "chunks");
    format!("{} in {chunks}", show_size(manifest.stored_bytes()))
}

/// The sizes of a copy, so many chunks of which were there before.
pub fn sizes_of_which(manifest: &Manifest, there: u64) -> String {
    let chunks = manifest.chunks().len() as u64;
    let of_which = match there {
        0 => String::new(),
        1 if chunks == 1 => ", which was there already".to_owned(),
        all if all == chunks => ", which were all there already".to_owned(),
        some => {
            let some = counted(some, "was", "were");
            format!(", of which {some} there already")
        }
    };
    format!("{}{of_which}", sizes(manifest))
}
