//! How programs are started as a server's system user.

use std::{path::Path, process::Command};

use crate::{cgroup::Cgroup, tool, user::SystemUser};

/// Runs the script below.
pub(crate) const SHELL: &str = "/bin/sh";
/// Becomes another user, of the Debian package util-linux.
pub(crate) const SETPRIV: &str = "/usr/bin/setpriv";

/// Enters the control groups up to `--` where that is possible, allows no core dumps and no files for others, and becomes the rest.
const SCRIPT: &str = r#"set -e
ulimit -c 0
umask 077
while [ "$1" != -- ]; do
    echo 0 > "$1/cgroup.procs" || echo "The control group $1 cannot be entered." >&2
    shift
done
shift
exec "$@"
"#;

/// A command that runs a program as a user, in a control group, with nothing of this program's environment. The
/// process that is started becomes the program.
pub(crate) fn command(program: &Path, user: &SystemUser, cgroup: &Cgroup) -> Command {
    let mut command = Command::new(SHELL);
    tool::clean(&mut command);
    command.args(["-c", SCRIPT, "sh"]);
    command.args(cgroup.folders()).arg("--");
    command.arg(SETPRIV);
    command.arg(format!("--reuid={}", user.uid));
    command.arg(format!("--regid={}", user.gid));
    command.args(["--clear-groups", "--no-new-privs", "--inh-caps=-all", "--"]);
    command.arg(program);
    command
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::tool::{Task, tests::Real};

    #[test]
    fn a_control_group_that_cannot_be_entered_stops_nothing() {
        let user = SystemUser {
            name: "u".to_owned(),
            uid: 1_999_999_998,
            gid: 1_999_999_997,
        };
        let none = Cgroup::from_folders(vec!["/proc/none".into()]);
        let mut command = command(Path::new("/bin/echo"), &user, &none);
        command.arg("here");
        let task = Task {
            program: "sh",
            within: Duration::from_secs(60),
        };
        let said = tool::run(task, command, "", &Real::watch());
        assert_eq!(said.unwrap(), "here\n");
    }

    #[test]
    fn a_program_runs_as_its_user_without_core_dumps_and_environment() {
        let user = SystemUser {
            name: "u".to_owned(),
            uid: 1_999_999_998,
            gid: 1_999_999_997,
        };
        let mut command = command(Path::new("/bin/sh"), &user, &Cgroup::default());
        command.args([
            "-c",
            "id -u; id -g; id -G; ulimit -c; umask; grep -E '^(NoNewPrivs|CapEff):' /proc/self/status; pwd; env | sort",
        ]);
        let task = Task {
            program: "sh",
            within: Duration::from_secs(60),
        };
        let said = tool::run(task, command, "", &Real::watch()).unwrap();
        let lines: Vec<&str> = said.lines().collect();
        let expected = [
            "1999999998",
            "1999999997",
            "1999999997",
            "0",
            "0077",
            "CapEff:\t0000000000000000",
            "NoNewPrivs:\t1",
            "/",
            "HOME=/nonexistent",
            "LC_ALL=C",
        ];
        assert_eq!(lines[..expected.len()], expected, "{lines:?}");
    }
}
