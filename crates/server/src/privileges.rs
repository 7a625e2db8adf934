//! What a server that root starts does not need, and gives up for good before it answers anybody: being root, and every
//! capability.
//!
//! <https://man7.org/linux/man-pages/man7/capabilities.7.html>

use std::{
    ffi::CString,
    fmt, fs, io,
    os::unix::fs::{MetadataExt as _, OpenOptionsExt as _, fchown},
    path::{Path, PathBuf},
};

use anyhow::{Context as _, bail};
use nix::unistd::{Gid, Group, Uid, User, getgrouplist, setgroups, setresgid, setresuid};
use rustix::{
    fs::OFlags,
    process::{Resource, Rlimit, getrlimit, setrlimit},
    thread::{
        CapabilitySet, CapabilitySets, capabilities, remove_capability_from_bounding_set,
        set_capabilities, set_no_new_privs,
    },
};

/// Refuses to let root change another user's data directory: the server, which is that user, could not read the files
/// that root creates there.
///
/// # Errors
/// When root would; it says how to run the command as the owner.
pub fn not_as_root(data_dir: &Path) -> anyhow::Result<()> {
    let owner = Account::choose(None, data_dir)?;
    if Uid::effective().is_root() && !owner.is_root() {
        bail!(
            "the data directory {} belongs to `{owner}`, who could not read what root creates there: run the same command as that user, with `runuser -u {owner} -- keyward ...`",
            data_dir.display()
        );
    }
    Ok(())
}

/// The user that a server serves as.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Account {
    uid: Uid,
    gid: Gid,
    groups: Vec<Gid>,
    name: String,
}

impl fmt::Display for Account {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)
    }
}

impl Account {
    /// The user that the server serves as: the given one, or who owns the data directory. Only root can choose; for
    /// anybody else it is who starts the server.
    ///
    /// # Errors
    /// When there is no such user, or the server may not become it.
    pub fn choose(given: Option<&str>, data_dir: &Path) -> anyhow::Result<Self> {
        let own = Uid::effective();
        let Some(given) = given else {
            let owner = fs::metadata(data_dir).ok().filter(|_| own.is_root());
            return match owner {
                Some(owner) if owner.uid() != 0 => {
                    let gid = Gid::from_raw(owner.gid());
                    Self::of(Uid::from_raw(owner.uid()), gid)
                }
                _ => Self::of(own, Gid::effective()),
            };
        };
        let found = User::from_name(given).with_context(|| format!("cannot look up `{given}`"))?;
        let account = match (found, given.parse()) {
            (Some(user), _) => Self::of(user.uid, user.gid)?,
            (None, Ok(number)) => {
                let uid = Uid::from_raw(number);
                // Without an entry, its group has the same number, as usual.
                Self::of(uid, Gid::from_raw(number))?
            }
            (None, Err(_)) => bail!(
                "there is no user `{given}`: create it with `useradd --system {given}`, or give another --user"
            ),
        };
        if !own.is_root() && account.uid != own {
            bail!(
                "only root can serve as another user: start the server as root, or leave `--user {given}` out"
            );
        }
        Ok(account)
    }

    fn of(uid: Uid, gid: Gid) -> anyhow::Result<Self> {
        let user = User::from_uid(uid).with_context(|| format!("cannot look up user {uid}"))?;
        Ok(match user {
            Some(user) => {
                let name = CString::new(user.name.clone())?;
                Self {
                    uid,
                    gid: user.gid,
                    groups: getgrouplist(&name, user.gid)?,
                    name: user.name,
                }
            }
            None => Self {
                uid,
                gid,
                groups: vec![gid],
                name: uid.to_string(),
            },
        })
    }

    /// Whether it is root.
    pub fn is_root(&self) -> bool {
        self.uid.is_root()
    }

    /// Creates a directory for it, if there is none; only root creates one for another user.
    ///
    /// # Errors
    /// When it cannot be created, or when somebody else has put something in its place meanwhile.
    pub fn create_dir(&self, path: &Path) -> anyhow::Result<()> {
        if !Uid::effective().is_root() || self.is_root() || path.exists() {
            return Ok(());
        }
        let create = || {
            crate::opened::create_private(path)?;
            give(path, (self.uid, self.gid))
        };
        create().with_context(|| format!("cannot create the data directory {}", path.display()))
    }

    /// Refuses a directory that belongs to somebody else, whose files the server could not use.
    ///
    /// # Errors
    /// When it does; it says how to give it away.
    pub fn must_own(&self, path: &Path) -> anyhow::Result<()> {
        let Ok(found) = fs::metadata(path) else {
            return Ok(());
        };
        if Uid::effective().is_root() && found.uid() != self.uid.as_raw() {
            let group = Group::from_gid(self.gid).ok().flatten();
            let group = group.map_or_else(|| self.gid.to_string(), |group| group.name);
            bail!(
                "the data directory {} belongs to another user than `{self}`, which the server is to serve as: give it away with `chown -R {self}:{group} {}`, the root key too if it is elsewhere",
                path.display(),
                path.display()
            );
        }
        Ok(())
    }

    /// Becomes this user for good, without any capability, and without a way to get one. The process must have one
    /// thread: capabilities belong to threads. `locked_bytes` of memory can be locked afterwards, if root may allow that.
    ///
    /// # Errors
    /// When something is left of what was to be given up.
    pub fn become_it(&self, locked_bytes: u64) -> anyhow::Result<()> {
        if Uid::effective().is_root() {
            allow_locked(locked_bytes);
            for capability in CapabilitySet::all().iter() {
                // Without CAP_SETPCAP, or for one that this kernel does not know, there is nothing to take away.
                let _ = remove_capability_from_bounding_set(capability);
            }
            if !self.is_root() {
                let change = || {
                    setgroups(&self.groups)?;
                    setresgid(self.gid, self.gid, self.gid)?;
                    setresuid(self.uid, self.uid, self.uid)
                };
                change().with_context(|| format!("cannot become the user `{self}`"))?;
            }
            let none = CapabilitySets {
                effective: CapabilitySet::empty(),
                permitted: CapabilitySet::empty(),
                inheritable: CapabilitySet::empty(),
            };
            set_capabilities(None, none).context("cannot give up capabilities")?;
            if capabilities(None)? != none {
                bail!("the process keeps capabilities, although it has given them up");
            }
        }
        set_no_new_privs(true).context("cannot give up gaining privileges")?;
        if !self.is_root()
            && setresuid(Uid::from_raw(0), Uid::from_raw(0), Uid::from_raw(0)).is_ok()
        {
            bail!("the process can become root again, although it has given that up");
        }
        Ok(())
    }
}

/// Has the process lock so many bytes also without CAP_IPC_LOCK. If it cannot, the arena says so.
fn allow_locked(bytes: u64) {
    let now = getrlimit(Resource::Memlock);
    let enough = |limit: Option<u64>| limit.is_none_or(|limit| limit >= bytes);
    if enough(now.current) {
        return;
    }
    let wanted = Rlimit {
        current: Some(bytes),
        maximum: if enough(now.maximum) {
            now.maximum
        } else {
            Some(bytes)
        },
    };
    let _ = setrlimit(Resource::Memlock, wanted);
}

/// Gives a directory that this process has created to a user: that one, and not what a link in its place leads to.
fn give(path: &Path, (uid, gid): (Uid, Gid)) -> io::Result<()> {
    let itself = OFlags::DIRECTORY | OFlags::NOFOLLOW;
    let flags = i32::try_from(itself.bits()).map_err(io::Error::other)?;
    let directory = fs::OpenOptions::new()
        .read(true)
        .custom_flags(flags)
        // With a slash at its end, a path means what a link leads to.
        .open(path.components().collect::<PathBuf>())?;
    if directory.metadata()?.uid() != Uid::effective().as_raw() {
        let text = "it belongs to somebody else, who has created it meanwhile";
        return Err(io::Error::other(text));
    }
    fchown(&directory, Some(uid.as_raw()), Some(gid.as_raw()))
}

#[cfg(test)]
mod tests {
    use std::{
        os::unix::fs::{PermissionsExt as _, symlink},
        process::Command,
    };

    use rustix::mount::{MountFlags, mount};

    use super::*;

    /// Tells a copy of this program which folder it works for.
    const FOLDER: &str = "KEYWARD_TEST_PRIVILEGES";

    #[test]
    fn what_is_given_up_is_gone() {
        if !Uid::effective().is_root() {
            return;
        }
        let folder = tempfile::tempdir().unwrap();
        let secret = folder.path().join("secret");
        fs::write(&secret, "for root only").unwrap();
        fs::set_permissions(secret, fs::Permissions::from_mode(0o600)).unwrap();
        for user in ["root", "65534"] {
            let mut copy = Command::new(std::env::current_exe().unwrap());
            copy.args(["--exact", "privileges::tests::is_given_up_when_told"]);
            let copy = copy.env(FOLDER, folder.path()).env("TEST_USER", user);
            let done = copy.output().unwrap();
            let said = String::from_utf8_lossy(&done.stdout);
            assert!(done.status.success() && said.contains("1 passed"), "{said}");
        }
    }

    #[test]
    fn only_a_directory_that_was_created_is_given_away() {
        if !Uid::effective().is_root() {
            return;
        }
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        let nobody = (Uid::from_raw(65534), Gid::from_raw(65534));
        let owner = |name: &str| fs::metadata(path(name)).unwrap().uid();
        for name in ["made", "others", "theirs"] {
            fs::create_dir(path(name)).unwrap();
        }
        give(&path("made"), nobody).unwrap();
        assert_eq!(owner("made"), 65534);
        symlink(path("others"), path("link")).unwrap();
        for link in ["link", "link/"] {
            give(&path(link), nobody).unwrap_err();
        }
        assert_eq!(owner("others"), 0);
        std::os::unix::fs::chown(path("theirs"), Some(1234), None).unwrap();
        give(&path("theirs"), nobody).unwrap_err();
        assert_eq!(owner("theirs"), 1234);
    }

    #[test]
    fn is_given_up_when_told() {
        let Some(folder) = std::env::var_os(FOLDER) else {
            return;
        };
        let folder = Path::new(&folder);
        let user = std::env::var_os("TEST_USER").unwrap();
        let user = user.to_str().unwrap().to_owned();
        let point = folder.join("point");
        fs::create_dir_all(&point).unwrap();
        let try_to_mount = || mount("none", &point, "tmpfs", MountFlags::empty(), None);
        // What fails below could have been done.
        try_to_mount().unwrap();
        rustix::mount::unmount(&point, rustix::mount::UnmountFlags::empty()).unwrap();
        let account = Account::choose(Some(&user), folder).unwrap();
        account.become_it(1 << 20).unwrap();
        assert_eq!(try_to_mount(), Err(rustix::io::Errno::PERM));
        let read = fs::read(folder.join("secret"));
        if account.is_root() {
            read.unwrap();
        } else {
            assert_eq!(read.unwrap_err().kind(), io::ErrorKind::PermissionDenied);
        }
    }

    #[test]
    fn a_user_that_nobody_knows_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let error = Account::choose(Some("nobody-of-that-name"), folder.path()).unwrap_err();
        assert_eq!(
            error.to_string(),
            "there is no user `nobody-of-that-name`: create it with `useradd --system nobody-of-that-name`, or give another --user"
        );
    }

    #[test]
    fn nobody_but_root_changes() {
        let folder = tempfile::tempdir().unwrap();
        let own = Account::choose(None, folder.path()).unwrap();
        assert_eq!(own.uid, Uid::effective());
        if !Uid::effective().is_root() {
            let error = Account::choose(Some("root"), folder.path()).unwrap_err();
            assert_eq!(
                error.to_string(),
                "only root can serve as another user: start the server as root, or leave `--user root` out"
            );
        }
    }
}
