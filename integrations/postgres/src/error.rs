//! What can go wrong.

use std::{
    io,
    net::{IpAddr, SocketAddr},
    path::PathBuf,
};

/// Why a database does not run as it should.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The kernel refused.
    #[error("cannot {step} `{at}`: {source}")]
    Step {
        /// What was to be done.
        step: &'static str,
        /// With what.
        at: PathBuf,
        /// The kernel's answer.
        source: io::Error,
    },
    /// The machine lacks something.
    #[error("PostgreSQL cannot run on this machine: {}", .0.join(" "))]
    Requirements(
        /// One sentence for each thing.
        Vec<String>,
    ),
    /// No server of this major version is installed.
    #[error(
        "PostgreSQL {major} is not installed on this machine: install it with `apt-get install postgresql-{major}`"
    )]
    NotInstalled {
        /// The major version.
        major: u32,
    },
    /// A program failed.
    #[error("{program} failed ({status}): {said}")]
    Program {
        /// Its name.
        program: &'static str,
        /// How it ended.
        status: String,
        /// The last that it wrote.
        said: String,
    },
    /// A program was not ready in time.
    #[error("{program} was not ready after {seconds} s, and was ended")]
    Slow {
        /// Its name.
        program: &'static str,
        /// How long it was waited for.
        seconds: u64,
    },
    /// The database is to stop, so that what was being done was given up.
    #[error("it was interrupted because the database is stopping")]
    Interrupted,
    /// A system user has the name that a database's user would have.
    #[error(
        "the system user `{user}` was not made for the database `{name}`: rename or remove that user, whose name is needed"
    )]
    ForeignUser {
        /// The user.
        user: String,
        /// The database.
        name: String,
    },
    /// The database's user may not enter a directory.
    #[error(
        "the database's system user cannot enter `{at}`, which is on the way to `{path}`: put the volume and the runtime directory below directories that everybody may enter (mode 0755 or 0711)"
    )]
    Unreachable {
        /// The directory that is closed.
        at: PathBuf,
        /// Where the way leads.
        path: PathBuf,
    },
    /// Nothing is mounted where the volume was.
    #[error("no volume is mounted at `{}`", .0.display())]
    NotMounted(
        /// The mount point.
        PathBuf,
    ),
    /// A path is too long for a Unix socket.
    #[error("the path of the socket `{0}` is too long: choose a shorter runtime directory")]
    SocketPath(
        /// The socket.
        PathBuf,
    ),
    /// A path has characters that cannot stand in PostgreSQL's configuration.
    #[error("`{}` has a control character: choose another directory", .0.display())]
    Path(
        /// The path.
        PathBuf,
    ),
    /// Something that is not a directory is in the place of one.
    #[error("`{}` is not a directory: remove it, if nobody needs it", .0.display())]
    NotDirectory(
        /// The path.
        PathBuf,
    ),
    /// There are data that this crate has not made.
    #[error(
        "`{}` has no marker of Keyward, or one that cannot be read, and is left as it is: bring back the whole volume from a snapshot or a backup", .0.display()
    )]
    NoMarker(
        /// The directory of the data.
        PathBuf,
    ),
    /// The data are in a layout of another version of this program.
    #[error(
        "`{}` was written by a newer version of Keyward (layout {layout}): install that version", at.display()
    )]
    Layout {
        /// The directory of the data.
        at: PathBuf,
        /// The number of the layout.
        layout: u32,
    },
    /// The data are of another major version of PostgreSQL.
    #[error(
        "the data are of PostgreSQL {found}, and PostgreSQL {wanted} was asked for: ask for {found}, or make a new database and copy the data with pg_dump and pg_restore"
    )]
    Major {
        /// That of the data.
        found: u32,
        /// The one that is to run.
        wanted: u32,
    },
    /// The address cannot be listened on.
    #[error(
        "cannot listen on {address}: {source}; it must be an address of this machine, and a port that nothing else uses"
    )]
    Listen {
        /// The address.
        address: SocketAddr,
        /// The kernel's answer.
        source: io::Error,
    },
    /// A port below 1024 is only for root.
    #[error(
        "the port {port} of {address} is below 1024, where only root may listen: choose another"
    )]
    Port {
        /// The address.
        address: IpAddr,
        /// The port.
        port: u16,
    },
    /// The server has ended.
    #[error("PostgreSQL has ended ({status}); its last lines are in `{}`", log.display())]
    Ended {
        /// How.
        status: String,
        /// Its log.
        log: PathBuf,
    },
    /// Processes did not end when they were killed.
    #[error(
        "{processes} processes of the database `{name}` did not end when they were killed: they wait for their disk"
    )]
    StillRunning {
        /// The database.
        name: String,
        /// How many.
        processes: usize,
    },
    /// The server is on another volume.
    #[error("the database `{name}` is on the volume `{}`: stop it first", volume.display())]
    OtherVolume {
        /// The database.
        name: String,
        /// Where it is.
        volume: PathBuf,
    },
    /// The server is not stopped.
    #[error("the database `{0}` is not stopped: stop it first")]
    NotStopped(
        /// The database.
        String,
    ),
    /// A supervisor has ended in a way that it should not.
    #[error("the supervisor of the database `{0}` has failed: restart this program")]
    Supervisor(
        /// The database.
        String,
    ),
    /// The key or the certificate of the authority is gone or damaged.
    #[error(
        "`{}` cannot be used ({reason}): restore it from a backup. If it is lost, remove the whole directory `authority`: a new authority is created, and clients that verify the server need its certificate", at.display()
    )]
    Authority {
        /// The file.
        at: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// A certificate could not be made.
    #[error("a certificate cannot be made: {0}")]
    Certificate(
        /// Why.
        String,
    ),
}

/// Says at which step, and with what, the kernel refused.
pub(crate) trait At<T> {
    /// See the trait.
    fn at(self, step: &'static str, at: impl Into<PathBuf>) -> Result<T, Error>;
}

impl<T, E: Into<io::Error>> At<T> for Result<T, E> {
    fn at(self, step: &'static str, at: impl Into<PathBuf>) -> Result<T, Error> {
        self.map_err(|source| Error::Step {
            step,
            at: at.into(),
            source: source.into(),
        })
    }
}
