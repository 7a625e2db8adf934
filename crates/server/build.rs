//! Sets `KEYWARD_VERSION`: the version, and the commit that the program is built from with its date.
//! They come from git, or from `commit.txt` in what `git archive` packs (it fills that file in), or
//! from the variable `KEYWARD_COMMIT`. Elsewhere they are unknown, and the build works all the same.

use std::{env, fs, path::Path, process::Command};

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-changed=commit.txt");
    println!("cargo::rerun-if-env-changed=KEYWARD_COMMIT");
    let commit = given()
        .or_else(packed)
        .or_else(from_git)
        .unwrap_or_else(|| "unknown commit".to_owned());
    println!(
        "cargo::rustc-env=KEYWARD_VERSION={} ({commit})",
        env!("CARGO_PKG_VERSION")
    );
}

fn given() -> Option<String> {
    let commit = env::var_os("KEYWARD_COMMIT")?.into_string().ok()?;
    one_line(&commit)
}

fn packed() -> Option<String> {
    let text = fs::read_to_string("commit.txt").ok()?;
    // In a work tree, the placeholder is there as it was written.
    one_line(&text).filter(|line| !line.starts_with('$'))
}

fn from_git() -> Option<String> {
    // A tree that was unpacked inside another repository must not name that one's commit.
    let top = git(&["rev-parse", "--show-toplevel"])?;
    let own = fs::canonicalize("../..").ok()?;
    if fs::canonicalize(top).ok()? != own {
        return None;
    }
    for name in ["HEAD", "logs/HEAD"] {
        let path = git(&["rev-parse", "--git-path", name])?;
        if Path::new(&path).exists() {
            println!("cargo::rerun-if-changed={path}");
        }
    }
    git(&["log", "-1", "--format=%h %cs"])
}

fn git(arguments: &[&str]) -> Option<String> {
    let output = Command::new("git").args(arguments).output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    one_line(&text).filter(|_| output.status.success())
}

fn one_line(text: &str) -> Option<String> {
    let line = text.lines().next()?.trim();
    (!line.is_empty()).then(|| line.to_owned())
}
