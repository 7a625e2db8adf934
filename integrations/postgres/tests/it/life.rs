//! A server from its making to its end, as clients see it.

use std::{
    fs, io, net::TcpStream, os::unix::fs::MetadataExt as _, process::Command, thread,
    time::Duration,
};

use keyward_postgres::{
    names::Verifier,
    options::{Bounds, State, Stopped},
};

use crate::world::{
    OTHER_PASSWORD, OTHER_VERIFIER, PASSWORD, PATIENCE, World, now, server, succeeded,
};

#[test]
fn clients_come_by_tls_with_the_password_and_in_no_other_way() {
    let Some(world) = World::new() else { return };
    let status = world.run();
    assert_eq!(status.version, Some(server().version));
    assert_eq!((status.password_epoch, status.restart_epoch), (1, 0));
    let version = world.ask("SELECT version FROM pg_stat_ssl WHERE pid = pg_backend_pid()");
    assert!(version == "TLSv1.3", "{version}");
    let settings = "SELECT current_setting('data_checksums'), current_setting('server_encoding'), current_setting('full_page_writes'), current_setting('ssl_min_protocol_version'), current_setting('listen_addresses')";
    assert_eq!(world.ask(settings), "on|UTF8|on|TLSv1.2|127.0.0.1");
    // By its address too.
    let mut by_address = world.client(PASSWORD);
    by_address
        .env("PGHOST", "127.0.0.1")
        .args(["-c", "SELECT 1"]);
    assert_eq!(succeeded("by address", &by_address.output().unwrap()), "1");

    let refused = |name: &str, value: &str| {
        let mut client = world.client(PASSWORD);
        let output = client
            .env(name, value)
            .args(["-c", "SELECT 1"])
            .output()
            .unwrap();
        assert!(!output.status.success(), "{name}={value}");
        String::from_utf8(output.stderr).unwrap()
    };
    let wrong = refused("PGPASSWORD", "a wrong password");
    assert!(
        wrong.contains("password authentication failed for user \"admin\""),
        "{wrong}"
    );
    let plain = refused("PGSSLMODE", "disable");
    assert!(plain.contains("pg_hba.conf rejects connection"), "{plain}");
    assert!(plain.contains("no encryption"), "{plain}");
    let other_name = refused("PGHOST", "example.com");
    assert!(
        other_name.contains("does not match host name \"example.com\""),
        "{other_name}"
    );
    let supervisor = refused("PGUSER", "rdsadmin");
    assert!(
        supervisor.contains("pg_hba.conf rejects connection"),
        "{supervisor}"
    );
    let its_own = refused("PGDATABASE", "rdsadmin");
    assert!(
        its_own.contains("pg_hba.conf rejects connection"),
        "{its_own}"
    );
    let tls_1_1 = refused("PGSSLMAXPROTOCOLVERSION", "TLSv1.1");
    assert!(
        tls_1_1.contains("TLSv1.1") || tls_1_1.contains("protocol version"),
        "{tls_1_1}"
    );

    // Nobody but root comes through the socket, not even the server's own user.
    let socket = world.path("run").join(world.name.as_str()).join("socket");
    let user = world.user();
    let output = Command::new("setpriv")
        .args([
            format!("--reuid={}", user.uid),
            format!("--regid={}", user.gid),
        ])
        .arg("--clear-groups")
        .arg(server().programs.join("psql"))
        .args(["-w", "-U", "rdsadmin", "-h"])
        .arg(&socket)
        .args(["-p", &world.port.to_string()])
        .output()
        .unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.contains("Peer authentication failed"), "{said}");

    assert_eq!(
        world.all().stop(&world.name, Bounds::default()).unwrap(),
        Stopped::Fast
    );
    assert_eq!(world.all().status(&world.name), None);
    world.check_data(&world.path("volume"));
}

#[test]
fn a_password_is_changed_while_the_server_runs_and_is_seen_nowhere() {
    let Some(world) = World::new() else { return };
    world.run();
    let (mut session, _) = world.long_session("SELECT 1");
    let postmaster = world.postmaster();
    let mut wanted = world.wanted();
    wanted.verifier = Verifier::parse(OTHER_VERIFIER).unwrap();
    wanted.password_epoch = 2;
    world.want(wanted.clone());
    world.wait_for("the other password", |status| {
        status.state == State::Running && status.password_epoch == 2
    });
    assert_eq!(world.postmaster(), postmaster);
    let refused = world.refused("SELECT 1");
    assert!(
        refused.contains("password authentication failed"),
        "{refused}"
    );
    let mut client = world.client(OTHER_PASSWORD);
    let change =
        "SET password_encryption = 'scram-sha-256'; ALTER ROLE admin PASSWORD 'the first password'";
    succeeded("change", &client.args(["-c", change]).output().unwrap());
    // What its owner has changed stays, until another one is wanted.
    wanted.restart_epoch = 1;
    world.want(wanted);
    world.wait_for("a restart", |status| {
        status.state == State::Running && status.restart_epoch == 1
    });
    assert_ne!(world.postmaster(), postmaster);
    assert_eq!(world.ask("SELECT 1"), "1");
    assert!(!session.wait().unwrap().success());

    for line in fs::read_dir("/proc").unwrap().flatten() {
        let said = fs::read(line.path().join("cmdline")).unwrap_or_default();
        assert!(!String::from_utf8_lossy(&said).contains("SCRAM-SHA-256$"));
    }
    let mut folders = vec![
        world.path("run"),
        world.path("state"),
        world.path("volume/log"),
    ];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap().flatten() {
            match entry.file_type().unwrap() {
                kind if kind.is_dir() => folders.push(entry.path()),
                kind if kind.is_file() => {
                    let text = String::from_utf8(fs::read(entry.path()).unwrap()).unwrap();
                    assert!(!text.contains("4096:"), "{:?}", entry.path());
                }
                _ => {}
            }
        }
    }
}

#[test]
fn files_are_of_root_or_of_the_servers_own_user() {
    let Some(world) = World::new() else { return };
    world.run();
    let user = world.user();
    assert_eq!(user.shell, std::path::Path::new("/usr/sbin/nologin"));
    let (uid, gid) = (user.uid.as_raw(), user.gid.as_raw());
    let run = format!("run/{}", world.name);
    for (path, owner, group, mode) in [
        ("state", 0, 0, 0o700),
        ("state/authority/authority.key", 0, 0, 0o600),
        ("run", 0, 0, 0o711),
        (&run, 0, gid, 0o750),
        (&format!("{run}/server.pem"), 0, gid, 0o640),
        (&format!("{run}/pg_hba.conf"), 0, gid, 0o640),
        (&format!("{run}/process.json"), 0, 0, 0o600),
        (&format!("{run}/socket"), uid, gid, 0o700),
        ("volume/pgdata", uid, gid, 0o700),
        ("volume/pgdata/base", uid, gid, 0o700),
        ("volume/log", 0, 0, 0o700),
        ("volume/log/postgresql.log", 0, 0, 0o600),
    ] {
        let found = fs::metadata(world.path(path)).unwrap();
        let is = (found.uid(), found.gid(), found.mode() & 0o777);
        assert_eq!(is, (owner, group, mode), "{path}");
    }
    let pid = world.postmaster();
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    for line in [
        format!("Uid:\t{uid}\t{uid}\t{uid}\t{uid}"),
        "CapEff:\t0000000000000000".to_owned(),
        "NoNewPrivs:\t1".to_owned(),
    ] {
        assert!(
            status.lines().any(|found| found == line),
            "{line} in {status}"
        );
    }
    let limits = fs::read_to_string(format!("/proc/{pid}/limits")).unwrap();
    let core = limits
        .lines()
        .find(|line| line.starts_with("Max core file size"));
    assert_eq!(core.unwrap().split_whitespace().nth(4), Some("0"));
    let groups = fs::read_to_string(format!("/proc/{pid}/cgroup")).unwrap();
    let own = fs::read_to_string("/proc/self/cgroup").unwrap();
    if groups != own {
        assert!(
            groups.contains(&format!("/keyward-postgres-{}", world.name)),
            "{groups}"
        );
    }
    assert_eq!(
        world.all().known().unwrap().as_slice(),
        std::slice::from_ref(&world.name)
    );
    let refused = world.all().forget(&world.name).unwrap_err().to_string();
    assert_eq!(
        refused,
        format!(
            "the database `{}` is not stopped: stop it first",
            world.name
        )
    );
    world.all().stop(&world.name, Bounds::default()).unwrap();
    world.all().forget(&world.name).unwrap();
    assert_eq!(nix::unistd::User::from_name(&user.name).unwrap(), None);
    assert_eq!(world.all().known().unwrap(), []);
    assert!(world.path("volume/pgdata/PG_VERSION").exists());
}

#[test]
fn other_names_have_another_certificate_without_a_restart() {
    let Some(world) = World::new() else { return };
    world.run();
    let postmaster = world.postmaster();
    let mut wanted = world.wanted();
    wanted.names.push("orders.example".to_owned());
    world.want(wanted);
    let begun = crate::world::now();
    loop {
        let mut client = world.client(PASSWORD);
        client
            .env("PGHOST", "orders.example")
            .args(["-c", "SELECT 1"]);
        if client.output().unwrap().status.success() {
            break;
        }
        assert!(begun.elapsed() < crate::world::PATIENCE);
        std::thread::sleep(Duration::from_millis(100));
    }
    assert_eq!(world.postmaster(), postmaster);
}

#[test]
fn a_log_stays_short() {
    let Some(mut world) = World::new() else {
        return;
    };
    world.run();
    world.close();
    let log = world.path("volume/log/postgresql.log");
    let mut text = "x".repeat(9 * 1024 * 1024);
    text.push_str("the end\n");
    std::io::Write::write_all(
        &mut fs::OpenOptions::new().append(true).open(&log).unwrap(),
        text.as_bytes(),
    )
    .unwrap();
    world.open();
    world.run();
    let begun = crate::world::now();
    while fs::metadata(&log).unwrap().len() > 8 * 1024 * 1024 {
        assert!(begun.elapsed() < crate::world::PATIENCE);
        std::thread::sleep(Duration::from_millis(100));
    }
    let older = fs::read_to_string(world.path("volume/log/postgresql.log.1")).unwrap();
    assert!(older.len() <= 8 * 1024 * 1024 && older.contains("the end"));
    // The server goes on writing to it.
    world.refused("SELECT 1/0");
    assert!(world.log().contains("division by zero"), "{}", world.log());
}

/// PostgreSQL looks at who connects only when they have sent something, and has places for 244.
#[test]
fn a_server_with_too_many_silent_clients_runs() {
    const CLIENTS: usize = 260;
    let Some(world) = World::new() else { return };
    world.run();
    let is_open = |client: &TcpStream| match client.peek(&mut [0]) {
        Ok(_) => false,
        Err(error) => error.kind() == io::ErrorKind::WouldBlock,
    };
    let refused = || world.log().matches("too many clients already").count();
    let mut clients = Vec::new();
    let begun = now();
    // Only the supervisor says anything. When it was refused the second time, what it makes of the first is known.
    while refused() < 2 {
        assert!(begun.elapsed() < PATIENCE, "{}", world.log());
        clients.retain(is_open);
        while clients.len() < CLIENTS {
            let client = TcpStream::connect(("127.0.0.1", world.port)).unwrap();
            client.set_nonblocking(true).unwrap();
            clients.push(client);
        }
        thread::sleep(Duration::from_millis(50));
    }
    let status = world.status();
    assert_eq!(status.state, State::Running, "{status:?}");
}
