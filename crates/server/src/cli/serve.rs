//! `keyward serve`

mod beside;

use std::{io, net::SocketAddr, sync::Arc, time::Duration};

use anyhow::{Context as _, anyhow, bail};
use clap::Args;
use keyward_client::clock::SystemClock;
use keyward_engine::{server::Shared, workers};
use keyward_types::time::Clock as _;
use tokio::{
    net::TcpListener,
    signal::unix::{Signal, SignalKind, signal},
    sync::watch,
};
use tokio_rustls::TlsAcceptor;

use self::beside::Beside;
use crate::{
    cli::{
        ServerPlace,
        agent::place::{BackupArgs, OF_BUCKETS},
        first_start::{Banner, program},
        init::{DangerSecret, OpenServer, chosen_credentials, open},
    },
    config::Config,
    descriptors, endpoint,
    http::{self, HttpOptions, peers::Peers, tls},
    opened::DataDir,
    out::{self, say},
    privileges::Account,
    telemetry::Logging,
};

fn after_help() -> String {
    format!(
        "\
Examples:
  keyward serve --data-dir /var/lib/keyward --root-key /etc/keyward/root.key
  keyward serve --config /etc/keyward/keyward.toml --log debug
  keyward serve --data-dir /var/lib/keyward --agent    # file systems on this machine
  keyward serve --data-dir /var/lib/keyward --agent --backup-to /mnt/backups

Environment:
  KEYWARD_BOOTSTRAP_ACCESS_KEY_ID, KEYWARD_BOOTSTRAP_SECRET_ACCESS_KEY
        The first access key of the root user, if you want to choose it. Only the first start uses
        them
  KEYWARD_BOOTSTRAP_SECRET_ACCESS_KEY_FILE
        A file with that secret, instead of the variable
  KEYWARD_LOG, KEYWARD_LOG_FORMAT
        The same as --log and --log-format
  {OF_BUCKETS}

Signals:
  SIGTERM and SIGINT stop the server when the requests under way have been answered. SIGHUP does
  nothing: the configuration is read at the start only."
    )
}

/// Connections that may wait to be accepted.
const BACKLOG: i32 = 1024;
/// Bytes of locked memory that a process has beside the arena.
const LOCKED_BESIDE: u64 = 4 << 20;

/// Serve KMS, IAM, STS, Organizations, EFS and RDS; the first start creates everything
///
/// The first start creates the root key, the account and an access key of its root user, and prints
/// where they are. When the server is ready, it prints the line `listening on URL`.
#[derive(Debug, Args)]
#[command(after_long_help = after_help())]
pub struct Serve {
    #[command(flatten)]
    place: ServerPlace,
    /// The address to listen on [default: 127.0.0.1:5670]
    #[arg(long, value_name = "ADDRESS")]
    listen: Option<String>,
    /// The address for Prometheus metrics (/metrics) [default: none]
    #[arg(long, value_name = "ADDRESS")]
    admin_listen: Option<String>,
    /// Also run an agent, in a process of its own: it stores the file systems of the account and the default
    /// Region in DIR/agent, on this machine. Needs root
    #[arg(long)]
    agent: bool,
    #[command(flatten)]
    backups: BackupArgs,
    /// Listen on an address other than loopback without a certificate: requests and answers,
    /// plaintexts among them, are not encrypted on the network
    #[arg(long)]
    danger_plaintext: bool,
    /// The user to serve as, if root starts the server: a name or a number [default: who owns the data
    /// directory]
    #[arg(long, value_name = "NAME")]
    user: Option<String>,
    #[command(flatten)]
    danger: DangerSecret,
    #[command(flatten)]
    logging: Logging,
}

/// What is opened before privileges are given up: only root may read it or use its port.
struct Prepared {
    tls: Option<TlsAcceptor>,
    listener: std::net::TcpListener,
    admin: Option<std::net::TcpListener>,
    /// What runs the agent, which needs what the server gives up.
    agent: Option<Beside>,
}

impl Serve {
    pub fn run(self) -> anyhow::Result<()> {
        let mut raw = self.place.raw()?;
        raw.listen = self.listen.clone().or(raw.listen);
        raw.admin_listen = self.admin_listen.clone().or(raw.admin_listen);
        raw.user = self.user.clone().or(raw.user);
        let config = Config::resolve(raw)?;
        if config.tls.is_none() && !config.listen.ip().is_loopback() && !self.danger_plaintext {
            bail!(
                "`listen` is `{}`, which is not a loopback address, and there is no certificate: configure [tls], or accept the danger with --danger-plaintext",
                config.listen
            );
        }
        if self.agent && !rustix::process::geteuid().is_root() {
            bail!(
                "--agent needs root, since an agent mounts file systems: run it with sudo, or without --agent"
            );
        }
        if !self.agent && self.backups.is_given() {
            bail!("--backup-to is for the agent, which makes the backups: add --agent");
        }
        let account = Account::choose(config.user.as_deref(), &config.data_dir)?;
        if self.agent && !account.is_root() {
            bail!(
                "--agent keeps its volumes in the data directory and runs as root, so root must own the data directory, but the server would run as `{account}`. Run a separate agent instead, as root: `keyward agent run --data-dir {}`",
                config.data_dir.display()
            );
        }
        account.create_dir(&config.data_dir)?;
        account.must_own(&config.data_dir)?;
        let agent = match self.agent {
            true => Some(Beside::prepare(
                &config.data_dir,
                &self.backups,
                &self.logging,
            )?),
            false => None,
        };
        let prepared = Prepared::new(&config, agent)?;
        // Before there is another thread, even that of the log: each has privileges of its own.
        account.become_it(config.arena_bytes as u64 + LOCKED_BESIDE)?;
        self.logging.start();
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .enable_all()
            .build()?;
        runtime.block_on(self.serve(config, &account, prepared))
    }

    async fn serve(
        self,
        config: Config,
        account: &Account,
        prepared: Prepared,
    ) -> anyhow::Result<()> {
        let peers = Peers::new(descriptors::places(&config.connections)?);
        let chosen = chosen_credentials(self.danger.danger_short_bootstrap_secret)?;
        let data = DataDir::create(&config.data_dir)?;
        let tls = prepared.tls;
        let listener = TcpListener::from_std(prepared.listener)?;
        let admin = prepared.admin.map(TcpListener::from_std).transpose()?;
        let OpenServer { running, created } = open(&config, &data, chosen).await?;
        let front = running.front;
        let address = listener.local_addr()?;
        data.remember(
            &endpoint::for_clients(address, config.tls.as_ref()),
            &config,
        )?;

        let (stop, stopped) = watch::channel(false);
        let mut tasks = tokio::task::JoinSet::new();
        tasks.spawn(workers::relay::relay(front.clone(), running.copied));
        for worker in workers::all(&front, &running.workers, config.free_disk_bytes).await? {
            tasks.spawn(worker.work(Arc::clone(&running.workers), stopped.clone()));
        }
        drop(running.workers);
        if let Some(admin) = admin {
            tasks.spawn(http::admin::serve(admin, front.clone(), peers.clone()));
        }
        // Somebody who reads the line below may stop the server at once, and then it must drain.
        let shared = Arc::clone(front.shared());
        tokio::spawn(wait_for_signal(Signals::new()?, stop, shared));
        if let Some(created) = created {
            let banner = Banner {
                created,
                config: &config,
                program: &program(),
                serves: true,
            };
            // A server serves even if its standard output is closed.
            let _ = out::text(format_args!("{banner}\n"));
        }
        // Scripts wait for this line; the address is the bound one, also for port 0.
        let url = endpoint::bound(address, tls.is_some());
        let _ = say!("listening on {url}");
        tracing::info!(url, data_dir = %config.data_dir.display(), user = %account, "serving");
        // With an agent the data directory has to be root's.
        if account.is_root() && !self.agent {
            tracing::warn!(
                "the server runs as root, though without any capability: give the data directory to a user of its own, and start the server with --user"
            );
        }
        let mut agent = prepared.agent;
        if let Some(agent) = &mut agent {
            agent.begin();
        }
        let options = HttpOptions {
            tls,
            proxies: config.proxies.clone(),
            peers,
            unauthenticated_bytes: config.unauthenticated_bytes,
            header_timeout: config.header_timeout,
            body_timeout: config.body_timeout,
            drain: config.drain,
        };
        http::serve(listener, Arc::new(front.clone()), options, stopped).await;
        if let Some(agent) = agent {
            tokio::task::spawn_blocking(move || agent.stop()).await?;
        }
        workers::last_use::write(front.shared()).await;
        workers::relay::relayed(&front).await;
        tasks.shutdown().await;
        drop(front);
        // The writer ends with the last handle on the server; its batch is then on disk.
        let writer = running.writer;
        let ended = tokio::task::spawn_blocking(move || writer.join());
        if tokio::time::timeout(Duration::from_secs(5), ended)
            .await
            .is_err()
        {
            tracing::warn!("the audit writer is still in use by requests that were cut off");
        }
        if let Err(error) = running.closing.finish().await {
            tracing::warn!(%error, "the trail's head cannot be written to the store");
        }
        tracing::info!("stopped");
        Ok(())
    }
}

impl Prepared {
    fn new(config: &Config, agent: Option<Beside>) -> anyhow::Result<Self> {
        let tls = match &config.tls {
            Some(files) => Some(tls::acceptor(files, SystemClock::new().now())?),
            None => None,
        };
        let admin = config.admin_listen;
        Ok(Self {
            tls,
            listener: bind(config.listen, "--listen")?,
            admin: match admin {
                Some(address) => Some(bind(address, "--admin-listen")?),
                None => None,
            },
            agent,
        })
    }
}

/// Listens on an address, which the named flag sets. Nothing is read yet from whoever connects.
fn bind(address: SocketAddr, flag: &str) -> anyhow::Result<std::net::TcpListener> {
    let bound = std::net::TcpListener::bind(address).and_then(|listener| {
        listener.set_nonblocking(true)?;
        rustix::net::listen(&listener, BACKLOG)?;
        Ok(listener)
    });
    bound.map_err(|error| {
        let advice = match error.kind() {
            io::ErrorKind::AddrInUse => "stop the other process, or choose another address with",
            io::ErrorKind::AddrNotAvailable => "choose an address of this machine with",
            io::ErrorKind::PermissionDenied => "choose a port of at least 1024 with",
            _ => "choose another address with",
        };
        anyhow!("cannot listen on {address}: {error}: {advice} {flag}")
    })
}

/// The signals that the server handles.
struct Signals {
    terminate: Signal,
    interrupt: Signal,
    hangup: Signal,
}

impl Signals {
    /// Signals are seen from now on.
    fn new() -> anyhow::Result<Self> {
        let of = |kind| signal(kind).context("cannot wait for signals");
        Ok(Self {
            terminate: of(SignalKind::terminate())?,
            interrupt: of(SignalKind::interrupt())?,
            hangup: of(SignalKind::hangup())?,
        })
    }
}

async fn wait_for_signal(mut signals: Signals, stop: watch::Sender<bool>, shared: Arc<Shared>) {
    loop {
        tokio::select! {
            _ = signals.terminate.recv() => break,
            _ = signals.interrupt.recv() => break,
            // Sent by a terminal that closes, and by tools that expect a reload.
            _ = signals.hangup.recv() => tracing::info!(
                "SIGHUP does nothing: restart the server to have it read its configuration again"
            ),
        }
    }
    tracing::info!("stopping: requests under way are finished first");
    let _ = stop.send(true);
    shared.end_waiting();
}
