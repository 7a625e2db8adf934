//! Who may use a volume. The crate asks, and whoever uses the crate answers.

use std::{fmt, net::IpAddr, pin::Pin};

/// Decides about connections.
pub trait Authorize: Send + Sync + 'static {
    /// What the client of a connection may do. It is asked when a client connects, whenever
    /// [`Server::reauthorize`](crate::server::Server::reauthorize) is called, and at intervals as long as the
    /// connection is open.
    fn authorize(&self, question: Question) -> Answer<'_>;
}

/// The answer, some time later.
pub type Answer<'a> = Pin<Box<dyn Future<Output = Result<Rights, Refused>> + Send + 'a>>;

/// Who wants to use what.
#[derive(Clone, Debug)]
pub struct Question {
    /// The volume.
    pub volume: String,
    /// The id of the mount target that the client has connected to.
    pub target: String,
    /// The client's address.
    pub client: IpAddr,
    /// Whether the connection is encrypted.
    pub tls: bool,
    /// Whether the client is connected already, and has had a right.
    pub again: bool,
    /// The certificate that the client has shown, and whose key it has.
    pub certificate: Option<ClientCertificate>,
}

/// What the certificate says that amazon-efs-utils makes for each mount. It is for the volume that is asked about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientCertificate {
    /// The access point.
    pub access_point: Option<String>,
    /// Who the client is; without it, anybody.
    pub identity: Option<Identity>,
    /// The hash of the certificate's public key: SHA-1 in hexadecimal, as in the request that was signed.
    pub public_key_hash: String,
    /// What the client says of itself, for the log.
    pub client_info: Vec<String>,
}

/// A signed request to connect, the parts of it that the certificate has. It is not verified yet.
#[derive(Clone, PartialEq, Eq)]
pub struct Identity {
    /// The id of the access key.
    pub access_key_id: String,
    /// When it was signed, as `YYYYMMDDTHHMMSSZ`.
    pub date_time: String,
    /// The signature, in hexadecimal.
    pub signature: String,
    /// The session token of temporary credentials.
    pub session_token: Option<String>,
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Identity")
            .field("access_key_id", &self.access_key_id)
            .field("date_time", &self.date_time)
            .finish_non_exhaustive()
    }
}

/// What a client may do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rights {
    /// Whether it may write.
    pub write: bool,
    /// Whether its user 0 is root, and not an anonymous user.
    pub root: bool,
    /// The access point that it must use.
    pub access_point: Option<AccessPoint>,
}

/// What of a volume an access point shows, and to whom.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct AccessPoint {
    /// The directory that clients see as `/`; absolute, within the volume.
    pub path: String,
    /// Who every client is, whatever it says.
    pub user: Option<User>,
    /// How the directory is created if it does not exist; without it, it is not.
    pub creation: Option<Creation>,
}

/// A user of the file system.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct User {
    /// Its number.
    pub uid: u32,
    /// Its group.
    pub gid: u32,
    /// Further groups, 16 of them at most, as many as AUTH_SYS has room for.
    pub secondary_gids: Vec<u32>,
}

/// The owner and permissions of a directory that is created.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Creation {
    /// The user.
    pub owner_uid: u32,
    /// The group.
    pub owner_gid: u32,
    /// The permissions, such as `0o755`.
    pub permissions: u32,
}

/// Why a client may not connect.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// It has no right to. Its connection ends.
    #[error("{reason}")]
    Denied {
        /// The reason, for the log.
        reason: String,
    },
    /// Nobody could be asked. A new connection is refused, an open one stays for a while.
    #[error("nobody could be asked: {reason}")]
    Unanswered {
        /// What is wrong, for the log.
        reason: String,
    },
}
