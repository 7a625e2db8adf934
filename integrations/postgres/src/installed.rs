//! Which PostgreSQL servers Debian's packages have put on this machine.

use std::{
    fmt, fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

/// Where Debian has the programs of each major version.
const FOLDER: &str = "/usr/lib/postgresql";
/// The major versions whose servers are run: those that the tests of this crate have run.
pub const MAJORS: [u32; 1] = [15];
/// What a server needs, with the beginning of the name of the package that has it.
const PROGRAMS: [(&str, &str); 3] = [
    ("postgres", "postgresql"),
    ("initdb", "postgresql"),
    ("psql", "postgresql-client"),
];

/// A version of PostgreSQL, such as 15.18.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Version {
    /// The number that decides which data a server can read.
    pub major: u32,
    /// The number of the release.
    pub minor: u32,
}

impl Version {
    /// Parses `15.18`; none if it is something else.
    pub fn parse(text: &str) -> Option<Self> {
        let (major, minor) = text.split_once('.')?;
        let number = |text: &str| {
            let fits = (1..=3).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_digit());
            text.parse().ok().filter(|_| fits)
        };
        Some(Self {
            major: number(major)?,
            minor: number(minor)?,
        })
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.major, self.minor)
    }
}

/// A server that is installed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Installed {
    /// Its version.
    pub version: Version,
    /// The directory of its programs.
    pub programs: PathBuf,
}

/// What is installed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Found {
    /// The servers that can be run, by version.
    pub servers: Vec<Installed>,
    /// One plain sentence for each thing that is missing, or is there and cannot be used.
    pub sentences: Vec<String>,
}

/// Looks which servers are installed.
pub fn installed() -> Found {
    look(Path::new(FOLDER))
}

fn look(folder: &Path) -> Found {
    let mut found = Found::default();
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let majors = entries.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    let mut majors: Vec<u32> = majors.collect();
    majors.sort_unstable();
    for major in majors {
        let programs = folder.join(major.to_string()).join("bin");
        // The client's package alone also makes the directory.
        if !programs.join("postgres").is_file() {
            continue;
        }
        if !MAJORS.contains(&major) {
            found.sentences.push(other(major));
            continue;
        }
        match server(major, &programs) {
            Ok(server) => found.servers.push(server),
            Err(sentence) => found.sentences.push(sentence),
        }
    }
    if found.servers.is_empty() && found.sentences.is_empty() {
        found.sentences.push(nothing());
    }
    found
}

fn nothing() -> String {
    let packages = MAJORS.map(|major| format!("`apt-get install postgresql-{major}`"));
    format!(
        "No PostgreSQL server is installed: install it with {}.",
        packages.join(" or ")
    )
}

fn other(major: u32) -> String {
    let majors = MAJORS.map(|major| major.to_string());
    format!(
        "PostgreSQL {major} is installed, but this version of Keyward runs only PostgreSQL {}.",
        majors.join(" and ")
    )
}

fn server(major: u32, programs: &Path) -> Result<Installed, String> {
    for (program, package) in PROGRAMS {
        let path = programs.join(program);
        if !path.is_file() {
            return Err(format!(
                "{} is missing: install it with `apt-get install {package}-{major}`.",
                path.display()
            ));
        }
    }
    let path = programs.join("postgres");
    let cannot = |why: &str| {
        format!(
            "{} does not say its version ({why}): install it again with `apt-get install --reinstall postgresql-{major}`.",
            path.display()
        )
    };
    let said = Command::new(&path)
        .arg("--version")
        .env_clear()
        .env("LC_ALL", "C")
        .stdin(Stdio::null())
        .output()
        .map_err(|error| cannot(&error.to_string()))?;
    let said = String::from_utf8_lossy(&said.stdout);
    match version(&said).filter(|version| version.major == major) {
        Some(version) => Ok(Installed {
            version,
            programs: programs.to_owned(),
        }),
        None => Err(cannot("it says something else")),
    }
}

/// Reads `postgres (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)`.
fn version(said: &str) -> Option<Version> {
    let rest = said.strip_prefix("postgres (PostgreSQL) ")?;
    Version::parse(rest.split_whitespace().next()?)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    fn program(folder: &Path, name: &str, script: &str) {
        fs::create_dir_all(folder).unwrap();
        let path = folder.join(name);
        fs::write(&path, format!("#!/bin/sh\n{script}\n")).unwrap();
        fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
    }

    #[test]
    fn what_is_installed_is_found_with_its_exact_version() {
        let folder = tempfile::tempdir().unwrap();
        let programs = folder.path().join("15/bin");
        let debian = "echo 'postgres (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)'";
        program(&programs, "postgres", debian);
        program(&programs, "initdb", "");
        program(&programs, "psql", "");
        // The client of another version, and what is no version.
        program(&folder.path().join("16/bin"), "psql", "");
        program(&folder.path().join("x/bin"), "postgres", "");
        let version = Version {
            major: 15,
            minor: 18,
        };
        let found = look(folder.path());
        assert_eq!(found.servers, [Installed { version, programs }]);
        assert_eq!(found.sentences, [""; 0]);
    }

    #[test]
    fn each_sentence_says_what_is_missing_and_how_to_get_it() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(
            look(&folder.path().join("none")).sentences,
            ["No PostgreSQL server is installed: install it with `apt-get install postgresql-15`."]
        );
        let programs = folder.path().join("15/bin");
        program(&programs, "postgres", "echo 'postgres (PostgreSQL) 14.1'");
        program(&programs, "initdb", "");
        let psql = format!(
            "{} is missing: install it with `apt-get install postgresql-client-15`.",
            programs.join("psql").display()
        );
        assert_eq!(look(folder.path()).sentences, [psql]);
        program(&programs, "psql", "");
        program(&folder.path().join("9/bin"), "postgres", "");
        let found = look(folder.path());
        assert_eq!(found.servers, []);
        assert_eq!(
            found.sentences,
            [
                "PostgreSQL 9 is installed, but this version of Keyward runs only PostgreSQL 15."
                    .to_owned(),
                format!(
                    "{} does not say its version (it says something else): install it again with `apt-get install --reinstall postgresql-15`.",
                    programs.join("postgres").display()
                )
            ]
        );
    }

    #[test]
    fn a_version_is_two_numbers() {
        let text = |text| Version::parse(text).map(|version| version.to_string());
        assert_eq!(text("15.18"), Some("15.18".to_owned()));
        for wrong in ["15", "15.", "15.x", "+5.1", "15.18.1", "1555.1", ""] {
            assert_eq!(text(wrong), None);
        }
    }
}
