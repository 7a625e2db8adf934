//! What a thief finds in the data directory without the root key.

use std::{fs, path::Path};

use anyhow::{Context, bail, ensure};
use base64::{Engine, engine::general_purpose::STANDARD};

use super::{ALIAS, DESCRIPTION, Encrypted, FILE, aws::Aws, program, stage::Stage};

/// The copy of the data directory.
const COPY: &str = "stolen";
/// The files that a thief must not get, and that a good backup does not have.
const KEPT_APART: [&str; 2] = ["root.key", "admin-credentials"];

/// Copies the data directory without what is kept apart, and searches the copy for secrets.
pub fn search(stage: &Stage, alice: &Aws, first: &Encrypted) -> anyhow::Result<()> {
    stage.command(&format!(
        "cp -r data {COPY} && rm {}",
        KEPT_APART.map(|name| format!("{COPY}/{name}")).join(" ")
    ));
    copy(&stage.path("data"), &stage.path(COPY))?;
    stage.command(&format!("grep -rF … {COPY}   # for each of these:"));
    let plaintext = fs::read(stage.path(FILE))?;
    let plaintext = plaintext.get(..32).context("the file is too short")?;
    let data_key = first.data_key.expose();
    let access_key = alice.variable("AWS_SECRET_ACCESS_KEY")?;
    // The trail says who did what, so names are on it; the store tells not even those.
    let encoded = STANDARD.encode(data_key);
    for (what, bytes) in [
        ("the data key that opens the file", data_key),
        ("the data key in base64", encoded.as_bytes()),
        ("the first 32 bytes of the file", plaintext),
        ("alice's secret access key", access_key.as_bytes()),
    ] {
        look(stage, ("any file", what), bytes, |_| true)?;
    }
    for (what, text) in [
        ("the key's alias", ALIAS),
        ("its description", DESCRIPTION),
        ("the name of a user", "mallory"),
    ] {
        let is_store = |name: &str| name.starts_with("store.db");
        look(stage, ("the store", what), text.as_bytes(), is_store)?;
    }
    program::refused_without_root_key(stage, COPY)?;
    stage.shows("the thief has nothing; only the root key opens the store");
    Ok(())
}

/// Searches the files of the copy whose names are wanted; an error if it finds anything.
fn look(
    stage: &Stage,
    (place, what): (&str, &str),
    bytes: &[u8],
    wanted: impl Fn(&str) -> bool,
) -> anyhow::Result<()> {
    let mut searched = 0;
    each_file(&stage.path(COPY), &mut |path| {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        if !wanted(&name) {
            return Ok(());
        }
        searched += 1;
        let content = fs::read(path)?;
        if content.windows(bytes.len()).any(|window| window == bytes) {
            bail!("{} holds {what}", path.display());
        }
        Ok(())
    })?;
    ensure!(searched > 0, "there was nothing to search");
    stage.prints(&format!("{what:<34} not found in {place}"));
    Ok(())
}

fn copy(from: &Path, to: &Path) -> anyhow::Result<()> {
    fs::create_dir(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let name = entry.file_name();
        if entry.file_type()?.is_dir() {
            copy(&entry.path(), &to.join(name))?;
        } else if !KEPT_APART.iter().any(|kept| name == *kept) {
            fs::copy(entry.path(), to.join(name))?;
        }
    }
    Ok(())
}

fn each_file(
    folder: &Path,
    take: &mut impl FnMut(&Path) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            each_file(&entry.path(), take)?;
        } else {
            take(&entry.path())?;
        }
    }
    Ok(())
}
