//! `./dev lint`: everything that reads the code without running it.

use anyhow::Context;

use crate::{run, tidy};

/// Arguments of `cargo xtask lint`.
#[derive(Debug, clap::Args)]
pub struct Lint {
    /// Leave out cargo-deny, which needs to be installed and asks the network for advisories.
    #[arg(long)]
    skip_deny: bool,
}

/// Runs every linter, the quick ones first.
pub fn run(lint: &Lint) -> anyhow::Result<()> {
    run::run(&mut run::cargo(["fmt", "--all", "--check"]))?;
    let mut clients = run::cargo(["fmt", "--check", "--manifest-path"]);
    run::run(clients.arg(run::root().join("clients/rust/Cargo.toml")))?;
    println!("fmt: clean");
    tidy::run()?;
    // One package at a time, so that each is checked with the features it asks for itself and
    // not with those that others happen to switch on.
    for package in packages()? {
        let mut clippy = run::cargo(["clippy", "--quiet", "--all-targets", "--package", &package]);
        clippy.args(["--", "--deny", "warnings"]);
        run::run(&mut clippy)?;
        println!("clippy: {package} is clean");
    }
    // A workspace of its own, which nothing else would miss; libFuzzer itself is not needed.
    let mut fuzz = run::cargo(["check", "--quiet", "--bins", "--manifest-path"]);
    fuzz.arg(run::root().join("fuzz/Cargo.toml"))
        .env("CARGO_TARGET_DIR", run::root().join("target"))
        .env("CUSTOM_LIBFUZZER_PATH", "/dev/null");
    run::run(&mut fuzz)?;
    println!("fuzz: the targets compile");
    if lint.skip_deny {
        println!("deny: left out, as asked");
    } else {
        run::run(&mut run::cargo(["deny", "--log-level", "error", "check"]))?;
    }
    Ok(())
}

fn packages() -> anyhow::Result<Vec<String>> {
    let text = run::output(&mut run::cargo([
        "metadata",
        "--no-deps",
        "--format-version",
        "1",
    ]))?;
    let metadata: serde_json::Value = serde_json::from_str(&text)?;
    let packages = metadata
        .get("packages")
        .and_then(serde_json::Value::as_array)
        .context("cargo metadata lists no packages")?;
    Ok(packages
        .iter()
        .filter_map(|package| package.get("name")?.as_str())
        .map(str::to_owned)
        .collect())
}
