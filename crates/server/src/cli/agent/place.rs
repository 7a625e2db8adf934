//! Where an agent makes backups, and when: flags of the commands that run one.

use std::{
    ffi::OsString,
    path::{PathBuf, absolute},
};

use anyhow::anyhow;
use clap::Args;
use keyward_agent::{
    backup::{Schedule, USUAL_DAYS, USUAL_HOUR},
    layout::Layout,
};
use keyward_client::hosts::Plaintext;
use keyward_copies::BucketOptions;

use keyward_host::host::Backups;

/// What the help of those commands says of the environment.
pub const OF_BUCKETS: &str = "\
For --backup-to, the environment variables and profiles of the AWS CLI say where a bucket is and
  who asks for it. AWS_ENDPOINT_URL would be a bucket's, too: if it is the server's, use
  AWS_ENDPOINT_URL_S3 or --backup-endpoint-url.";

// Where backups are made, and when.
#[derive(Clone, Debug, Args)]
pub struct BackupArgs {
    /// Where backups of file systems are made whose backup policy is enabled: a directory that exists, or
    /// s3://BUCKET/PREFIX. See docs/file-systems.md
    #[arg(long, value_name = "PLACE")]
    backup_to: Option<String>,
    /// The URL of the service that has the bucket [default: AWS_ENDPOINT_URL_S3, or that of Amazon S3 in the Region]
    #[arg(long, value_name = "URL", requires = "backup_to")]
    backup_endpoint_url: Option<String>,
    /// The Region of the bucket [default: AWS_REGION]
    #[arg(long, value_name = "REGION", requires = "backup_to")]
    backup_region: Option<String>,
    /// Ask a service of buckets on another machine by a URL that begins with http://: what is sent is not encrypted on
    /// the network, apart from what is encrypted in the file systems
    #[arg(long, requires = "backup_to")]
    backup_danger_plaintext: bool,
    /// A directory with room for a copy of a file system, which is made before it is sent [default: backups/copies in the
    /// state directory]
    #[arg(long, value_name = "DIR", requires = "backup_to")]
    backup_work_dir: Option<PathBuf>,
    /// The hour of the day at which backups are made, in UTC
    #[arg(long, value_name = "HOUR", requires = "backup_to", default_value_t = USUAL_HOUR, value_parser = clap::value_parser!(u8).range(0..=23))]
    backup_hour: u8,
    /// How many days a backup is kept
    #[arg(long, value_name = "DAYS", requires = "backup_to", default_value_t = USUAL_DAYS, value_parser = clap::value_parser!(u16).range(1..=36500))]
    backup_days: u16,
}

impl BackupArgs {
    /// Whether there is a place.
    pub const fn is_given(&self) -> bool {
        self.backup_to.is_some()
    }

    /// The flags that say the same, for another process of the same working directory.
    pub fn arguments(&self) -> Vec<OsString> {
        let Some(to) = &self.backup_to else {
            return Vec::new();
        };
        let flag = |name: &str, value: &str| OsString::from(format!("{name}={value}"));
        let mut all = vec![
            flag("--backup-to", to),
            flag("--backup-hour", &self.backup_hour.to_string()),
            flag("--backup-days", &self.backup_days.to_string()),
        ];
        let named = [
            ("--backup-endpoint-url", &self.backup_endpoint_url),
            ("--backup-region", &self.backup_region),
        ];
        for (name, value) in named {
            all.extend(value.iter().map(|value| flag(name, value)));
        }
        if self.backup_danger_plaintext {
            all.push("--backup-danger-plaintext".into());
        }
        if let Some(work) = &self.backup_work_dir {
            all.extend(["--backup-work-dir".into(), work.into()]);
        }
        all
    }

    /// What they say; none if there is no place.
    ///
    /// # Errors
    /// When a path is none.
    pub fn backups(self, layout: &Layout) -> anyhow::Result<Option<Backups>> {
        let Some(to) = self.backup_to else {
            return Ok(None);
        };
        let work = match self.backup_work_dir {
            Some(work) => absolute(work)?,
            None => layout.backup_work(),
        };
        let to = match to.starts_with("s3://") {
            true => to,
            false => absolute(to)?
                .into_os_string()
                .into_string()
                .map_err(|_| anyhow!("the path of the directory for backups is not UTF-8"))?,
        };
        Ok(Some(Backups {
            to,
            bucket: BucketOptions {
                endpoint_url: self.backup_endpoint_url,
                region: self.backup_region,
                plaintext: Plaintext::everywhere_if(self.backup_danger_plaintext),
                ..BucketOptions::default()
            },
            work,
            schedule: Schedule {
                hour: self.backup_hour,
                days: self.backup_days,
            },
        }))
    }
}
