//! `keyward serve`

use std::{net::SocketAddr, sync::Arc, time::Duration};

use anyhow::{Context as _, bail};
use clap::Args;
use keyward_services::{bootstrap, front::Front, grants, workers};
use tokio::{
    net::TcpListener,
    signal::unix::{Signal, SignalKind, signal},
    sync::watch,
};

use crate::{
    cli::{
        Place,
        init::{DangerSecret, chosen_credentials, open},
    },
    config::Config,
    descriptors,
    http::{self, HttpOptions, peers::Peers, tls},
    opened::DataDir,
    telemetry,
};

/// Serve KMS, IAM, STS and Organizations; the first start initialises the data directory
///
/// The first start makes the root key, the account and an access key of its root user, which it
/// keeps in DIR/admin-credentials. KEYWARD_BOOTSTRAP_ACCESS_KEY_ID with
/// KEYWARD_BOOTSTRAP_SECRET_ACCESS_KEY (or ..._SECRET_ACCESS_KEY_FILE) choose that key. SIGTERM
/// drains and exits. KEYWARD_LOG sets the log filter.
#[derive(Debug, Args)]
pub struct Serve {
    #[command(flatten)]
    place: Place,
    /// The address to serve on [default: 127.0.0.1:5670]
    #[arg(long, value_name = "ADDRESS")]
    listen: Option<String>,
    /// The address for Prometheus metrics (/metrics); none by default
    #[arg(long, value_name = "ADDRESS")]
    admin_listen: Option<String>,
    /// Listen off loopback without a certificate: everything crosses the network in the clear
    #[arg(long)]
    danger_plaintext: bool,
    #[command(flatten)]
    danger: DangerSecret,
}

impl Serve {
    pub fn run(self) -> anyhow::Result<()> {
        telemetry::start();
        let mut raw = self.place.raw()?;
        raw.listen = self.listen.clone().or(raw.listen);
        raw.admin_listen = self.admin_listen.clone().or(raw.admin_listen);
        let config = raw.resolve()?;
        if config.tls.is_none() && !config.listen.ip().is_loopback() && !self.danger_plaintext {
            bail!(
                "`listen` is `{}`, which is not loopback, and there is no certificate: configure [tls], or accept the danger with --danger-plaintext",
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
        let data = DataDir::lock(&config.data_dir)?;
        let chosen = chosen_credentials(self.danger.danger_short_bootstrap_secret)?;
        let tls = config.tls.as_ref().map(tls::acceptor).transpose()?;
        let listener = bind(config.listen).await?;
        let admin = match config.admin_listen {
            Some(address) => Some(bind(address).await?),
            None => None,
        };
        let opened = open(&config, &data, chosen).await?;
        let front = opened.front;
        let address = listener.local_addr()?;
        let scheme = if tls.is_some() { "https" } else { "http" };
        let endpoint = format!("{scheme}://{address}");
        data.write_environment(&endpoint, config.region, config.account)?;

        let (stop, stopped) = watch::channel(false);
        let mut tasks = tokio::task::JoinSet::new();
        tasks.spawn(bootstrap::relay(front.clone(), opened.copied));
        spawn_workers(&mut tasks, &front, &config, &stopped).await?;
        if let Some(admin) = admin {
            tasks.spawn(http::admin::serve(admin, front.clone(), peers.clone()));
        }
        // Whoever read the line below may stop the server at once, and it must drain.
        tokio::spawn(wait_for_signal(Signals::new()?, stop));
        // Scripts wait for this line; the address is the bound one, also for port 0.
        println!("listening on {endpoint}");
        tracing::info!(endpoint, data_dir = %config.data_dir.display(), "serving");
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
        workers::last_use::write(front.shared()).await;
        bootstrap::relayed(&front).await;
        tasks.shutdown().await;
        drop(front);
        // The writer ends with the last handle on the server; its batch is then on disk.
        let writer = opened.writer;
        let ended = tokio::task::spawn_blocking(move || writer.join());
        if tokio::time::timeout(Duration::from_secs(5), ended)
            .await
            .is_err()
        {
            tracing::warn!("the audit writer is still held by requests that were cut off");
        }
        if let Err(error) = opened.closing.finish().await {
            tracing::warn!(%error, "the trail's head cannot be written to the store");
        }
        tracing::info!("stopped");
        Ok(())
    }
}

async fn bind(address: SocketAddr) -> anyhow::Result<TcpListener> {
    TcpListener::bind(address).await.with_context(|| {
        format!("{address} cannot be listened on: is another server there? name another address")
    })
}

async fn spawn_workers(
    tasks: &mut tokio::task::JoinSet<()>,
    front: &Front,
    config: &Config,
    stopped: &watch::Receiver<bool>,
) -> anyhow::Result<()> {
    const LAST_USE: Duration = Duration::from_secs(10);
    const DUE: Duration = Duration::from_secs(30);
    const SWEEP: Duration = Duration::from_secs(60);
    const HEALTH: Duration = Duration::from_secs(5);
    const COUNTING: Duration = Duration::from_secs(300);
    let shared = Arc::clone(front.shared());
    tasks.spawn(workers::every(LAST_USE, stopped.clone(), move || {
        let shared = Arc::clone(&shared);
        async move { workers::last_use::write(&shared).await }
    }));
    let shared = Arc::clone(front.shared());
    let due = Arc::new(workers::due::DueWorker::new(&shared).await?);
    tasks.spawn(workers::every(DUE, stopped.clone(), move || {
        let (shared, due) = (Arc::clone(&shared), Arc::clone(&due));
        async move { due.round(&shared).await }
    }));
    let shared = Arc::clone(front.shared());
    tasks.spawn(workers::every(SWEEP, stopped.clone(), move || {
        let shared = Arc::clone(&shared);
        async move { grants::sweep::sweep(&shared).await }
    }));
    let shared = Arc::clone(front.shared());
    let least = config.free_disk_bytes;
    tasks.spawn(workers::every(HEALTH, stopped.clone(), move || {
        let shared = Arc::clone(&shared);
        async move { workers::health::look(&shared, least).await }
    }));
    let shared = Arc::clone(front.shared());
    tasks.spawn(workers::every(COUNTING, stopped.clone(), move || {
        let shared = Arc::clone(&shared);
        async move { workers::counting::count(&shared).await }
    }));
    Ok(())
}

/// What stops the server.
struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    /// Signals that come from now on are seen.
    fn new() -> anyhow::Result<Self> {
        let of = |kind| signal(kind).context("signals cannot be waited for");
        Ok(Self {
            terminate: of(SignalKind::terminate())?,
            interrupt: of(SignalKind::interrupt())?,
        })
    }
}

async fn wait_for_signal(mut signals: Signals, stop: watch::Sender<bool>) {
    tokio::select! {
        _ = signals.terminate.recv() => {}
        _ = signals.interrupt.recv() => {}
    }
    tracing::info!("stopping: requests under way are finished");
    let _ = stop.send(true);
}
