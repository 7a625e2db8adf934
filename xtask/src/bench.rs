//! `./dev bench`: builds the bench and the server as released and runs the one against the other.

use std::process::Command;

use crate::{bench_databases, bench_volumes, run};

/// Arguments of `cargo xtask bench`.
#[derive(Debug, clap::Args)]
pub struct Bench {
    /// Encrypted volumes instead, next to gocryptfs and the disk below both.
    #[arg(long)]
    volumes: bool,
    /// An encrypted DB instance instead, next to PostgreSQL on gocryptfs and on the disk below both. With `--quick`, it is only
    /// tried whether that works.
    #[arg(long)]
    databases: bool,
    /// What the bench gets, for example `--million`, `--grants` or `--quick`.
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    arguments: Vec<String>,
}

/// Runs the bench; the report goes to the standard output.
pub fn run(bench: &Bench) -> anyhow::Result<()> {
    if bench.volumes {
        return bench_volumes::run();
    }
    if bench.databases {
        return bench_databases::run(bench.arguments.iter().any(|word| word == "--quick"));
    }
    let server = run::build("keyward", "keyward", true)?;
    let program = run::build("keyward-bench", "keyward-bench", true)?;
    let home = run::target().join("bench");
    let mut command = Command::new(program);
    command
        .arg("run")
        .arg("--keyward")
        .arg(server)
        .arg("--scratch")
        .arg(home)
        .args(&bench.arguments);
    run::run(&mut command)
}
