//! Database servers on this machine's volumes: `keyward_postgres` runs them, and here is said when.
//!
//! A server keeps what it has read in its own memory, so that it must not outlive its volume. Three see to that: the process
//! of an encrypted volume ends the server before it cuts the volume off ([`tenant`]); the agent ends it before it takes the
//! volume away, and when it sees that the volume is gone.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs::{self, DirBuilder},
    os::unix::fs::{DirBuilderExt as _, PermissionsExt as _},
    path::{Path, PathBuf},
    sync::{Arc, mpsc},
    thread,
    time::Duration,
};

use anyhow::{Context as _, anyhow, bail};
use keyward_agent::{
    layout::Layout,
    report::{DatabaseReport, DatabaseState},
    wanted::Database,
};
use keyward_client::clock::SystemClock;
use keyward_keeper::keeper::Tenant;
use keyward_postgres::{
    databases::{self, Databases as Servers},
    installed::{Version, installed},
    names::{DatabaseName, Name, RoleName, Verifier},
    options::{Bounds, Options, State, Status, Wanted},
};
use keyward_types::{network::Network, shown::with_causes, storage::VolumeId};
use parking_lot::Mutex;

/// The one engine.
pub const ENGINE: &str = "postgres";
/// How long a server may take to end that nobody needs any more, or whose volume is gone.
const AT_ONCE: Bounds = Bounds {
    fast: Duration::ZERO,
    immediate: Duration::from_millis(500),
    kill: Duration::from_secs(1),
};
/// The same, if its key may not be used any more: little enough for the keys to be wiped within five seconds.
const EVICTION: Bounds = Bounds {
    fast: Duration::from_secs(3),
    immediate: Duration::from_millis(500),
    kill: Duration::from_secs(1),
};
/// The same, for what is left when its volume is cut off.
const KILL: Bounds = Bounds {
    fast: Duration::ZERO,
    immediate: Duration::ZERO,
    kill: Duration::from_secs(4),
};
/// The same, if everything is to be written first.
const IN_ORDER: Bounds = Bounds {
    fast: Duration::from_secs(30),
    immediate: Duration::from_secs(5),
    kill: Duration::from_secs(5),
};
/// How long it is waited for a server that is ended at once. Whoever supervises it may wait for a volume that hangs.
const PATIENCE: Duration = Duration::from_secs(3);
/// Below how many free bytes a volume counts as full: a segment of the write-ahead log does not fit any more.
const FULL: u64 = 16 << 20;

/// The database servers of this machine.
#[derive(Debug)]
pub struct Databases {
    /// Or why there can be none.
    servers: Result<Arc<Servers>, String>,
    runtime: PathBuf,
    desk: Mutex<Desk>,
}

/// What is known of them.
#[derive(Debug, Default)]
struct Desk {
    /// What each was told last.
    told: BTreeMap<VolumeId, Database>,
    /// Why one could not be told.
    failed: BTreeMap<VolumeId, String>,
    /// How each was last.
    last: BTreeMap<VolumeId, Status>,
    /// Those that are being ended.
    ending: BTreeSet<VolumeId>,
    /// The start and the password that each had when it ran last.
    epochs: BTreeMap<VolumeId, (u64, u32)>,
}

/// What is said of the database servers that can run here.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Offer {
    /// Their versions.
    pub versions: Vec<String>,
    /// The certificate of the authority that signs for them, in PEM.
    pub authority: Option<String>,
}

impl Databases {
    /// Makes what is missing of the directories, and of the authority that signs certificates. A machine that cannot run
    /// database servers is no error.
    pub fn open(layout: &Layout) -> Self {
        let runtime = layout.database_servers();
        let servers = open(layout).map_err(|error| format!("{error:#}"));
        if let Err(why) = &servers {
            tracing::warn!(why, "this machine cannot run databases");
        }
        Self {
            servers: servers.map(Arc::new),
            runtime,
            desk: Mutex::default(),
        }
    }

    /// What can run here. It starts programs, which takes a moment.
    pub fn offer(&self) -> Offer {
        let Ok(servers) = &self.servers else {
            return Offer::default();
        };
        let found = installed().servers.into_iter();
        let versions: Vec<String> = found.map(|server| server.version.to_string()).collect();
        Offer {
            authority: (!versions.is_empty()).then(|| servers.authority().to_owned()),
            versions,
        }
    }

    /// Has a server be as it is wanted, on a volume that is mounted there. Says nothing of how it goes:
    /// [`report`](Self::report) does.
    pub fn follow(&self, volume: &VolumeId, mounted_at: &Path, wanted: &Database) {
        let mut desk = self.desk.lock();
        if desk.ending.contains(volume) || desk.told.get(volume) == Some(wanted) {
            return;
        }
        match self.run(volume, mounted_at, wanted) {
            Ok(()) => {
                desk.failed.remove(volume);
                desk.told.insert(volume.clone(), wanted.clone());
            }
            Err(error) => {
                let why = format!("{error:#}");
                if desk.failed.get(volume) != Some(&why) {
                    tracing::error!(%volume, why, "the database cannot be run");
                }
                desk.failed.insert(volume.clone(), why);
            }
        }
    }

    fn run(&self, volume: &VolumeId, mounted_at: &Path, wanted: &Database) -> anyhow::Result<()> {
        let servers = self.servers.as_ref().map_err(|why| anyhow!("{why}"))?;
        servers.run(&name(volume)?, mounted_at, wish(wanted)?)?;
        Ok(())
    }

    /// How the server on a volume is, if there is something to tell. `free` is how many bytes its volume has left, if it is
    /// mounted.
    pub fn report(&self, volume: &VolumeId, free: Option<u64>) -> Option<DatabaseReport> {
        let mut desk = self.desk.lock();
        let status = self.status(volume);
        let is_told =
            |status: &Status| status.state != State::Starting || !status.message.is_empty();
        if !desk.last.contains_key(volume)
            && !desk.failed.contains_key(volume)
            && free.is_some()
            && !status.as_ref().is_some_and(is_told)
        {
            // It may run already, as the server knows it. That it is looked for is no news.
            return None;
        }
        if let Some(status) = &status {
            desk.last.insert(volume.clone(), status.clone());
            if status.state == State::Running {
                let epochs = (status.restart_epoch, status.password_epoch);
                desk.epochs.insert(volume.clone(), epochs);
            }
        }
        let last = desk.last.get(volume);
        // What has been carried out, is so when it runs.
        let epochs = desk.epochs.get(volume).copied().unwrap_or_default();
        let (state, message) = match (&status, desk.failed.get(volume)) {
            (_, Some(why)) => (DatabaseState::Failed, why.clone()),
            (Some(status), None) => (state(status.state), status.message.clone()),
            // What nobody supervises here, and what cannot be there without its volume.
            (None, None) if free.is_none() => (DatabaseState::Stopped, String::new()),
            (None, None) => return None,
        };
        let is_full = state != DatabaseState::Stopped && free.is_some_and(|free| free < FULL);
        let full = "The storage is full: give the DB instance more with `aws rds modify-db-instance --allocated-storage`.";
        let message = match (is_full, message.is_empty()) {
            (true, true) => full.to_owned(),
            (true, false) => format!("{full} {message}"),
            (false, _) => message,
        };
        Some(DatabaseReport {
            state,
            engine_version: last
                .and_then(|last| last.version)
                .map(|one| one.to_string()),
            restart_epoch: epochs.0,
            password_epoch: u64::from(epochs.1),
            message: Some(message).filter(|message| !message.is_empty()),
            storage_full: is_full,
        })
    }

    fn status(&self, volume: &VolumeId) -> Option<Status> {
        let servers = self.servers.as_ref().ok()?;
        servers.status(&name(volume).ok()?)
    }

    /// Whether there may be something to end: a server that is supervised here, or that an earlier run has started.
    pub fn may_run(&self, volume: &VolumeId) -> bool {
        self.status(volume).is_some() || self.record(volume).exists()
    }

    fn record(&self, volume: &VolumeId) -> PathBuf {
        self.runtime.join(volume.as_str()).join("process.json")
    }

    /// The volumes whose servers an earlier run has started and not forgotten.
    pub fn known(&self) -> Vec<VolumeId> {
        let Ok(servers) = &self.servers else {
            return Vec::new();
        };
        let names = servers.known().unwrap_or_else(|error| {
            let error = with_causes(&error);
            tracing::error!(error, "it cannot be seen which databases there are");
            Vec::new()
        });
        let ids = names.iter().map(|name| VolumeId::parse(name.as_str()));
        ids.filter_map(Result::ok)
            .filter(VolumeId::is_of_database)
            .collect()
    }

    /// Ends the server on a volume, with everything written. Afterwards nothing uses the volume.
    ///
    /// # Errors
    /// When something of it is left.
    pub fn stop(&self, volume: &VolumeId) -> anyhow::Result<()> {
        self.end(volume, IN_ORDER)
    }

    /// Ends the server on a volume that nobody needs any more, or that is gone. It may wait for the volume, and is not waited
    /// for long.
    pub fn quit(self: &Arc<Self>, volume: &VolumeId) {
        if !volume.is_of_database() {
            return;
        }
        let (report, reported) = mpsc::channel();
        let (own, of_thread) = (Arc::clone(self), volume.clone());
        let begun = thread::Builder::new()
            .name("quit".to_owned())
            .spawn(move || {
                let _ = report.send(own.end(&of_thread, AT_ONCE));
            });
        let ended = match begun {
            Ok(_) => reported.recv_timeout(PATIENCE),
            Err(error) => Ok(Err(error.into())),
        };
        match ended {
            Ok(Ok(())) => {}
            Ok(Err(error)) => {
                let error = format!("{error:#}");
                tracing::warn!(%volume, error, "the database has not ended");
            }
            Err(_) => tracing::warn!(%volume, "the database has not ended in time"),
        }
    }

    fn end(&self, volume: &VolumeId, bounds: Bounds) -> anyhow::Result<()> {
        if !volume.is_of_database() {
            return Ok(());
        }
        let Ok(servers) = &self.servers else {
            return end(&self.runtime, volume, bounds);
        };
        self.desk.lock().ending.insert(volume.clone());
        let ended = name(volume).and_then(|name| Ok(servers.stop(&name, bounds)?));
        let mut desk = self.desk.lock();
        desk.ending.remove(volume);
        desk.told.remove(volume);
        desk.failed.remove(volume);
        if let Some(last) = desk.last.get_mut(volume) {
            last.state = State::Stopped;
        }
        ended.map(drop)
    }

    /// Ends what is left of a server whose volume is taken away, whoever supervises it.
    ///
    /// # Errors
    /// When something of it is left all the same.
    pub fn kill(&self, volume: &VolumeId) -> anyhow::Result<()> {
        match volume.is_of_database() {
            true => end(&self.runtime, volume, KILL),
            false => Ok(()),
        }
    }

    /// Removes what there is of a server whose volume is destroyed.
    ///
    /// # Errors
    /// When it cannot be removed.
    pub fn forget(&self, volume: &VolumeId) -> anyhow::Result<()> {
        if !volume.is_of_database() {
            return Ok(());
        }
        let mut desk = self.desk.lock();
        desk.last.remove(volume);
        desk.epochs.remove(volume);
        drop(desk);
        match &self.servers {
            Ok(servers) => Ok(servers.forget(&name(volume)?)?),
            Err(_) => Ok(()),
        }
    }
}

/// The server on a volume of an agent, for the volume's process, if a server can be on it.
pub fn tenant(layout: &Layout, volume: &VolumeId) -> Option<Arc<dyn Tenant>> {
    let server = Server {
        runtime: layout.database_servers(),
        volume: volume.clone(),
    };
    volume
        .is_of_database()
        .then(|| Arc::new(server) as Arc<dyn Tenant>)
}

/// The database server on one volume.
#[derive(Debug)]
struct Server {
    runtime: PathBuf,
    volume: VolumeId,
}

impl Tenant for Server {
    fn end(&self) -> anyhow::Result<()> {
        end(&self.runtime, &self.volume, EVICTION)
    }

    fn kill(&self) -> anyhow::Result<()> {
        end(&self.runtime, &self.volume, KILL)
    }
}

fn end(runtime: &Path, volume: &VolumeId, bounds: Bounds) -> anyhow::Result<()> {
    databases::end(
        runtime,
        &name(volume)?,
        bounds,
        Arc::new(SystemClock::new()),
    )?;
    Ok(())
}

fn open(layout: &Layout) -> anyhow::Result<Servers> {
    for folder in layout.database_folders() {
        let made = DirBuilder::new().mode(0o711).create(&folder);
        if let Err(error) = made
            && !folder.is_dir()
        {
            return Err(error).with_context(|| format!("cannot create {}", folder.display()));
        }
        // Whatever the umask is: each server has a system user of its own, who enters it.
        fs::set_permissions(&folder, fs::Permissions::from_mode(0o711))
            .with_context(|| format!("cannot change the permissions of {}", folder.display()))?;
    }
    let options = Options::new(layout.postgres(), layout.database_servers());
    Ok(Servers::open(options, Arc::new(SystemClock::new()))?)
}

fn name(volume: &VolumeId) -> anyhow::Result<Name> {
    Ok(Name::parse(volume.as_str())?)
}

const fn state(state: State) -> DatabaseState {
    match state {
        State::Starting => DatabaseState::Starting,
        State::Running => DatabaseState::Running,
        State::Stopped => DatabaseState::Stopped,
        State::Failed => DatabaseState::Failed,
    }
}

/// What the server of a database is told, from what the server of Keyward wants.
fn wish(wanted: &Database) -> anyhow::Result<Wanted> {
    if wanted.engine != ENGINE {
        bail!(
            "this version of the agent runs no databases of `{}`: install a newer one",
            wanted.engine.escape_debug()
        );
    }
    let version = Version::parse(&wanted.engine_version);
    let version = version.with_context(|| {
        let version = wanted.engine_version.escape_debug();
        format!("`{version}` is not a version of PostgreSQL")
    })?;
    let networks = wanted.cidrs.iter().map(|text| {
        let network = Network::parse(text);
        network.with_context(|| format!("`{}` is not a network", text.escape_debug()))
    });
    let database = wanted.database_name.as_deref();
    let database = database.map(DatabaseName::parse).transpose();
    let epoch = u32::try_from(wanted.password_epoch);
    Ok(Wanted {
        running: wanted.running,
        version,
        address: wanted.address,
        port: wanted.port,
        database: database.context("the name of the database")?,
        master: RoleName::parse(&wanted.master_username).context("the master user name")?,
        verifier: Verifier::parse(wanted.password_verifier.expose())?,
        password_epoch: epoch.context("the password was changed too often")?,
        restart_epoch: wanted.restart_epoch,
        names: wanted.names.clone(),
        clients: networks.collect::<anyhow::Result<_>>()?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=";

    fn wanted() -> Database {
        let json = serde_json::json!({
            "Engine": "postgres", "EngineVersion": "15.14", "Running": true, "Address": "10.0.0.4", "Port": 5432,
            "MasterUsername": "admin", "PasswordVerifier": format!("SCRAM-SHA-256$4096:c2FsdHNhbHQ=${KEY}:{KEY}"),
            "PasswordEpoch": 1, "RestartEpoch": 0, "Names": ["a"], "Cidrs": ["10.0.0.0/8"],
        });
        serde_json::from_value(json).unwrap()
    }

    #[test]
    fn what_is_wanted_is_checked_before_a_server_is_told() {
        let told = wish(&wanted()).unwrap();
        assert_eq!(
            (told.port, told.version.to_string()),
            (5432, "15.14".to_owned())
        );
        assert_eq!(told.clients, [Network::parse("10.0.0.0/8").unwrap()]);
        type Change = fn(&mut Database);
        let changes: [(Change, &str); 6] = [
            (
                |one| one.engine = "mysql".to_owned(),
                "this version of the agent runs no databases of `mysql`: install a newer one",
            ),
            (
                |one| one.engine_version = "15".to_owned(),
                "`15` is not a version of PostgreSQL",
            ),
            (
                |one| one.cidrs = vec!["all".to_owned()],
                "`all` is not a network",
            ),
            (
                |one| one.master_username = "rdsadmin".to_owned(),
                "the master user name: this name is reserved: choose another",
            ),
            (
                |one| one.database_name = Some("a\"b".to_owned()),
                "the name of the database: the name of a role or a database has 1 to 63 letters, digits and underscores, and begins with a letter or an underscore",
            ),
            (
                |one| one.password_epoch = u64::MAX,
                "the password was changed too often: out of range integral type conversion attempted",
            ),
        ];
        for (change, why) in changes {
            let mut one = wanted();
            change(&mut one);
            assert_eq!(format!("{:#}", wish(&one).unwrap_err()), why);
        }
    }

    #[test]
    fn the_keys_are_wiped_within_five_seconds() {
        let Bounds {
            fast,
            immediate,
            kill,
        } = EVICTION;
        assert!(fast + immediate + kill < Duration::from_secs(5));
    }
}
