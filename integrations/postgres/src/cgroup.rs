//! The control group of a database server, where the machine has them.
//!
//! It lies below the group of this program, so that limits of this program's service hold for its databases too. Version
//! 2 is used if it is mounted, and of version 1 the controller for memory, or the one for the number of processes. It
//! shows an operator what belongs together (`systemd-cgls`, `cat cgroup.procs`) and can be given limits.

use std::{
    fs::{self, OpenOptions},
    io::{self, BufRead as _, Write as _},
    path::{Path, PathBuf},
};

use crate::names::Name;

/// What the name of each group begins with.
const PREFIX: &str = "keyward-postgres-";

/// The directories of a group, one for each hierarchy.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Cgroup(Vec<PathBuf>);

impl Cgroup {
    /// Makes the group of a database where that is possible. Not having one is no error: many containers cannot.
    pub(crate) fn make(name: &Name) -> Self {
        let own = fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
        let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
        let mut made = Vec::new();
        for above in above(&own, &mounts) {
            let folder = above.join(format!("{PREFIX}{name}"));
            match fs::create_dir(&folder) {
                Ok(()) => made.push(folder),
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => made.push(folder),
                Err(error) => {
                    tracing::debug!(database = %name, folder = %folder.display(), %error, "a control group cannot be made");
                }
            }
        }
        Self(made)
    }

    /// From directories that were noted down.
    pub(crate) fn from_folders(folders: Vec<PathBuf>) -> Self {
        Self(folders)
    }

    /// The directories.
    pub(crate) fn folders(&self) -> &[PathBuf] {
        &self.0
    }

    /// The numbers of the processes that are in it.
    pub(crate) fn processes(&self) -> Vec<i32> {
        let lists = self.0.iter().map(|folder| folder.join("cgroup.procs"));
        let lists = lists.filter_map(|path| fs::read(path).ok());
        let lines = lists.flat_map(|list| list.lines().map_while(Result::ok).collect::<Vec<_>>());
        let mut numbers: Vec<i32> = lines.filter_map(|line| line.parse().ok()).collect();
        numbers.sort_unstable();
        numbers.dedup();
        numbers
    }

    /// Has the kernel kill everything in it, in one step in which nothing can be started. Version 1 cannot.
    pub(crate) fn kill(&self) {
        for folder in &self.0 {
            let file = folder.join("cgroup.kill");
            match OpenOptions::new().write(true).open(&file) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                opened => {
                    if let Err(error) = opened.and_then(|mut opened| opened.write_all(b"1")) {
                        tracing::warn!(file = %file.display(), %error, "a control group cannot be killed");
                    }
                }
            }
        }
    }

    /// Removes it, if nothing is in it.
    pub(crate) fn remove(&self) {
        for folder in &self.0 {
            match fs::remove_dir(folder) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => {
                    tracing::debug!(folder = %folder.display(), %error, "a control group is left");
                }
                _ => {}
            }
        }
    }
}

/// The directories of this program's own groups, below which others are made: of what `/proc/self/cgroup` and
/// `/proc/self/mountinfo` say.
fn above(own: &str, mounts: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut controllers = vec!["memory", "pids"];
    if let Some(folder) = folder(own, mounts, "") {
        found.push(folder);
        controllers.truncate(1);
    }
    let version_1 = controllers
        .into_iter()
        .find_map(|controller| folder(own, mounts, controller));
    found.extend(version_1);
    found
}

/// The directory of the group that this program has of a controller of version 1, or of version 2 if it is empty.
fn folder(own: &str, mounts: &str, controller: &str) -> Option<PathBuf> {
    let group = own.lines().find_map(|line| {
        let mut parts = line.splitn(3, ':').skip(1);
        let (controllers, group) = (parts.next()?, parts.next()?);
        let is_it = controllers.split(',').any(|other| other == controller);
        is_it.then_some(group)
    })?;
    let (root, at) = mounts.lines().find_map(|line| {
        let (before, after) = line.split_once(" - ")?;
        let mut before = before.split(' ').skip(3);
        let (root, at) = (before.next()?, before.next()?);
        let mut after = after.split(' ');
        let kind = after.next()?;
        let options = after.nth(1)?;
        let is_it = match controller {
            "" => kind == "cgroup2",
            name => kind == "cgroup" && options.split(',').any(|option| option == name),
        };
        is_it.then_some((root, at))
    })?;
    // In a container, what is mounted can be a part of the hierarchy.
    let within = Path::new(group).strip_prefix(root).ok()?;
    let is_plain = within
        .components()
        .all(|part| matches!(part, std::path::Component::Normal(_)));
    is_plain.then(|| Path::new(at).join(within))
}

#[cfg(test)]
mod tests {
    use super::*;

    const MOUNTS: &str = "\
24 22 0:5 / /dev rw - devtmpfs devtmpfs rw
30 24 0:26 / /sys/fs/cgroup/memory rw,relatime shared:9 - cgroup cgroup rw,memory
31 24 0:27 / /sys/fs/cgroup/pids rw,relatime - cgroup cgroup rw,pids
32 24 0:28 / /sys/fs/cgroup/unified rw,relatime - cgroup2 none rw
";

    #[test]
    fn a_group_is_below_the_own_one_of_each_hierarchy() {
        let own = "9:pids:/p\n4:cpu,memory:/a/b\n0::/\n";
        let expected: [PathBuf; 2] = [
            "/sys/fs/cgroup/unified".into(),
            "/sys/fs/cgroup/memory/a/b".into(),
        ];
        assert_eq!(above(own, MOUNTS), expected);
        let only_pids = "9:pids:/p\n";
        let pids: PathBuf = "/sys/fs/cgroup/pids/p".into();
        assert_eq!(above(only_pids, MOUNTS), [pids]);
        assert!(above("", MOUNTS).is_empty());
        assert!(above(own, "").is_empty());
    }

    #[test]
    fn a_part_of_a_hierarchy_is_entered_where_it_is_mounted() {
        let mounts = "30 24 0:26 /docker/1 /cg rw - cgroup2 cgroup rw";
        let found = |own| folder(own, mounts, "");
        assert_eq!(found("0::/docker/1"), Some("/cg/".into()));
        assert_eq!(found("0::/docker/1/x"), Some("/cg/x".into()));
        assert_eq!(found("0::/other"), None);
        assert_eq!(found("0::/docker/1/../2"), None);
    }

    #[test]
    fn a_group_of_version_2_is_killed_at_once() {
        let name = Name::parse(&format!("k{}", std::process::id())).unwrap();
        let group = Cgroup::make(&name);
        let can_kill = |folder: &&PathBuf| folder.join("cgroup.kill").exists();
        let folder = group.folders().iter().find(can_kill);
        let mut child = std::process::Command::new("sleep")
            .arg("60")
            .spawn()
            .unwrap();
        if let Some(folder) = folder {
            fs::write(folder.join("cgroup.procs"), child.id().to_string()).unwrap();
            group.kill();
        } else {
            // Nothing happens where there is no such file.
            group.kill();
            child.kill().unwrap();
        }
        let ended = child.wait().unwrap();
        assert_eq!(
            std::os::unix::process::ExitStatusExt::signal(&ended),
            Some(9)
        );
        group.remove();
    }

    #[test]
    fn a_group_has_the_processes_that_enter_it_and_goes_when_it_is_empty() {
        let name = Name::parse(&format!("t{}", std::process::id())).unwrap();
        let group = Cgroup::make(&name);
        let mut child = std::process::Command::new("sleep")
            .arg("60")
            .spawn()
            .unwrap();
        for folder in group.folders() {
            fs::write(folder.join("cgroup.procs"), child.id().to_string()).unwrap();
        }
        let found = group.processes();
        // With a process in it, it is not removed.
        group.remove();
        let is_there = group.folders().iter().all(|folder| folder.exists());
        child.kill().unwrap();
        child.wait().unwrap();
        if !group.folders().is_empty() {
            assert_eq!(found, [i32::try_from(child.id()).unwrap()]);
            assert!(is_there);
        }
        group.remove();
        assert!(group.folders().iter().all(|folder| !folder.exists()));
        assert!(group.processes().is_empty());
    }
}
