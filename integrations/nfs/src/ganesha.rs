//! nfs-ganesha: its configuration, and how it is started.
//! (<https://github.com/nfs-ganesha/nfs-ganesha/tree/V4.3/src/doc/man>)

use std::{
    ffi::OsString,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use crate::sandbox::EXPORT;

/// The port in the sandbox. Every sandbox has a network of its own, so they do not collide.
pub(crate) const PORT: u16 = 2049;

/// The server, of the Debian package nfs-ganesha.
pub(crate) const SERVER: &str = "/usr/bin/ganesha.nfsd";
/// Starts a program that ends with its parent, of the Debian package util-linux.
pub(crate) const SETPRIV: &str = "/usr/bin/setpriv";
/// What the process may do as root: open files by handle, act as any user, and create and change files of any. It can
/// neither mount nor trace, nor change the machine.
const CAPABILITIES: &str =
    "-all,+chown,+dac_override,+dac_read_search,+fowner,+fsetid,+mknod,+setgid,+setuid";

/// How the process's configuration is called in its directory.
pub(crate) const CONFIGURATION: &str = "ganesha.conf";
/// Where the process notes its number.
pub(crate) const PID_FILE: &str = "ganesha.pid";
/// Where it remembers clients, so that they can reclaim their locks after a restart.
pub(crate) const RECOVERY: &str = "recovery";

/// What a process is told.
#[derive(Clone, Debug)]
pub(crate) struct Configuration<'a> {
    /// The process's own directory.
    pub(crate) own: &'a Path,
    /// Tells this view from all others: Linux takes two servers with one owner for one server with two
    /// addresses, and would use a session of one with the other.
    pub(crate) owner: &'a str,
    /// The file system's id as clients see it, the same in all views of a volume and after every restart.
    pub(crate) file_system_id: (u64, u64),
    /// Whether clients may write.
    pub(crate) is_writable: bool,
    /// Whether user 0 is root.
    pub(crate) root: bool,
    /// Seconds after which the locks of a silent client end.
    pub(crate) lease_seconds: u64,
    /// Seconds that clients have after a restart to reclaim their locks.
    pub(crate) grace_seconds: u64,
}

/// Nobody, as everywhere on Linux.
const NOBODY: u32 = 65_534;

impl Configuration<'_> {
    /// The configuration file.
    pub(crate) fn text(&self) -> String {
        let recovery = self.own.join(RECOVERY);
        let recovery = recovery.display();
        let Self {
            owner,
            lease_seconds,
            grace_seconds,
            file_system_id: (major, minor),
            ..
        } = self;
        let access = if self.is_writable { "RW" } else { "RO" };
        let squash = if self.root {
            "No_Root_Squash"
        } else {
            "Root_Squash"
        };
        format!(
            r#"# Written by keyward. Changes are lost.
NFS_CORE_PARAM {{
    Protocols = 4;
    NFS_Port = {PORT};
    Enable_NLM = false;
    Enable_RQUOTA = false;
    Enable_UDP = false;
}}
NFS_KRB5 {{
    Active_krb5 = false;
}}
NFSV4 {{
    Minor_Versions = 0, 1;
    Lease_Lifetime = {lease_seconds};
    Grace_Period = {grace_seconds};
    RecoveryBackend = fs;
    RecoveryRoot = "{recovery}";
    Server_Owner = "{owner}";
    Server_Scope = "{owner}";
    Only_Numeric_Owners = true;
    Delegations = false;
}}
EXPORT {{
    Export_Id = 1;
    Path = "{EXPORT}";
    Pseudo = "/";
    Filesystem_Id = {major}.{minor};
    Protocols = 4;
    Transports = TCP;
    SecType = none, sys;
    Access_Type = {access};
    Squash = {squash};
    Anonymous_Uid = {NOBODY};
    Anonymous_Gid = {NOBODY};
    MaxRead = 1048576;
    MaxWrite = 1048576;
    FSAL {{
        Name = VFS;
    }}
}}
LOG {{
    Default_Log_Level = EVENT;
}}
"#
        )
    }
}

/// The command that starts the server in the directory `own`; it ends when the thread that starts it ends.
pub(crate) fn command(own: &Path, epoch: u32) -> Command {
    let mut command = Command::new(SETPRIV);
    command
        .env_clear()
        .env("LC_ALL", "C")
        .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin");
    command.current_dir(own);
    command.args([
        "--pdeathsig",
        "KILL",
        "--no-new-privs",
        "--inh-caps",
        "-all",
    ]);
    command.arg("--bounding-set").arg(CAPABILITIES);
    command.args(["--", SERVER, "-F", "-L", "STDOUT", "-E"]);
    command.arg(epoch.to_string());
    command.arg("-f").arg(own.join(CONFIGURATION));
    command.arg("-p").arg(own.join(PID_FILE));
    command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null());
    command
}

/// Whether the command line of a process is that of a server of the directory `own`.
pub(crate) fn is_of(command_line: &[u8], own: &Path) -> bool {
    let configuration = OsString::from(own.join(CONFIGURATION)).into_encoded_bytes();
    command_line
        .split(|byte| *byte == 0)
        .any(|argument| *argument == *configuration)
}

/// The paths of the programs that are needed, with the Debian packages that have them.
pub(crate) fn programs() -> [(PathBuf, &'static str); 3] {
    [
        (SERVER.into(), "nfs-ganesha"),
        (
            format!(
                "/usr/lib/{}-linux-gnu/ganesha/libfsalvfs.so",
                std::env::consts::ARCH
            )
            .into(),
            "nfs-ganesha-vfs",
        ),
        (SETPRIV.into(), "util-linux"),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn configuration(is_writable: bool, root: bool) -> String {
        Configuration {
            own: Path::new("/var/lib/keyward/nfs/x"),
            owner: "keyward-1",
            file_system_id: (7, 9),
            is_writable,
            root,
            lease_seconds: 30,
            grace_seconds: 40,
        }
        .text()
    }

    #[test]
    fn a_configuration_says_what_a_view_is() {
        let text = configuration(true, true);
        for line in [
            "Path = \"/export\";",
            "Pseudo = \"/\";",
            "Filesystem_Id = 7.9;",
            "RecoveryRoot = \"/var/lib/keyward/nfs/x/recovery\";",
            "Server_Owner = \"keyward-1\";",
            "Minor_Versions = 0, 1;",
            "Lease_Lifetime = 30;",
            "Grace_Period = 40;",
            "Access_Type = RW;",
            "Squash = No_Root_Squash;",
        ] {
            assert!(text.lines().any(|found| found.trim() == line), "{line}");
        }
        let text = configuration(false, false);
        for line in [
            "Access_Type = RO;",
            "Squash = Root_Squash;",
            "Anonymous_Uid = 65534;",
        ] {
            assert!(text.lines().any(|found| found.trim() == line), "{line}");
        }
    }

    #[test]
    fn a_process_is_known_by_its_configuration() {
        let line = b"/usr/bin/ganesha.nfsd\0-f\0/state/a/ganesha.conf\0";
        assert!(is_of(line, Path::new("/state/a")));
        assert!(!is_of(line, Path::new("/state")));
        assert!(!is_of(b"", Path::new("/state/a")));
    }
}
