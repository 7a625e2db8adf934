//! Servers that are killed.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread,
    time::Duration,
};

use keyward_postgres::options::{Bounds, State, Stopped};
use rustix::process::{Pid, Signal, kill_process};

use crate::world::{PASSWORD, PATIENCE, World, now};

fn signal(pid: i32, signal: Signal) {
    kill_process(Pid::from_raw(pid).unwrap(), signal).unwrap();
}

fn runs(pid: i32) -> bool {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    status
        .lines()
        .any(|line| line.starts_with("State:") && !line.contains('Z'))
}

#[test]
fn what_was_committed_is_there_after_the_postmaster_is_killed() {
    let Some(world) = World::new() else { return };
    world.run();
    world.ask("CREATE TABLE t (n bigint PRIMARY KEY)");
    let committed = Arc::new(AtomicU64::new(0));
    let ends = Arc::new(AtomicBool::new(false));
    for _ in 0..3 {
        let postmaster = world.postmaster();
        thread::scope(|scope| {
            let writer = scope.spawn(|| {
                let mut next = committed.load(Ordering::SeqCst) + 1;
                while !ends.load(Ordering::SeqCst) {
                    // With what was not acknowledged and is there nevertheless.
                    let sql = format!("INSERT INTO t VALUES ({next}) ON CONFLICT DO NOTHING");
                    let mut client = world.client(PASSWORD);
                    if !client.args(["-c", &sql]).output().unwrap().status.success() {
                        return;
                    }
                    committed.store(next, Ordering::SeqCst);
                    next += 1;
                }
            });
            let before = committed.load(Ordering::SeqCst);
            let begun = now();
            while committed.load(Ordering::SeqCst) < before + 5 {
                assert!(begun.elapsed() < PATIENCE);
                thread::sleep(Duration::from_millis(5));
            }
            signal(postmaster, Signal::KILL);
            ends.store(true, Ordering::SeqCst);
            writer.join().unwrap();
            ends.store(false, Ordering::SeqCst);
        });
        world.wait_for_another(postmaster);
        let count = committed.load(Ordering::SeqCst);
        let found = world.ask(&format!("SELECT count(*) FROM t WHERE n <= {count}"));
        assert_eq!(found, count.to_string());
    }
    assert_eq!(
        world.all().stop(&world.name, Bounds::default()).unwrap(),
        Stopped::Fast
    );
    world.check_data(&world.path("volume"));
}

#[test]
fn no_orphan_keeps_the_data_in_use() {
    let Some(world) = World::new() else { return };
    world.run();
    let (mut session, backend) = world.long_session("CREATE TABLE t (n int)");
    let postmaster = world.postmaster();
    // It cannot see that its postmaster is gone.
    signal(backend, Signal::STOP);
    signal(postmaster, Signal::KILL);
    let begun = now();
    while runs(backend) {
        assert!(begun.elapsed() < PATIENCE, "{:?}", world.status());
        thread::sleep(Duration::from_millis(20));
    }
    world.wait_for_another(postmaster);
    assert!(!session.wait().unwrap().success());
    assert_eq!(world.ask("SELECT to_regclass('t') IS NULL"), "t");
}

#[test]
fn a_server_that_cannot_start_says_why_and_starts_as_soon_as_it_can() {
    let Some(world) = World::new() else { return };
    let occupied = std::net::TcpListener::bind(("127.0.0.1", world.port)).unwrap();
    world.want(world.wanted());
    let status = world.wait_for("a second failure", |status| {
        status.state == State::Failed && status.message.contains("again in")
    });
    let expected = format!(
        "Cannot listen on 127.0.0.1:{}: Address already in use (os error 98); it must be an address of this machine, and a port that nothing else uses. It is tried again in ",
        world.port
    );
    assert!(status.message.starts_with(&expected), "{status:?}");
    drop(occupied);
    world.wait(State::Running);
}
