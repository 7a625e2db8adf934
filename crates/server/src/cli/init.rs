//! `keyward init`, and what the first start of `keyward serve` shares with it.

use std::{path::Path, sync::Arc};

use anyhow::{Context as _, bail};
use clap::Args;
use keyward_crypto::secret::{arena::Arena, process};
use keyward_services::{
    bootstrap::{self, FirstCredentials, OpenOptions, Running},
    directory::{DirectoryOptions, records::SecretText},
    server::Quotas,
};
use keyward_trail::trail::TrailOptions;
use keyward_types::{time::Clock, unique_id::AccessKeyId};

use crate::{
    cli::Place,
    clock::SystemClock,
    config::{AuditDurability, Config},
    issuers,
    opened::DataDir,
    telemetry,
};

/// Initialise a data directory without serving, or give its root user new credentials
#[derive(Debug, Args)]
pub struct Init {
    #[command(flatten)]
    place: Place,
    /// Give the root user a new access key in place of all it has, for those who lost theirs; the
    /// server must be stopped, and the audit trail records it
    #[arg(long)]
    new_root_credentials: bool,
    #[command(flatten)]
    danger: DangerSecret,
}

/// The one danger that init and serve share.
#[derive(Clone, Debug, Args)]
pub struct DangerSecret {
    /// Accept a KEYWARD_BOOTSTRAP_SECRET_ACCESS_KEY of under 20 characters
    #[arg(long)]
    pub danger_short_bootstrap_secret: bool,
}

impl Init {
    pub fn run(self) -> anyhow::Result<()> {
        telemetry::start();
        let config = self.place.resolve()?;
        let runtime = tokio::runtime::Runtime::new()?;
        runtime.block_on(async {
            if self.new_root_credentials {
                return new_root_credentials(&config).await;
            }
            let data = DataDir::lock(&config.data_dir)?;
            let chosen = chosen_credentials(self.danger.danger_short_bootstrap_secret)?;
            let endpoint = format!("http://{}", config.listen);
            let opened = open(&config, &data, chosen).await?;
            if !data_has_environment(&config.data_dir) {
                data.write_environment(&endpoint, config.region, config.account)?;
            }
            drop(opened.front);
            let writer = opened.writer;
            // Its thread ends when it has brought the trail to the disk.
            let _ = tokio::task::spawn_blocking(move || writer.join()).await;
            opened.closing.finish().await?;
            println!("{} is initialised.", config.data_dir.display());
            println!(
                "Keep {} safe: nothing opens without it.",
                config.root_key.display()
            );
            Ok(())
        })
    }
}

fn data_has_environment(path: &Path) -> bool {
    path.join("environment.toml").exists()
}

async fn new_root_credentials(config: &Config) -> anyhow::Result<()> {
    if !config.data_dir.join("store.db").exists() {
        bail!(
            "{} holds no store: run `keyward init` first",
            config.data_dir.display()
        );
    }
    let data = DataDir::lock(&config.data_dir)?;
    let (arena, _) = Arena::new(config.arena_bytes)?;
    let store = data.store()?;
    let root = data.root_key(&*store, &config.root_key, &arena).await?;
    let clock = SystemClock::new();
    bootstrap::replace_root_credentials(
        store,
        &root,
        &arena,
        &clock,
        (config.region, config.account),
        || {
            let credentials = FirstCredentials::generate(config.account);
            data.write_credentials(&credentials)?;
            Ok(credentials)
        },
    )
    .await?;
    let path = config.data_dir.join("admin-credentials");
    println!(
        "The root user's new access key is in {}; its old ones are gone.",
        path.display()
    );
    Ok(())
}

/// Access keys and users kept in the cache, each. An access key takes up to four slots of the arena.
const MAX_PRINCIPALS: usize = 2000;

/// Opens the server of a data directory; initialises it if it is empty.
pub async fn open(
    config: &Config,
    data: &DataDir,
    chosen: Option<FirstCredentials>,
) -> anyhow::Result<Running> {
    for warning in process::harden().warnings {
        tracing::warn!(warning, "the process cannot be hardened in full");
    }
    let (arena, report) = Arena::new(config.arena_bytes)?;
    for warning in report.warnings {
        tracing::warn!(
            warning,
            "the arena for secrets is less protected than it should be"
        );
    }
    let store = data.store()?;
    let root = data.root_key(&*store, &config.root_key, &arena).await?;
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
    let audit = data.audit();
    let options = OpenOptions {
        account: config.account,
        region: config.region,
        regions: config.regions.clone(),
        audit_directory: &audit,
        trail: TrailOptions {
            segment_bytes: config.audit_segment_bytes,
            strict: config.audit_durability == AuditDurability::Strict,
        },
        directory: DirectoryOptions {
            cached_keys: config.cached_keys,
            cached_principals: MAX_PRINCIPALS,
            cached_grants: config.cached_grants,
        },
        quotas: Quotas {
            keys: config.quota_keys,
            aliases_per_key: config.quota_aliases_per_key,
            users: config.quota_users,
            grants_per_key: config.quota_grants_per_key,
            roles: config.quota_roles,
            groups: config.quota_groups,
            policies: config.quota_policies,
            instance_profiles: config.quota_instance_profiles,
            policies_per_identity: config.quota_policies_per_identity,
            request_interval: config.quota_request_interval,
            request_burst: config.quota_request_burst,
        },
        issuers: issuers::issuers(&config.oidc)?,
    };
    let chosen_id = chosen.as_ref().map(|chosen| chosen.id.clone());
    let first = || {
        let credentials = chosen.unwrap_or_else(|| FirstCredentials::generate(config.account));
        data.write_credentials(&credentials)?;
        Ok(credentials)
    };
    let running = bootstrap::open(store, root, arena, clock, options, first)
        .await
        .with_context(|| format!("the store in {} cannot be used", config.data_dir.display()))?;
    report_difference(chosen_id.as_ref(), &running.root_access_keys);
    Ok(running)
}

/// Credentials chosen at the first start are never applied later, but a difference is told.
fn report_difference(chosen: Option<&AccessKeyId>, kept: &[AccessKeyId]) {
    if let Some(chosen) = chosen.filter(|chosen| !kept.contains(chosen)) {
        tracing::warn!(
            %chosen,
            "KEYWARD_BOOTSTRAP_ACCESS_KEY_ID differs from the root user's access keys and is not applied: it counts at the first start only"
        );
    }
}

/// The access key that the environment chooses for the first start.
#[expect(
    clippy::disallowed_methods,
    reason = "configuration is where the environment is read"
)]
pub fn chosen_credentials(allow_short: bool) -> anyhow::Result<Option<FirstCredentials>> {
    const ID: &str = "KEYWARD_BOOTSTRAP_ACCESS_KEY_ID";
    const SECRET: &str = "KEYWARD_BOOTSTRAP_SECRET_ACCESS_KEY";
    const SECRET_FILE: &str = "KEYWARD_BOOTSTRAP_SECRET_ACCESS_KEY_FILE";
    let read = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
    let secret = match (read(SECRET), read(SECRET_FILE)) {
        (Some(_), Some(_)) => bail!("give {SECRET} or {SECRET_FILE}, not both"),
        (Some(secret), None) => Some(secret),
        (None, Some(path)) => {
            let text = std::fs::read_to_string(&path)
                .with_context(|| format!("{SECRET_FILE} names {path}, which cannot be read"))?;
            Some(text.trim_end_matches(['\r', '\n']).to_owned())
        }
        (None, None) => None,
    };
    let (id, secret) = match (read(ID), secret) {
        (Some(id), Some(secret)) => (id, SecretText::new(secret)),
        (None, None) => return Ok(None),
        (Some(_), None) => bail!("{ID} is set: set {SECRET} or {SECRET_FILE} too"),
        (None, Some(_)) => bail!("{SECRET} is set: set {ID} too"),
    };
    let legal = AccessKeyId::parse(&id).ok().filter(|id| !id.is_temporary());
    let Some(id) = legal else {
        bail!("{ID} is `{id}`: use 4 to 128 characters of [A-Za-z0-9_-], not beginning ASIA");
    };
    if secret.expose().len() > 128 {
        bail!("{SECRET} has more than 128 characters");
    }
    if secret.expose().len() < 20 && !allow_short {
        bail!(
            "{SECRET} has under 20 characters: choose a longer one, or accept the danger with --danger-short-bootstrap-secret"
        );
    }
    Ok(Some(FirstCredentials { id, secret }))
}
