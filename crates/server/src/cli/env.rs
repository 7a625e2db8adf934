//! `keyward env`

use anyhow::Context as _;
use clap::Args;

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

impl Env {
    pub fn run(self) -> anyhow::Result<()> {
        let config = self.place.resolve()?;
        let read = |name: &str| {
            let path = config.data_dir.join(name);
            std::fs::read_to_string(&path).with_context(|| {
                format!(
                    "{} cannot be read: was the data directory initialised?",
                    path.display()
                )
            })
        };
        let environment: Environment = toml::from_str(&read("environment.toml")?)?;
        let credentials = zeroize::Zeroizing::new(read("admin-credentials")?);
        let value = |key: &str| {
            let mut lines = credentials.lines();
            lines
                .find_map(|line| line.strip_prefix(key)?.trim_start().strip_prefix('='))
                .map(str::trim)
                .with_context(|| format!("admin-credentials has no {key}"))
        };
        println!("export AWS_ENDPOINT_URL={}", environment.endpoint);
        println!("export AWS_ACCESS_KEY_ID={}", value("aws_access_key_id")?);
        println!(
            "export AWS_SECRET_ACCESS_KEY={}",
            value("aws_secret_access_key")?
        );
        println!("unset AWS_SESSION_TOKEN AWS_PROFILE");
        println!("export AWS_REGION={}", environment.region);
        println!("export AWS_DEFAULT_REGION={}", environment.region);
        Ok(())
    }
}
