//! The system user of a database server.
//!
//! Each has one of its own, so that a server cannot touch the files and processes of another, and whatever runs as the
//! user belongs to the server. It is made with the server's first start, and goes with [`remove`]. `getent passwd` shows
//! which database it is for.

use std::{process::Command, time::Duration};

use nix::unistd::User;
use parking_lot::Mutex;

use crate::{
    error::{At as _, Error},
    names::Name,
    tool::{self, Task},
    watch::Watch,
};

/// Makes a user, of the Debian package passwd.
pub(crate) const USERADD: &str = "/usr/sbin/useradd";
/// Removes one.
pub(crate) const USERDEL: &str = "/usr/sbin/userdel";

/// What the name of each user begins with.
const PREFIX: &str = "keyward-pg-";
/// The longest name of a user.
const MAX_USER: usize = 32;
/// How long a program may take: it waits for others that change the same files.
const PATIENCE: Duration = Duration::from_secs(60);

/// One at a time: the programs lock the files, but do not wait long for each other.
static CHANGES: Mutex<()> = Mutex::new(());

/// A user of the system.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct SystemUser {
    pub(crate) name: String,
    pub(crate) uid: u32,
    pub(crate) gid: u32,
}

/// Finds the user of a database, or makes it.
pub(crate) fn ensure(name: &Name, watch: &Watch) -> Result<SystemUser, Error> {
    if let Some(found) = find(name)? {
        return Ok(found);
    }
    let _alone = CHANGES.lock();
    let user = name_of(name);
    let mut command = Command::new(USERADD);
    command.args(["--system", "--user-group", "--no-create-home"]);
    command.args(["--home-dir", "/nonexistent"]);
    command.args(["--shell", "/usr/sbin/nologin"]);
    command.args(["--comment", &comment(name), &user]);
    run("useradd", command, watch)?;
    tracing::info!(database = %name, user, "a system user was made");
    find(name)?.ok_or(Error::Program {
        program: "useradd",
        status: "success".to_owned(),
        said: format!("but there is no user `{user}`"),
    })
}

/// Removes the user of a database, if there is one. Nothing may run as it.
pub(crate) fn remove(name: &Name, watch: &Watch) -> Result<(), Error> {
    if find(name)?.is_none() {
        return Ok(());
    }
    let _alone = CHANGES.lock();
    let user = name_of(name);
    let mut command = Command::new(USERDEL);
    command.arg(&user);
    run("userdel", command, watch)?;
    tracing::info!(database = %name, user, "a system user was removed");
    Ok(())
}

fn run(program: &'static str, mut command: Command, watch: &Watch) -> Result<(), Error> {
    tool::clean(&mut command);
    let task = Task {
        program,
        within: PATIENCE,
    };
    tool::run(task, command, "", watch).map(drop)
}

/// The user of a database, if it was made.
pub(crate) fn find(name: &Name) -> Result<Option<SystemUser>, Error> {
    let user = name_of(name);
    let found = User::from_name(&user).at("look for the system user", user.as_str())?;
    let Some(found) = found else {
        return Ok(None);
    };
    let is_ours = found.gecos.to_bytes() == comment(name).as_bytes() && !found.uid.is_root();
    if !is_ours {
        return Err(Error::ForeignUser {
            user,
            name: name.to_string(),
        });
    }
    Ok(Some(SystemUser {
        name: user,
        uid: found.uid.as_raw(),
        gid: found.gid.as_raw(),
    }))
}

/// The name of a database's user. Names of users are shorter than those of databases. Two that begin alike are told apart by the comment.
pub(crate) fn name_of(name: &Name) -> String {
    let rest = name.as_str().to_ascii_lowercase();
    PREFIX.chars().chain(rest.chars()).take(MAX_USER).collect()
}

fn comment(name: &Name) -> String {
    format!("Keyward database {name}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tool::tests::Real;

    #[test]
    fn a_user_is_called_as_its_database_as_far_as_that_goes() {
        let name = Name::parse("db-ABCDEFGHIJKLMNOPQRSTUVWXYZ").unwrap();
        assert_eq!(name_of(&name), "keyward-pg-db-abcdefghijklmnopqr");
        assert_eq!(name_of(&name).len(), MAX_USER);
        assert_eq!(
            comment(&name),
            "Keyward database db-ABCDEFGHIJKLMNOPQRSTUVWXYZ"
        );
    }

    #[test]
    fn a_user_is_made_once_and_one_of_another_database_is_not_taken() {
        let watch = Real::watch();
        let stem = format!("t{}-abcdefghijklmnopqrstuvwxyz", std::process::id());
        let one = Name::parse(&format!("{stem}-one")).unwrap();
        let two = Name::parse(&format!("{stem}-two")).unwrap();
        let made = ensure(&one, &watch).unwrap();
        assert_eq!(ensure(&one, &watch).unwrap(), made);
        assert!(made.uid != 0 && made.uid < 1000, "{made:?}");
        let error = ensure(&two, &watch).unwrap_err().to_string();
        assert!(error.ends_with(&format!(
            "was not made for the database `{two}`: rename or remove that user, whose name is needed"
        )));
        // Nor is it removed.
        remove(&two, &watch).unwrap_err();
        assert_eq!(find(&one).unwrap(), Some(made));
        remove(&one, &watch).unwrap();
        remove(&one, &watch).unwrap();
        assert_eq!(find(&one).unwrap(), None);
    }
}
