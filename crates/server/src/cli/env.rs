//! `keyward env`

use std::path::Path;

use anyhow::Context as _;
use clap::Args;
use zeroize::Zeroizing;

use crate::cli::Place;

/// Print shell exports that point AWS clients at this server: eval "$(keyward env --data-dir DIR)"
#[derive(Debug, Args)]
pub struct Env {
    #[command(flatten)]
    place: Place,
}

#[derive(serde::Deserialize)]
struct Environment {
    endpoint: String,
    region: String,
}

/// What points a client at the server of a data directory, as the account's root user.
pub struct Exports {
    pub endpoint: String,
    pub region: String,
    pub access_key_id: String,
    pub secret: Zeroizing<String>,
}

impl Exports {
    /// Reads it from the data directory.
    pub fn read(data_dir: &Path) -> anyhow::Result<Self> {
        let read = |name: &str| {
            let path = data_dir.join(name);
            std::fs::read_to_string(&path).with_context(|| {
                format!(
                    "{} cannot be read: was the data directory initialised?",
                    path.display()
                )
            })
        };
        let environment: Environment = toml::from_str(&read("environment.toml")?)?;
        let credentials = Zeroizing::new(read("admin-credentials")?);
        let value = |key: &str| {
            let mut lines = credentials.lines();
            lines
                .find_map(|line| line.strip_prefix(key)?.trim_start().strip_prefix('='))
                .map(str::trim)
                .with_context(|| format!("admin-credentials has no {key}"))
        };
        Ok(Self {
            access_key_id: value("aws_access_key_id")?.to_owned(),
            secret: Zeroizing::new(value("aws_secret_access_key")?.to_owned()),
            endpoint: environment.endpoint,
            region: environment.region,
        })
    }
}

impl Env {
    pub fn run(self) -> anyhow::Result<()> {
        let config = self.place.resolve()?;
        let exports = Exports::read(&config.data_dir)?;
        println!("export AWS_ENDPOINT_URL={}", exports.endpoint);
        println!("export AWS_ACCESS_KEY_ID={}", exports.access_key_id);
        println!("export AWS_SECRET_ACCESS_KEY={}", *exports.secret);
        println!("unset AWS_SESSION_TOKEN AWS_PROFILE");
        println!("export AWS_REGION={}", exports.region);
        println!("export AWS_DEFAULT_REGION={}", exports.region);
        Ok(())
    }
}
