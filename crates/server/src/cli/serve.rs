//! `keyward serve`

mod beside;

use std::{io, net::SocketAddr, sync::Arc, time::Duration};

use anyhow::{Context as _, anyhow, bail};
use clap::Args;
use keyward_engine::{server::Shared, workers};
use keyward_types::time::Clock as _;
use tokio::{
    net::TcpListener,
    signal::unix::{Signal, SignalKind, signal},
    sync::watch,
};

use self::beside::Beside;
use crate::{
    cli::{
        ServerPlace,
        first_start::{Banner, program},
        init::{DangerSecret, Opened, chosen_credentials, open},
    },
    clock::SystemClock,
    config::Config,
    descriptors, endpoint,
    http::{self, HttpOptions, peers::Peers, tls},
    opened::DataDir,
    out::{self, say},
    telemetry::Logging,
};

const EXAMPLES: &str = "\
Examples:
  keyward serve --data-dir /var/lib/keyward --root-key /etc/keyward/root.key
  keyward serve --config /etc/keyward/keyward.toml --log debug
  keyward serve --data-dir /var/lib/keyward --agent    # file systems on this machine

Environment:
  KEYWARD_BOOTSTRAP_ACCESS_KEY_ID, KEYWARD_BOOTSTRAP_SECRET_ACCESS_KEY
        The first access key of the root user, if you want to choose it. Only the first start uses
        them
  KEYWARD_BOOTSTRAP_SECRET_ACCESS_KEY_FILE
        A file with that secret, instead of the variable
  KEYWARD_LOG, KEYWARD_LOG_FORMAT
        The same as --log and --log-format

Signals:
  SIGTERM and SIGINT stop the server when the requests under way have been answered. SIGHUP does
  nothing: the configuration is read at the start only.";

/// Serve KMS, IAM, STS and Organizations; the first start creates everything
///
/// The first start creates the root key, the account and an access key of its root user, and prints
/// where they are. When the server is ready, it prints the line `listening on URL`.
#[derive(Debug, Args)]
#[command(after_long_help = EXAMPLES)]
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
    /// Listen on an address other than loopback without a certificate: requests and answers,
    /// plaintexts among them, are not encrypted on the network
    #[arg(long)]
    danger_plaintext: bool,
    #[command(flatten)]
    danger: DangerSecret,
    #[command(flatten)]
    logging: Logging,
}

impl Serve {
    pub fn run(self) -> anyhow::Result<()> {
        self.logging.start();
        let mut raw = self.place.raw()?;
        raw.listen = self.listen.clone().or(raw.listen);
        raw.admin_listen = self.admin_listen.clone().or(raw.admin_listen);
        let config = raw.resolve()?;
        if config.tls.is_none() && !config.listen.ip().is_loopback() && !self.danger_plaintext {
            bail!(
                "`listen` is `{}`, which is not a loopback address, and there is no certificate: configure [tls], or accept the danger with --danger-plaintext",
                config.listen
            );
        }
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .enable_all()
            .build()?;
        runtime.block_on(self.serve(config))
    }

    async fn serve(self, config: Config) -> anyhow::Result<()> {
        let peers = Peers::new(descriptors::places(&config.connections)?);
        let tls = match &config.tls {
            Some(files) => Some(tls::acceptor(files, SystemClock::new().now())?),
            None => None,
        };
        let chosen = chosen_credentials(self.danger.danger_short_bootstrap_secret)?;
        let data = DataDir::create(&config.data_dir)?;
        let listener = bind(config.listen, "--listen").await?;
        let admin = match config.admin_listen {
            Some(address) => Some(bind(address, "--admin-listen").await?),
            None => None,
        };
        let Opened { running, created } = open(&config, &data, chosen).await?;
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
        tracing::info!(url, data_dir = %config.data_dir.display(), "serving");
        let agent = match self.agent {
            true => Some(Beside::start(&config.data_dir, &self.logging)?),
            false => None,
        };
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

/// Listens on an address, which the named flag sets.
async fn bind(address: SocketAddr, flag: &str) -> anyhow::Result<TcpListener> {
    TcpListener::bind(address).await.map_err(|error| {
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
