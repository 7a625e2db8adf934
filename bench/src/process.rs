//! Processes under measurement: started pinned, watched through `/proc`, killed at the end.

use std::{
    ffi::OsStr,
    io::{BufRead, BufReader},
    path::Path,
    process::{Child, Command, Stdio},
    time::Duration,
};

use anyhow::Context;

use crate::clock;

/// Clock ticks of `/proc/<pid>/stat` in a second; fixed in Linux's interface.
const TICKS: f64 = 100.0;

/// Which CPUs serve and which load: half and half, never shared if there are two or more.
#[derive(Clone, Debug)]
pub struct Pinning {
    /// The list for the servers, as `taskset` takes it.
    pub servers: String,
    /// The list for the load generator.
    pub load: String,
    /// How many CPUs the load generator has.
    pub load_threads: usize,
}

impl Pinning {
    /// Shares out what this machine has.
    pub fn new() -> anyhow::Result<Self> {
        let count = std::thread::available_parallelism()?.get();
        let half = count / 2;
        let list = |from: usize, to: usize| {
            let numbers: Vec<String> = (from..to.max(from + 1)).map(|n| n.to_string()).collect();
            numbers.join(",")
        };
        Ok(Self {
            servers: list(0, half),
            load: list(half, count),
            load_threads: (count - half).max(1),
        })
    }
}

/// A program, to run on the given CPUs.
pub fn pinned<S: AsRef<OsStr>>(cpus: &str, program: S) -> Command {
    let mut command = Command::new("taskset");
    command.args(["--cpu-list", cpus]).arg(program);
    command
}

/// Seconds of CPU that all threads of a process have used so far; `self` is this process.
pub fn cpu_seconds(pid: &str) -> anyhow::Result<f64> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat"))?;
    // The name in parentheses may hold spaces; utime and stime are the 14th and 15th field.
    let rest = stat
        .rsplit_once(')')
        .context("unexpected /proc/<pid>/stat")?
        .1;
    let field = |index: usize| rest.split_whitespace().nth(index)?.parse::<f64>().ok();
    let ticks = field(11)
        .zip(field(12))
        .context("unexpected /proc/<pid>/stat")?;
    Ok((ticks.0 + ticks.1) / TICKS)
}

/// A server under measurement. Dropping it kills it.
#[derive(Debug)]
pub struct Server {
    child: Child,
    /// `host:port`.
    pub host: String,
    /// From the start of the process until it listened.
    pub took: Duration,
}

impl Server {
    /// Starts the command and waits for its `listening on http://…`. Its log goes to a file.
    pub fn start(mut command: Command, log: &Path) -> anyhow::Result<Self> {
        let log = std::fs::OpenOptions::new()
            .create(true)
            .append(true)
            .open(log)?;
        let start = clock::start();
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(log)
            .spawn()
            .with_context(|| format!("cannot start {:?}", command.get_program()))?;
        let stdout = child.stdout.take().context("no pipe from the server")?;
        let mut lines = BufReader::new(stdout).lines();
        let host = loop {
            let line = lines
                .next()
                .context("the server left before it listened")??;
            if let Some(host) = line.strip_prefix("listening on http://") {
                break host.trim().to_owned();
            }
        };
        let took = start.elapsed();
        std::thread::spawn(move || lines.for_each(drop));
        Ok(Self { child, host, took })
    }

    /// Seconds of CPU that all its threads have used so far.
    pub fn cpu_seconds(&self) -> anyhow::Result<f64> {
        cpu_seconds(&self.child.id().to_string())
    }

    /// Mebibytes resident now.
    pub fn resident_mib(&self) -> anyhow::Result<f64> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id()))?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let kib = line.and_then(|line| line.split_whitespace().next()?.parse::<f64>().ok());
        Ok(kib.context("no VmRSS")? / 1024.0)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
