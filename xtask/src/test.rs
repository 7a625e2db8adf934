//! `./dev test`: the workspace's tests, then the AWS clients against a real server.

use std::{path::Path, process::Command};

use crate::run;

/// Arguments of `cargo xtask test`.
#[derive(Debug, clap::Args)]
pub struct Test {
    /// Run only the AWS clients' tests.
    #[arg(long)]
    clients_only: bool,
    /// What pytest gets, for example `-k aliases`; the SDK for Rust is then left out.
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    pytest: Vec<String>,
}

/// Runs them; the runners print their own summaries.
pub fn run(test: &Test) -> anyhow::Result<()> {
    if !test.clients_only {
        run::run(&mut run::cargo(["test", "--workspace"]))?;
    }
    let server = run::build("keyward", "keyward", false)?;
    // `clients/test_nfs.py` speaks with it.
    run::run(&mut run::cargo([
        "build",
        "--package",
        "keyward-nfs",
        "--example",
        "serve",
    ]))?;
    if test.pytest.is_empty() {
        run::run(&mut rust_clients(&server))?;
    }
    let mut pytest = Command::new(run::client("python")?);
    pytest
        .current_dir(run::root())
        .args(["-m", "pytest", "clients"])
        .args(&test.pytest)
        .env("KEYWARD_BIN", server)
        .env("KEYWARD_XTASK", std::env::current_exe()?)
        .env("PYTHONDONTWRITEBYTECODE", "1");
    run::run(&mut pytest)
}

/// The AWS SDK for Rust: a workspace of its own, whose dependencies are built apart and once.
fn rust_clients(server: &Path) -> Command {
    let mut command = run::cargo(["test", "--locked", "--manifest-path"]);
    command
        .arg(run::root().join("clients/rust/Cargo.toml"))
        .env("CARGO_TARGET_DIR", run::target().join("clients-rust"))
        .env("KEYWARD_BIN", server);
    command
}
