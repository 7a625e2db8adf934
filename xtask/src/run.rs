//! Where things lie in the tree, and running other programs.

use std::{
    env,
    ffi::OsStr,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, bail};

/// The root of the repository.
pub fn root() -> PathBuf {
    let manifest = env::var_os("CARGO_MANIFEST_DIR")
        .map_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")), PathBuf::from);
    manifest.parent().map_or(manifest.clone(), Path::to_owned)
}

/// Where cargo puts what it builds.
pub fn target() -> PathBuf {
    env::var_os("CARGO_TARGET_DIR").map_or_else(|| root().join("target"), PathBuf::from)
}

/// A program of the virtual environment that `./dev` makes.
pub fn client(program: &str) -> anyhow::Result<PathBuf> {
    let path = root().join(".venv/bin").join(program);
    if !path.exists() {
        bail!("no {program} in .venv: start this by ./dev, which sets it up");
    }
    Ok(path)
}

/// Cargo, started at the root.
pub fn cargo<I: IntoIterator<Item = S>, S: AsRef<OsStr>>(arguments: I) -> Command {
    let program = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(program);
    command.current_dir(root()).args(arguments);
    command
}

/// Runs a command whose output the reader sees; an error if it fails.
pub fn run(command: &mut Command) -> anyhow::Result<()> {
    let status = command
        .status()
        .with_context(|| format!("cannot start {:?}", command.get_program()))?;
    if !status.success() {
        bail!("{} failed: {status}", described(command));
    }
    Ok(())
}

/// Runs a command and answers what it wrote to its standard output; an error if it fails.
pub fn output(command: &mut Command) -> anyhow::Result<String> {
    let output = command
        .output()
        .with_context(|| format!("cannot start {:?}", command.get_program()))?;
    if !output.status.success() {
        let words = String::from_utf8_lossy(&output.stderr);
        bail!("{} failed: {}", described(command), words.trim());
    }
    String::from_utf8(output.stdout).context("the output is not UTF-8")
}

/// Builds a package's programs and answers the path of the named one. Cargo shows its progress.
pub fn build(package: &str, program: &str, release: bool) -> anyhow::Result<PathBuf> {
    let mut command = cargo(["build", "--package", package, "--bins"]);
    if release {
        command.arg("--release");
    }
    run(&mut command)?;
    let profile = if release { "release" } else { "debug" };
    Ok(target().join(profile).join(program))
}

fn described(command: &Command) -> String {
    let program = Path::new(command.get_program());
    let mut words = program
        .file_name()
        .unwrap_or(command.get_program())
        .to_string_lossy()
        .into_owned();
    for argument in command.get_args() {
        words.push(' ');
        words.push_str(&argument.to_string_lossy());
    }
    words
}
