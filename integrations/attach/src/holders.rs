//! Which processes use a file system: for messages, and for a way in when it is not mounted here.

use std::{
    fs,
    path::{Path, PathBuf},
};

use rustix::fs::CWD;

use crate::mounts::{self, DeviceNumber};

/// How many are named.
const NAMED: usize = 10;

/// The processes that have files of the device open or mapped, or are in one of its directories, as `123
/// (name)`.
///
/// What cannot be seen is left out: processes that have ended meanwhile, and those of other users for
/// somebody who is not root.
pub(crate) fn of(device: DeviceNumber) -> Vec<String> {
    let using = processes().filter(|process| {
        !open_on(process, device).is_empty()
            || mounts::is_in(device, CWD, &process.join("exe")).unwrap_or(false)
            || maps(process, device)
    });
    named(using)
}

/// The processes that have files of the device mapped, as `123 (name)`.
pub(crate) fn mapping(device: DeviceNumber) -> Vec<String> {
    named(processes().filter(|process| maps(process, device)))
}

fn named(using: impl Iterator<Item = PathBuf>) -> Vec<String> {
    let using = using.take(NAMED + 1);
    let mut holders: Vec<String> = using.map(|process| name(&process)).collect();
    if let Some(last) = holders.get_mut(NAMED) {
        "others".clone_into(last);
    }
    holders
}

/// Paths that lead into the file system of a device through processes: what they have open, where they are,
/// and where it is mounted in their mount namespaces.
pub(crate) fn ways_in(device: DeviceNumber) -> impl Iterator<Item = PathBuf> {
    processes().flat_map(move |process| {
        let mounts = mounts::of_process(&process, device).unwrap_or_default();
        let root = process.join("root");
        let mounted = mounts.into_iter().map(|mount| {
            let point = mount.point.strip_prefix("/").unwrap_or(&mount.point);
            root.join(point)
        });
        let mut ways = open_on(&process, device);
        ways.extend(mounted);
        ways
    })
}

/// Their directories in /proc.
fn processes() -> impl Iterator<Item = PathBuf> {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    let is_process = |path: &PathBuf| {
        let name = path.file_name().and_then(|name| name.to_str());
        name.is_some_and(|name| name.bytes().all(|byte| byte.is_ascii_digit()))
    };
    entries.map(|entry| entry.path()).filter(is_process)
}

/// A process chooses its name: any bytes but NUL, with a line break behind them.
fn name(process: &Path) -> String {
    let pid = process.file_name().unwrap_or_default().to_string_lossy();
    let command = fs::read(process.join("comm")).unwrap_or_default();
    let command = command.strip_suffix(b"\n").unwrap_or(&command);
    let command = String::from_utf8_lossy(command);
    format!("{pid} ({})", command.escape_debug())
}

/// What a process has open on the device, and its directories that are on it, as links in /proc.
fn open_on(process: &Path, device: DeviceNumber) -> Vec<PathBuf> {
    let mut links = vec![process.join("cwd"), process.join("root")];
    let files = fs::read_dir(process.join("fd")).into_iter().flatten();
    links.extend(files.flatten().map(|file| file.path()));
    links.retain(|link| mounts::is_in(device, CWD, link).unwrap_or(false));
    links
}

/// Whether a line of the process's mappings names the device, in hexadecimal digits.
fn maps(process: &Path, (major, minor): DeviceNumber) -> bool {
    let wanted = format!("{major:02x}:{minor:02x}");
    let maps = fs::read_to_string(process.join("maps")).unwrap_or_default();
    maps.lines()
        .any(|line| line.split_ascii_whitespace().nth(3) == Some(&wanted))
}
