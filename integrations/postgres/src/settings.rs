//! What a server is told: its configuration, and who may connect. It is written again at each start, and belongs to root.

use std::{fs, path::Path};

use keyward_types::network::Network;

use crate::{
    error::Error,
    names::SUPERVISOR,
    options::{Options, Wanted},
    server_paths::ServerPaths,
};

const MIB: u64 = 1024 * 1024;
const GIB: u64 = 1024 * MIB;
/// If the machine does not say how much memory it has.
const SOME_MEMORY: u64 = GIB;

/// How much a server may take of its machine and of its volume.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Sizes {
    buffers: u64,
    wal: u64,
}

impl Sizes {
    /// For this machine, and the volume that has this directory.
    pub(crate) fn of(volume: &Path, options: &Options) -> Self {
        let memory = fs::read_to_string("/proc/meminfo").unwrap_or_default();
        let memory = memory_bytes(&memory).unwrap_or(SOME_MEMORY);
        let volume = rustix::fs::statvfs(volume)
            .map_or(GIB, |size| size.f_blocks.saturating_mul(size.f_frsize));
        let mut sizes = Self::within(memory, volume);
        if let Some(buffers) = options.buffers {
            sizes.buffers = buffers;
        }
        sizes
    }

    fn within(memory: u64, volume: u64) -> Self {
        let buffers = (memory / 16).min(volume / 4).clamp(16 * MIB, 2 * GIB);
        // As PostgreSQL's own default on a volume of 10 GiB or more. Twice a segment is the least.
        let wal = (volume / 10).clamp(64 * MIB, GIB);
        Self { buffers, wal }
    }
}

/// Reads `MemTotal:       24684628 kB`.
fn memory_bytes(meminfo: &str) -> Option<u64> {
    let mut lines = meminfo
        .lines()
        .filter_map(|line| line.strip_prefix("MemTotal:"));
    let kilobytes: u64 = lines.next()?.trim().strip_suffix(" kB")?.parse().ok()?;
    kilobytes.checked_mul(1024)
}

/// `postgresql.conf`.
pub(crate) fn configuration(
    place: &ServerPaths,
    wanted: &Wanted,
    sizes: Sizes,
) -> Result<String, Error> {
    let path = |path: &Path| match path.to_str() {
        Some(text) if !text.chars().any(char::is_control) => Ok(text.to_owned()),
        _ => Err(Error::Path(path.to_owned())),
    };
    let mebibytes = |bytes: u64| format!("{}MB", bytes / MIB);
    let text = |text: &str| text.to_owned();
    let certificate = path(&place.certificate())?;
    let lines = [
        ("cluster_name", place.name().to_string()),
        ("hba_file", path(&place.access())?),
        ("ident_file", path(&place.idents())?),
        // Clients.
        ("listen_addresses", wanted.address.to_string()),
        ("port", wanted.port.to_string()),
        ("unix_socket_directories", path(&place.socket())?),
        ("unix_socket_permissions", text("0700")),
        ("max_connections", text("100")),
        ("superuser_reserved_connections", text("3")),
        ("password_encryption", text("scram-sha-256")),
        // Who sends nothing takes a place from those who do.
        ("authentication_timeout", text("10s")),
        ("ssl", text("on")),
        ("ssl_cert_file", certificate.clone()),
        ("ssl_key_file", certificate),
        ("ssl_min_protocol_version", text("TLSv1.2")),
        ("ssl_ciphers", text("HIGH:!aNULL:!MD5:!3DES")),
        // What was committed is there after a crash.
        ("fsync", text("on")),
        ("full_page_writes", text("on")),
        ("synchronous_commit", text("on")),
        ("restart_after_crash", text("on")),
        ("wal_level", text("replica")),
        ("max_wal_size", mebibytes(sizes.wal)),
        ("min_wal_size", mebibytes(32 * MIB)),
        ("shared_buffers", mebibytes(sizes.buffers)),
        ("dynamic_shared_memory_type", text("posix")),
        // Services that hold this program may forbid memory that is both written and run.
        ("jit", text("off")),
        // The log is a file that the server inherits. No statements: they have data and passwords in them.
        ("logging_collector", text("off")),
        ("log_destination", text("stderr")),
        ("log_line_prefix", text("%m [%p] %q%u@%d ")),
        ("log_statement", text("none")),
        ("log_min_error_statement", text("panic")),
        ("log_timezone", text("UTC")),
        // The same on every machine that the volume comes to.
        ("timezone", text("UTC")),
        ("datestyle", text("iso, mdy")),
        ("lc_messages", text("C")),
        ("lc_monetary", text("C.UTF-8")),
        ("lc_numeric", text("C.UTF-8")),
        ("lc_time", text("C.UTF-8")),
        ("default_text_search_config", text("pg_catalog.english")),
    ];
    let mut written = "# Written by keyward at each start. Changes are lost.\n".to_owned();
    for (name, value) in lines {
        let value = value.replace('\\', "\\\\").replace('\'', "''");
        written.push_str(&format!("{name} = '{value}'\n"));
    }
    Ok(written)
}

/// `pg_hba.conf`: who may connect, and how.
pub(crate) fn access(clients: &[Network]) -> String {
    let clients: String = clients
        .iter()
        .map(|network| format!("hostssl all          all          {network}  scram-sha-256\n"))
        .collect();
    format!(
        "# Written by keyward at each start. Changes are lost.
# Only the supervisor, which is root, over the socket.
local   all          {SUPERVISOR}     peer map=keyward
local   all          all          reject
# Everybody else with TLS and a password, from these networks.
hostssl all          {SUPERVISOR}     all  reject
hostssl {SUPERVISOR}     all          all  reject
{clients}host    all          all          all  reject
"
    )
}

/// `pg_ident.conf`: which user of the system is the supervisor.
pub(crate) fn idents() -> String {
    format!(
        "# Written by keyward at each start. Changes are lost.
keyward  root  {SUPERVISOR}
"
    )
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::{
        installed::Version,
        names::{Name, RoleName, Verifier},
    };

    pub(crate) fn wanted() -> Wanted {
        let key = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=";
        Wanted {
            running: true,
            version: Version {
                major: 15,
                minor: 1,
            },
            address: "10.0.0.7".parse().unwrap(),
            port: 5433,
            database: None,
            master: RoleName::parse("admin").unwrap(),
            verifier: Verifier::parse(&format!("SCRAM-SHA-256$4096:c2FsdHNhbHQ=${key}:{key}"))
                .unwrap(),
            password_epoch: 1,
            restart_epoch: 0,
            names: vec!["localhost".to_owned()],
            clients: vec!["10.0.0.0/8", "::1"]
                .into_iter()
                .map(|text| Network::parse(text).unwrap())
                .collect(),
        }
    }

    #[test]
    fn a_configuration_says_where_to_listen_and_no_secret() {
        let name = Name::parse("orders").unwrap();
        let options = |runtime: &str| Options::new("/var/lib/x".into(), runtime.into());
        let place = ServerPaths::new(&name, Path::new("/srv/v"), &options("/run/it's"));
        let sizes = Sizes::within(16 * GIB, 100 * GIB);
        let text = configuration(&place, &wanted(), sizes).unwrap();
        for line in [
            "listen_addresses = '10.0.0.7'",
            "port = '5433'",
            "ssl = 'on'",
            "ssl_min_protocol_version = 'TLSv1.2'",
            "ssl_key_file = '/run/it''s/orders/server.pem'",
            "unix_socket_directories = '/run/it''s/orders/socket'",
            "shared_buffers = '1024MB'",
            "max_wal_size = '1024MB'",
            "full_page_writes = 'on'",
            "log_min_error_statement = 'panic'",
        ] {
            assert!(text.lines().any(|found| found == line), "{line} in {text}");
        }
        assert!(!text.contains("SCRAM-SHA-256"), "{text}");
        let place = ServerPaths::new(&name, Path::new("/srv/v"), &options("/run/a\nb"));
        let error = configuration(&place, &wanted(), sizes).unwrap_err();
        assert!(matches!(error, Error::Path(_)));
    }

    #[test]
    fn sizes_fit_to_the_machine_and_to_the_volume() {
        let sizes = |memory, volume| {
            let sizes = Sizes::within(memory, volume);
            (sizes.buffers / MIB, sizes.wal / MIB)
        };
        assert_eq!(sizes(GIB / 2, 100 * MIB), (25, 64));
        assert_eq!(sizes(4 * GIB, 5 * GIB), (256, 512));
        assert_eq!(sizes(0, 0), (16, 64));
        assert_eq!(sizes(u64::MAX, u64::MAX), (2048, 1024));
        assert_eq!(memory_bytes("X: 1 kB\nMemTotal:   2 kB\n"), Some(2048));
        assert_eq!(memory_bytes("MemTotal: many\n"), None);
    }

    #[test]
    fn only_root_is_the_supervisor_and_the_network_needs_tls() {
        let rules = access(&wanted().clients);
        let rules: Vec<Vec<&str>> = rules
            .lines()
            .filter(|line| !line.starts_with('#'))
            .map(|line| line.split_whitespace().collect())
            .collect();
        assert_eq!(
            rules[0],
            ["local", "all", "rdsadmin", "peer", "map=keyward"]
        );
        assert_eq!(rules[1], ["local", "all", "all", "reject"]);
        assert_eq!(rules[2], ["hostssl", "all", "rdsadmin", "all", "reject"]);
        let passwords = rules.iter().filter(|rule| rule.contains(&"scram-sha-256"));
        assert!(passwords.clone().all(|rule| rule[0] == "hostssl"));
        let networks: Vec<&str> = passwords.map(|rule| rule[3]).collect();
        assert_eq!(networks, ["10.0.0.0/8", "::1/128"]);
        assert!(!access(&[]).contains("scram-sha-256"));
        assert_eq!(
            rules.last().unwrap(),
            &["host", "all", "all", "all", "reject"]
        );
    }
}
