//! An image in plaintext, which nobody serves.

use std::{fs, io, os::unix::fs::MetadataExt as _};

use keyward_attach::{
    attachment::{Attachment, cut_off, detach},
    ext4::{Checked, Format, MountOptions, format_new_image},
    volume_dir::VolumeDir,
};
use rustix::mount::{MountFlags, UnmountFlags, mount, unmount};

use crate::world::{MIB, PATIENCE, assert_clean, world};

#[test]
fn an_image_is_attached_as_it_is_and_found_again() {
    let world = world!();
    drop(world.sparse_file(64 * MIB));
    let place = VolumeDir::of_image(world.place.path(), &world.image()).unwrap();
    let attachment = Attachment::bind(&place).unwrap();
    attachment.format(&Format::default()).unwrap();
    attachment
        .mount(&world.target, &MountOptions::default())
        .unwrap();
    fs::write(world.target.join("file"), "text").unwrap();
    // Nobody has to remember it.
    let found = Attachment::find(&place).unwrap().unwrap();
    assert_eq!(found.device(), attachment.device());
    // The place knows its device by the binding, whatever its image is called.
    let bound = Attachment::find(&world.place).unwrap().unwrap();
    assert_eq!(bound.device(), attachment.device());
    detach(&place).unwrap();
    assert!(Attachment::find(&place).unwrap().is_none());
    assert_clean(&world.image());
    let attachment = Attachment::bind(&place).unwrap();
    assert_eq!(attachment.check().unwrap(), Checked::Clean);
    attachment
        .mount(&world.target, &MountOptions::default())
        .unwrap();
    let open = fs::File::open(world.target.join("file")).unwrap();
    let done = cut_off(&place, PATIENCE);
    assert!(done.failures.is_empty(), "{:?}", done.failures);
    assert!(io::read_to_string(&open).is_err());
    drop(open);
    assert!(Attachment::find(&place).unwrap().is_none());
}

#[test]
fn a_large_image_takes_only_the_space_of_what_is_in_it() {
    const TIB: u64 = 1024 * 1024 * MIB;
    let world = world!();
    drop(world.sparse_file(TIB));
    format_new_image(&world.image(), &Format::default()).unwrap();
    let place = VolumeDir::of_image(world.place.path(), &world.image()).unwrap();
    let attachment = Attachment::bind(&place).unwrap();
    assert_eq!(attachment.check().unwrap(), Checked::Clean);
    attachment
        .mount(&world.target, &MountOptions::default())
        .unwrap();
    fs::write(world.target.join("file"), "text").unwrap();
    detach(&place).unwrap();
    assert_clean(&world.image());
    let taken = fs::metadata(world.image()).unwrap().blocks() * 512;
    assert!(taken < 256 * MIB, "{taken}");
}

#[test]
fn an_image_that_is_not_there_is_not_attached() {
    let world = world!();
    // What was attached of it before can be found and cut off all the same.
    let place = VolumeDir::of_image(world.place.path(), &world.image()).unwrap();
    assert!(Attachment::find(&place).unwrap().is_none());
    let error = Attachment::bind(&place).unwrap_err();
    let text = format!("{error:?}");
    assert!(text.contains("NotFound"), "{text}");
}

#[test]
fn a_full_disk_is_named_when_an_image_is_formatted() {
    let world = world!();
    mount(
        "tmpfs",
        &world.target,
        "tmpfs",
        MountFlags::empty(),
        c"size=1m",
    )
    .unwrap();
    let image = world.target.join("image");
    let file = fs::File::create(&image).unwrap();
    file.set_len(64 * 1024 * MIB).unwrap();
    drop(file);
    let formatted = format_new_image(&image, &Format::default());
    unmount(&world.target, UnmountFlags::empty()).unwrap();
    assert_eq!(
        formatted.unwrap_err().to_string(),
        format!(
            "no room is left on the disk of `{}`: free some space there",
            image.display()
        )
    );
}
