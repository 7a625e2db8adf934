//! The cut-off: everything fails at once, and everything is taken away, whoever uses it and whoever hangs.

use std::{
    fs::{self, File},
    io::{self, BufRead as _, BufReader, Write as _},
    os::unix::fs::{FileExt as _, symlink},
    path::Path,
    process::{Child, Command, Stdio},
    sync::Arc,
    thread,
    time::Duration,
};

use keyward_attach::{
    attachment::{Attachment, cut_off, detach},
    ext4::Checked,
};

use crate::{
    memory::Memory,
    world::{MIB, Turn, World, bytes_of, put, run, said, world},
};

fn is_eio<T: std::fmt::Debug>(result: io::Result<T>) -> bool {
    let eio = rustix::io::Errno::IO.raw_os_error();
    result.unwrap_err().raw_os_error() == Some(eio)
}

/// Stops the server, and writes a file, which then waits in the kernel for ever.
fn writes_that_hang(world: &World, memory: &Memory) -> thread::JoinHandle<io::Result<()>> {
    // Opened first, so that a slow thread does not write where nothing is mounted any more.
    let mut file = File::create(world.path("waits")).unwrap();
    memory.stop(true);
    thread::spawn(move || file.write_all(b"text").and_then(|()| file.sync_all()))
}

#[test]
fn cached_pages_are_not_served_and_everything_is_gone_though_files_are_open() {
    let world = world!();
    let memory = Arc::new(Memory::new(64 * MIB));
    let (server, _attachment) = world.mounted(memory.clone());
    let text = bytes_of(1, 100_000);
    world.put("cached", &text);
    assert!(world.get("cached").unwrap() == text, "now it is cached");
    let open = File::options()
        .read(true)
        .write(true)
        .open(world.path("cached"));
    let open = open.unwrap();
    let mut byte = [0];
    open.read_exact_at(&mut byte, 0).unwrap();
    // Without the cut-off, a volume that fails still has its cached pages read.
    memory.fail(io::ErrorKind::Other);
    open.read_exact_at(&mut byte, 5).unwrap();

    let done = world.cut_off();
    assert!(done.failures.is_empty(), "{done:?}");
    assert_eq!(
        done.lazily_unmounted,
        [fs::canonicalize(&world.target).unwrap()]
    );
    assert!(is_eio(open.read_exact_at(&mut byte, 0)));
    assert!(is_eio((&open).write(b"x")));
    assert!(fs::read_dir(&world.target).unwrap().next().is_none());
    server.wait().unwrap();
    // The open file holds the loop device, and nothing else.
    assert!(done.held.is_some(), "{done:?}");
    drop(open);
    world.assert_gone();
    let again = world.cut_off();
    assert!(
        again.failures.is_empty() && again.held.is_none() && again.lazily_unmounted.is_empty(),
        "{again:?}"
    );
}

#[test]
fn whoever_has_a_directory_open_cannot_list_it_any_more() {
    let world = world!();
    let memory = Arc::new(Memory::new(64 * MIB));
    let (_server, _attachment) = world.mounted(memory.clone());
    let folder = world.path("folder");
    fs::create_dir_all(folder.join("below")).unwrap();
    for number in 0..200 {
        fs::write(folder.join(format!("name-{number}")), b"").unwrap();
    }
    symlink("target/".repeat(30), folder.join("link")).unwrap();
    // What is only in ext4's journal yet stays in memory as long as the file system is in use.
    detach(&world.place).unwrap();
    let (_server, _attachment, _) = world.again(memory.clone());
    let open = File::open(&folder).unwrap();
    let list = |folder: &File| -> rustix::io::Result<usize> {
        let mut count = 0;
        for entry in rustix::fs::Dir::read_from(folder)? {
            entry?;
            count += 1;
        }
        Ok(count)
    };
    assert_eq!(list(&open).unwrap(), 204);
    rustix::fs::readlinkat(&open, "link", Vec::new()).unwrap();
    memory.fail(io::ErrorKind::Other);
    let done = world.cut_off();
    assert!(done.failures.is_empty(), "{done:?}");
    assert_eq!(list(&open).unwrap_err(), rustix::io::Errno::IO);
    let read = rustix::fs::readlinkat(&open, "link", Vec::new());
    assert_eq!(read.unwrap_err(), rustix::io::Errno::IO);
}

#[test]
fn a_server_that_hangs_does_not_delay_the_cut_off() {
    let world = world!();
    let memory = Arc::new(Memory::new(64 * MIB));
    let (server, _attachment) = world.mounted(memory.clone());
    world.put("kept", b"text");
    let waits = writes_that_hang(&world, &memory);
    // And so does the clean end, which has the lock.
    let place = world.place.clone();
    let ends = thread::spawn(move || detach(&place));
    let done = cut_off(&world.place, Duration::from_millis(300));
    assert!(done.failures.is_empty(), "{done:?}");
    assert!(waits.join().unwrap().is_err());
    // Whether the clean end had begun is up to the kernel; it has ended, which is what counts.
    let _ = ends.join().unwrap();
    memory.stop(false);
    server.wait().unwrap();
    world.assert_gone();
}

/// Nobody else's way to the control files of FUSE is in the way of ours.
#[test]
fn a_server_that_hangs_is_cut_off_though_fusectl_is_mounted_in_the_place() {
    let world = world!();
    let memory = Arc::new(Memory::new(64 * MIB));
    let (server, _attachment) = world.mounted(memory.clone());
    let control = world.place.path().join("control");
    fs::create_dir_all(&control).unwrap();
    let flags = rustix::mount::MountFlags::empty();
    rustix::mount::mount("none", &control, "fusectl", flags, None).unwrap();
    let waits = writes_that_hang(&world, &memory);
    let done = cut_off(&world.place, Duration::from_millis(300));
    rustix::mount::unmount(&control, rustix::mount::UnmountFlags::DETACH).unwrap();
    memory.stop(false);
    assert!(done.failures.is_empty(), "{done:?}");
    assert!(waits.join().unwrap().is_err());
    server.wait().unwrap();
    world.assert_gone();
}

#[test]
fn cut_offs_at_the_same_time_do_not_fail_each_other() {
    let world = world!();
    for _ in 0..10 {
        let memory = Arc::new(Memory::new(64 * MIB));
        let (server, _attachment) = world.mounted(memory.clone());
        let waits = writes_that_hang(&world, &memory);
        let all = thread::scope(|scope| {
            let start = || cut_off(&world.place, Duration::from_millis(100));
            let all = [(); 8].map(|()| scope.spawn(start));
            all.map(|one| one.join().unwrap())
        });
        memory.stop(false);
        for done in &all {
            assert!(done.failures.is_empty(), "{all:?}");
        }
        assert!(waits.join().unwrap().is_err());
        server.wait().unwrap();
        world.assert_gone();
    }
}

#[test]
fn what_was_flushed_before_the_cut_off_is_there_afterwards() {
    let world = world!();
    let (server, _attachment) = world.mounted(world.sparse_file(64 * MIB));
    world.put("flushed", b"text");
    fs::write(world.path("not flushed"), b"text").unwrap();
    let done = world.cut_off();
    assert!(done.failures.is_empty() && done.held.is_none(), "{done:?}");
    server.wait().unwrap();
    world.assert_gone();
    let (_server, _attachment, checked) = world.again(world.sparse_file(0));
    assert_eq!(checked, Checked::Clean, "the journal is enough");
    assert_eq!(world.get("flushed").unwrap(), b"text");
}

#[test]
fn a_loop_device_of_somebody_else_is_not_touched() {
    let world = world!();
    let other = World::new(Turn::OfAnother);
    let _other_server = other.serve(other.sparse_file(16 * MIB));
    let others = other.bind();
    let number = others.device().to_str().unwrap();
    let number = number.strip_prefix("/dev/loop").unwrap();
    // As after a start of the machine: the number of the record belongs to somebody else now.
    let record = format!(r#"{{"version":1,"number":{number}}}"#);
    fs::write(world.place.path().join("loop.json"), record).unwrap();
    assert!(Attachment::find(&world.place).unwrap().is_none());
    let done = world.cut_off();
    assert!(done.failures.is_empty() && done.held.is_none(), "{done:?}");
    let found = Attachment::find(&other.place).unwrap().unwrap();
    assert_eq!(found.device(), others.device());
}

#[test]
fn a_file_system_that_was_mounted_over_it_is_not_touched() {
    let world = world!();
    let (_server, _attachment) = world.mounted(Arc::new(Memory::new(64 * MIB)));
    rustix::mount::mount(
        "none",
        &world.target,
        "tmpfs",
        rustix::mount::MountFlags::empty(),
        None,
    )
    .unwrap();
    world.put("of somebody else", b"text");
    let error = said(&detach(&world.place).unwrap_err());
    assert!(
        error.contains("another file system is mounted over it"),
        "{error}"
    );
    let done = world.cut_off();
    assert!(!done.failures.is_empty(), "{done:?}");
    assert_eq!(world.get("of somebody else").unwrap(), b"text");
    rustix::mount::unmount(&world.target, rustix::mount::UnmountFlags::empty()).unwrap();
    let done = world.cut_off();
    assert!(done.failures.is_empty(), "{done:?}");
    world.assert_gone();
}

/// A process with a mount namespace of its own, which has copies of all mounts.
struct Container(Child);

impl Container {
    fn start() -> Self {
        let mut command = Command::new("unshare");
        command.args(["--mount", "sh", "-c", "echo ready; exec sleep 1000"]);
        command.stdout(Stdio::piped()).stderr(Stdio::null());
        let mut container = Self(command.spawn().unwrap());
        let mut line = String::new();
        let output = container.0.stdout.as_mut().unwrap();
        BufReader::new(output).read_line(&mut line).unwrap();
        assert_eq!(line, "ready\n");
        container
    }
}

impl Drop for Container {
    fn drop(&mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }
}

#[test]
fn a_mount_in_a_container_is_in_use_for_the_clean_end_and_held_for_the_cut_off() {
    let world = world!(Turn::alone());
    let (server, _attachment) = world.mounted(world.sparse_file(64 * MIB));
    world.put("file", b"text");
    let container = Container::start();
    let error = detach(&world.place).unwrap_err().to_string();
    assert!(
        error.ends_with("is in use; perhaps it is also mounted in a container"),
        "{error}"
    );
    // It is out of sight here, and still works there.
    let there = format!(
        "/proc/{}/root{}",
        container.0.id(),
        world.path("file").display()
    );
    assert_eq!(fs::read(&there).unwrap(), b"text");
    let done = world.cut_off();
    assert!(done.failures.is_empty(), "{done:?}");
    assert!(done.held.is_some(), "{done:?}");
    server.wait().unwrap();
    assert!(is_eio(fs::read(&there)), "though it was cached");
    put(Path::new(&there), b"more").unwrap_err();
    drop(container);
    world.assert_gone();
}

#[test]
fn what_somebody_unmounted_lazily_is_shut_down_through_who_has_it_open() {
    let world = world!();
    let (_server, _attachment) = world.mounted(world.sparse_file(64 * MIB));
    world.put("cached", b"text");
    let open = File::open(world.path("cached")).unwrap();
    let mut byte = [0];
    open.read_exact_at(&mut byte, 0).unwrap();
    rustix::mount::unmount(&world.target, rustix::mount::UnmountFlags::DETACH).unwrap();
    open.read_exact_at(&mut byte, 0).unwrap();
    let done = world.cut_off();
    assert!(done.failures.is_empty() && done.held.is_some(), "{done:?}");
    assert!(is_eio(open.read_exact_at(&mut byte, 0)));
    drop(open);
    world.assert_gone();
}

/// What root may do by hand, and is not told to.
fn umount_lazily(path: &Path) {
    rustix::mount::unmount(path, rustix::mount::UnmountFlags::DETACH).unwrap();
}

#[test]
fn what_root_has_unmounted_lazily_is_cut_off_all_the_same() {
    for (served, mounted) in [(true, false), (false, true), (true, true)] {
        let world = world!();
        let memory = Arc::new(Memory::new(64 * MIB));
        let (server, _attachment) = world.mounted(memory.clone());
        world.put("cached", &bytes_of(1, 100_000));
        let open = File::open(world.path("cached")).unwrap();
        let mut byte = [0];
        open.read_exact_at(&mut byte, 0).unwrap();
        if served {
            umount_lazily(&world.place.path().join("device"));
        }
        if mounted {
            umount_lazily(&world.target);
        }
        assert!(
            Attachment::find(&world.place).unwrap().is_some(),
            "{served} {mounted}"
        );
        let done = world.cut_off();
        assert!(done.failures.is_empty(), "{served} {mounted}: {done:?}");
        assert!(
            is_eio(open.read_exact_at(&mut byte, 0)),
            "{served} {mounted}"
        );
        drop(open);
        server.wait().unwrap();
        world.assert_gone();
    }
}

#[test]
fn a_server_that_hangs_is_aborted_though_root_has_unmounted_its_file_lazily() {
    let world = world!();
    let memory = Arc::new(Memory::new(64 * MIB));
    let (server, _attachment) = world.mounted(memory.clone());
    let hangs = writes_that_hang(&world, &memory);
    thread::sleep(Duration::from_millis(200));
    umount_lazily(&world.place.path().join("device"));
    let done = cut_off(&world.place, Duration::from_millis(100));
    assert!(done.failures.is_empty(), "{done:?}");
    assert!(hangs.join().unwrap().is_err());
    memory.stop(false);
    server.wait().unwrap();
    world.assert_gone();
}

#[test]
fn an_image_that_was_renamed_while_it_is_attached_is_found() {
    let world = world!();
    drop(world.sparse_file(64 * MIB));
    let place = keyward_attach::volume_dir::VolumeDir::of_image(world.place.path(), &world.image())
        .unwrap();
    let attachment = Attachment::bind(&place).unwrap();
    let moved = world.image().with_extension("moved");
    fs::rename(world.image(), &moved).unwrap();
    let found = Attachment::find(&place).unwrap().unwrap();
    assert_eq!(found.device(), attachment.device());
    fs::rename(&moved, world.image()).unwrap();
    detach(&place).unwrap();
    assert!(Attachment::find(&place).unwrap().is_none());
}

#[test]
fn a_device_that_was_let_go_and_bound_to_something_else_is_nobodys() {
    let world = world!();
    drop(world.sparse_file(64 * MIB));
    let place = keyward_attach::volume_dir::VolumeDir::of_image(world.place.path(), &world.image())
        .unwrap();
    let attachment = Attachment::bind(&place).unwrap();
    let node = attachment.device().to_str().unwrap().to_owned();
    let other = world.image().with_extension("other");
    File::create(&other).unwrap().set_len(MIB).unwrap();
    run("losetup", &["--detach", &node]);
    run("losetup", &[&node, other.to_str().unwrap()]);
    let found = Attachment::find(&place).unwrap();
    run("losetup", &["--detach", &node]);
    assert!(found.is_none(), "{found:?}");
}

#[test]
fn a_binding_that_an_earlier_release_recorded_is_found_by_its_path() {
    let world = world!();
    let (server, attachment) = world.mounted(world.sparse_file(64 * MIB));
    let number: u32 = attachment
        .device()
        .to_str()
        .unwrap()
        .strip_prefix("/dev/loop")
        .unwrap()
        .parse()
        .unwrap();
    let record = format!(r#"{{"version":1,"number":{number}}}"#);
    fs::write(world.place.path().join("loop.json"), record).unwrap();
    let found = Attachment::find(&world.place).unwrap().unwrap();
    assert_eq!(found.device(), attachment.device());
    detach(&world.place).unwrap();
    server.wait().unwrap();
    world.assert_gone();
}
