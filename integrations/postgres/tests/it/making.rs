//! The data: made once and whole, kept, and moved to another server.

use std::{fs, os::unix::fs::MetadataExt as _, path::Path, process::Command};

use keyward_postgres::{
    names::Verifier,
    options::{Bounds, State, Stopped},
};

use crate::world::{OTHER_PASSWORD, OTHER_VERIFIER, World, now, server, succeeded};

#[test]
fn what_a_half_finished_initdb_has_left_is_made_anew() {
    let Some(world) = World::new() else { return };
    let new = world.path("volume/pgdata.new");
    fs::create_dir_all(new.join("base")).unwrap();
    fs::write(new.join("PG_VERSION"), "15\n").unwrap();
    fs::write(new.join("base/1"), "half").unwrap();
    world.run();
    assert!(!new.exists());
    world.all().stop(&world.name, Bounds::default()).unwrap();
    world.check_data(&world.path("volume"));
}

#[test]
fn data_that_were_made_are_never_made_again() {
    let Some(world) = World::new() else { return };
    world.run();
    world.ask("CREATE TABLE t AS SELECT 1 AS n");
    world.all().stop(&world.name, Bounds::default()).unwrap();
    let (data, away) = (world.path("volume/pgdata"), world.path("away"));
    // They are lost.
    fs::rename(&data, &away).unwrap();
    world.want(world.wanted());
    let status = world.wait(State::Failed);
    let expected = format!(
        "`{}` has no marker of Keyward, or one that cannot be read, and is left as it is: bring back the whole volume from a snapshot or a backup",
        data.canonicalize().unwrap_or(data.clone()).display()
    );
    assert!(status.message.starts_with(&expected), "{status:?}");
    assert!(!data.exists());
    // They are of somebody else.
    fs::rename(&away, &data).unwrap();
    fs::rename(data.join("keyward.json"), world.path("marker")).unwrap();
    let status = world.wait(State::Failed);
    assert!(status.message.starts_with(&expected), "{status:?}");
    assert!(data.join("PG_VERSION").exists());
    fs::rename(world.path("marker"), data.join("keyward.json")).unwrap();
    world.wait(State::Running);
    assert_eq!(world.ask("SELECT n FROM t"), "1");
}

#[test]
fn a_copy_of_a_running_servers_volume_is_another_server() {
    let Some(mut world) = World::new() else {
        return;
    };
    world.run();
    world.ask("CREATE TABLE t AS SELECT 1 AS n");
    // As a snapshot is: of one moment. A server that is stopped has one for certain.
    world.all().stop(&world.name, Bounds::default()).unwrap();
    let copy = world.path("copy");
    let copied = Command::new("cp")
        .arg("-a")
        .arg(world.path("volume"))
        .arg(&copy)
        .output();
    succeeded("cp", &copied.unwrap());
    world.run();
    let other = world.another();
    let mut wanted = world.wanted();
    wanted.port += 1;
    // Its own password, which is the first of that server.
    wanted.verifier = Verifier::parse(OTHER_VERIFIER).unwrap();
    world.all().run(&other, &copy, wanted.clone()).unwrap();
    let begun = now();
    while world.all().status(&other).unwrap().state != State::Running {
        assert!(
            begun.elapsed() < crate::world::PATIENCE,
            "{:?}",
            world.all().status(&other)
        );
        std::thread::sleep(std::time::Duration::from_millis(50));
    }
    let mut client = world.client(OTHER_PASSWORD);
    client
        .env("PGPORT", wanted.port.to_string())
        .args(["-c", "SELECT n FROM t"]);
    assert_eq!(succeeded("the copy", &client.output().unwrap()), "1");
    assert_eq!(world.ask("SELECT n FROM t"), "1");
    let owner = |volume: &Path| {
        fs::metadata(volume.join("pgdata/PG_VERSION"))
            .unwrap()
            .uid()
    };
    assert_ne!(owner(&copy), owner(&world.path("volume")));
    assert_eq!(
        world.all().stop(&other, Bounds::default()).unwrap(),
        Stopped::Fast
    );
    world.check_data(&copy);
}

#[test]
fn a_server_of_another_major_version_is_not_started() {
    let Some(world) = World::new() else { return };
    let mut wanted = world.wanted();
    wanted.version.major = 99;
    world.want(wanted);
    let status = world.wait(State::Failed);
    let expected = "PostgreSQL 99 is not installed on this machine: install it with `apt-get install postgresql-99`. ";
    assert!(status.message.starts_with(expected), "{status:?}");
    // The minor version is the one that is installed.
    let mut wanted = world.wanted();
    wanted.version.minor = 0;
    world.want(wanted);
    let status = world.wait(State::Running);
    assert_eq!(status.version, Some(server().version));
}

#[test]
fn settings_that_a_superuser_has_left_are_not_used() {
    let Some(world) = World::new() else { return };
    world.run();
    world.all().stop(&world.name, Bounds::default()).unwrap();
    let automatic = world.path("volume/pgdata/postgresql.auto.conf");
    fs::write(&automatic, "ssl = off\nshared_preload_libraries = 'evil'\n").unwrap();
    world.run();
    assert_eq!(world.ask("SHOW ssl"), "on");
    assert_eq!(fs::read_to_string(automatic).unwrap(), "");
}
