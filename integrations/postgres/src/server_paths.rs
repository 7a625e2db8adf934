//! Where everything of a database server is.
//!
//! ```text
//! VOLUME/keyward-postgres.json   there is a database, in which layout
//! VOLUME/pgdata/                 the data; they belong to the server's system user
//! VOLUME/pgdata.new/             a database that is being made; it is removed and made again after a crash
//! VOLUME/log/postgresql.log      what the server says, and .1 with what it said before
//! RUNTIME/NAME/                  postgresql.conf, pg_hba.conf, pg_ident.conf, server.pem (key and certificate)
//! RUNTIME/NAME/process.json      which process runs
//! RUNTIME/NAME/socket/           the Unix socket, for the server and root only
//! ```

use std::{
    fs,
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
};

use crate::{
    error::{At as _, Error},
    files::{self, Access},
    names::Name,
    options::Options,
    user::SystemUser,
};

/// The longest path of a Unix socket: `sun_path` without its zero.
const MAX_SOCKET: usize = 107;

/// The paths of a database server.
#[derive(Clone, Debug)]
pub(crate) struct ServerPaths {
    name: Name,
    volume: PathBuf,
    runtime: PathBuf,
    /// Whether the volume must be mounted.
    mounted: bool,
}

impl ServerPaths {
    pub(crate) fn new(name: &Name, volume: &Path, options: &Options) -> Self {
        Self {
            name: name.clone(),
            volume: volume.to_owned(),
            runtime: options.runtime.join(name.as_str()),
            mounted: options.mounted,
        }
    }

    pub(crate) fn name(&self) -> &Name {
        &self.name
    }

    pub(crate) fn volume(&self) -> &Path {
        &self.volume
    }

    pub(crate) fn marker(&self) -> PathBuf {
        self.volume.join("keyward-postgres.json")
    }

    pub(crate) fn data(&self) -> PathBuf {
        self.volume.join("pgdata")
    }

    pub(crate) fn new_data(&self) -> PathBuf {
        self.volume.join("pgdata.new")
    }

    pub(crate) fn log(&self) -> PathBuf {
        self.volume.join("log").join("postgresql.log")
    }

    pub(crate) fn configuration(&self) -> PathBuf {
        self.runtime.join("postgresql.conf")
    }

    pub(crate) fn access(&self) -> PathBuf {
        self.runtime.join("pg_hba.conf")
    }

    pub(crate) fn idents(&self) -> PathBuf {
        self.runtime.join("pg_ident.conf")
    }

    pub(crate) fn certificate(&self) -> PathBuf {
        self.runtime.join("server.pem")
    }

    pub(crate) fn record(&self) -> PathBuf {
        self.runtime.join("process.json")
    }

    pub(crate) fn socket(&self) -> PathBuf {
        self.runtime.join("socket")
    }

    /// Makes the directories, except for those of the data, and checks that the server's user can enter them. Nothing may
    /// run as that user.
    pub(crate) fn make(&self, user: &SystemUser, port: u16) -> Result<(), Error> {
        let socket = self.socket().join(format!(".s.PGSQL.{port}"));
        if socket.as_os_str().len() > MAX_SOCKET {
            return Err(Error::SocketPath(socket));
        }
        check_way(&self.volume, user)?;
        // The last part of this is made below.
        check_way(self.runtime.parent().unwrap_or(&self.runtime), user)?;
        let own = Access {
            uid: None,
            gid: Some(user.gid),
            mode: 0o750,
        };
        files::folder(&self.runtime, own)?;
        let socket = Access {
            uid: Some(user.uid),
            gid: Some(user.gid),
            mode: 0o700,
        };
        // With what a server has left in it that was killed.
        files::remove_all(&self.socket())?;
        files::folder(&self.socket(), socket)?;
        self.folder(&self.volume.join("log"), Access::root(0o700))
    }

    /// Makes a directory of the volume, and nothing where it is not mounted.
    pub(crate) fn folder(&self, path: &Path, access: Access) -> Result<(), Error> {
        self.check_mounted()?;
        files::folder(path, access)?;
        if !self.mounted {
            return Ok(());
        }
        // It may have been unmounted meanwhile. Then what was made is empty, and of another file system.
        let device = |path: &Path| fs::metadata(path).at("open", path).map(|found| found.dev());
        let is_there = self
            .check_mounted()
            .and_then(|()| Ok(device(path)? == device(&self.volume)?));
        match is_there {
            Ok(true) => Ok(()),
            _ => {
                let _ = fs::remove_dir(path);
                Err(Error::NotMounted(self.volume.clone()))
            }
        }
    }

    /// Fails if nothing is mounted where the volume is to be.
    fn check_mounted(&self) -> Result<(), Error> {
        if !self.mounted {
            return Ok(());
        }
        let device = |path: PathBuf| {
            fs::metadata(&path)
                .at("open", path)
                .map(|found| found.dev())
        };
        match device(self.volume.clone())? == device(self.volume.join(".."))? {
            true => Err(Error::NotMounted(self.volume.clone())),
            false => Ok(()),
        }
    }
}

/// Checks that a user can enter a directory and everything above it.
fn check_way(path: &Path, user: &SystemUser) -> Result<(), Error> {
    for at in path.ancestors() {
        let found = fs::metadata(at).at("open", at)?;
        let bit = if found.uid() == user.uid {
            0o100
        } else if found.gid() == user.gid {
            0o010
        } else {
            0o001
        };
        if found.mode() & bit == 0 {
            return Err(Error::Unreachable {
                at: at.to_owned(),
                path: path.to_owned(),
            });
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    fn place(folder: &Path) -> ServerPaths {
        let name = Name::parse("x").unwrap();
        fs::create_dir_all(folder.join("volume")).unwrap();
        fs::create_dir_all(folder.join("run")).unwrap();
        let mut options = Options::new(folder.join("state"), folder.join("run"));
        options.mounted = false;
        ServerPaths::new(&name, &folder.join("volume"), &options)
    }

    fn user() -> SystemUser {
        SystemUser {
            name: "u".to_owned(),
            uid: 1_999_999_999,
            gid: 1_999_999_999,
        }
    }

    #[test]
    fn a_directory_that_the_user_cannot_enter_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let place = place(folder.path());
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o700)).unwrap();
        let error = place.make(&user(), 5432).unwrap_err().to_string();
        let expected = format!(
            "the database's system user cannot enter `{}`, which is on the way to `{}`: ",
            folder.path().display(),
            folder.path().join("volume").display()
        );
        assert!(error.starts_with(&expected), "{error}");
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o711)).unwrap();
        place.make(&user(), 5432).unwrap();
        // Again, when everything is there.
        place.make(&user(), 5432).unwrap();
        let mode = |path: &Path| {
            let found = fs::metadata(path).unwrap();
            (found.uid(), found.gid(), found.mode() & 0o777)
        };
        assert_eq!(mode(&place.runtime), (0, 1_999_999_999, 0o750));
        let socket = mode(&place.socket());
        assert_eq!(socket, (1_999_999_999, 1_999_999_999, 0o700));
        assert_eq!(mode(&folder.path().join("volume/log")), (0, 0, 0o700));
    }

    #[test]
    fn nothing_is_made_where_no_volume_is_mounted() {
        let folder = tempfile::tempdir().unwrap();
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o711)).unwrap();
        let mut place = place(folder.path());
        place.mounted = true;
        let volume = folder.path().join("volume");
        let error = place.make(&user(), 5432).unwrap_err().to_string();
        let expected = format!("no volume is mounted at `{}`", volume.display());
        assert_eq!(error, expected);
        let new = place.new_data();
        let error = place.folder(&new, Access::root(0o700)).unwrap_err();
        assert_eq!(error.to_string(), expected);
        assert_eq!(fs::read_dir(volume).unwrap().count(), 0);
    }

    #[test]
    fn a_path_that_is_too_long_for_a_socket_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let long = folder.path().join("a".repeat(90));
        let place = place(&long);
        let error = place.make(&user(), 5432).unwrap_err();
        assert!(matches!(error, Error::SocketPath(_)), "{error}");
    }
}
