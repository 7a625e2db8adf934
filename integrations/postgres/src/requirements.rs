//! What a machine must have before databases can run on it.

use std::path::Path;

use crate::installed::installed;

/// Programs of the system, with the Debian packages that have them.
const PROGRAMS: [(&str, &str); 4] = [
    (crate::launch::SHELL, "dash"),
    (crate::launch::SETPRIV, "util-linux"),
    (crate::user::USERADD, "passwd"),
    (crate::user::USERDEL, "passwd"),
];

/// One plain sentence for each thing that is missing, with the way to get it on Debian; empty if databases can run.
pub fn missing() -> Vec<String> {
    let mut missing = of_system();
    let found = installed();
    if found.servers.is_empty() {
        missing.extend(found.sentences);
    }
    missing
}

/// What of it has nothing to do with PostgreSQL.
pub(crate) fn of_system() -> Vec<String> {
    let mut missing = Vec::new();
    if !rustix::process::geteuid().is_root() {
        missing
            .push("This needs root: run it with sudo, or as a service of the system.".to_owned());
    }
    for (path, package) in PROGRAMS {
        if !Path::new(path).is_file() {
            missing.push(format!(
                "{path} is missing: install it with `apt-get install {package}`."
            ));
        }
    }
    missing
}
