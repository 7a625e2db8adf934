//! What can go wrong.

use std::{fmt, io, net::SocketAddr, path::PathBuf};

use crate::root::RootError;

/// A step that the kernel can refuse.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Preparing the directory for state.
    State,
    /// Opening the mounted file system.
    Export,
    /// Building the namespace of a server.
    Sandbox,
    /// Starting a program.
    Start,
    /// Reading or writing the server's certificate.
    Certificate,
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::State => "prepare",
            Self::Export => "open",
            Self::Sandbox => "bring into the namespace of the NFS server:",
            Self::Start => "start",
            Self::Certificate => "use the certificate or key",
        })
    }
}

/// Why an export is not served.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The kernel refused.
    #[error("cannot {step} `{at}`: {source}")]
    Step {
        /// What was to be done.
        step: Step,
        /// With what.
        at: PathBuf,
        /// The kernel's answer.
        source: io::Error,
    },
    /// The machine lacks something.
    #[error("NFS cannot be served on this machine: {}", .0.join(" "))]
    Requirements(
        /// One sentence for each thing.
        Vec<String>,
    ),
    /// A mount target cannot be listened on.
    #[error(
        "cannot listen on {address} for the mount target `{target}`: {source}; it must be an address of this machine that nothing else serves NFS on"
    )]
    Listen {
        /// Its id.
        target: String,
        /// Its address.
        address: SocketAddr,
        /// The kernel's answer.
        source: io::Error,
    },
    /// A mount target of another volume has this address.
    #[error("the mount targets of `{volume}` and `{other}` have the same address {address}")]
    SameAddress {
        /// The volume whose targets were to be set.
        volume: String,
        /// The volume that is served there.
        other: String,
        /// The address.
        address: SocketAddr,
    },
    /// No target of this volume was ever set, or its name cannot be the name of a directory.
    #[error("`{0}` cannot be the name of a volume")]
    Name(
        /// The name.
        String,
    ),
    /// Nothing is mounted there.
    #[error("`{0}` is not the root of a mounted file system")]
    NotMounted(
        /// The directory.
        PathBuf,
    ),
    /// The directory of a view cannot be shown.
    #[error(transparent)]
    Root(#[from] RootError),
    /// The server's process has ended before it served.
    #[error("nfs-ganesha has ended ({status}); its last lines are in `{log}`")]
    Ended {
        /// How.
        status: String,
        /// Its log.
        log: PathBuf,
    },
    /// The server's process does not begin to serve.
    #[error("nfs-ganesha has not begun to serve within {seconds} s; its last lines are in `{log}`")]
    Slow {
        /// How long it was waited for.
        seconds: u64,
        /// Its log.
        log: PathBuf,
    },
    /// The server's process has ended shortly before; the next one is started later.
    #[error("nfs-ganesha has ended too often; it is started again in {seconds} s")]
    Backoff {
        /// When.
        seconds: u64,
    },
    /// So many views are served already.
    #[error("{limit} views are served already, which is the limit on this machine")]
    TooManyViews {
        /// How many.
        limit: usize,
    },
    /// So many views of the volume are served already.
    #[error("{limit} views of this volume are served already, which is its share on this machine")]
    TooManyViewsOfVolume {
        /// How many.
        limit: usize,
    },
    /// The volume is locked.
    #[error("the volume is locked")]
    Locked,
    /// A process did not end when it was killed.
    #[error("nfs-ganesha of `{volume}` did not end when it was killed; it waits for its disk")]
    StillRunning {
        /// The volume.
        volume: String,
    },
    /// The certificate cannot be used.
    #[error("the certificate `{path}` cannot be used: {reason}")]
    Certificate {
        /// Its file.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
}

/// Says at which step, and with what, the kernel refused.
pub(crate) trait At<T> {
    /// See the trait.
    fn at(self, step: Step, at: impl Into<PathBuf>) -> Result<T, Error>;
}

impl<T, E: Into<io::Error>> At<T> for Result<T, E> {
    fn at(self, step: Step, at: impl Into<PathBuf>) -> Result<T, Error> {
        self.map_err(|source| Error::Step {
            step,
            at: at.into(),
            source: source.into(),
        })
    }
}
