//! Databases on volumes, as agents speak of them: what they have installed, what is wanted, and what became of it.
//!
//! The password of a master user never comes here: an agent is given what PostgreSQL stores of it.

use keyward_engine::{
    audit::parameters::{Parameter, boolean, integer, text},
    directory::records::{
        database::{DatabaseRecord, DatabaseReport, DatabaseState, Happened, InstalledEngine},
        storage::{VolumeRecord, Wanted},
    },
};
use keyward_types::{network::Network, time::Timestamp, vpc::Vpcs};
use keyward_wire::json::{Members, Writer};

/// The most engines that an agent has, each version for itself.
const MOST_ENGINES: usize = 16;
/// The most bytes of an authority's certificate.
const MOST_AUTHORITY: usize = 4096;
/// The states that an agent tells.
const STATES: &[&str] = &["FAILED", "RUNNING", "STARTING", "STOPPED"];

/// An installed engine in events.
pub const SHOWN_ENGINE: &[Parameter] = &[text("Engine"), text("EngineVersion")];
/// What an agent reports of a database, in events.
pub const SHOWN_REPORT: &[Parameter] = &[
    text("State"),
    text("EngineVersion"),
    integer("RestartEpoch"),
    integer("PasswordEpoch"),
    text("Message"),
    boolean("StorageFull"),
];

/// What an agent says of the databases that it can run.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Installed {
    /// The engines, sorted.
    pub engines: Vec<InstalledEngine>,
    /// The certificate of the authority that signs for them.
    pub authority: Option<String>,
}

impl Installed {
    /// Reads `Databases` and `DatabaseAuthority`.
    pub fn read(m: &mut Members<'_>) -> Self {
        let word = |text: &str| {
            let legal = |byte: u8| byte.is_ascii_alphanumeric() || b".-".contains(&byte);
            text.bytes().all(legal)
        };
        let engines = m.structures("Databases", |one| {
            let engine = one.string("Engine").length(1, 32);
            let engine = engine.pattern("[A-Za-z0-9.-]+", word).required();
            let version = one.string("EngineVersion").length(1, 32);
            let version = version.pattern("[A-Za-z0-9.-]+", word).required();
            InstalledEngine {
                engine: engine.to_owned(),
                version: version.to_owned(),
            }
        });
        let engines = engines.count(0, MOST_ENGINES).optional();
        let mut engines = engines.unwrap_or_default();
        engines.sort_unstable();
        engines.dedup();
        let authority = m.string("DatabaseAuthority").length(1, MOST_AUTHORITY);
        let authority = authority.pattern("-----BEGIN CERTIFICATE-----.*", |text| {
            text.is_ascii() && text.starts_with("-----BEGIN CERTIFICATE-----")
        });
        let authority = authority.optional().map(str::to_owned);
        // Without an engine there is nothing to sign for.
        let authority = authority.filter(|_| !engines.is_empty());
        Self { engines, authority }
    }
}

/// What an agent reports of a database.
#[derive(Clone, Debug)]
pub struct Told {
    state: DatabaseState,
    version: Option<String>,
    restart_epoch: u64,
    password_epoch: u64,
    message: Option<String>,
    is_full: bool,
}

impl Told {
    /// Reads it.
    pub fn read(told: &mut Members<'_>) -> Self {
        let state = told.enumeration("State", STATES).required();
        let version = told.string("EngineVersion").length(1, 32).optional();
        let version = version.map(str::to_owned);
        let epoch = |epoch: Option<i64>| epoch.and_then(|epoch| u64::try_from(epoch).ok());
        let restart = told.integer("RestartEpoch").range(0, i64::MAX).optional();
        let password = told.integer("PasswordEpoch").range(0, i64::MAX).optional();
        let message = told.string("Message").length(0, 512).optional();
        let is_full = told.boolean("StorageFull").optional().unwrap_or(false);
        Self {
            state: match state {
                "RUNNING" => DatabaseState::Running,
                "STARTING" => DatabaseState::Starting,
                "STOPPED" => DatabaseState::Stopped,
                _ => DatabaseState::Failed,
            },
            version,
            restart_epoch: epoch(restart).unwrap_or_default(),
            password_epoch: epoch(password).unwrap_or_default(),
            message: message.map(str::to_owned),
            is_full,
        }
    }

    /// Has a database be as its agent says.
    pub fn hear(self, database: &mut DatabaseRecord, at: Timestamp) {
        let before = database.reported.as_ref();
        if self.state == DatabaseState::Failed
            && before.is_none_or(|before| before.state != self.state)
        {
            let reason = self.message.as_deref().unwrap_or("not told");
            tracing::warn!(reason, "an agent cannot run a database");
        }
        database.hear(DatabaseReport {
            state: self.state,
            version: self.version.unwrap_or_else(|| database.version.clone()),
            // What was never wanted cannot be there.
            password_epoch: self.password_epoch.min(database.password_epoch),
            restart_epoch: self.restart_epoch.min(database.restart_epoch),
            at,
            message: self.message,
            is_full: self.is_full,
        });
    }

    /// Whether the database does not run.
    fn is_down(&self) -> bool {
        matches!(self.state, DatabaseState::Failed | DatabaseState::Stopped)
    }
}

/// Whether it is to be asked whether the key of a volume's database can be used: the volume has failed, or its database
/// does not run and is to.
pub fn may_be_locked(volume: &VolumeRecord, has_failed: bool, told: Option<&Told>) -> bool {
    let Some(database) = &volume.database else {
        return false;
    };
    let is_down = database.running && told.is_some_and(Told::is_down);
    volume.wanted == Wanted::Present
        && volume.key.is_some()
        && database.locked.is_none()
        && (has_failed || is_down)
}

/// The key of a volume cannot be used: its database does not start again by itself.
pub fn lock(database: &mut DatabaseRecord, at: Timestamp) {
    database.running = false;
    database.locked = Some(at);
    database.happened(at, Happened::Locked);
}

/// What tells one state of what is wanted of a volume's size and database from another.
pub fn told(volume: &VolumeRecord, vpcs: &Vpcs) -> String {
    let size = volume.size.unwrap_or_default();
    let Some(database) = &volume.database else {
        return format!("{size}");
    };
    let DatabaseRecord {
        version,
        running,
        address,
        port,
        password_epoch,
        restart_epoch,
        names,
        groups,
        ..
    } = &**database;
    let networks = vpcs.ingress(groups);
    format!(
        "{size} {version} {running} {address} {port} {password_epoch} {restart_epoch} {names:?} {networks:?}"
    )
}

/// The networks whose clients a volume's database lets in.
pub fn networks(volume: &VolumeRecord, vpcs: &Vpcs) -> Vec<Network> {
    let database = volume.database.as_ref();
    database.map_or_else(Vec::new, |database| vpcs.ingress(&database.groups))
}

/// Writes what is wanted of a volume's size and database.
pub fn write(volume: &VolumeRecord, networks: &[Network], out: &mut Writer<'_>) {
    if let Some(size) = volume.size {
        out.natural("SizeInBytes", size);
    }
    let Some(database) = &volume.database else {
        return;
    };
    out.object("Database", |out| {
        out.string("Engine", &database.engine);
        out.string("EngineVersion", &database.version);
        out.boolean("Running", database.running);
        out.string("Address", &database.address.to_string());
        out.natural("Port", u64::from(database.port));
        if let Some(name) = &database.name {
            out.string("DatabaseName", name);
        }
        out.string("MasterUsername", &database.master);
        out.string("PasswordVerifier", database.verifier.expose());
        out.natural("PasswordEpoch", database.password_epoch);
        out.natural("RestartEpoch", database.restart_epoch);
        out.strings("Names", &database.names);
        out.strings("Cidrs", networks.iter().map(Network::to_string));
    });
}
