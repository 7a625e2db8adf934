//! The data on a volume: made once, whole or not at all.
//!
//! A new cluster is made in `pgdata.new`, with all that the supervisor needs in it, and renamed when it is whole. So a
//! `pgdata.new` is always one that was begun, and a `pgdata` never. The marker of the volume says that there was one, so that
//! a volume that has lost its data does not get new ones.

use std::{fs, io, path::Path, time::Duration};

use serde::{Deserialize, Serialize};

use crate::{
    cgroup::Cgroup,
    error::{At as _, Error},
    files::{self, Access},
    installed::Installed,
    launch,
    names::SUPERVISOR,
    ownership, roles,
    server_paths::ServerPaths,
    tool::{self, Task},
    user::SystemUser,
    watch::Watch,
};

/// The number of the layout that is described in [`crate::place`] and [`crate::roles`].
const LAYOUT: u32 = 1;
/// The marker in the directory of the data.
const MARKER: &str = "keyward.json";
/// The longest marker.
const MAX_MARKER: u64 = 4096;
/// How long `initdb` may take: it writes 40 MB and waits for the disk.
const PATIENCE: Duration = Duration::from_secs(600);

/// Says whose data these are.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Marker {
    layout: u32,
    engine: String,
    major: u32,
}

impl Marker {
    fn of(major: u32) -> Self {
        Self {
            layout: LAYOUT,
            engine: "postgres".to_owned(),
            major,
        }
    }

    /// Reads a marker, and checks that this program and this server can use the data; none if there is none.
    fn read(path: &Path, at: &Path, wanted: u32) -> Result<Option<Self>, Error> {
        let Some(text) = files::read(path, MAX_MARKER)? else {
            return Ok(None);
        };
        let marker: Self =
            serde_json::from_str(&text).map_err(|_| Error::NoMarker(at.to_owned()))?;
        if marker.layout > LAYOUT {
            return Err(Error::Layout {
                at: at.to_owned(),
                layout: marker.layout,
            });
        }
        if marker.engine != "postgres" {
            return Err(Error::NoMarker(at.to_owned()));
        }
        if marker.major != wanted {
            return Err(Error::Major {
                found: marker.major,
                wanted,
            });
        }
        Ok(Some(marker))
    }

    fn write(&self, path: &Path) -> Result<(), Error> {
        let text = serde_json::to_vec(self).unwrap_or_default();
        files::write(path, &text, Access::root(0o644))
    }
}

/// What makes the data of a server.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Maker<'m> {
    pub(crate) place: &'m ServerPaths,
    pub(crate) server: &'m Installed,
    pub(crate) user: &'m SystemUser,
    pub(crate) cgroup: &'m Cgroup,
    pub(crate) watch: &'m Watch,
}

impl Maker<'_> {
    /// Has data that a server can be started with, for its user. Nothing may run as that user.
    pub(crate) fn prepare(&self) -> Result<(), Error> {
        let (data, new) = (self.place.data(), self.place.new_data());
        files::remove_all(&new)?;
        let major = self.server.version.major;
        let of_volume = Marker::read(&self.place.marker(), &data, major)?;
        match fs::symlink_metadata(&data) {
            Ok(found) if found.is_dir() => {
                Marker::read(&data.join(MARKER), &data, major)?
                    .ok_or_else(|| Error::NoMarker(data.clone()))?;
                // They are those of another user if they come from another machine, or from a snapshot.
                ownership::give(&data, self.user, self.watch)?;
                // Nothing runs as this user, so that it is nobody's. The server itself would look for a process with that
                // number, and find one that was killed and that nobody has waited for.
                files::remove(&data.join("postmaster.pid"))?;
            }
            Ok(_) => return Err(Error::NotDirectory(data)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                if of_volume.is_some() {
                    return Err(Error::NoMarker(data));
                }
                self.make(&new)?;
                Marker::of(major).write(&new.join(MARKER))?;
                fs::rename(&new, &data).at("rename", &new)?;
                files::sync_folder(&data).at("write", &data)?;
                tracing::info!(database = %self.place.name(), data = %data.display(), "a database was made");
            }
            Err(error) => return Err(error).at("open", data),
        }
        if of_volume.is_none() {
            Marker::of(major).write(&self.place.marker())?;
        }
        Ok(())
    }

    /// Makes a cluster with data checksums, in UTF-8. Its texts are compared by their code points, which is the same on
    /// every machine: with another order, indexes break when the C library changes.
    fn make(&self, new: &Path) -> Result<(), Error> {
        let user = Access {
            uid: Some(self.user.uid),
            gid: Some(self.user.gid),
            mode: 0o700,
        };
        self.place.folder(new, user)?;
        let program = self.server.programs.join("initdb");
        let mut command = launch::command(&program, self.user, self.cgroup);
        command.arg("--pgdata").arg(new);
        command.args(["--username", SUPERVISOR, "--auth", "reject"]);
        command.args(["--data-checksums", "--encoding", "UTF8"]);
        command.args(["--locale", "C.UTF-8", "--lc-messages", "C"]);
        command.args(["--text-search-config", "english", "--no-instructions"]);
        let task = |program| Task {
            program,
            within: PATIENCE,
        };
        tool::run(task("initdb"), command, "", self.watch)?;
        for (database, script) in roles::bootstrap() {
            let program = self.server.programs.join("postgres");
            let mut command = launch::command(&program, self.user, self.cgroup);
            command.arg("--single").arg("-D").arg(new);
            // The first allows what roles::bootstrap does with the server's own roles.
            for setting in ["allow_system_table_mods=on", "exit_on_error=on"] {
                command.args(["-c", setting]);
            }
            command.arg(database);
            tool::run(task("postgres"), command, &script, self.watch)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_marker_of_another_server_or_layout_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(MARKER);
        let read = |wanted| Marker::read(&path, Path::new("/v/pgdata"), wanted);
        assert_eq!(read(15).unwrap(), None);
        Marker::of(15).write(&path).unwrap();
        assert_eq!(
            fs::read_to_string(&path).unwrap(),
            r#"{"layout":1,"engine":"postgres","major":15}"#
        );
        assert_eq!(read(15).unwrap(), Some(Marker::of(15)));
        assert_eq!(
            read(16).unwrap_err().to_string(),
            "the data are of PostgreSQL 15, and PostgreSQL 16 was asked for: ask for 15, or make a new database and copy the data with pg_dump and pg_restore"
        );
        fs::write(&path, r#"{"layout":2,"engine":"postgres","major":15}"#).unwrap();
        assert_eq!(
            read(15).unwrap_err().to_string(),
            "`/v/pgdata` was written by a newer version of Keyward (layout 2): install that version"
        );
        for damaged in ["", "{}", r#"{"layout":1,"engine":"mysql","major":15}"#] {
            fs::write(&path, damaged).unwrap();
            assert!(matches!(read(15), Err(Error::NoMarker(_))), "{damaged}");
        }
    }
}
