//! `cargo xtask keep-store`: the small store of this version that later versions must open.

use std::process::Command;

use crate::run;

/// Arguments of `cargo xtask keep-store`.
#[derive(Debug, clap::Args)]
pub struct KeepStore {
    /// Make it anew: only while the version is not released.
    #[arg(long)]
    replace: bool,
}

/// Makes `testdata/stores/VERSION`.
pub fn run(keep: &KeepStore) -> anyhow::Result<()> {
    let server = run::build("keyward", "keyward", false)?;
    let mut python = Command::new(run::client("python")?);
    python
        .current_dir(run::root())
        .args(["clients/kept_store.py", env!("CARGO_PKG_VERSION")])
        .args(keep.replace.then_some("--replace"))
        .env("KEYWARD_BIN", server)
        .env("PYTHONDONTWRITEBYTECODE", "1");
    run::run(&mut python)
}
