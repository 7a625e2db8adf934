//! `./dev bench --databases`: pgbench on an encrypted DB instance, and on PostgreSQL with the same configuration on gocryptfs and
//! on the disk below both, in turns.

use std::{
    collections::BTreeMap,
    fs,
    io::Write as _,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    process::{Child, Command},
    thread,
    time::Duration,
};

use anyhow::{Context, bail};

use crate::{run, server::Server};

/// Debian's programs.
const PROGRAMS: &str = "/usr/lib/postgresql/15/bin";
/// The system user of the servers that are not Keyward's, of Debian's package.
const USER: &str = "postgres";
const PASSWORD: &str = "only-for-the-bench";
/// How often it is looked whether something has happened, and how often at most.
const LOOK: Duration = Duration::from_millis(500);
const LOOKS: u32 = 600;
/// Where everything is: PostgreSQL's system users must be able to enter it, and the paths of their sockets are short.
const HOME: &str = "/var/tmp/keyward-bench-databases";

const PLACES: [&str; 3] = ["disk", "instance", "gocryptfs"];
/// A row of the report: its name, and what pgbench gets.
const JOBS: [(&str, &[&str]); 2] = [("TPC-B", &[]), ("read-only", &["--select-only"])];

/// How much is done.
struct Amount {
    turns: usize,
    /// A hundred thousand rows each.
    scale: u32,
    seconds: u32,
}

impl Amount {
    const FULL: Self = Self {
        turns: 5,
        scale: 20,
        seconds: 20,
    };
    const QUICK: Self = Self {
        turns: 1,
        scale: 1,
        seconds: 3,
    };
}

/// Transactions in a second, for each job and place.
type Measured = BTreeMap<(usize, usize), Vec<f64>>;

/// Where the jobs run.
struct Places {
    keyward: PathBuf,
    server: Option<Server>,
    environment: Vec<(String, String)>,
    others: Vec<Child>,
    /// The address and the port of each place.
    endpoints: BTreeMap<&'static str, (String, u16)>,
}

/// Runs the jobs and prints the report.
///
/// # Errors
///
/// If this machine lacks something, or a program fails.
pub fn run(quick: bool) -> anyhow::Result<()> {
    let amount = if quick { Amount::QUICK } else { Amount::FULL };
    let mut places = Places {
        keyward: run::build("keyward", "keyward", true)?,
        server: None,
        environment: Vec::new(),
        others: Vec::new(),
        endpoints: BTreeMap::new(),
    };
    let home = Path::new(HOME);
    if home.exists() {
        bail!(
            "{HOME} exists: another bench runs, or one was killed; then end what it has left, unmount what is mounted there, and remove it"
        );
    }
    let measured = places.begin().and_then(|()| places.measure(&amount));
    places.end();
    report(&measured?);
    Ok(())
}

fn at(name: &str) -> PathBuf {
    Path::new(HOME).join(name)
}

fn folder(path: &Path, mode: u32) -> anyhow::Result<()> {
    fs::create_dir_all(path)?;
    fs::set_permissions(path, fs::Permissions::from_mode(mode))?;
    Ok(())
}

impl Places {
    fn begin(&mut self) -> anyhow::Result<()> {
        folder(Path::new(HOME), 0o711)?;
        let runtime = self.begin_instance()?;
        for (place, port) in [("disk", 5540), ("gocryptfs", 5541)] {
            folder(&at(place), 0o755)?;
            if place == "gocryptfs" {
                mount_gocryptfs(&at(place))?;
                folder(&at(place), 0o755)?;
            }
            let server = start(place, port, &runtime)?;
            self.others.push(server);
            let endpoint = ("127.0.0.1".to_owned(), port);
            self.endpoints.insert(place, endpoint);
        }
        Ok(())
    }

    /// Creates the DB instance, and answers the directory with its configuration.
    fn begin_instance(&mut self) -> anyhow::Result<PathBuf> {
        let (data, log) = (at("data"), at("server.log"));
        let server = Server::start_with(&self.keyward, &data, "127.0.0.1:0", (&log, &["--agent"]))?;
        let printed = run::output(
            Command::new(&self.keyward)
                .args(["env", "--data-dir"])
                .arg(&data),
        )?;
        for line in printed.lines() {
            if let Some((name, value)) = line.trim_start_matches("export ").split_once('=') {
                let value = value.trim_matches(['\'', '"']).to_owned();
                self.environment.push((name.to_owned(), value));
            }
        }
        let url = server.url.clone();
        self.environment
            .push(("AWS_ENDPOINT_URL".to_owned(), url.clone()));
        self.server = Some(server);
        let key = self.aws(
            "kms create-key --query KeyMetadata.KeyId --output text",
            &url,
        )?;
        let versions = "rds describe-db-engine-versions --engine postgres --query DBEngineVersions[].EngineVersion --output text";
        wait("the agent to say which PostgreSQL it has", || {
            Ok(!self.aws(versions, &url)?.trim().is_empty())
        })?;
        let create = format!(
            "rds create-db-instance --db-instance-identifier bench --engine postgres --db-instance-class db.t3.micro --allocated-storage 20 --storage-encrypted --kms-key-id {} --db-name bench --port 5542 --master-username bench --master-user-password {PASSWORD} --query DBInstance.DbiResourceId --output text",
            key.trim()
        );
        let id = self.aws(&create, &url)?;
        let described = "rds describe-db-instances --db-instance-identifier bench --query DBInstances[0].[DBInstanceStatus,Endpoint.Address] --output text";
        let mut address = String::new();
        wait("the DB instance to be available", || {
            let said = self.aws(described, &url)?;
            let mut words = said.split_whitespace();
            let status = words.next().unwrap_or_default().to_owned();
            address = words.next().unwrap_or_default().to_owned();
            Ok(status == "available")
        })?;
        self.endpoints.insert("instance", (address, 5542));
        for entry in fs::read_dir("/run/keyward-postgres")? {
            let runtime = entry?.path().join("servers").join(id.trim());
            if runtime.is_dir() {
                return Ok(runtime);
            }
        }
        bail!("the DB instance has no directory in /run/keyward-postgres")
    }

    fn aws(&self, words: &str, url: &str) -> anyhow::Result<String> {
        let mut command = Command::new(run::client("aws")?);
        let variables = self.environment.iter();
        command.envs(variables.map(|(name, value)| (name, value)));
        // In us-east-1, the AWS CLI takes the endpoint of RDS from here alone.
        command.args(words.split(' ')).args(["--endpoint-url", url]);
        run::output(&mut command)
    }

    fn measure(&self, amount: &Amount) -> anyhow::Result<Measured> {
        for place in PLACES {
            let mut fill = self.pgbench(place)?;
            // What several processes create on gocryptfs at once, it refuses some of them (EPERM).
            fill.env("PGOPTIONS", "-c max_parallel_maintenance_workers=0");
            fill.args([
                "--initialize",
                "--quiet",
                "--scale",
                &amount.scale.to_string(),
            ]);
            run::output(&mut fill)?;
        }
        let mut measured = Measured::new();
        for turn in 0..amount.turns {
            for (row, (name, words)) in JOBS.iter().enumerate() {
                for column in 0..PLACES.len() {
                    // Nobody is always the first after the disk was busy with somebody else's job.
                    let column = (column + turn) % PLACES.len();
                    let place = PLACES.get(column).context("no such place")?;
                    let mut job = self.pgbench(place)?;
                    job.args(["--client", "8", "--jobs", "2", "--time"]);
                    job.arg(amount.seconds.to_string()).args(*words);
                    let rate = rate(&run::output(&mut job)?)?;
                    let _ = writeln!(
                        std::io::stderr(),
                        "   turn {} of {}: {name}, {place}: {rate:.0} transactions/s",
                        turn + 1,
                        amount.turns,
                    );
                    measured.entry((row, column)).or_default().push(rate);
                }
            }
        }
        Ok(measured)
    }

    fn pgbench(&self, place: &str) -> anyhow::Result<Command> {
        let (address, port) = self.endpoints.get(place).context("no such place")?;
        let mut pgbench = Command::new(Path::new(PROGRAMS).join("pgbench"));
        pgbench
            .env("PGHOST", address)
            .env("PGPORT", port.to_string())
            .env("PGUSER", "bench")
            .env("PGPASSWORD", PASSWORD)
            .env("PGDATABASE", "bench")
            .env("PGSSLMODE", "require");
        Ok(pgbench)
    }

    /// Takes away what this run has made.
    fn end(&mut self) {
        for server in &mut self.others {
            if let Ok(pid) = i32::try_from(server.id())
                && let Some(pid) = rustix::process::Pid::from_raw(pid)
            {
                let _ = rustix::process::kill_process(pid, rustix::process::Signal::INT);
            }
            let _ = server.wait();
        }
        let _ = Command::new("umount").arg(at("gocryptfs")).output();
        if let Some(server) = self.server.take() {
            let url = server.url.clone();
            let delete =
                "rds delete-db-instance --db-instance-identifier bench --skip-final-snapshot";
            let deleted = self.aws(delete, &url).and_then(|_| {
                wait("the DB instance to be deleted", || {
                    let all = "rds describe-db-instances --query DBInstances[].DBInstanceIdentifier --output text";
                    Ok(self.aws(all, &url)?.trim().is_empty())
                })
            });
            if let Err(error) = deleted {
                let _ = writeln!(std::io::stderr(), "   {error:#}");
            }
            let _ = server.drain();
        }
        let _ = fs::remove_dir_all(HOME);
    }
}

/// Waits until something is so.
fn wait(what: &str, mut is: impl FnMut() -> anyhow::Result<bool>) -> anyhow::Result<()> {
    for _ in 0..LOOKS {
        if is()? {
            return Ok(());
        }
        thread::sleep(LOOK);
    }
    bail!("it took too long for {what}; {HOME}/server.log may say why")
}

/// gocryptfs with its own defaults, for other users than root too.
fn mount_gocryptfs(on: &Path) -> anyhow::Result<()> {
    let (cipher, password) = (at("cipher"), at("password"));
    folder(&cipher, 0o700)?;
    fs::write(&password, "only for the bench\n")?;
    for first in [true, false] {
        let mut gocryptfs = Command::new("gocryptfs");
        gocryptfs.args(["-q", "-passfile"]).arg(&password);
        match first {
            true => gocryptfs.arg("-init").arg(&cipher),
            false => gocryptfs.arg("-allow_other").arg(&cipher).arg(on),
        };
        run::output(&mut gocryptfs)?;
    }
    Ok(())
}

/// As Debian's own user.
fn as_user(program: &str) -> Command {
    let mut command = Command::new("setpriv");
    command.args([
        format!("--reuid={USER}"),
        format!("--regid={USER}"),
        "--clear-groups".to_owned(),
        format!("{PROGRAMS}/{program}"),
    ]);
    command.current_dir("/");
    command
}

fn give(path: &Path) -> anyhow::Result<()> {
    run::output(
        Command::new("chown")
            .arg(format!("{USER}:{USER}"))
            .arg(path),
    )
    .map(drop)
}

/// Starts a server with the instance's configuration on another place.
fn start(place: &str, port: u16, instance: &Path) -> anyhow::Result<Child> {
    let own = at(&format!("{place}.server"));
    folder(&own, 0o700)?;
    give(&own)?;
    let (data, password) = (at(place).join("pgdata"), own.join("password"));
    folder(&data, 0o700)?;
    give(&data)?;
    fs::write(&password, PASSWORD)?;
    give(&password)?;
    let mut initdb = as_user("initdb");
    initdb
        .arg("--pgdata")
        .arg(&data)
        .arg("--pwfile")
        .arg(&password);
    initdb.args([
        "--username=bench",
        "--auth=scram-sha-256",
        "--data-checksums",
    ]);
    initdb.args(["--encoding=UTF8", "--locale=C.UTF-8"]);
    run::output(&mut initdb)?;
    let certificate = own.join("server.pem");
    fs::copy(instance.join("server.pem"), &certificate)?;
    fs::set_permissions(&certificate, fs::Permissions::from_mode(0o600))?;
    give(&certificate)?;
    let access = own.join("pg_hba.conf");
    fs::write(&access, "hostssl all all 127.0.0.0/8 scram-sha-256\n")?;
    let idents = own.join("pg_ident.conf");
    fs::write(&idents, "")?;
    let other = |name: &str| {
        let value = match name {
            "hba_file" => access.display().to_string(),
            "ident_file" => idents.display().to_string(),
            "listen_addresses" => "127.0.0.1".to_owned(),
            "port" => port.to_string(),
            "unix_socket_directories" => own.display().to_string(),
            "ssl_cert_file" | "ssl_key_file" => certificate.display().to_string(),
            "cluster_name" => place.to_owned(),
            _ => return None,
        };
        Some(format!("{name} = '{value}'"))
    };
    let text = fs::read_to_string(instance.join("postgresql.conf"))?;
    let lines = text.lines().map(|line| {
        let name = line.split(" = ").next().unwrap_or_default();
        other(name).unwrap_or_else(|| line.to_owned())
    });
    let configuration = own.join("postgresql.conf");
    fs::write(&configuration, lines.collect::<Vec<_>>().join("\n"))?;
    for path in [&access, &idents, &configuration] {
        give(path)?;
    }
    let log = fs::File::create(at(&format!("{place}.log")))?;
    let server = as_user("postgres")
        .arg("-D")
        .arg(&data)
        .arg("-c")
        .arg(format!("config_file={}", configuration.display()))
        .stderr(log)
        .spawn()?;
    let create = || {
        let mut createdb = Command::new(Path::new(PROGRAMS).join("createdb"));
        createdb
            .env("PGHOST", "127.0.0.1")
            .env("PGPORT", port.to_string())
            .env("PGUSER", "bench")
            .env("PGPASSWORD", PASSWORD)
            .env("PGDATABASE", "postgres")
            .arg("bench");
        Ok(run::output(&mut createdb).is_ok())
    };
    wait(&format!("PostgreSQL to start on {place}"), create)?;
    Ok(server)
}

/// Reads `tps = 1234.5 (without initial connection time)`.
fn rate(said: &str) -> anyhow::Result<f64> {
    let mut lines = said.lines().filter_map(|line| line.strip_prefix("tps = "));
    let rate = lines.next().and_then(|rest| rest.split(' ').next());
    let rate = rate.context("pgbench reports no rate")?;
    Ok(rate.parse()?)
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}

fn report(measured: &Measured) {
    println!(
        "| job (transactions/s) | disk | instance | gocryptfs | instance/disk | gocryptfs/disk |"
    );
    println!("|---|---|---|---|---|---|");
    for (row, (name, _)) in JOBS.iter().enumerate() {
        let of = |column: usize| measured.get(&(row, column)).cloned().unwrap_or_default();
        // The ratio of each turn by itself: the disk is faster in some minutes than in others.
        let ratio = |column| {
            let pairs = of(column).into_iter().zip(of(0));
            median(pairs.map(|(one, disk)| one / disk).collect())
        };
        println!(
            "| {name} | {:.0} | {:.0} | {:.0} | {:.2} | {:.2} |",
            median(of(0)),
            median(of(1)),
            median(of(2)),
            ratio(1),
            ratio(2),
        );
    }
}
