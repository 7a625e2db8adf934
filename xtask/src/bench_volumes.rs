//! `./dev bench --volumes`: fio on an encrypted volume, on gocryptfs, and on the disk below both, in turns.

use std::{
    collections::BTreeMap,
    fs,
    io::Write as _,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, ensure};
use serde_json::Value;

use crate::{run, server::Server};

/// Turns, each of which runs every job on every place.
const TURNS: usize = 5;
/// The file that fio works on, in MiB.
const SIZE: u64 = 1024;
const MIB: f64 = 1_048_576.0;
/// The ticks of a second in `/proc/stat`; Linux shows programs no other number on x86-64 and ARM64.
const TICKS: f64 = 100.0;

/// The kernel's page cache, before a job.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Cache {
    AsItIs,
    /// It is emptied.
    Cold,
    /// The file is read once, which is not measured.
    Hot,
}

/// One row of the report.
struct Job {
    name: &'static str,
    /// What fio gets.
    words: &'static [&'static str],
    /// What is done to the kernel's page cache before.
    cache: Cache,
    /// Where the figure is in fio's report, and what it is multiplied by.
    figure: (&'static str, f64),
    unit: &'static str,
    /// Whether less is better.
    time: bool,
}

const WRITTEN: (&str, f64) = ("/jobs/0/write/bw_bytes", 1.0 / MIB);
const READ: (&str, f64) = ("/jobs/0/read/bw_bytes", 1.0 / MIB);

/// The first job writes the file that the others read.
const JOBS: &[Job] = &[
    Job {
        name: "sequential write, 1 MiB, fsync at the end",
        words: &["--rw=write", "--bs=1M", "--end_fsync=1"],
        cache: Cache::AsItIs,
        figure: WRITTEN,
        unit: "MiB/s",
        time: false,
    },
    Job {
        name: "sequential read, 1 MiB, cold",
        words: &["--rw=read", "--bs=1M"],
        cache: Cache::Cold,
        figure: READ,
        unit: "MiB/s",
        time: false,
    },
    Job {
        name: "sequential read, 1 MiB, hot",
        words: &["--rw=read", "--bs=1M"],
        cache: Cache::Hot,
        figure: READ,
        unit: "MiB/s",
        time: false,
    },
    Job {
        name: "random read, 4 KiB, cold",
        words: &["--rw=randread", "--bs=4k", "--io_size=64M"],
        cache: Cache::Cold,
        figure: ("/jobs/0/read/iops", 1.0),
        unit: "IOPS",
        time: false,
    },
    Job {
        name: "random write, 8 KiB, fsync at the end",
        words: &[
            "--rw=randwrite",
            "--bs=8k",
            "--io_size=256M",
            "--end_fsync=1",
        ],
        cache: Cache::AsItIs,
        figure: WRITTEN,
        unit: "MiB/s",
        time: false,
    },
    Job {
        name: "append, 8 KiB, fdatasync after each (median)",
        words: &["--rw=write", "--bs=8k", "--io_size=8M", "--fdatasync=1"],
        cache: Cache::AsItIs,
        figure: ("/jobs/0/sync/lat_ns/percentile/50.000000", 0.001),
        unit: "µs",
        time: true,
    },
];

/// Where the jobs run.
struct Places {
    home: PathBuf,
    keyward: PathBuf,
    server: Option<Server>,
    environment: Vec<(String, String)>,
}

const PLACES: [&str; 3] = ["disk", "volume", "gocryptfs"];

/// Runs the jobs and prints the report.
///
/// # Errors
///
/// If this machine lacks something, or a program fails.
pub fn run() -> anyhow::Result<()> {
    let keyward = run::build("keyward", "keyward", true)?;
    let home = run::target().join("bench-volumes");
    let mut places = Places {
        home,
        keyward,
        server: None,
        environment: Vec::new(),
    };
    places.end();
    let measured = places.begin().and_then(|()| places.measure());
    places.end();
    report(&measured?);
    Ok(())
}

/// For each job and place: figures, and seconds of processor time for each GiB.
type Measured = BTreeMap<(usize, usize), Vec<(f64, f64)>>;

impl Places {
    fn directory(&self, place: &str) -> PathBuf {
        self.home.join(place)
    }

    fn begin(&mut self) -> anyhow::Result<()> {
        for place in PLACES {
            fs::create_dir_all(self.directory(place))?;
        }
        let data = self.home.join("data");
        let log = self.home.join("server.log");
        let server = Server::start(&self.keyward, &data, "127.0.0.1:0", &log)?;
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
        let endpoint = ("AWS_ENDPOINT_URL".to_owned(), server.url.clone());
        self.environment.push(endpoint);
        let state = self.home.join("state").display().to_string();
        let state = ("KEYWARD_VOLUME_STATE_DIR".to_owned(), state);
        self.environment.push(state);
        self.server = Some(server);
        let aws = run::client("aws")?;
        let words = "kms create-key --query KeyMetadata.KeyId --output text";
        let key = run::output(self.with_environment(Command::new(aws).args(words.split(' '))))?;
        let image = self.home.join("image");
        let mut create = self.volume("create", &[&image]);
        create.args(["--size", "8GiB", "--key-id", key.trim()]);
        run::output(&mut create)?;
        run::output(&mut self.volume("attach", &[&image, &self.directory("volume")]))?;
        // gocryptfs with its own defaults.
        let (cipher, password) = (self.home.join("cipher"), self.home.join("password"));
        fs::create_dir_all(&cipher)?;
        fs::write(&password, "only for the bench\n")?;
        for first in [true, false] {
            let mut gocryptfs = Command::new("gocryptfs");
            gocryptfs
                .args(["-q", "-passfile"])
                .arg(&password)
                .args(first.then_some("-init"))
                .arg(&cipher);
            if !first {
                gocryptfs.arg(self.directory("gocryptfs"));
            }
            run::output(&mut gocryptfs)?;
        }
        Ok(())
    }

    fn measure(&self) -> anyhow::Result<Measured> {
        let mut measured = Measured::new();
        for turn in 0..TURNS {
            for (row, job) in JOBS.iter().enumerate() {
                for column in 0..PLACES.len() {
                    // Nobody is always the first after the disk was busy with somebody else's job.
                    let column = (column + turn) % PLACES.len();
                    let place = PLACES.get(column).context("no such place")?;
                    let one = self.fio(job, place)?;
                    let _ = writeln!(
                        std::io::stderr(),
                        "   turn {} of {TURNS}: {}, {place}: {:.0} {}",
                        turn + 1,
                        job.name,
                        one.0,
                        job.unit
                    );
                    measured.entry((row, column)).or_default().push(one);
                }
            }
        }
        Ok(measured)
    }

    /// A job's figure, and the seconds of all processors for each GiB.
    fn fio(&self, job: &Job, place: &str) -> anyhow::Result<(f64, f64)> {
        rustix::fs::sync();
        if job.cache == Cache::Cold {
            let caches = Path::new("/proc/sys/vm/drop_caches");
            fs::write(caches, "3").context("cannot empty the page cache: run this as root")?;
        }
        let file = self.directory(place).join("file");
        if job.cache == Cache::Hot {
            std::io::copy(&mut fs::File::open(&file)?, &mut std::io::sink())?;
        }
        let before = busy()?;
        let mut fio = Command::new("fio");
        fio.args(["--name=job", "--output-format=json", "--ioengine=psync"])
            .arg(format!("--size={SIZE}M"))
            .arg(format!("--filename={}", file.display()))
            .args(["--invalidate=0", "--randseed=1"])
            .args(job.words);
        let report: Value = serde_json::from_str(&run::output(&mut fio)?)?;
        // What the job has left to be written belongs to it.
        rustix::fs::sync();
        let spent = busy()? - before;
        let number = |path: &str| report.pointer(path).and_then(Value::as_f64);
        let (path, factor) = job.figure;
        let figure = number(path).with_context(|| format!("fio reports no {path}"))?;
        let bytes = number("/jobs/0/read/io_bytes").unwrap_or_default()
            + number("/jobs/0/write/io_bytes").unwrap_or_default();
        ensure!(bytes > 0.0, "fio did nothing");
        Ok((figure * factor, spent / bytes * MIB * 1024.0))
    }

    fn volume(&self, command: &str, paths: &[&Path]) -> Command {
        let mut words = Command::new(&self.keyward);
        words.args(["volume", command]).args(paths);
        self.with_environment(&mut words);
        words
    }

    fn with_environment<'c>(&self, command: &'c mut Command) -> &'c mut Command {
        let variables = self.environment.iter();
        command.envs(variables.map(|(name, value)| (name, value)))
    }

    /// Takes away what an earlier run or this one has left.
    fn end(&mut self) {
        let image = self.home.join("image");
        if self.environment.is_empty() {
            let state = self.home.join("state").display().to_string();
            self.environment
                .push(("KEYWARD_VOLUME_STATE_DIR".to_owned(), state));
        }
        let mut detach = self.volume("detach", &[&image]);
        let _ = detach.arg("--force").output();
        let mut unmount = Command::new("umount");
        let _ = unmount.arg(self.directory("gocryptfs")).output();
        self.server = None;
        self.environment.clear();
        let _ = fs::remove_dir_all(&self.home);
    }
}

/// Seconds in which a processor of this machine was not idle.
fn busy() -> anyhow::Result<f64> {
    let stat = fs::read_to_string("/proc/stat")?;
    let line = stat.lines().next().context("/proc/stat is empty")?;
    let fields = line.split_whitespace().skip(1);
    let ticks: Vec<f64> = fields.filter_map(|field| field.parse().ok()).collect();
    // user, nice, system, idle, iowait, irq, softirq, steal; guests are in `user` already.
    let counted = ticks.iter().enumerate().take(7);
    let counted = counted.filter(|(field, _)| !matches!(field, 3 | 4));
    Ok(counted.map(|(_, ticks)| ticks).sum::<f64>() / TICKS)
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}

fn report(measured: &Measured) {
    println!(
        "| job | disk | volume | gocryptfs | volume/disk | gocryptfs/disk | CPU s/GiB: disk | volume | gocryptfs |"
    );
    println!("|---|---|---|---|---|---|---|---|---|");
    for (row, job) in JOBS.iter().enumerate() {
        let of = |column: usize| measured.get(&(row, column)).cloned().unwrap_or_default();
        let figure = |column| median(of(column).iter().map(|one| one.0).collect());
        let spent = |column| median(of(column).iter().map(|one| one.1).collect());
        // The ratio of each turn by itself: the disk is faster in some minutes than in others.
        let ratio = |column| {
            let pairs = of(column).into_iter().zip(of(0));
            let ratios = pairs.map(|((one, _), (disk, _))| match job.time {
                true => disk / one,
                false => one / disk,
            });
            median(ratios.collect())
        };
        println!(
            "| {} ({}) | {:.0} | {:.0} | {:.0} | {:.2} | {:.2} | {:.2} | {:.2} | {:.2} |",
            job.name,
            job.unit,
            figure(0),
            figure(1),
            figure(2),
            ratio(1),
            ratio(2),
            spent(0),
            spent(1),
            spent(2),
        );
    }
}
