//! What is refused, with and without root.

use std::{
    fs, io,
    os::unix::{
        fs::{PermissionsExt as _, chown},
        process::CommandExt as _,
    },
    path::Path,
    sync::{Arc, atomic::Ordering},
};

use keyward_attach::{
    attachment::{Attachment, cut_off, detach},
    error::{Error, Step},
    process, requirements,
    server::serve,
    volume_dir::VolumeDir,
};

use crate::{
    killed::{child, copy_of, folder, is_child},
    memory::Memory,
    world::{MIB, PATIENCE, bytes_of, put, world},
};

/// The user that owns nothing.
const NOBODY: u32 = 65534;

#[test]
fn what_is_missing_is_said_in_sentences() {
    for sentence in requirements::missing() {
        assert!(sentence.ends_with('.'), "{sentence}");
    }
}

#[test]
fn without_root_everything_says_so_and_nothing_panics() {
    let folder = tempfile::tempdir().unwrap();
    let (home, copy) = (folder.path().join("home"), folder.path().join("copy"));
    fs::create_dir(&home).unwrap();
    // Where this program is, another user may not be able to go.
    fs::copy(std::env::current_exe().unwrap(), &copy).unwrap();
    let mut command = copy_of(&copy, "refused::is_nobody_when_told", &home);
    if rustix::process::geteuid().is_root() {
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
        chown(&home, Some(NOBODY), Some(NOBODY)).unwrap();
        command.uid(NOBODY).gid(NOBODY);
    }
    let output = command.output().unwrap();
    assert!(output.status.success(), "{output:?}");
}

#[test]
fn is_nobody_when_told() {
    if !is_child() {
        return;
    }
    let missing = requirements::missing();
    let root = "This needs root: run it with sudo, or as a service of the system.";
    assert_eq!(missing[0], root, "{missing:?}");
    let place = VolumeDir::open(&folder().join("place")).unwrap();
    let memory = Arc::new(Memory::new(MIB));
    let error = serve(&place, memory, 1.try_into().unwrap()).unwrap_err();
    let step = Step::Serve;
    assert!(
        matches!(&error, Error::Step { step: found, .. } if *found == step),
        "{error}"
    );
    Attachment::bind(&place).unwrap_err();
    detach(&place).unwrap();
    let done = cut_off(&place, PATIENCE);
    assert!(done.failures.is_empty(), "{done:?}");
    let prepared = process::prepare();
    assert!(!prepared.warnings.is_empty());
}

#[test]
fn without_a_server_nothing_is_attached() {
    let folder = tempfile::tempdir().unwrap();
    let place = VolumeDir::open(&folder.path().join("place")).unwrap();
    let error = Attachment::bind(&place).unwrap_err();
    assert!(matches!(error, Error::NotServed { .. }), "{error}");
    assert!(Attachment::find(&place).unwrap().is_none());
    detach(&place).unwrap();
}

#[test]
fn a_size_that_no_loop_device_has_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let place = VolumeDir::open(&folder.path().join("place")).unwrap();
    for bytes in [0, 4095, MIB + 512] {
        let error = serve(&place, Arc::new(Memory::new(bytes)), 1.try_into().unwrap());
        let error = error.unwrap_err();
        assert!(matches!(error, Error::Size { .. }), "{error}");
    }
}

#[test]
fn one_place_has_one_server_and_one_loop_device() {
    let world = world!();
    let _server = world.serve(Arc::new(Memory::new(16 * MIB)));
    let second = serve(
        &world.place,
        Arc::new(Memory::new(16 * MIB)),
        1.try_into().unwrap(),
    );
    let error = second.unwrap_err();
    assert!(matches!(error, Error::Served { .. }), "{error}");
    let attachment = world.bind();
    let error = Attachment::bind(&world.place).unwrap_err();
    let Error::Attached { device, .. } = error else {
        panic!("{error}");
    };
    assert_eq!(device, attachment.device());
    detach(&world.place).unwrap();
    // An attachment that is gone touches no device.
    let error = attachment.check().unwrap_err();
    assert!(matches!(error, Error::Gone { .. }), "{error}");
}

#[test]
fn a_full_disk_is_enospc_and_everything_else_is_eio() {
    let world = world!();
    let memory = Arc::new(Memory::new(16 * MIB));
    let _server = world.serve(memory.clone());
    let try_it = || fs::write(world.place.file(), b"x").unwrap_err();
    for (kind, number) in [
        (io::ErrorKind::StorageFull, rustix::io::Errno::NOSPC),
        (io::ErrorKind::QuotaExceeded, rustix::io::Errno::NOSPC),
        (io::ErrorKind::PermissionDenied, rustix::io::Errno::IO),
        (io::ErrorKind::Other, rustix::io::Errno::IO),
    ] {
        memory.fail(kind);
        let file = fs::OpenOptions::new().write(true).open(world.place.file());
        let error = io::Write::write(&mut file.unwrap(), b"x").unwrap_err();
        assert_eq!(error.raw_os_error(), Some(number.raw_os_error()), "{kind}");
    }
    // Truncating it, as `fs::write` does, is no way to lose it.
    assert_eq!(try_it().kind(), io::ErrorKind::PermissionDenied);
}

#[test]
fn a_panic_of_the_volume_is_eio_and_the_next_request_is_answered() {
    let world = world!();
    let memory = Arc::new(Memory::new(16 * MIB));
    let _server = world.serve(memory.clone());
    memory.panics.store(true, Ordering::SeqCst);
    for _ in 0..10 {
        let error = fs::read(world.place.file()).unwrap_err();
        let eio = rustix::io::Errno::IO.raw_os_error();
        assert_eq!(error.raw_os_error(), Some(eio));
    }
    memory.panics.store(false, Ordering::SeqCst);
    assert_eq!(fs::read(world.place.file()).unwrap().len() as u64, 16 * MIB);
}

#[test]
fn what_could_not_be_written_is_an_error_of_the_clean_end() {
    let world = world!();
    let memory = Arc::new(Memory::new(64 * MIB));
    let (_server, _attachment) = world.mounted(memory.clone());
    world.put("kept", b"text");
    memory.fail(io::ErrorKind::Other);
    // In the page cache, where nothing is wrong yet.
    fs::write(world.path("lost"), bytes_of(1, MIB as usize)).unwrap();
    let error = detach(&world.place).unwrap_err();
    assert!(
        matches!(
            error,
            Error::Step {
                step: Step::Flush,
                ..
            }
        ),
        "{error}"
    );
    assert!(put(&world.path("more"), b"x").is_err());
}

#[test]
fn a_process_that_is_prepared_says_what_it_lacks() {
    // In a process of its own, since it cannot be undone.
    let run = child("refused::prepares_when_told", Path::new("none"));
    let output = run.wait_with_output().unwrap();
    assert!(output.status.success(), "{output:?}");
}

#[test]
fn prepares_when_told() {
    if !is_child() {
        return;
    }
    let prepared = process::prepare();
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let locked = status.lines().find(|line| line.starts_with("VmLck:"));
    let locked = locked.unwrap().split_ascii_whitespace().nth(1) != Some("0");
    assert_eq!(locked, prepared.all_locked, "{status}");
    let adjusted = fs::read_to_string("/proc/self/oom_score_adj").unwrap();
    let warned = |text: &str| prepared.warnings.iter().any(|line| line.contains(text));
    assert_eq!(
        adjusted.trim_end() == "-1000",
        !warned("the process can be killed"),
        "{prepared:?}"
    );
    let flusher = rustix::process::is_io_flusher();
    assert_eq!(
        flusher != Ok(true),
        warned("its own volume"),
        "{prepared:?}, {flusher:?}"
    );
    let dumpable = rustix::process::dumpable_behavior().unwrap();
    assert_eq!(dumpable, rustix::process::DumpableBehavior::NotDumpable);
}
