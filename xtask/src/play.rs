//! `./dev serve`: a server to play with, on a data directory that stays.

use std::{path::Path, process::Command};

use crate::{demo::storage, run, server::Server};

/// What runs databases.
const POSTGRES: &str = "/usr/lib/postgresql/15/bin/postgres";

/// Arguments of `cargo xtask serve`.
#[derive(Debug, clap::Args)]
pub struct Serve {
    /// Where to listen.
    #[arg(long, default_value = "127.0.0.1:5670")]
    listen: String,
    /// Begin with an empty server: delete the keys of the last time.
    #[arg(long)]
    fresh: bool,
}

/// Serves until interrupted.
pub fn run(serve: &Serve) -> anyhow::Result<()> {
    let program = run::build("keyward", "keyward", true)?;
    let home = run::target().join("play");
    if serve.fresh && home.exists() {
        std::fs::remove_dir_all(&home)?;
    }
    std::fs::create_dir_all(&home)?;
    let data_dir = home.join("data");
    let log = home.join("server.log");
    let lacks = storage::missing();
    let more: &[&str] = if lacks.is_none() { &["--agent"] } else { &[] };
    let server = Server::start_with(&program, &data_dir, &serve.listen, (&log, more))?;
    let exports = run::output(
        Command::new(&program)
            .arg("env")
            .arg("--data-dir")
            .arg(&data_dir),
    )?;
    println!(
        "Keyward listens on {}. Paste this into another terminal:\n",
        server.url
    );
    println!("{}\n", exports.trim_end());
    println!("Then, for example: aws kms create-key");
    println!(
        "(Without an AWS CLI of your own: .venv/bin/aws, once ./dev demo or ./dev test has run.)"
    );
    match lacks {
        None => println!(
            "An agent beside it stores file systems: aws efs create-file-system, then\n  {} mount FILE_SYSTEM DIR --state-dir {}",
            program.display(),
            data_dir.join("agent").display()
        ),
        Some(why) => println!("It stores no file systems: {why}."),
    }
    if !more.is_empty() {
        match Path::new(POSTGRES).exists() {
            true => {
                println!("It runs databases, too: aws rds create-db-instance (docs/databases.md).")
            }
            false => println!(
                "It runs no databases: install PostgreSQL first (`apt-get install postgresql-15`, docs/databases.md)."
            ),
        }
    }
    println!(
        "The log is in {}. Ctrl-C stops the server and keeps its data; --fresh begins again.",
        log.display()
    );
    server.wait()
}
