//! A directory of a volume that is mounted in other places too, before a cut-off and after it.

use std::{
    fs, io,
    os::unix::fs::{PermissionsExt as _, chown, symlink},
    path::PathBuf,
};

use keyward_attach::{
    attachment::{cut_off, detach},
    bind::{self, Bound},
    error::Error,
    ext4::MountOptions,
};

use crate::world::{MIB, PATIENCE, World, said, world};

fn other(world: &World, name: &str) -> PathBuf {
    let path = world.image().with_file_name(name);
    fs::create_dir(&path).unwrap();
    fs::canonicalize(path).unwrap()
}

#[test]
fn a_directory_of_a_volume_is_mounted_elsewhere_and_taken_away() {
    let world = world!();
    let (server, attachment) = world.mounted(world.sparse_file(64 * MIB));
    fs::create_dir_all(world.target.join("projects/one")).unwrap();
    let (whole, part) = (other(&world, "whole"), other(&world, "part"));
    assert_eq!(bind::look(&whole).unwrap(), Bound::Nothing);
    bind::mount(&attachment, (&world.target, "/"), &whole, false).unwrap();
    bind::mount(&attachment, (&world.target, "/projects/one"), &part, true).unwrap();
    assert_eq!(bind::look(&whole).unwrap(), Bound::Volume);
    fs::write(whole.join("projects/one/file"), "text").unwrap();
    assert_eq!(fs::read(part.join("file")).unwrap(), b"text");
    let error = fs::write(part.join("file"), "other").unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::ReadOnlyFilesystem);
    let error = bind::mount(&attachment, (&world.target, "/"), &part, false).unwrap_err();
    assert!(matches!(error, Error::Occupied { .. }), "{error}");
    let open = fs::File::open(part.join("file")).unwrap();
    let error = bind::unmount(&part).unwrap_err();
    assert!(matches!(error, Error::Busy { .. }), "{error}");
    drop(open);
    for target in [&whole, &part] {
        bind::unmount(target).unwrap();
        assert_eq!(bind::look(target).unwrap(), Bound::Nothing);
        let error = bind::unmount(target).unwrap_err();
        assert!(matches!(error, Error::NotBound { .. }), "{error}");
    }
    detach(&world.place).unwrap();
    server.wait().unwrap();
}

#[test]
fn a_link_on_the_volume_does_not_choose_what_is_mounted() {
    let world = world!();
    let (server, attachment) = world.mounted(world.sparse_file(64 * MIB));
    symlink("/etc", world.target.join("out")).unwrap();
    fs::create_dir(world.target.join("real")).unwrap();
    symlink("real", world.target.join("in")).unwrap();
    fs::write(world.target.join("file"), "").unwrap();
    let target = other(&world, "target");
    for within in ["out", "in", "../..", "file", "missing", "real/../../.."] {
        let error = bind::mount(&attachment, (&world.target, within), &target, false).unwrap_err();
        assert!(
            matches!(error, Error::NoDirectory { .. }),
            "{within}: {error}"
        );
        assert_eq!(bind::look(&target).unwrap(), Bound::Nothing, "{within}");
    }
    detach(&world.place).unwrap();
    server.wait().unwrap();
}

#[test]
fn a_link_in_the_way_does_not_choose_where_it_is_mounted() {
    let world = world!();
    let (server, attachment) = world.mounted(world.sparse_file(64 * MIB));
    let (folder, victim) = (other(&world, "folder"), other(&world, "victim"));
    let inner = victim.join("inner");
    fs::create_dir(&inner).unwrap();
    symlink(&victim, folder.join("last")).unwrap();
    symlink(&victim, folder.join("first")).unwrap();
    for (name, leads_to) in [("last", &victim), ("first/inner", &inner)] {
        let target = folder.join(name);
        let error = bind::mount(&attachment, (&world.target, "/"), &target, false).unwrap_err();
        assert!(said(&error).contains("symbolic links"), "{error}");
        let error = attachment.mount(&target, &MountOptions::default());
        let error = said(&error.unwrap_err());
        assert!(error.contains("symbolic links"), "{error}");
        assert_eq!(bind::look(leads_to).unwrap(), Bound::Nothing, "{name}");
    }
    assert_eq!(fs::read_dir(&victim).unwrap().count(), 1);
    detach(&world.place).unwrap();
    server.wait().unwrap();
}

#[test]
fn nobody_but_root_can_put_another_directory_in_the_place_of_the_target() {
    let world = world!();
    let (server, attachment) = world.mounted(world.sparse_file(64 * MIB));
    let folder = other(&world, "folder");
    let target = folder.join("target");
    fs::create_dir(&target).unwrap();
    let set = |path: &PathBuf, owner, mode| {
        chown(path, Some(owner), Some(owner)).unwrap();
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    };
    for (above, own, may) in [
        ((1000, 0o755), 0, false),
        ((0, 0o775), 0, false),
        ((0, 0o757), 0, false),
        // Only its owner may rename it.
        ((0, 0o1777), 1000, false),
        ((0, 0o1777), 0, true),
        ((0, 0o755), 1000, true),
    ] {
        set(&folder, above.0, above.1);
        set(&target, own, 0o755);
        let mounted = bind::mount(&attachment, (&world.target, "/"), &target, false);
        if may {
            mounted.unwrap();
            bind::unmount(&target).unwrap();
        } else {
            let error = mounted.unwrap_err();
            assert!(
                matches!(&error, Error::Exchangeable { at, .. } if *at == folder),
                "{error}"
            );
        }
        assert_eq!(bind::look(&target).unwrap(), Bound::Nothing);
    }
    // What is there can be taken away all the same.
    bind::mount(&attachment, (&world.target, "/"), &target, false).unwrap();
    set(&folder, 1000, 0o755);
    bind::withdraw(&target).unwrap();
    bind::unmount(&target).unwrap();
    detach(&world.place).unwrap();
    server.wait().unwrap();
}

#[test]
fn after_a_cut_off_nothing_is_read_there_nor_written_beside_the_volume() {
    let world = world!();
    let (server, attachment) = world.mounted(world.sparse_file(64 * MIB));
    let target = other(&world, "target");
    bind::mount(&attachment, (&world.target, "/"), &target, false).unwrap();
    fs::write(target.join("file"), "text").unwrap();
    let open = fs::File::open(target.join("file")).unwrap();
    let done = cut_off(&world.place, PATIENCE);
    assert!(done.failures.is_empty(), "{:?}", done.failures);
    server.wait().unwrap();
    assert_eq!(bind::look(&target).unwrap(), Bound::Guard);
    assert!(io::read_to_string(&open).is_err());
    assert_eq!(fs::read_dir(&target).unwrap().count(), 0);
    let error = fs::write(target.join("plaintext"), "text").unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::ReadOnlyFilesystem);
    drop(open);
    // What is gone is not mounted, nor the directory that it was mounted on.
    let error = bind::mount(&attachment, (&world.target, "/"), &target, false).unwrap_err();
    assert!(matches!(error, Error::Gone { .. }), "{error}");
    assert_eq!(bind::look(&target).unwrap(), Bound::Guard);
    // It comes back over the guard.
    let (server, attachment, _) = world.again(world.sparse_file(0));
    assert_eq!(bind::look(&target).unwrap(), Bound::Guard);
    let elsewhere = world.image().with_file_name("target");
    let error = bind::mount(&attachment, (&elsewhere, "/"), &target, false).unwrap_err();
    let error = said(&error);
    assert!(
        error.ends_with("the volume is not mounted there"),
        "{error}"
    );
    bind::mount(&attachment, (&world.target, "/"), &target, false).unwrap();
    bind::withdraw(&target).unwrap();
    assert_eq!(bind::look(&target).unwrap(), Bound::Guard);
    bind::unmount(&target).unwrap();
    detach(&world.place).unwrap();
    server.wait().unwrap();
}
