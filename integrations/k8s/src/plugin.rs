//! The whole plugin: a socket for each key, and one listener for health and metrics.

use std::{net::SocketAddr, path::PathBuf, sync::Arc, time::Duration};

use anyhow::{Context as _, bail};
use keyward_client::remote::{Options, Remote};
use keyward_types::arn::ArnParts;
use tokio::{
    net::TcpListener,
    signal::unix::{SignalKind, signal},
    sync::watch,
    task::JoinSet,
    time::Instant,
};
use tonic::transport::Server;

use crate::{
    aws::{Network, Shared},
    files,
    http::{self, Site},
    incoming::Incoming,
    limiter::{Limiter, Retries},
    limits::{CHECK_TIMEOUT, MAX_CALLS, MAX_KEYS, MAX_MESSAGE, MAX_OTHERS, TIMEOUT},
    metrics::Metrics,
    provider::{Provider, Settings},
    service::{KeyManagement, Places},
    socket::Socket,
};

/// How long calls have to end when the plugin ends.
const DRAIN: Duration = Duration::from_secs(5);
/// The longest name of a key, in bytes.
const MAX_KEY: usize = 2048;

/// How many bytes of a call are taken before they are read.
#[expect(clippy::cast_possible_truncation, reason = "it is a small constant")]
const WINDOW: u32 = MAX_MESSAGE as u32;

/// What the plugin does.
#[derive(Clone, Debug)]
pub struct Plugin {
    /// The keys, each with the socket of its provider.
    pub keys: Vec<(PathBuf, Settings)>,
    /// Where KMS is, and who asks. If there is no Region in it, a key's ARN says which one it is.
    pub kms: Options,
    /// Where health and metrics are served: the first of these addresses that can be had, or nowhere if there is none.
    pub health: Vec<SocketAddr>,
    /// The path of the check that fails while a key cannot be used.
    pub healthz: String,
    /// The path of the check that fails when a restart of the plugin helps.
    pub livez: String,
    /// The most calls of KMS in a second; 0 for no limit.
    pub calls_in_a_second: u32,
    /// The most of them at once.
    pub calls_at_once: u32,
    /// What all retries may cost; 0 for no limit.
    pub retries: u32,
    /// How long a connection lasts. The buffers of the gRPC library keep what passed through them until then.
    pub connection_age: Duration,
}

impl Plugin {
    /// Serves until the process is told to end.
    ///
    /// # Errors
    /// If something is wrong with what the plugin shall do, or a place to listen on cannot be had.
    pub async fn run(self) -> anyhow::Result<()> {
        self.check()?;
        files::allow(self.keys.len());
        let mut terminate = signal(SignalKind::terminate())?;
        let mut interrupt = signal(SignalKind::interrupt())?;
        let shared = Arc::new(Shared {
            limiter: Limiter::new(self.calls_in_a_second, self.calls_at_once),
            retries: Retries::new(self.retries),
            metrics: Metrics::default(),
        });
        let mut providers = Vec::new();
        for (_, settings) in &self.keys {
            let remote = remote(&self.kms, &settings.key)?;
            tracing::info!(
                key = settings.key,
                endpoint = remote.endpoint(),
                region = remote.region(),
                "this KMS is asked about the key"
            );
            let kms = Network::new(remote, settings.key.clone(), Arc::clone(&shared));
            providers.push(Arc::new(Provider::new(kms, settings.clone())));
        }
        let health = match self.health.last() {
            Some(address) => {
                let listener = TcpListener::bind(&*self.health).await;
                Some(listener.with_context(|| {
                    format!("cannot listen on {address}: use another --health-port")
                })?)
            }
            None => None,
        };
        let (ended, ends) = watch::channel(false);
        let mut serving = JoinSet::new();
        let mut sockets = Vec::new();
        let mut at = Vec::new();
        let places = Places::default();
        for ((path, _), provider) in self.keys.iter().zip(&providers) {
            let (socket, listener) = Socket::bind(path).await?;
            let incoming = Incoming::new(listener);
            let mut ends = ends.clone();
            let service = KeyManagement::new(Arc::clone(provider), places.clone());
            serving.spawn(async move {
                Server::builder()
                    .max_concurrent_streams(MAX_CALLS)
                    .initial_stream_window_size(WINDOW)
                    .initial_connection_window_size(WINDOW * MAX_CALLS)
                    .timeout(TIMEOUT)
                    // Calls that are being answered go on; each has its own limit. With a grace period, tonic does not
                    // ask for a new connection, and cuts the old one off when the period ends.
                    .max_connection_age(self.connection_age)
                    .serve_with_incoming_shutdown(service, incoming, async move {
                        let _ = ends.wait_for(|ended| *ended).await;
                    })
                    .await
            });
            at.push(socket.place());
            sockets.push(socket);
            tracing::info!(key = provider.key(), socket = %path.display(), "listening");
        }
        let site = Arc::new(Site {
            providers: providers.clone(),
            sockets: at,
            shared,
            healthz: self.healthz,
            livez: self.livez,
        });
        let checks = async {
            match health {
                Some(listener) => http::serve(listener, site).await,
                None => std::future::pending().await,
            }
        };
        // Whoever has misspelled something hears of it before an API server asks.
        let first = async {
            for provider in &providers {
                // What comes of it is in the log.
                let _ = provider.healthy(Instant::now() + CHECK_TIMEOUT).await;
            }
            std::future::pending::<()>().await;
        };
        let failed = tokio::select! {
            _ = terminate.recv() => None,
            _ = interrupt.recv() => None,
            done = serving.join_next() => done,
            () = checks => None,
            () = first => None,
        };
        match failed {
            Some(Ok(Err(error))) => return Err(error).context("a socket is served no more"),
            Some(Err(error)) => return Err(error).context("a socket is served no more"),
            Some(Ok(Ok(()))) | None => {}
        }
        tracing::info!("the plugin ends");
        // Nobody finds the sockets any more, and what was asked is answered.
        drop(sockets);
        let _ = ended.send(true);
        let drained = async { while serving.join_next().await.is_some() {} };
        if tokio::time::timeout(DRAIN, drained).await.is_err() {
            tracing::warn!("calls were cut off that took too long");
        }
        Ok(())
    }

    fn check(&self) -> anyhow::Result<()> {
        if self.keys.is_empty() || self.keys.len() > MAX_KEYS {
            bail!("a plugin has 1 to {MAX_KEYS} keys: give them with --key");
        }
        for (at, (path, settings)) in self.keys.iter().enumerate() {
            let before = self.keys.iter().take(at);
            if before.clone().any(|(other, _)| other == path) {
                bail!(
                    "two keys have the socket {}: give each its own with --listen",
                    path.display()
                );
            }
            let others = settings.other_keys.iter();
            for key in std::iter::once(&settings.key).chain(others) {
                if key.is_empty() || key.len() > MAX_KEY {
                    bail!("a key has a name of 1 to {MAX_KEY} bytes: correct --key");
                }
            }
            if settings.other_keys.len() > MAX_OTHERS || settings.other_contexts.len() > MAX_OTHERS
            {
                bail!(
                    "at most {MAX_OTHERS} each of --decrypt-key and --decrypt-encryption-context can be given"
                );
            }
        }
        for path in [&self.healthz, &self.livez] {
            if !path.starts_with('/') {
                bail!("`{path}` is not a path of a URL: it begins with /");
            }
        }
        Ok(())
    }
}

/// The KMS of a key.
fn remote(options: &Options, key: &str) -> anyhow::Result<Remote> {
    let of_arn = ArnParts::parse(key).map(|parts| parts.region.to_owned());
    let of_arn = of_arn.filter(|region| !region.is_empty());
    if let (Some(given), Some(of_arn)) = (&options.region, &of_arn)
        && given != of_arn
    {
        bail!("--region is {given}, but the key is in the Region {of_arn}: leave --region out");
    }
    let mut options = options.clone();
    options.region = options.region.or(of_arn);
    Remote::new(options)
}
