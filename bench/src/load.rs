//! The load generator: keep-alive connections that send ready-made requests one after the other.
//!
//! It neither signs nor parses more than the length of an answer, so that what is measured is
//! the server.

use std::{
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use anyhow::bail;
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use crate::{client, clock, process, requests};

/// Arguments of the load generator.
#[derive(Debug, clap::Args)]
pub struct Load {
    /// `host:port` of the server.
    #[arg(long)]
    host: String,
    /// The file of ready-made requests.
    #[arg(long)]
    requests: PathBuf,
    /// Connections at once.
    #[arg(long)]
    connections: usize,
    /// For how long.
    #[arg(long, default_value_t = 2.0)]
    seconds: f64,
    /// Stop after so many requests, if sooner.
    #[arg(long)]
    count: Option<u64>,
    /// Threads.
    #[arg(long, default_value_t = 1)]
    threads: usize,
}

/// What it saw.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Seen {
    /// Answers with status 200.
    pub requests: u64,
    /// Other answers.
    pub errors: u64,
    /// How long it took.
    pub seconds: f64,
    /// Microseconds from request to answer, the median.
    pub p50: f64,
    /// The same, for all but one in a hundred.
    pub p99: f64,
    /// Seconds of CPU that the generator itself used.
    pub cpu_seconds: f64,
}

/// Sends, and prints what it saw as one line of JSON.
pub fn run(load: &Load) -> anyhow::Result<()> {
    let requests: Arc<[Bytes]> = requests::read(&load.requests)?.into();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(load.threads.max(1))
        .enable_all()
        .build()?;
    let mut seen = runtime.block_on(send_all(load, requests))?;
    seen.cpu_seconds = process::cpu_seconds("self")?;
    println!("{}", serde_json::to_string(&seen)?);
    Ok(())
}

async fn send_all(load: &Load, requests: Arc<[Bytes]>) -> anyhow::Result<Seen> {
    let mut streams = Vec::new();
    for _ in 0..load.connections {
        let stream = TcpStream::connect(&load.host).await?;
        stream.set_nodelay(true)?;
        streams.push(stream);
    }
    let remaining = Arc::new(AtomicU64::new(load.count.unwrap_or(u64::MAX)));
    let start = clock::start();
    let span = Duration::from_secs_f64(load.seconds);
    let mut tasks = Vec::new();
    for (index, stream) in streams.into_iter().enumerate() {
        // Each connection begins at another place of the list.
        let first = index * requests.len() / load.connections.max(1);
        let (requests, remaining) = (Arc::clone(&requests), Arc::clone(&remaining));
        tasks.push(tokio::spawn(async move {
            let mut connection = Connection::new(stream);
            let mut at = first;
            while start.elapsed() < span && take(&remaining) {
                let request = requests
                    .get(at % requests.len())
                    .cloned()
                    .unwrap_or_default();
                connection.exchange(&request).await?;
                at += 1;
            }
            anyhow::Ok(connection)
        }));
    }
    let mut seen = Seen::default();
    let mut micros = Vec::new();
    for task in tasks {
        let connection = task.await??;
        seen.requests += connection.requests;
        seen.errors += connection.errors;
        micros.extend(connection.micros);
    }
    seen.seconds = start.elapsed().as_secs_f64();
    micros.sort_unstable_by(f32::total_cmp);
    let at = |share: f64| {
        let index = (micros.len() as f64 * share) as usize;
        let last = micros.last().copied().unwrap_or_default();
        f64::from(micros.get(index).copied().unwrap_or(last))
    };
    (seen.p50, seen.p99) = (at(0.5), at(0.99));
    Ok(seen)
}

fn take(remaining: &AtomicU64) -> bool {
    let less = |left: u64| left.checked_sub(1);
    remaining
        .fetch_update(Ordering::Relaxed, Ordering::Relaxed, less)
        .is_ok()
}

struct Connection {
    stream: TcpStream,
    received: Vec<u8>,
    requests: u64,
    errors: u64,
    micros: Vec<f32>,
}

impl Connection {
    fn new(stream: TcpStream) -> Self {
        Self {
            stream,
            received: Vec::with_capacity(16 * 1024),
            requests: 0,
            errors: 0,
            micros: Vec::with_capacity(64 * 1024),
        }
    }

    async fn exchange(&mut self, request: &[u8]) -> anyhow::Result<()> {
        let start = clock::start();
        self.received.clear();
        self.stream.write_all(request).await?;
        loop {
            if self.stream.read_buf(&mut self.received).await? == 0 {
                bail!("the server closed a connection");
            }
            // The answers are small: the head comes whole in all but odd cases.
            if let Some((_, end)) = client::extent(&self.received)
                && self.received.len() >= end
            {
                break;
            }
        }
        self.micros.push(start.elapsed().as_secs_f32() * 1e6);
        if self.received.starts_with(b"HTTP/1.1 200") {
            self.requests += 1;
        } else {
            if self.errors == 0 {
                eprintln!("refused: {}", String::from_utf8_lossy(&self.received));
            }
            self.errors += 1;
        }
        Ok(())
    }
}
