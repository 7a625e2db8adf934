//! Runs the programs of e2fsprogs.

use std::{
    ffi::OsStr,
    path::PathBuf,
    process::{Command, ExitStatus, Stdio},
};

use keyward_types::shown::Text;

use crate::error::{At as _, Error, Step};

/// Where programs of the system are. The environment is not asked: they run as root.
const FOLDERS: [&str; 4] = ["/usr/sbin", "/sbin", "/usr/bin", "/bin"];

/// A program.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Tool {
    /// Its name.
    pub(crate) name: &'static str,
    /// The Debian package that has it.
    pub(crate) package: &'static str,
}

/// Creates an ext4.
pub(crate) const MKFS: Tool = of_e2fsprogs("mkfs.ext4");
/// Checks and repairs one.
pub(crate) const FSCK: Tool = of_e2fsprogs("e2fsck");
/// Makes one larger.
pub(crate) const RESIZE: Tool = of_e2fsprogs("resize2fs");

const fn of_e2fsprogs(name: &'static str) -> Tool {
    Tool {
        name,
        package: "e2fsprogs",
    }
}

/// How a program ended.
#[derive(Debug)]
pub(crate) struct Ran {
    /// Its status.
    pub(crate) status: ExitStatus,
    /// All that it wrote, to both outputs, without blanks around it, and with control characters escaped.
    pub(crate) report: String,
}

impl Tool {
    /// Where it is.
    pub(crate) fn find(self) -> Option<PathBuf> {
        let paths = FOLDERS.map(|folder| PathBuf::from(folder).join(self.name));
        paths.into_iter().find(|path| path.is_file())
    }

    /// Runs it with an environment of its own, and no input.
    pub(crate) fn run<A: AsRef<OsStr>>(
        self,
        arguments: impl IntoIterator<Item = A>,
    ) -> Result<Ran, Error> {
        let path = self.find().ok_or(Error::NoTool {
            tool: self.name,
            package: self.package,
        })?;
        let mut command = Command::new(path);
        command.env_clear().env("LC_ALL", "C");
        command.env("PATH", FOLDERS.join(":"));
        // The defaults of the program, whatever this machine's /etc says.
        command.env("MKE2FS_CONFIG", "/dev/null");
        command.args(arguments).stdin(Stdio::null());
        let output = command.output().at(Step::Run, self.name)?;
        let text = [output.stdout, output.stderr].concat();
        Ok(Ran {
            status: output.status,
            report: printable(&text),
        })
    }
}

/// Programs also write what they found on the volume, such as its label and names of files.
fn printable(said: &[u8]) -> String {
    Text(String::from_utf8_lossy(said).trim()).to_string()
}

impl Ran {
    /// The error that says so.
    pub(crate) fn failed(self, tool: Tool) -> Error {
        Error::Tool {
            tool: tool.name,
            status: self.status.to_string(),
            report: self.report,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_volume_is_called_does_not_steer_a_terminal() {
        let text = "\u{1b}[2Jlabel\r: clean,\n\t11/16 files \u{9b}0m";
        assert_eq!(
            printable(text.as_bytes()),
            "\\u001b[2Jlabel\\u000d: clean,\n\t11/16 files \\u009b0m"
        );
    }
}
