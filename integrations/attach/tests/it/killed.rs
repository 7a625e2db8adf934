//! The process that serves is killed, and the next one finds and takes away what it left.

use std::{
    fs,
    io::{BufRead as _, BufReader},
    num::NonZeroUsize,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::Arc,
    thread,
};

use keyward_attach::{
    attachment::{Attachment, detach},
    error::Error,
    ext4::{Checked, Format, MountOptions},
    process,
    server::serve,
    volume_dir::VolumeDir,
};

use crate::{
    memory::Memory,
    sparse_file::SparseFile,
    world::{MIB, assert_clean, bytes_of, loop_devices_of, put, world},
};

/// Tells a copy of this program which folder it works for.
const FOLDER: &str = "KEYWARD_ATTACH_TEST_FOLDER";

/// Whether this is such a copy.
pub fn is_child() -> bool {
    std::env::var_os(FOLDER).is_some()
}

/// The folder that a copy works for.
pub fn folder() -> PathBuf {
    std::env::var_os(FOLDER).unwrap().into()
}

/// How to start a copy of this program, or such a file, that runs one of its tests.
pub fn copy_of(program: &Path, test: &str, folder: &Path) -> Command {
    let mut command = Command::new(program);
    command.args(["--exact", test, "--nocapture", "--test-threads=1"]);
    command.env(FOLDER, folder);
    command.stdout(Stdio::piped()).stderr(Stdio::inherit());
    command
}

/// Starts a copy of this program.
pub fn child(test: &str, folder: &Path) -> Child {
    let program = std::env::current_exe().unwrap();
    copy_of(&program, test, folder).spawn().unwrap()
}

/// A copy that serves the image in a folder, as soon as it does.
fn serving(folder: &Path) -> Child {
    started("killed::serves_when_told", folder)
}

/// A copy that runs one of its tests, as soon as it has said that it serves.
fn started(test: &str, folder: &Path) -> Child {
    let mut child = child(test, folder);
    let output = BufReader::new(child.stdout.as_mut().unwrap());
    let mut lines = output.lines().map(Result::unwrap);
    assert!(lines.any(|line| line.ends_with("serving")), "it has ended");
    child
}

#[test]
fn serves_when_told() {
    if !is_child() {
        return;
    }
    let folder = folder();
    let prepared = process::prepare();
    assert!(prepared.all_locked, "{prepared:?}");
    let place = VolumeDir::open(&folder.join("place")).unwrap();
    let file = Arc::new(SparseFile::open(&folder.join("image"), 256 * MIB).unwrap());
    let server = serve(&place, file, NonZeroUsize::new(4).unwrap()).unwrap();
    println!("serving");
    server.wait().unwrap();
}

#[test]
fn after_a_kill_during_writes_the_next_one_finds_a_consistent_file_system() {
    let world = world!();
    let folder = world.image().parent().unwrap().to_owned();
    let mut server = serving(&folder);
    let attachment = world.bind();
    attachment.format(&Format::default()).unwrap();
    world.mount(&attachment);
    world.put("before", b"text");

    for kill in 0..3 {
        // Each writer counts its files until one cannot be written.
        let written: Vec<u64> = thread::scope(|scope| {
            let writers = (0..4).map(|writer| {
                let target = &world.target;
                scope.spawn(move || {
                    for count in 0.. {
                        let path = target.join(format!("{kill}-{writer}-{}", count % 50));
                        if put(&path, &bytes_of(count, 50_000)).is_err() {
                            return count;
                        }
                    }
                    0
                })
            });
            let writers: Vec<_> = writers.collect();
            // So many that they are in the middle of it.
            let enough = world.path(&format!("{kill}-0-49"));
            while !enough.exists() {
                thread::yield_now();
            }
            server.kill().unwrap();
            server.wait().unwrap();
            writers
                .into_iter()
                .map(|writer| writer.join().unwrap())
                .collect()
        });
        assert!(written[0] >= 49, "{written:?}");
        // Dead, but still there.
        let left = Attachment::find(&world.place).unwrap();
        assert!(left.is_some());
        let error = detach(&world.place).unwrap_err();
        assert!(matches!(error, Error::NotServed { .. }), "{error}");

        server = serving(&folder);
        // It has taken all of it away before it began.
        assert!(Attachment::find(&world.place).unwrap().is_none());
        assert!(loop_devices_of(folder.to_str().unwrap()).is_empty());
        let attachment = world.bind();
        let checked = attachment.check().unwrap();
        assert_eq!(checked, Checked::Clean, "the journal is enough");
        assert_clean(attachment.device());
        world.mount(&attachment);
        assert_eq!(world.get("before").unwrap(), b"text");
        // All that was flushed is there.
        for (writer, count) in (0..).zip(&written) {
            for file in count.saturating_sub(49)..*count {
                let name = format!("{kill}-{writer}-{}", file % 50);
                assert!(
                    world.get(&name).unwrap() == bytes_of(file, 50_000),
                    "{name}"
                );
            }
        }
    }
    detach(&world.place).unwrap();
    assert!(server.wait().unwrap().success());
    world.assert_gone();
    assert_clean(&world.image());
}

#[test]
fn what_a_killed_process_left_can_be_cut_off_by_another_one() {
    let world = world!();
    let folder = world.image().parent().unwrap().to_owned();
    let mut server = serving(&folder);
    let attachment = world.bind();
    attachment.format(&Format::default()).unwrap();
    world.mount(&attachment);
    world.put("file", b"text");
    server.kill().unwrap();
    server.wait().unwrap();
    let done = world.cut_off();
    assert!(done.failures.is_empty() && done.held.is_none(), "{done:?}");
    world.assert_gone();
    assert!(fs::read_dir(&world.target).unwrap().next().is_none());
}

#[test]
fn hangs_when_told() {
    if !is_child() {
        return;
    }
    let folder = folder();
    let place = VolumeDir::open(&folder.join("place")).unwrap();
    let memory = Arc::new(Memory::new(64 * MIB));
    let _server = serve(&place, memory.clone(), NonZeroUsize::new(4).unwrap()).unwrap();
    let attachment = Attachment::bind(&place).unwrap();
    attachment.format(&Format::default()).unwrap();
    memory.stop(true);
    println!("serving");
    let options = MountOptions::default();
    attachment.mount(&folder.join("mnt"), &options).unwrap();
}

#[test]
fn a_killed_process_that_waits_for_itself_is_set_free_by_the_cut_off() {
    let world = world!();
    let folder = world.image().parent().unwrap().to_owned();
    let mut server = started("killed::hangs_when_told", &folder);
    // In `mount(2)`, where no signal reaches it.
    let tasks = format!("/proc/{}/task", server.id());
    let waits = || {
        fs::read_dir(&tasks).unwrap().flatten().any(|task| {
            let status = fs::read_to_string(task.path().join("status"));
            status.is_ok_and(|status| status.contains("State:\tD"))
        })
    };
    while !waits() {
        thread::yield_now();
    }
    server.kill().unwrap();
    let done = world.cut_off();
    assert!(done.failures.is_empty() && done.held.is_none(), "{done:?}");
    server.wait().unwrap();
    world.assert_gone();
    let _server = world.serve(world.sparse_file(16 * MIB));
}
