//! One server: found, started, asked, told what has changed, and ended.

use std::{
    net::{SocketAddr, TcpListener},
    os::unix::process::CommandExt as _,
    path::PathBuf,
    process::{Child, Stdio},
    time::Duration,
};

use keyward_types::network::Network;
use rustix::process::Signal;

use super::Task;
use crate::{
    cgroup::Cgroup,
    data::Maker,
    error::{At as _, Error},
    files::{self, Access},
    installed::{Installed, Version, installed},
    launch, log,
    names::Name,
    options::{Options, Stopped, Wanted},
    process::{Family, Process, Record, StartedWith},
    requirements, roles,
    server_paths::ServerPaths,
    settings::{self, Sizes},
    sql::Client,
    stop::{self, CurrentBounds},
    user::{self, SystemUser},
    watch::Watch,
};

/// The longest certificate file.
const MAX_FILE: u64 = 64 * 1024;
/// How long a server that is starting may take for an answer, and one that runs.
const KNOCK: Duration = Duration::from_secs(5);
const ANSWER: Duration = Duration::from_secs(20);

/// A server, whether it runs or not.
#[derive(Debug)]
pub(crate) struct Server {
    task: Task,
    place: ServerPaths,
    /// Whether it was looked for one that an earlier run of this program has started.
    is_found: bool,
    running: Option<Running>,
}

/// A server that was started.
#[derive(Debug)]
struct Running {
    server: Installed,
    process: Process,
    started_with: StartedWith,
    /// To be waited for, if this run of the program has started it.
    child: Option<Child>,
    /// When it was started or found, in milliseconds of the watch.
    since: u64,
    is_ready: bool,
    applied: Option<u32>,
    /// The names of its certificate that were looked at last.
    certified: Vec<String>,
    /// The networks that it lets in, if that is known.
    clients: Option<Vec<Network>>,
}

impl Server {
    pub(super) fn new(task: Task) -> Self {
        let place = ServerPaths::new(&task.name, &task.volume, &task.options);
        Self {
            task,
            place,
            is_found: false,
            running: None,
        }
    }

    pub(super) fn name(&self) -> &Name {
        &self.task.name
    }

    pub(super) fn options(&self) -> &Options {
        &self.task.options
    }

    pub(super) fn log(&self) -> PathBuf {
        self.place.log()
    }

    /// What runs, its restart, and the password that was set.
    pub(super) fn epochs(&self) -> (Option<Version>, Option<u64>, Option<u32>) {
        let running = self.running.as_ref();
        (
            running.map(|running| running.server.version),
            running.map(|running| running.started_with.restart_epoch),
            running.and_then(|running| running.applied),
        )
    }

    /// Finds what an earlier run of this program has started. If it is not found for certain, nothing that runs as the
    /// server's user is left.
    pub(super) fn find(&mut self, watch: &Watch) -> Result<(), Error> {
        if self.is_found {
            return Ok(());
        }
        let Some(user) = user::find(self.name())? else {
            self.is_found = true;
            return Ok(());
        };
        let record = Record::read(&self.place.record())?;
        let cgroup = record.as_ref().map(Record::cgroup).unwrap_or_default();
        let found = record.and_then(|record| Some((record.find()?, record.started_with)));
        if let Some((process, started_with)) = found
            && let Some(server) = self.server_of_data()?
        {
            tracing::info!(database = %self.name(), pid = process.pid(), "a database that runs already was found");
            self.running = Some(Running {
                server,
                process,
                started_with,
                child: None,
                since: watch.millis(),
                is_ready: false,
                applied: None,
                certified: Vec::new(),
                clients: None,
            });
        } else {
            let family = Family {
                name: self.name(),
                user: &user,
                cgroup: &cgroup,
            };
            let killed = family.kill(self.options().bounds.kill, watch)?;
            if killed > 0 {
                tracing::warn!(database = %self.name(), killed, "killed processes left by an earlier run");
            }
        }
        self.is_found = true;
        Ok(())
    }

    /// The installed server of the data's major version.
    fn server_of_data(&self) -> Result<Option<Installed>, Error> {
        let version = files::read(&self.place.data().join("PG_VERSION"), 16)?;
        let major: Option<u32> = version.and_then(|text| text.trim().parse().ok());
        let mut servers = installed().servers.into_iter();
        Ok(servers.find(|server| Some(server.version.major) == major))
    }

    pub(super) fn runs(&self) -> bool {
        self.running.is_some()
    }

    /// How it has ended, if it was started and does not run any more.
    pub(super) fn ended(&mut self) -> Option<String> {
        let running = self.running.as_mut()?;
        if !running.process.has_ended() {
            return None;
        }
        let status = running.child.as_mut().map(Child::wait);
        Some(match status {
            Some(Ok(status)) => status.to_string(),
            _ => "nobody knows how".to_owned(),
        })
    }

    /// Whether it was told at its start what it would be told now.
    pub(super) fn was_started_for(&self, wanted: &Wanted) -> bool {
        let running = self.running.as_ref();
        running.is_some_and(|running| running.started_with == told(wanted))
    }

    pub(super) fn is_ready(&self) -> bool {
        self.running
            .as_ref()
            .is_some_and(|running| running.is_ready)
    }

    pub(super) fn has_run_for(&self, time: Duration, watch: &Watch) -> bool {
        let running = self.running.as_ref();
        running.is_some_and(|running| watch.has_passed(time, running.since))
    }

    /// Makes what is missing, and starts it.
    pub(super) fn start(&mut self, wanted: &Wanted, watch: &Watch) -> Result<(), Error> {
        let missing = requirements::of_system();
        if !missing.is_empty() {
            return Err(Error::Requirements(missing));
        }
        let major = wanted.version.major;
        let mut servers = installed().servers.into_iter();
        let server = servers
            .find(|server| server.version.major == major)
            .ok_or(Error::NotInstalled { major })?;
        let user = user::ensure(self.name(), watch)?;
        let cgroup = Cgroup::make(self.name());
        let family = Family {
            name: self.name(),
            user: &user,
            cgroup: &cgroup,
        };
        family.kill(self.options().bounds.kill, watch)?;
        self.place.make(&user, wanted.port)?;
        let maker = Maker {
            place: &self.place,
            server: &server,
            user: &user,
            cgroup: &cgroup,
            watch,
        };
        maker.prepare()?;
        // The server would say this in its log only.
        let address = SocketAddr::from((wanted.address, wanted.port));
        let listened = TcpListener::bind(address);
        listened.map_err(|source| Error::Listen { address, source })?;
        self.tell(wanted, &user)?;
        self.certify(wanted, &user, watch)?;
        self.running = Some(self.launch(wanted, server, &user, &cgroup, watch)?);
        Ok(())
    }

    /// Writes what the server is told.
    fn tell(&self, wanted: &Wanted, user: &SystemUser) -> Result<(), Error> {
        let sizes = Sizes::of(self.place.volume(), self.options());
        let configuration = settings::configuration(&self.place, wanted, sizes)?;
        for (path, text) in [
            (self.place.configuration(), configuration),
            (self.place.access(), settings::access(&wanted.clients)),
            (self.place.idents(), settings::idents()),
        ] {
            files::write(&path, text.as_bytes(), readable(user))?;
        }
        // A superuser could have written settings here, which count more. It is in the directory of the server's user, so
        // that it is not written to but replaced.
        let automatic = self.place.data().join("postgresql.auto.conf");
        let own = Access {
            uid: Some(user.uid),
            gid: Some(user.gid),
            mode: 0o600,
        };
        files::write(&automatic, b"", own)
    }

    /// Writes a certificate if there is none that is good; answers whether it did.
    fn certify(&self, wanted: &Wanted, user: &SystemUser, watch: &Watch) -> Result<bool, Error> {
        let path = self.place.certificate();
        let authority = &self.task.authority;
        let written = files::read(&path, MAX_FILE)?.map(zeroize::Zeroizing::new);
        let is_good =
            written.is_some_and(|pem| authority.is_good(&pem, &wanted.names, watch.now()));
        if !is_good {
            let pem = authority.issue(&wanted.names, watch.now())?;
            files::write(&path, pem.as_bytes(), readable(user))?;
        }
        Ok(!is_good)
    }

    fn launch(
        &self,
        wanted: &Wanted,
        server: Installed,
        user: &SystemUser,
        cgroup: &Cgroup,
        watch: &Watch,
    ) -> Result<Running, Error> {
        let record = self.place.record();
        files::remove(&record)?;
        self.shorten_log();
        let output = log::open(&self.place.log())?;
        let errors = output.try_clone().at("open", self.place.log())?;
        let program = server.programs.join("postgres");
        let mut command = launch::command(&program, user, cgroup);
        command.arg("-D").arg(self.place.data()).arg("-c");
        let mut setting = std::ffi::OsString::from("config_file=");
        setting.push(self.place.configuration());
        command.arg(setting);
        command
            .stdin(Stdio::null())
            .stdout(output)
            .stderr(errors)
            // What a terminal sends to this program is not for the server.
            .process_group(0);
        let mut child = command.spawn().at("start", &program)?;
        let started_with = told(wanted);
        // Nobody has waited for it, so that its number is still its own.
        let pid = i32::try_from(child.id()).unwrap_or_default();
        let opened = Process::open(pid).zip(Record::of(child.id(), started_with.clone(), cgroup));
        let noted = match opened {
            Some((process, noted)) => noted.write(&record).map(|()| process),
            None => Err(std::io::Error::from(std::io::ErrorKind::NotFound)).at("look at", &program),
        };
        let process = match noted {
            Ok(process) => process,
            // It would not be found again.
            Err(error) => {
                let _ = child.kill().and_then(|()| child.wait());
                return Err(error);
            }
        };
        tracing::info!(database = %self.name(), pid, version = %server.version, "PostgreSQL is started");
        Ok(Running {
            server,
            process,
            started_with,
            child: Some(child),
            since: watch.millis(),
            is_ready: false,
            applied: None,
            certified: wanted.names.clone(),
            clients: Some(wanted.clients.clone()),
        })
    }

    /// Whether the server answers by now.
    pub(super) fn knock(&mut self, wanted: &Wanted, watch: &Watch) -> Result<bool, Error> {
        let place = self.place.clone();
        let Some(running) = &mut self.running else {
            return Ok(false);
        };
        let client = client(running, &place, wanted, watch);
        match client.answers(KNOCK) {
            Ok(()) => running.is_ready = true,
            Err(Error::Program { said, .. }) => {
                tracing::debug!(database = %place.name(), said, "PostgreSQL does not answer yet");
            }
            Err(Error::Slow { .. }) => {}
            Err(error) => return Err(error),
        }
        Ok(running.is_ready)
    }

    /// Has the roles, the first database and the password that are wanted.
    pub(super) fn apply(&mut self, wanted: &Wanted, watch: &Watch) -> Result<(), Error> {
        let place = self.place.clone();
        let Some(running) = &mut self.running else {
            return Ok(());
        };
        if running.applied == Some(wanted.password_epoch) {
            return Ok(());
        }
        let script = zeroize::Zeroizing::new(roles::apply(place.name(), wanted));
        let client = client(running, &place, wanted, watch);
        client.script(&script, &wanted.verifier)?;
        running.applied = Some(wanted.password_epoch);
        Ok(())
    }

    /// Whether its certificate is for the names that are wanted, as far as was looked.
    pub(super) fn is_certified_for(&self, wanted: &Wanted) -> bool {
        let running = self.running.as_ref();
        running.is_none_or(|running| running.certified == wanted.names)
    }

    /// Has it let in the clients that are wanted, and no others. Who is connected stays connected.
    pub(super) fn admit(&mut self, wanted: &Wanted) -> Result<(), Error> {
        let Some(running) = &self.running else {
            return Ok(());
        };
        if running.clients.as_ref() == Some(&wanted.clients) {
            return Ok(());
        }
        let Some(user) = user::find(self.name())? else {
            return Ok(());
        };
        let rules = settings::access(&wanted.clients);
        files::write(&self.place.access(), rules.as_bytes(), readable(&user))?;
        if let Some(running) = &mut self.running {
            let told = running.process.signal(Signal::HUP);
            told.at("signal", "postgres")?;
            running.clients = Some(wanted.clients.clone());
        }
        Ok(())
    }

    /// What is done from time to time while it runs.
    pub(super) fn upkeep(&mut self, wanted: &Wanted, watch: &Watch) -> Result<(), Error> {
        self.shorten_log();
        let Some(user) = user::find(self.name())? else {
            return Ok(());
        };
        let is_new = self.certify(wanted, &user, watch)?;
        let Some(running) = &mut self.running else {
            return Ok(());
        };
        if is_new {
            // It reads its certificate again.
            let told = running.process.signal(Signal::HUP);
            told.at("signal", "postgres")?;
            tracing::info!(database = %self.task.name, "PostgreSQL has a new certificate");
        }
        running.certified.clone_from(&wanted.names);
        client(running, &self.place, wanted, watch).lives(ANSWER)
    }

    /// A log that cannot be shortened, for example because the volume is full, does not stop the server.
    fn shorten_log(&self) {
        if let Err(error) = log::shorten(&self.place.log(), self.options().log_bytes) {
            tracing::warn!(database = %self.name(), %error, "the log of a database cannot be shortened");
        }
    }

    /// Ends it, and everything that runs as its user.
    pub(super) fn stop(
        &mut self,
        bounds: CurrentBounds<'_>,
        watch: &Watch,
    ) -> Result<Stopped, Error> {
        let record = Record::read(&self.place.record())?;
        let cgroup = record.as_ref().map(Record::cgroup).unwrap_or_default();
        let found = match &self.running {
            None if !self.is_found => record.and_then(|record| record.find()),
            _ => None,
        };
        let postmaster = self.running.as_ref().map(|running| &running.process);
        let postmaster = postmaster.or(found.as_ref());
        let stopped = stop::end(self.name(), postmaster, &cgroup, bounds, watch)?;
        if let Some(mut running) = self.running.take()
            && let Some(child) = &mut running.child
        {
            // It has ended.
            let _ = child.wait();
        }
        self.is_found = true;
        files::remove(&self.place.record())?;
        Ok(stopped)
    }
}

/// Files that a server may read, and only root may write.
fn readable(user: &SystemUser) -> Access {
    Access {
        uid: None,
        gid: Some(user.gid),
        mode: 0o640,
    }
}

fn told(wanted: &Wanted) -> StartedWith {
    StartedWith {
        address: wanted.address.to_string(),
        port: wanted.port,
        restart_epoch: wanted.restart_epoch,
    }
}

fn client<'c>(
    running: &'c Running,
    place: &'c ServerPaths,
    wanted: &Wanted,
    watch: &'c Watch,
) -> Client<'c> {
    Client {
        server: &running.server,
        place,
        port: wanted.port,
        watch,
    }
}
