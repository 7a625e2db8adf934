//! A directory whose owner has put something else into it than files of this user.

use std::{
    fs,
    os::unix::fs::{MetadataExt as _, PermissionsExt as _, symlink},
    path::Path,
};

use keyward_copies::{Error, list, verify};
use rustix::{
    fs::{CWD, FileType, Mode, makedev, mknodat},
    io::Errno,
};

use crate::kit::{Kit, PIECE, name};

#[test]
fn nothing_is_followed_that_leads_elsewhere() {
    let kit = Kit::new();
    let (place, image) = (kit.path("place"), kit.image(PIECE, &[(0, b"a")]));
    fs::create_dir(kit.path("elsewhere")).unwrap();
    symlink(kit.path("elsewhere"), place.join("copies")).unwrap();
    assert!(kit.send(&image, "v/one").is_err());
    assert!(list(&kit.place()).is_err());
    fs::remove_file(place.join("copies")).unwrap();
    kit.send(&image, "v/one").unwrap();
    // A manifest that is a link, a pipe or a directory.
    let path = place.join("copies/v/one");
    fs::rename(&path, kit.path("manifest")).unwrap();
    symlink(kit.path("manifest"), &path).unwrap();
    assert!(kit.receive("v/one").is_err());
    fs::remove_file(&path).unwrap();
    mknod(&path, FileType::Fifo, 0).unwrap();
    assert!(kit.receive("v/one").is_err());
    fs::remove_file(&path).unwrap();
    fs::create_dir(&path).unwrap();
    assert!(kit.receive("v/one").is_err());
    // A draft that somebody else prepared.
    fs::remove_dir(&path).unwrap();
    fs::rename(kit.path("manifest"), &path).unwrap();
    symlink(kit.path("image"), kit.path("received.receiving")).unwrap();
    assert_eq!(
        kit.said(&kit.receive("v/one").unwrap_err()),
        "received.receiving is not a file of this user alone: remove it, or choose another name"
    );
    fs::remove_file(kit.path("received.receiving")).unwrap();
    fs::hard_link(kit.path("image"), kit.path("received.receiving")).unwrap();
    assert!(matches!(kit.receive("v/one"), Err(Error::NotOurs { .. })));
    fs::remove_file(kit.path("received.receiving")).unwrap();
    fs::write(kit.path("received.receiving"), "").unwrap();
    let readable = fs::Permissions::from_mode(0o644);
    fs::set_permissions(kit.path("received.receiving"), readable).unwrap();
    kit.receive("v/one").unwrap().keep().unwrap();
    assert_eq!(
        fs::metadata(kit.path("received")).unwrap().mode() & 0o777,
        0o600
    );
}

/// Another process would keep the locks of other tests for a moment.
fn mknod(path: &Path, kind: FileType, device: u64) -> Result<(), Errno> {
    mknodat(CWD, path, kind, Mode::RUSR | Mode::WUSR, device)
}

/// What somebody who owns the place has put there, as root: a link to a file, or a device, which would be opened.
#[test]
fn nothing_is_written_to_that_lies_in_the_place_of_a_draft() {
    let kit = Kit::new();
    let image = kit.image(PIECE, &[(0, b"a")]);
    kit.send(&image, "v/one").unwrap();
    let chunk = kit.chunks().remove(0);
    let name = chunk.file_name().unwrap().to_str().unwrap();
    let draft = chunk.with_file_name(format!(".{name}.draft"));
    let other = kit.path("other");
    fs::write(&other, "stays").unwrap();
    for symbolic in [false, true] {
        let whole = fs::read(&chunk).unwrap();
        fs::remove_file(&chunk).unwrap();
        let manifest = kit.path("place/copies/v/.two.draft");
        for path in [&draft, &manifest] {
            match symbolic {
                false => fs::hard_link(&other, path).unwrap(),
                true => symlink(&other, path).unwrap(),
            }
        }
        kit.send(&image, "v/two").unwrap();
        assert_eq!(fs::read(&other).unwrap(), b"stays");
        assert_eq!(fs::read(&chunk).unwrap(), whole);
        assert_eq!(fs::metadata(&chunk).unwrap().nlink(), 1);
        assert!(!draft.exists() && !manifest.exists());
        kit.remove(&["v/two"]).unwrap();
    }
}

#[test]
fn what_is_locked_is_a_file_of_the_place_alone() {
    let kit = Kit::new();
    let image = kit.image(PIECE, &[(0, b"a")]);
    kit.send(&image, "v/one").unwrap();
    let (lock, other) = (kit.path("place/chunks/v/.lock"), kit.path("other"));
    let said = "cannot lock place/chunks/v/.lock: somebody has put something else in its place than a file with one \
                name. Remove it, and try again";
    let refused = || assert_eq!(kit.said(&kit.remove(&["v/one"]).unwrap_err()), said);
    fs::remove_file(&lock).unwrap();
    fs::write(&other, "").unwrap();
    fs::hard_link(&other, &lock).unwrap();
    refused();
    fs::remove_file(&lock).unwrap();
    symlink(&other, &lock).unwrap();
    refused();
    fs::remove_file(&lock).unwrap();
    mknod(&lock, FileType::Fifo, 0).unwrap();
    refused();
    fs::remove_file(&lock).unwrap();
    kit.remove(&["v/one"]).unwrap();
}

/// Devices can be created by root only: elsewhere, this is left out. Opening one that there is not fails, which shows whether
/// it was opened.
#[test]
fn no_device_is_opened() {
    let kit = Kit::new();
    let image = kit.image(PIECE, &[(0, b"a")]);
    kit.send(&image, "v/one").unwrap();
    let device = |path: &Path| mknod(path, FileType::BlockDevice, makedev(511, 1_048_575));
    let chunk = kit.chunks().remove(0);
    fs::remove_file(&chunk).unwrap();
    match device(&chunk) {
        Err(Errno::PERM) => return eprintln!("left out: devices cannot be created here"),
        made => made.unwrap(),
    }
    let verified = verify(&kit.place(), &name("v/one"), &mut |_, _| true).unwrap();
    assert_eq!(verified.faults.len(), 1);
    let lock = kit.path("place/chunks/v/.lock");
    fs::remove_file(&lock).unwrap();
    device(&lock).unwrap();
    let error = kit.remove(&["v/one"]).unwrap_err();
    assert!(kit.said(&error).contains("somebody has put something else"));
    fs::remove_file(&lock).unwrap();
    // A draft in whose place there is one.
    let name = chunk.file_name().unwrap().to_str().unwrap();
    fs::remove_file(&chunk).unwrap();
    device(&chunk.with_file_name(format!(".{name}.draft"))).unwrap();
    kit.send(&image, "v/two").unwrap();
    assert!(fs::metadata(&chunk).unwrap().is_file());
}
