//! A volume's life: formatted, mounted, written, grown, unmounted, mounted again.

use std::{
    fs::{self, OpenOptions},
    io::{Read as _, Seek as _, SeekFrom, Write as _},
    os::unix::fs::{FileExt as _, MetadataExt as _},
    process::Command,
    sync::{Arc, atomic::Ordering},
    thread,
};

use keyward_attach::{
    attachment::{Attachment, detach},
    blocks::Blocks as _,
    error::Error,
    ext4::{Checked, Format, MountOptions},
};
use rustix::{
    mount::{UnmountFlags, unmount},
    thread::CapabilitySet,
};

use crate::{
    memory::Memory,
    world::{MIB, assert_clean, bytes_of, put, run, world},
};

#[test]
fn what_is_written_is_there_when_it_is_mounted_again() {
    let world = world!();
    let (server, attachment) = world.mounted(world.sparse_file(128 * MIB));
    let large = bytes_of(1, 20 * MIB as usize + 17);
    world.put("large", &large);
    world.put("small", b"text");
    assert_eq!(
        attachment.mount_points().unwrap(),
        [fs::canonicalize(&world.target).unwrap()]
    );
    detach(&world.place).unwrap();
    server.wait().unwrap();
    world.assert_gone();
    assert_clean(&world.image());

    let (server, attachment, checked) = world.again(world.sparse_file(0));
    assert_eq!(checked, Checked::Clean);
    assert!(world.get("large").unwrap() == large);
    assert_eq!(world.get("small").unwrap(), b"text");
    // Another handle on it finds the same.
    let found = Attachment::find(&world.place).unwrap().unwrap();
    assert_eq!(found.device(), attachment.device());
    detach(&world.place).unwrap();
    server.wait().unwrap();
    // What is gone is no error.
    detach(&world.place).unwrap();
    world.assert_gone();
}

#[test]
fn the_loop_device_has_direct_io_and_large_sectors_and_no_page_is_cached_below() {
    let world = world!();
    let memory = Arc::new(Memory::new(64 * MIB));
    let (_server, attachment) = world.mounted(memory.clone());
    let name = attachment.device().file_name().unwrap().to_str().unwrap();
    let told = |path: &str| fs::read_to_string(format!("/sys/block/{name}/{path}")).unwrap();
    assert_eq!(told("loop/dio"), "1\n");
    assert_eq!(told("loop/autoclear"), "0\n");
    assert_eq!(told("queue/logical_block_size"), "4096\n");
    assert_eq!(told("size"), format!("{}\n", 64 * MIB / 512));
    // The served file is root's alone.
    let file = fs::metadata(world.place.file()).unwrap();
    assert_eq!((file.mode() & 0o7777, file.uid()), (0o600, 0));
    assert_eq!(file.len(), 64 * MIB);
    // ext4's mount has what every mount has.
    let mounts = fs::read_to_string("/proc/self/mounts").unwrap();
    let device = attachment.device().to_str().unwrap();
    let mount = mounts.lines().find(|line| line.starts_with(device));
    assert!(mount.unwrap().contains("nosuid,nodev"), "{mount:?}");
    // Large requests arrive as such.
    world.put("large", &bytes_of(2, 8 * MIB as usize));
    let largest = memory.largest_write.load(Ordering::SeqCst);
    assert!(largest >= 256 * 1024, "{largest}");
}

#[test]
fn a_flush_of_a_file_is_a_flush_of_the_volume() {
    let world = world!();
    let memory = Arc::new(Memory::new(64 * MIB));
    let (_server, _attachment) = world.mounted(memory.clone());
    let before = memory.flushes.load(Ordering::SeqCst);
    world.put("file", b"text");
    assert!(memory.flushes.load(Ordering::SeqCst) > before);
    // And what mkfs discarded and zeroed has taken no space.
    assert!(memory.discards.load(Ordering::SeqCst) > 0);
    assert!(memory.held() < 2 * MIB, "{}", memory.held());
}

#[test]
fn what_is_deleted_gives_its_space_back() {
    let world = world!();
    let file = world.sparse_file(256 * MIB);
    let (server, _attachment) = world.mounted(file);
    let taken = || fs::metadata(world.image()).unwrap().blocks() * 512;
    let empty = taken();
    // Of 256 MiB, formatting leaves next to nothing: its zeros are holes.
    assert!(empty < 2 * MIB, "{empty}");
    world.put("large", &bytes_of(3, 64 * MIB as usize));
    let full = taken();
    assert!(full > 64 * MIB, "{full}");
    fs::remove_file(world.path("large")).unwrap();
    run("sync", &["-f", world.target.to_str().unwrap()]);
    run("fstrim", &[world.target.to_str().unwrap()]);
    let trimmed = taken();
    assert!(trimmed < empty + 8 * MIB, "{empty} {full} {trimmed}");
    detach(&world.place).unwrap();
    server.wait().unwrap();
    assert_clean(&world.image());
}

#[test]
fn a_volume_grows_while_it_is_mounted_and_while_it_is_not() {
    let world = world!();
    let file = world.sparse_file(64 * MIB);
    let (server, attachment) = world.mounted(file.clone());
    world.put("before", b"text");
    let size = || {
        let found = rustix::fs::statvfs(&world.target).unwrap();
        found.f_blocks * found.f_frsize
    };
    let unmount = || unmount(&world.target, UnmountFlags::empty()).unwrap();
    assert!(size() < 64 * MIB);
    file.grow(192 * MIB).unwrap();
    let capabilities = rustix::thread::capabilities(None).unwrap();
    if capabilities.effective.contains(CapabilitySet::SYS_RESOURCE) {
        assert_eq!(attachment.grow().unwrap(), 192 * MIB);
    } else {
        // The kernel does not let such a process, which is common in containers.
        let error = attachment.grow().unwrap_err();
        assert!(
            error.to_string().ends_with(
                "which this process does not have: add it, or unmount the file system first"
            ),
            "{error}"
        );
        assert!(size() < 64 * MIB);
        unmount();
        assert_eq!(attachment.grow().unwrap(), 192 * MIB);
        world.mount(&attachment);
    }
    assert!(size() > 160 * MIB, "{}", size());
    world.put("after", &bytes_of(4, 100 * MIB as usize));
    unmount();
    file.grow(256 * MIB).unwrap();
    assert_eq!(attachment.grow().unwrap(), 256 * MIB);
    // Growing to the same size changes nothing.
    assert_eq!(attachment.grow().unwrap(), 256 * MIB);
    world.mount(&attachment);
    assert!(size() > 220 * MIB, "{}", size());
    assert_eq!(world.get("before").unwrap(), b"text");
    assert!(world.get("after").unwrap() == bytes_of(4, 100 * MIB as usize));
    detach(&world.place).unwrap();
    server.wait().unwrap();
    assert_clean(&world.image());
}

#[test]
fn writers_that_flush_at_the_same_time_all_find_what_they_wrote() {
    let world = world!();
    let (server, _attachment) = world.mounted(world.sparse_file(256 * MIB));
    let content = |writer: u64, round: u64| bytes_of(writer * 100 + round, 64 * 1024 + 7);
    thread::scope(|scope| {
        for writer in 0..8 {
            let path = world.path(&format!("file{writer}"));
            scope.spawn(move || {
                for round in 0..20 {
                    put(&path, &content(writer, round)).unwrap();
                    assert!(fs::read(&path).unwrap() == content(writer, round));
                }
            });
        }
    });
    detach(&world.place).unwrap();
    server.wait().unwrap();
    assert_clean(&world.image());
    let (_server, _attachment, checked) = world.again(world.sparse_file(0));
    assert_eq!(checked, Checked::Clean);
    for writer in 0..8 {
        assert!(world.get(&format!("file{writer}")).unwrap() == content(writer, 19));
    }
}

#[test]
fn who_reads_the_served_file_itself_needs_no_alignment() {
    let world = world!();
    let memory = Arc::new(Memory::new(MIB));
    let _server = world.serve(memory.clone());
    let mut options = OpenOptions::new();
    let mut file = options.read(true).write(true).open(world.place.file());
    let file = file.as_mut().unwrap();
    let bytes = bytes_of(5, 10_001);
    file.write_all_at(&bytes, 4095).unwrap();
    let mut read = vec![0; bytes.len()];
    file.read_exact_at(&mut read, 4095).unwrap();
    assert!(read == bytes);
    file.sync_all().unwrap();
    assert_eq!(memory.flushes.load(Ordering::SeqCst), 1);
    // At its end, and beyond.
    assert_eq!(file.seek(SeekFrom::End(-3)).unwrap(), MIB - 3);
    assert_eq!(file.read(&mut read).unwrap(), 3);
    let error = file.write(b"x").unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::FileTooLarge);
    assert!(file.set_len(0).is_err());
    assert_eq!(memory.len(), MIB);
    let names = fs::read_dir(world.place.file().parent().unwrap()).unwrap();
    let names: Vec<_> = names.map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(names, ["volume"]);
    // Holes are zeros, of any length; room cannot be set aside.
    use rustix::fs::{FallocateFlags, fallocate};
    let hole = FallocateFlags::PUNCH_HOLE | FallocateFlags::KEEP_SIZE;
    fallocate(&*file, hole, 4096, 4097).unwrap();
    file.read_exact_at(&mut read, 4095).unwrap();
    let mut expected = bytes;
    expected[1..4098].fill(0);
    assert!(read == expected);
    let error = fallocate(&*file, FallocateFlags::KEEP_SIZE, 0, 4096).unwrap_err();
    assert_eq!(error, rustix::io::Errno::OPNOTSUPP);
}

#[test]
fn a_volume_with_content_is_not_formatted_by_mistake() {
    let world = world!();
    let (_server, attachment) = world.mounted(world.sparse_file(64 * MIB));
    let error = attachment.format(&Format::default()).unwrap_err();
    assert!(matches!(error, Error::Busy { .. }), "mounted: {error}");
    unmount(&world.target, UnmountFlags::empty()).unwrap();
    let error = attachment.format(&Format::default()).unwrap_err();
    assert!(matches!(error, Error::NotEmpty { .. }), "{error}");
    let overwrite = Format {
        label: "kept".to_owned(),
        overwrite: true,
        ..Format::default()
    };
    attachment.format(&overwrite).unwrap();
    let read_only = MountOptions {
        read_only: true,
        no_exec: true,
        no_atime: true,
        ext4: vec!["norecovery".to_owned()],
    };
    attachment.mount(&world.target, &read_only).unwrap();
    let error = put(&world.path("x"), b"").unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::ReadOnlyFilesystem);
}

#[test]
fn what_needs_no_decision_is_repaired_and_the_rest_is_for_a_person() {
    let world = world!();
    let (server, _attachment) = world.mounted(world.sparse_file(64 * MIB));
    world.put("file", b"text");
    detach(&world.place).unwrap();
    server.wait().unwrap();
    let image = world.image();
    let debugfs = |request| {
        let words = ["-w", "-R", request, image.to_str().unwrap()];
        run("debugfs", &words);
    };
    // A file that says that it has more blocks than it has, in a file system that is marked as unclean.
    debugfs("set_inode_field file blocks 99");
    debugfs("set_super_value state 0");
    let server = world.serve(world.sparse_file(0));
    let attachment = world.bind();
    let checked = attachment.check().unwrap();
    let Checked::Repaired { report } = checked else {
        panic!("{checked:?}");
    };
    assert!(report.contains("i_blocks is 99, should be 8"), "{report}");
    assert_eq!(attachment.check().unwrap(), Checked::Clean);
    detach(&world.place).unwrap();
    server.wait().unwrap();

    // A file that no directory names: whether it is wanted, a person must say.
    debugfs("unlink file");
    debugfs("set_super_value state 0");
    let _server = world.serve(world.sparse_file(0));
    let error = world.bind().check().unwrap_err();
    assert!(
        matches!(&error, Error::Damaged { report, .. } if report.contains("Unattached inode 12")),
        "{error}"
    );
}

#[test]
fn who_uses_it_is_named_and_nothing_is_taken_away() {
    let world = world!();
    let (server, _attachment) = world.mounted(world.sparse_file(64 * MIB));
    let mut file = fs::File::create(world.path("open")).unwrap();
    let Error::Busy { holders, at } = detach(&world.place).unwrap_err() else {
        panic!("a file is open");
    };
    assert_eq!(at, fs::canonicalize(&world.target).unwrap());
    let me = format!("{} (", std::process::id());
    assert!(
        holders.iter().any(|holder| holder.starts_with(&me)),
        "{holders:?}"
    );
    file.write_all(b"still there").unwrap();
    drop(file);
    assert_eq!(world.get("open").unwrap(), b"still there");
    // A second mount of the same is taken away with it.
    let second = world.path("../second");
    fs::create_dir(&second).unwrap();
    rustix::mount::mount_bind(&world.target, &second).unwrap();
    detach(&world.place).unwrap();
    server.wait().unwrap();
    world.assert_gone();
}

/// A process chooses its name, and whoever reads the message has a terminal.
#[test]
fn a_name_with_control_characters_is_escaped() {
    let world = world!();
    let (server, _attachment) = world.mounted(world.sparse_file(64 * MIB));
    let program = world.image().with_file_name("a\n\x1b[2Jb");
    fs::copy("/bin/sleep", &program).unwrap();
    let mut command = Command::new(&program);
    let mut holder = command
        .arg("1000")
        .current_dir(&world.target)
        .spawn()
        .unwrap();
    let detached = detach(&world.place);
    holder.kill().unwrap();
    holder.wait().unwrap();
    let error = detached.unwrap_err().to_string();
    let named = format!("{} (a\\n\\u{{1b}}[2Jb)", holder.id());
    assert!(error.contains(&named), "{error:?}");
    assert!(!error.contains(char::is_control), "{error:?}");
    detach(&world.place).unwrap();
    server.wait().unwrap();
    world.assert_gone();
}
