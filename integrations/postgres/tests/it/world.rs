//! A volume in a plain directory, the databases of a machine, and clients.

use std::{
    fs,
    net::TcpListener,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    thread,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use keyward_postgres::{
    databases::Databases,
    installed::{Installed, installed},
    names::{DatabaseName, Name, RoleName, Verifier},
    options::{Bounds, Options, State, Status, Wanted},
    requirements,
};
use keyward_types::{
    network::Network,
    time::{Clock, Monotonic, Timestamp},
};

pub(crate) const PASSWORD: &str = "the first password";
pub(crate) const OTHER_PASSWORD: &str = "another password";
/// Of the two passwords, as RFC 5803 computes them.
pub(crate) const VERIFIER: &str = "SCRAM-SHA-256$4096:a2V5d2FyZCB0ZXN0IHNhbA==$mJMYoPMoVpvU/05UT8a3iqSz52theb+yD/qx9ttyEMI=:9FTacsTLm+92H2rLwclshhMS19VRX8kBHuAhILL/nUA=";
pub(crate) const OTHER_VERIFIER: &str = "SCRAM-SHA-256$4096:a2V5d2FyZCB0ZXN0IHNhbA==$lZnyJ2NL8F0UvihUGSH6+ZtGGiU5a908mzf1Y7vbPnc=:2xsgeRj42RAfsWkTbyvAAbJoHXi1DpyT6E6JvY3oZ5M=";

/// How long something may take that does happen.
pub(crate) const PATIENCE: Duration = Duration::from_secs(120);
const LOOK: Duration = Duration::from_millis(50);

static NUMBER: AtomicU32 = AtomicU32::new(0);

/// The machine's clocks.
#[derive(Debug)]
struct Real(Instant);

#[expect(clippy::disallowed_methods, reason = "real servers are waited for")]
impl Clock for Real {
    fn now(&self) -> Timestamp {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
        Timestamp::from_millis(i64::try_from(since.as_millis()).unwrap())
    }

    fn monotonic(&self) -> Monotonic {
        Monotonic::from_millis(u64::try_from(self.0.elapsed().as_millis()).unwrap())
    }
}

#[expect(clippy::disallowed_methods, reason = "real servers are waited for")]
pub(crate) fn now() -> Instant {
    Instant::now()
}

/// Whether databases can run here. If not, it says why, and fails where that must not be.
fn can_run() -> bool {
    let missing = requirements::missing();
    let must = std::env::var_os("CI").is_some_and(|value| value == "true");
    assert!(missing.is_empty() || !must, "{}", missing.join("\n"));
    for sentence in &missing {
        eprintln!("Not tested: {sentence}");
    }
    missing.is_empty()
}

pub(crate) struct World {
    folder: tempfile::TempDir,
    pub(crate) name: Name,
    pub(crate) databases: Option<Databases>,
    pub(crate) port: u16,
    /// Databases besides the first.
    others: Vec<Name>,
}

impl World {
    /// None if databases cannot run on this machine.
    pub(crate) fn new() -> Option<Self> {
        if !can_run() {
            return None;
        }
        let folder = tempfile::Builder::new().prefix("kw").tempdir().unwrap();
        // The users of servers enter it.
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
        fs::create_dir(folder.path().join("volume")).unwrap();
        let mut world = Self {
            folder,
            name: new_name(),
            databases: None,
            port: free_port(),
            others: Vec::new(),
        };
        world.open();
        Some(world)
    }

    pub(crate) fn options(&self) -> Options {
        let mut options = Options::new(self.path("state"), self.path("run"));
        options.buffers = Some(16 * 1024 * 1024);
        options.upkeep = Duration::from_millis(500);
        options.mounted = false;
        options
    }

    /// As a start of the agent.
    pub(crate) fn open(&mut self) {
        let options = self.options();
        let databases = Databases::open(options, Arc::new(Real(now()))).unwrap();
        fs::write(self.path("authority.pem"), databases.authority()).unwrap();
        self.databases = Some(databases);
    }

    /// As an end of the agent.
    pub(crate) fn close(&mut self) {
        self.databases = None;
    }

    pub(crate) fn all(&self) -> &Databases {
        self.databases.as_ref().unwrap()
    }

    pub(crate) fn path(&self, within: &str) -> PathBuf {
        self.folder.path().join(within)
    }

    pub(crate) fn another(&mut self) -> Name {
        let name = new_name();
        self.others.push(name.clone());
        name
    }

    pub(crate) fn wanted(&self) -> Wanted {
        Wanted {
            running: true,
            version: server().version,
            address: "127.0.0.1".parse().unwrap(),
            port: self.port,
            database: Some(DatabaseName::parse("app").unwrap()),
            master: RoleName::parse("admin").unwrap(),
            verifier: Verifier::parse(VERIFIER).unwrap(),
            password_epoch: 1,
            restart_epoch: 0,
            names: vec!["localhost".to_owned(), "127.0.0.1".to_owned()],
            clients: vec![Network::parse("127.0.0.0/8").unwrap()],
        }
    }

    pub(crate) fn want(&self, wanted: Wanted) {
        self.all()
            .run(&self.name, &self.path("volume"), wanted)
            .unwrap();
    }

    /// Has it run as usual, and waits for that.
    pub(crate) fn run(&self) -> Status {
        self.want(self.wanted());
        self.wait(State::Running)
    }

    pub(crate) fn status(&self) -> Status {
        self.all().status(&self.name).unwrap()
    }

    pub(crate) fn wait(&self, state: State) -> Status {
        self.wait_for(&format!("{state:?}"), |status| status.state == state)
    }

    pub(crate) fn wait_for(&self, what: &str, fits: impl Fn(&Status) -> bool) -> Status {
        let begun = now();
        loop {
            let status = self.status();
            if fits(&status) {
                return status;
            }
            if begun.elapsed() > PATIENCE {
                panic!("not {what} but {status:?}; the log:\n{}", self.log());
            }
            thread::sleep(LOOK);
        }
    }

    pub(crate) fn log(&self) -> String {
        fs::read_to_string(self.path("volume/log/postgresql.log")).unwrap_or_default()
    }

    /// The number of the process that all others of the server come from.
    pub(crate) fn postmaster(&self) -> i32 {
        let text = fs::read_to_string(self.path("volume/pgdata/postmaster.pid")).unwrap();
        text.lines().next().unwrap().parse().unwrap()
    }

    /// Waits until another one runs.
    pub(crate) fn wait_for_another(&self, postmaster: i32) {
        let begun = now();
        let old = format!("{postmaster}\n");
        let file = self.path("volume/pgdata/postmaster.pid");
        while fs::read_to_string(&file).is_ok_and(|text| text.starts_with(&old)) {
            assert!(begun.elapsed() < PATIENCE, "{:?}", self.status());
            thread::sleep(Duration::from_millis(10));
        }
        self.wait(State::Running);
        assert_ne!(self.postmaster(), postmaster);
    }

    pub(crate) fn user(&self) -> nix::unistd::User {
        let name = format!("keyward-pg-{}", self.name.as_str().to_lowercase());
        nix::unistd::User::from_name(&name).unwrap().unwrap()
    }

    /// A client that verifies the server.
    pub(crate) fn client(&self, password: &str) -> Command {
        let mut command = Command::new(server().programs.join("psql"));
        command
            .env_clear()
            .env("PGHOST", "localhost")
            .env("PGHOSTADDR", "127.0.0.1")
            .env("PGPORT", self.port.to_string())
            .env("PGUSER", "admin")
            .env("PGDATABASE", "app")
            .env("PGPASSWORD", password)
            .env("PGSSLMODE", "verify-full")
            .env("PGSSLROOTCERT", self.path("authority.pem"))
            .args(["-XqAtw", "-v", "ON_ERROR_STOP=1"])
            .stdin(Stdio::null());
        command
    }

    /// The answer to a question of the master user.
    pub(crate) fn ask(&self, sql: &str) -> String {
        let output = self.client(PASSWORD).args(["-c", sql]).output().unwrap();
        succeeded(sql, &output)
    }

    /// Why the master user may not do something.
    pub(crate) fn refused(&self, sql: &str) -> String {
        let output = self.client(PASSWORD).args(["-c", sql]).output().unwrap();
        assert!(!output.status.success(), "{sql} is allowed");
        String::from_utf8(output.stderr).unwrap()
    }

    /// A session that does something for a long time, once it does.
    pub(crate) fn long_session(&self, sql: &str) -> (Child, i32) {
        let script = format!("BEGIN; {sql}; SELECT pg_sleep(3600)");
        let mut session = self
            .client(PASSWORD)
            .env("PGAPPNAME", "long")
            .args(["-c", &script])
            .stderr(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let question = "SELECT pid FROM pg_stat_activity WHERE application_name = 'long' AND wait_event = 'PgSleep'";
        let begun = now();
        loop {
            if let Ok(pid) = self.ask(question).parse() {
                return (session, pid);
            }
            let ended = session.try_wait().unwrap();
            if ended.is_some() || begun.elapsed() > PATIENCE {
                let all = self.ask("SELECT * FROM pg_stat_activity");
                panic!("{ended:?}\n{all}\nthe log:\n{}", self.log());
            }
            thread::sleep(LOOK);
        }
    }

    /// Checks the checksums of everything, while the server does not run.
    pub(crate) fn check_data(&self, volume: &Path) {
        let data = volume.join("pgdata");
        let user = nix::unistd::Uid::from_raw(std::os::unix::fs::MetadataExt::uid(
            &fs::metadata(&data).unwrap(),
        ));
        let output = Command::new("setpriv")
            .args([format!("--reuid={user}"), "--clear-groups".to_owned()])
            .arg(server().programs.join("pg_checksums"))
            .args(["--check", "-D"])
            .arg(data)
            .output()
            .unwrap();
        let said = succeeded("pg_checksums", &output);
        assert!(said.contains("Bad checksums:  0"), "{said}");
    }
}

impl Drop for World {
    fn drop(&mut self) {
        let Some(databases) = self.databases.take() else {
            return;
        };
        for name in self.others.iter().chain([&self.name]) {
            let bounds = Bounds {
                fast: Duration::ZERO,
                immediate: Duration::ZERO,
                kill: PATIENCE,
            };
            let ended = databases.stop(name, bounds);
            let ended = ended.and_then(|_| databases.forget(name));
            if let Err(error) = ended {
                eprintln!("something is left of {name}: {error}");
            }
        }
    }
}

pub(crate) fn succeeded(what: &str, output: &Output) -> String {
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{what}: {errors}");
    String::from_utf8(output.stdout.clone())
        .unwrap()
        .trim()
        .to_owned()
}

pub(crate) fn server() -> Installed {
    installed().servers.pop().unwrap()
}

fn new_name() -> Name {
    let number = NUMBER.fetch_add(1, Ordering::Relaxed);
    Name::parse(&format!("T{}-{number}", std::process::id())).unwrap()
}

/// Above what the kernel gives to clients, so that no other test gets it.
fn free_port() -> u16 {
    loop {
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let port = 20_000 + u16::try_from((std::process::id() + number * 37) % 10_000).unwrap();
        if TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
    }
}
