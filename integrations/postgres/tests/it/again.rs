//! An agent that ends and starts again.

use std::{fs, thread, time::Duration};

use keyward_postgres::options::{Bounds, Stopped};

use crate::world::{PATIENCE, World, now};

#[test]
fn a_server_goes_on_without_its_supervisor_and_is_found_again() {
    let Some(mut world) = World::new() else {
        return;
    };
    world.run();
    let postmaster = world.postmaster();
    let (mut session, _) = world.long_session("SELECT 1");
    world.close();
    world.open();
    let status = world.run();
    assert_eq!(world.postmaster(), postmaster);
    assert_eq!((status.password_epoch, status.restart_epoch), (1, 0));
    assert_eq!(session.try_wait().unwrap(), None);
    assert_eq!(world.ask("SELECT 1"), "1");
    // Another port is another start.
    let mut wanted = world.wanted();
    wanted.restart_epoch = 7;
    world.want(wanted);
    world.wait_for("a restart", |status| status.restart_epoch == 7);
    assert!(!session.wait().unwrap().success());
}

#[test]
fn a_server_whose_supervisor_is_gone_can_be_stopped() {
    let Some(mut world) = World::new() else {
        return;
    };
    world.run();
    world.close();
    world.open();
    assert_eq!(
        world.all().known().unwrap().as_slice(),
        std::slice::from_ref(&world.name)
    );
    assert_eq!(
        world.all().stop(&world.name, Bounds::default()).unwrap(),
        Stopped::Fast
    );
    assert_eq!(
        world.all().stop(&world.name, Bounds::default()).unwrap(),
        Stopped::Before
    );
}

#[test]
fn a_server_that_is_not_known_for_certain_is_killed_and_started_anew() {
    let Some(mut world) = World::new() else {
        return;
    };
    world.run();
    world.ask("CREATE TABLE t AS SELECT 1 AS n");
    let postmaster = world.postmaster();
    world.close();
    // As if the agent had ended before it noted it down, or another process had the number.
    let record = world
        .path("run")
        .join(world.name.as_str())
        .join("process.json");
    let text = fs::read_to_string(&record).unwrap();
    let changed = text.replace("\"start_time\":", "\"start_time\":1");
    assert_ne!(changed, text);
    fs::write(&record, changed).unwrap();
    world.open();
    world.run();
    assert_ne!(world.postmaster(), postmaster);
    assert_eq!(world.ask("SELECT n FROM t"), "1");
    let noted = fs::read_to_string(&record).unwrap();
    assert!(
        noted.contains(&format!("\"pid\":{},", world.postmaster())),
        "{noted}"
    );
}

#[test]
fn another_process_with_the_noted_number_is_left_alone() {
    let Some(mut world) = World::new() else {
        return;
    };
    world.run();
    world.all().stop(&world.name, Bounds::default()).unwrap();
    let record = world
        .path("run")
        .join(world.name.as_str())
        .join("process.json");
    world.run();
    let text = fs::read_to_string(&record).unwrap();
    let postmaster = world.postmaster();
    world.all().stop(&world.name, Bounds::default()).unwrap();
    let mut stranger = std::process::Command::new("sleep")
        .arg("1000")
        .spawn()
        .unwrap();
    let number = format!("\"pid\":{postmaster},");
    assert!(text.contains(&number), "{text}");
    fs::write(
        &record,
        text.replace(&number, &format!("\"pid\":{},", stranger.id())),
    )
    .unwrap();
    world.close();
    world.open();
    world.run();
    world.all().stop(&world.name, Bounds::default()).unwrap();
    assert_eq!(stranger.try_wait().unwrap(), None);
    stranger.kill().unwrap();
    stranger.wait().unwrap();
}

#[test]
fn an_agent_that_ends_while_a_server_starts_does_not_wait() {
    let Some(mut world) = World::new() else {
        return;
    };
    world.want(world.wanted());
    let new = world.path("volume/pgdata.new");
    let begun = now();
    while !new.join("PG_VERSION").exists() && !world.path("volume/pgdata").exists() {
        assert!(begun.elapsed() < PATIENCE);
        thread::sleep(Duration::from_millis(1));
    }
    assert!(new.exists(), "initdb was too fast to be interrupted");
    world.close();
    assert!(!world.path("volume/pgdata").exists());
    assert!(new.exists());
    world.open();
    world.run();
    assert!(!new.exists());
    assert_eq!(world.ask("SELECT 1"), "1");
}
