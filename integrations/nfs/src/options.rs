//! What a server is told at its start, and what it listens on.

use std::{net::IpAddr, path::PathBuf, time::Duration};

use crate::cidr::Cidr;

/// How NFS is served on this machine.
#[derive(Clone, Debug)]
pub struct Options {
    /// The directory for state: what nfs-ganesha remembers of its clients, its configurations and logs, and the
    /// server's certificate if none is given. It belongs to root and must outlive restarts of the machine.
    pub state: PathBuf,
    /// What clients are shown when they use TLS.
    pub certificate: Certificate,
    /// After how long the locks of a client that is silent end (at least a second).
    pub lease: Duration,
    /// How long clients have to reclaim their locks after a restart or after a volume was unlocked. Until then,
    /// nobody else gets new ones.
    pub grace: Duration,
    /// After how long an nfs-ganesha that has no connection is ended. Longer than a lease, or clients that are
    /// only cut off for a moment lose their locks.
    pub linger: Duration,
    /// The most nfs-ganesha processes on this machine, half of them at most for one volume. Each has about 30 MiB. When
    /// one more is wanted, the one ends that nobody has used for the longest time.
    pub max_views: usize,
    /// The longest log of each nfs-ganesha, in bytes; as much again is kept of what was before.
    pub log_bytes: u64,
    /// What clients may have of this program.
    pub limits: Limits,
}

impl Options {
    /// The defaults, with a directory for state and a certificate that is made there.
    pub fn new(state: PathBuf) -> Self {
        Self {
            state,
            certificate: Certificate::Own { names: Vec::new() },
            lease: Duration::from_secs(30),
            grace: Duration::from_secs(30),
            linger: Duration::from_secs(600),
            max_views: 64,
            log_bytes: 1024 * 1024,
            limits: Limits::default(),
        }
    }
}

/// What clients are shown when they use TLS.
#[derive(Clone, Debug)]
pub enum Certificate {
    /// A certificate with its chain and its private key, each in a PEM file.
    Files {
        /// The certificate, then its chain.
        certificate: PathBuf,
        /// The key.
        private_key: PathBuf,
    },
    /// A certificate that is signed by its own key. It is made once, in the directory for state, as
    /// `certificate.pem`, which clients can be given as their CA file.
    Own {
        /// The names and addresses that it is for.
        names: Vec<String>,
    },
}

/// What clients may have of this program.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Connections in all.
    pub connections: usize,
    /// Connections from one address or, with IPv6, from one /64 network.
    pub per_client: usize,
    /// Connections in all on which nobody has been authorized yet.
    pub strangers: usize,
    /// How long a client may take for its first bytes, again for its TLS handshake, and again for its first call.
    pub handshake: Duration,
    /// How long the question whether a client may connect may take.
    pub question: Duration,
    /// How long an answer about an anonymous client counts for more connections from its address to the same mount target.
    pub remember: Duration,
    /// How long a connection may be silent. NFS clients say something at least once in each lease.
    pub idle: Duration,
    /// The same while the volume is locked, for clients of an address from where nobody was authorized before.
    pub idle_unknown: Duration,
    /// How often open connections are asked about again.
    pub reauthorize: Duration,
    /// How long an open connection goes on while nobody can be asked.
    pub unanswered: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 1024,
            per_client: 64,
            strangers: 256,
            handshake: Duration::from_secs(10),
            question: Duration::from_secs(15),
            remember: Duration::from_secs(2),
            idle: Duration::from_secs(900),
            idle_unknown: Duration::from_secs(90),
            reauthorize: Duration::from_secs(60),
            unanswered: Duration::from_secs(3600),
        }
    }
}

/// An address on which a volume is served.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// Its id.
    pub id: String,
    /// The address, which must be one of this machine.
    pub address: IpAddr,
    /// The port; 2049 for NFS.
    pub port: u16,
    /// Who may connect. Nobody if it is empty.
    pub cidrs: Vec<Cidr>,
}
