//! Shutdowns, and how long they take.

use std::time::Duration;

use keyward_postgres::options::{Bounds, State, Stopped};
use rustix::process::{Pid, Signal, kill_process};

use crate::world::{PATIENCE, World, now};

#[test]
fn a_shutdown_does_not_wait_for_a_long_transaction() {
    let Some(world) = World::new() else { return };
    world.run();
    world.ask("CREATE TABLE t (n int)");
    let (session, _) = world.long_session("INSERT INTO t VALUES (1)");
    assert_eq!(
        world.all().stop(&world.name, Bounds::default()).unwrap(),
        Stopped::Fast
    );
    let output = session.wait_with_output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.contains("due to administrator command"), "{said}");
    world.run();
    assert_eq!(world.ask("SELECT count(*) FROM t"), "0");
}

#[test]
fn a_server_that_does_not_end_is_killed_in_time() {
    let Some(world) = World::new() else { return };
    world.run();
    world.ask("CREATE TABLE t AS SELECT 1 AS n");
    let (mut session, backend) = world.long_session("INSERT INTO t VALUES (2)");
    // Neither it nor its postmaster can end.
    for pid in [backend, world.postmaster()] {
        kill_process(Pid::from_raw(pid).unwrap(), Signal::STOP).unwrap();
    }
    let bounds = Bounds {
        fast: Duration::from_millis(500),
        immediate: Duration::from_millis(500),
        kill: PATIENCE,
    };
    let begun = now();
    assert_eq!(
        world.all().stop(&world.name, bounds).unwrap(),
        Stopped::Killed
    );
    let took = begun.elapsed();
    assert!(took >= Duration::from_secs(1), "{took:?}");
    assert!(took < Duration::from_secs(30), "{took:?}");
    assert!(!session.wait().unwrap().success());
    // Nothing has a file of it open. What has ended and is not waited for has none.
    let uid = world.user().uid.as_raw();
    let entries = std::fs::read_dir("/proc").unwrap().flatten();
    let left: Vec<_> = entries
        .map(|entry| std::fs::read_to_string(entry.path().join("status")).unwrap_or_default())
        .filter(|status| status.contains(&format!("Uid:\t{uid}\t")))
        .filter(|status| !status.contains("State:\tZ"))
        .collect();
    assert_eq!(left, [""; 0]);
    world.run();
    assert_eq!(world.ask("SELECT n FROM t"), "1");
    world.all().stop(&world.name, Bounds::default()).unwrap();
    world.check_data(&world.path("volume"));
}

#[test]
fn a_shutdown_that_goes_on_can_be_made_shorter() {
    let Some(world) = World::new() else { return };
    world.run();
    let postmaster = Pid::from_raw(world.postmaster()).unwrap();
    kill_process(postmaster, Signal::STOP).unwrap();
    let mut wanted = world.wanted();
    wanted.running = false;
    // It would wait for a minute.
    world.want(wanted);
    let bounds = Bounds {
        fast: Duration::ZERO,
        immediate: Duration::ZERO,
        kill: PATIENCE,
    };
    let begun = now();
    world.all().stop(&world.name, bounds).unwrap();
    assert!(begun.elapsed() < Duration::from_secs(30));
    assert!(
        !world
            .path("run")
            .join(world.name.as_str())
            .join("process.json")
            .exists()
    );
}

#[test]
fn a_server_that_is_not_wanted_stops_and_starts_when_it_is() {
    let Some(world) = World::new() else { return };
    world.run();
    let mut wanted = world.wanted();
    wanted.running = false;
    world.want(wanted);
    let status = world.wait(State::Stopped);
    assert_eq!(status.message, "");
    assert!(!world.path("volume/pgdata/postmaster.pid").exists());
    world.run();
    assert_eq!(world.ask("SELECT 1"), "1");
}
