//! `keyward init`, and what the first start of `keyward serve` shares with it.

use std::sync::Arc;

use anyhow::{Context as _, bail};
use clap::Args;
use keyward_client::{clock::SystemClock, remembered::Remembered};
use keyward_crypto::secret::{arena::Arena, process};
use keyward_engine::{
    directory::{DirectoryOptions, records::SecretText},
    server::Quotas,
};
use keyward_services::bootstrap::{self, FirstCredentials, KmsOptions, OpenOptions, Running};
use keyward_trail::trail::TrailOptions;
use keyward_types::{time::Clock, unique_id::AccessKeyId};

use crate::{
    cli::{
        ServerPlace,
        first_start::{Banner, Created, program},
        next::{self, UseFile},
        stopped::StoppedServer,
    },
    config::{AuditDurability, Config, DEFAULT_ACCOUNT},
    endpoint, issuers,
    opened::{DataDir, draft::CredentialsDraft},
    out::{self, say},
    telemetry::Logging,
};

const EXAMPLES: &str = "\
Examples:
  keyward init --data-dir /var/lib/keyward --root-key /etc/keyward/root.key
  keyward init --data-dir /var/lib/keyward --new-root-credentials

Environment:
  KEYWARD_BOOTSTRAP_ACCESS_KEY_ID, KEYWARD_BOOTSTRAP_SECRET_ACCESS_KEY
        The first access key of the root user, if you want to choose it
  KEYWARD_BOOTSTRAP_SECRET_ACCESS_KEY_FILE
        A file with that secret, instead of the variable
  KEYWARD_LOG, KEYWARD_LOG_FORMAT
        The same as --log and --log-format";

/// Initialize a data directory without serving, or give a root user new credentials
///
/// It creates the root key, the account and an access key of its root user, as the first start of
/// `keyward serve` does.
#[derive(Debug, Args)]
#[command(after_long_help = EXAMPLES)]
pub struct Init {
    #[command(flatten)]
    place: ServerPlace,
    /// Give the root user of the account a new access key that replaces all it has, for those who
    /// lost theirs. The server must be stopped; the audit trail records it
    #[arg(long)]
    new_root_credentials: bool,
    #[command(flatten)]
    danger: DangerSecret,
    #[command(flatten)]
    logging: Logging,
}

// The one danger that init and serve share.
#[derive(Clone, Debug, Args)]
pub struct DangerSecret {
    /// Accept a KEYWARD_BOOTSTRAP_SECRET_ACCESS_KEY with fewer than 20 characters
    #[arg(long)]
    pub danger_short_bootstrap_secret: bool,
}

impl Init {
    pub fn run(self) -> anyhow::Result<()> {
        self.logging.start();
        let runtime = tokio::runtime::Runtime::new()?;
        runtime.block_on(async {
            if self.new_root_credentials {
                return new_root_credentials(self.place).await;
            }
            let config = self.place.resolve()?;
            let chosen = chosen_credentials(self.danger.danger_short_bootstrap_secret)?;
            let data = DataDir::create(&config.data_dir)?;
            let opened = open(&config, &data, chosen).await?;
            let running = opened.running;
            let before = Remembered::read(&config.data_dir)?;
            let endpoint = before.map_or_else(
                || endpoint::for_clients(config.listen, config.tls.as_ref()),
                |before| before.endpoint,
            );
            data.remember(&endpoint, &config)?;
            // The background workers hold the writer as well.
            drop((running.front, running.workers));
            let writer = running.writer;
            // Its thread ends when the trail is on disk.
            let _ = tokio::task::spawn_blocking(move || writer.join()).await;
            running.closing.finish().await?;
            let Some(created) = opened.created else {
                return Ok(say!(
                    "{} was initialized before; nothing changed.",
                    config.data_dir.display()
                )?);
            };
            let banner = Banner {
                created,
                config: &config,
                program: &program(),
                serves: false,
            };
            Ok(out::text(format_args!("{banner}"))?)
        })
    }
}

async fn new_root_credentials(place: ServerPlace) -> anyhow::Result<()> {
    let server = StoppedServer::open(place).await?;
    let (config, data) = (server.config(), server.data());
    // The file of the first start belongs to the first account; another account must not overwrite
    // it.
    let remembered = Remembered::read(&config.data_dir)?;
    let home = remembered.map_or_else(|| DEFAULT_ACCOUNT.to_owned(), |old| old.account_id);
    let file = if config.account.as_str() == home {
        data.admin_credentials()
    } else {
        data.credentials(config.account.as_str())
    };
    let mut draft = None;
    bootstrap::replace_root_credentials(
        server.store(),
        server.root(),
        server.arena(),
        server.clock(),
        (config.region, config.account),
        || {
            let credentials = FirstCredentials::generate(config.account);
            draft = Some(CredentialsDraft::write(
                &file,
                (&credentials, "default"),
                None,
            )?);
            Ok(credentials)
        },
    )
    .await?;
    if let Some(draft) = draft {
        draft.keep()?;
    }
    say!(
        "The new access key of the root user of account {} is in {}.",
        config.account,
        file.display()
    )?;
    say!("Its old access keys are deleted.")?;
    if config.account.as_str() == home {
        return Ok(next::use_env(&config.data_dir)?);
    }
    let use_file = UseFile {
        file: &file,
        profile: "default",
        config,
    };
    use_file.say()
}

/// A server that was opened, and what was created for it.
pub struct OpenServer {
    /// The server.
    pub running: Running,
    /// What was created, if this is the first start.
    pub created: Option<Created>,
}

/// How many access keys, and how many users, are cached. An access key takes up to four slots of
/// the arena.
const MAX_PRINCIPALS: usize = 2000;

/// Opens the server of a data directory; initializes it if it is empty.
pub async fn open(
    config: &Config,
    data: &DataDir,
    chosen: Option<FirstCredentials>,
) -> anyhow::Result<OpenServer> {
    for warning in process::harden().warnings {
        tracing::warn!(warning, "the process is less protected than it should be");
    }
    let (arena, report) = Arena::new(config.arena_bytes)?;
    for warning in report.warnings {
        tracing::warn!(
            warning,
            "the arena for secrets is less protected than it should be"
        );
    }
    let store = data.store().await?;
    let (root, root_key) = data
        .root_key_or_new(&*store, &config.root_key, &arena)
        .await?;
    if !bootstrap::is_empty(&*store).await? {
        data.settle_drafts((&store, &root, &arena), None).await?;
    }
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
            cached_principals: MAX_PRINCIPALS,
        },
        kms: KmsOptions {
            cached_keys: config.cached_keys,
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
            requests_at_once: config.requests_at_once,
            waiting_bytes: config.waiting_bytes,
        },
        issuers: issuers::issuers(&config.oidc)?,
        vpcs: config.vpcs.clone(),
    };
    let chosen_id = chosen.as_ref().map(|chosen| chosen.id.clone());
    let mut created = None;
    let first = || {
        let credentials = chosen.unwrap_or_else(|| FirstCredentials::generate(config.account));
        let file = data.admin_credentials();
        CredentialsDraft::write(&file, (&credentials, "default"), Some(&[]))?;
        created = Some(Created { root_key });
        Ok(credentials)
    };
    let running = bootstrap::open(store, root, arena, clock, options, first)
        .await
        .with_context(|| format!("the store in {} cannot be used", config.data_dir.display()))?;
    data.keep_admin_credentials(&running.root_access_keys)?;
    if created.is_some_and(|created| !created.root_key) {
        // A lost data directory looks like this, and so does a first start with a root key that was created elsewhere.
        tracing::warn!(
            root_key = %config.root_key.display(),
            data_dir = %config.data_dir.display(),
            "a new store was created for a root key that existed before: if this is not the first start, the data directory was lost. Stop the server and restore the backup"
        );
    }
    report_difference(chosen_id.as_ref(), &running.root_access_keys);
    Ok(OpenServer { running, created })
}

/// Credentials chosen at the first start are never applied later, but a difference is logged.
fn report_difference(chosen: Option<&AccessKeyId>, kept: &[AccessKeyId]) {
    if let Some(chosen) = chosen.filter(|chosen| !kept.contains(chosen)) {
        tracing::warn!(
            %chosen,
            "KEYWARD_BOOTSTRAP_ACCESS_KEY_ID is ignored: only the first start uses it, and the root user has other access keys"
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
    let (secret, source) = match (read(SECRET), read(SECRET_FILE)) {
        (Some(_), Some(_)) => bail!("give {SECRET} or {SECRET_FILE}, not both"),
        (Some(secret), None) => (Some(secret), SECRET),
        (None, Some(path)) => {
            let text = std::fs::read_to_string(&path)
                .with_context(|| format!("{SECRET_FILE} names {path}, which cannot be read"))?;
            let secret = text.trim_end_matches(['\r', '\n']).to_owned();
            (Some(secret), SECRET_FILE)
        }
        (None, None) => (None, SECRET),
    };
    let (id, secret) = match (read(ID), secret) {
        (Some(id), Some(secret)) => (id, SecretText::new(secret)),
        (None, None) => return Ok(None),
        (Some(_), None) => bail!("{ID} is set: set {SECRET} or {SECRET_FILE} too"),
        (None, Some(_)) => bail!("{source} is set: set {ID} too"),
    };
    let legal = AccessKeyId::parse(&id).ok().filter(|id| !id.is_temporary());
    let Some(id) = legal else {
        bail!(
            "{ID} is `{id}`: use 4 to 128 characters of [A-Za-z0-9_-] that do not begin with ASIA"
        );
    };
    let name = if source == SECRET_FILE {
        "the secret in the file of KEYWARD_BOOTSTRAP_SECRET_ACCESS_KEY_FILE"
    } else {
        SECRET
    };
    check_secret(name, secret.expose(), allow_short)?;
    Ok(Some(FirstCredentials { id, secret }))
}

/// Checks a secret that somebody chose. It is stored on a line of a credentials file, and programs
/// that read such files strip the spaces around it.
fn check_secret(name: &str, secret: &str, allow_short: bool) -> anyhow::Result<()> {
    if secret.len() > 128 {
        bail!("{name} has more than 128 characters");
    }
    if secret.len() < 20 && !allow_short {
        bail!(
            "{name} has fewer than 20 characters: choose a longer one, or accept the danger with --danger-short-bootstrap-secret"
        );
    }
    if secret.chars().any(char::is_control) {
        bail!(
            "{name} has a line break or another control character, which AWS's credentials files cannot hold"
        );
    }
    if secret.trim() != secret {
        bail!("{name} begins or ends with a space, which AWS's credentials files cannot hold");
    }
    Ok(())
}
