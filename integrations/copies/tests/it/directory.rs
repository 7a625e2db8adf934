//! A directory as a place: what is sent comes back, and is sent only once.

use std::{
    fs,
    os::unix::fs::{FileExt as _, MetadataExt as _, symlink},
};

use keyward_copies::{
    BucketOptions, Error, Place, Progress, Trust, choose, list, manifest, verify,
};

use crate::kit::{Kit, PIECE, allocated, name, stored};

#[test]
fn an_image_comes_back_with_its_holes() {
    let kit = Kit::new();
    let size = 5 * PIECE + 1234;
    let image = kit.image(
        size,
        &[
            (10_000, b"one"),
            (2 * PIECE - 1, b"two"),
            (size - 5, b"three"),
        ],
    );
    let sent = kit.send(&image, "v/first").unwrap();
    // Nothing is in pieces 3 and 4.
    let indices: Vec<u32> = sent
        .manifest
        .chunks()
        .iter()
        .map(|chunk| chunk.index)
        .collect();
    assert_eq!(indices, [0, 1, 2, 5]);
    assert_eq!(sent.manifest.image_bytes(), size);
    // One block of each piece; the last piece has no other, and one byte of the bitmap.
    let bytes = 3 * stored(1) + 17 + 1234;
    assert_eq!(sent.manifest.stored_bytes(), bytes);
    assert_eq!(
        (sent.new_chunks, sent.new_bytes, sent.reused),
        (4, bytes, 0)
    );
    let on_disk = kit
        .chunks()
        .into_iter()
        .map(|path| fs::metadata(path).unwrap().len());
    assert_eq!(on_disk.sum::<u64>(), bytes);
    assert_eq!(kit.chunks().len(), 4);
    assert_eq!(
        manifest(&kit.place(), &name("v/first")).unwrap(),
        sent.manifest
    );
    assert_eq!(sent.manifest.about()["from"], "a test");

    let received = kit.receive("v/first").unwrap();
    assert!(!kit.path("received").exists());
    assert_eq!(received.path(), kit.path("received.receiving"));
    assert_eq!(received.new_chunks, 4);
    assert_eq!(received.keep().unwrap(), sent.manifest);
    assert!(!kit.path("received.receiving").exists());
    assert_eq!(
        fs::read(kit.path("received")).unwrap(),
        fs::read(kit.path("image")).unwrap()
    );
    let metadata = fs::metadata(kit.path("received")).unwrap();
    assert_eq!(metadata.mode() & 0o777, 0o600);
    assert!(allocated(&kit.path("received")) <= 8 * 4096);
}

#[test]
fn files_are_for_the_owner_only() {
    let kit = Kit::new();
    kit.send(&kit.image(PIECE, &[(0, b"x")]), "v/one").unwrap();
    for file in kit.files() {
        let path = kit.path("place").join(file);
        assert_eq!(
            fs::metadata(&path).unwrap().mode() & 0o777,
            0o600,
            "{path:?}"
        );
        let folder = path.parent().unwrap();
        assert_eq!(
            fs::metadata(folder).unwrap().mode() & 0o777,
            0o700,
            "{folder:?}"
        );
    }
}

#[test]
fn only_what_has_changed_is_sent_again() {
    let kit = Kit::new();
    let image = kit.image(4 * PIECE, &[(0, b"a"), (PIECE, b"b"), (2 * PIECE, b"c")]);
    assert_eq!(kit.send(&image, "v/one").unwrap().new_chunks, 3);
    image.write_all_at(b"d", PIECE).unwrap();
    assert_eq!(kit.send(&image, "v/two").unwrap().new_chunks, 1);
    assert_eq!(kit.send(&image, "v/three").unwrap().new_chunks, 0);
    // Other volumes share nothing, so that who removes copies of one need not know of the others.
    assert_eq!(kit.send(&image, "w/one").unwrap().new_chunks, 3);
    let copies: Vec<String> = list(&kit.place())
        .unwrap()
        .iter()
        .map(ToString::to_string)
        .collect();
    assert_eq!(copies, ["v/one", "v/three", "v/two", "w/one"]);
    kit.receive("v/one").unwrap().keep().unwrap();
    assert_eq!(
        fs::read(kit.path("received")).unwrap()[PIECE as usize],
        b'b'
    );
}

#[test]
fn the_copy_that_is_meant_is_found() {
    let kit = Kit::new();
    let image = kit.image(PIECE, &[(0, b"a")]);
    let said = |given| match choose(&kit.place(), given, "--verify") {
        Ok(name) => name.to_string(),
        Err(error) => kit.said(&error),
    };
    assert_eq!(said(None), "there is no copy in place");
    for copy in ["v/a-20261130T180207Z", "v/z-20261129T180207Z"] {
        kit.send(&image, copy).unwrap();
    }
    assert_eq!(said(None), "v/a-20261130T180207Z");
    kit.send(&image, "w/one").unwrap();
    assert_eq!(said(Some("v")), "v/a-20261130T180207Z");
    assert_eq!(said(Some("w")), "w/one");
    // Whether there is such a copy, reading it will say.
    assert_eq!(said(Some("v/none")), "v/none");
    assert!(said(Some("v/../w")).starts_with("`v/../w` is not the name of a copy: "));
    assert_eq!(
        said(Some("x")),
        "there is no copy of `x` in place: `keyward volume copies place` lists what there is"
    );
    assert_eq!(
        said(None),
        "place has copies of several volumes: choose one with --verify VOLUME or --verify VOLUME/NAME; `keyward \
         volume copies place` lists them"
    );
    kit.send(&image, "v/one").unwrap();
    assert_eq!(
        said(Some("v")),
        "not all copies of v in place have names that end with their time, so that it is not known which is the \
         last: choose one with --verify VOLUME/NAME; `keyward volume copies place` lists them"
    );
}

#[test]
fn pieces_that_are_alike_are_stored_once() {
    let kit = Kit::new();
    let image = kit.image(3 * PIECE, &[(0, b"x"), (PIECE, b"x"), (2 * PIECE, b"x")]);
    let sent = kit.send(&image, "v/one").unwrap();
    assert_eq!(
        (sent.manifest.chunks().len(), sent.new_chunks, sent.reused),
        (3, 1, 0)
    );
    let sent = kit.send(&image, "v/two").unwrap();
    assert_eq!((sent.new_chunks, sent.reused), (0, 3));
    assert_eq!(
        verify(&kit.place(), &name("v/one"), &mut |_, _| true)
            .unwrap()
            .faults
            .len(),
        0
    );
    kit.receive("v/one").unwrap().keep().unwrap();
    assert_eq!(
        fs::read(kit.path("received")).unwrap(),
        fs::read(kit.path("image")).unwrap()
    );
}

#[test]
fn an_empty_image_has_no_chunks() {
    let kit = Kit::new();
    for (copy, size) in [("v/none", 0), ("v/zeros", PIECE + 5)] {
        let sent = kit.send(&kit.image(size, &[]), copy).unwrap();
        assert_eq!(sent.manifest.chunks().len(), 0);
        kit.receive(copy).unwrap().keep().unwrap();
        assert_eq!(fs::metadata(kit.path("received")).unwrap().len(), size);
        fs::remove_file(kit.path("received")).unwrap();
    }
}

#[test]
fn what_was_stopped_goes_on() {
    let kit = Kit::new();
    let pieces: Vec<(u64, Vec<u8>)> = (0..20)
        .map(|n| (n * PIECE, n.to_string().into_bytes()))
        .collect();
    let written: Vec<(u64, &[u8])> = pieces.iter().map(|(at, text)| (*at, &text[..])).collect();
    let image = kit.image(20 * PIECE, &written);
    let mut left = 6;
    let stop: Progress<'_> = &mut |done, total| {
        assert!(done <= total && total == 20 * PIECE);
        left -= 1;
        left > 0
    };
    let stopped = kit.send_with(&image, "v/one", Trust::Length, stop);
    assert_eq!(
        stopped.unwrap_err().to_string(),
        "it was stopped: try again, and it goes on from there"
    );
    let there = kit.chunks().len() as u64;
    assert!((6..20).contains(&there), "{there}");
    assert!(list(&kit.place()).unwrap().is_empty());
    assert_eq!(kit.send(&image, "v/one").unwrap().new_chunks, 20 - there);

    let mut left = 6;
    let to = kit.path("received");
    let stopped = keyward_copies::receive(&kit.place(), &name("v/one"), &to, &mut |_, _| {
        left -= 1;
        left > 0
    });
    assert!(matches!(stopped, Err(Error::Stopped)));
    assert!(!to.exists());
    let received = kit.receive("v/one").unwrap();
    assert!(
        (1..=14).contains(&received.new_chunks),
        "{}",
        received.new_chunks
    );
    received.keep().unwrap();
    assert_eq!(fs::read(to).unwrap(), fs::read(kit.path("image")).unwrap());
}

#[test]
fn what_another_copy_has_left_in_the_draft_does_not_stay() {
    let kit = Kit::new();
    let size = 4 * PIECE;
    kit.send(
        &kit.image(size + 9, &[(0, b"a"), (PIECE, b"b"), (size + 1, b"c")]),
        "v/other",
    )
    .unwrap();
    kit.send(
        &kit.image(size, &[(PIECE + 70_000, b"z"), (3 * PIECE, b"y")]),
        "v/one",
    )
    .unwrap();
    let other = kit.receive("v/other").unwrap();
    drop(other);
    let received = kit.receive("v/one").unwrap();
    assert_eq!(received.new_chunks, 2);
    received.keep().unwrap();
    assert_eq!(
        fs::read(kit.path("received")).unwrap(),
        fs::read(kit.path("image")).unwrap()
    );
}

#[test]
fn nothing_is_written_over() {
    let kit = Kit::new();
    let image = kit.image(PIECE, &[(0, b"x")]);
    kit.send(&image, "v/one").unwrap();
    let error = kit.send(&image, "v/one").unwrap_err();
    assert_eq!(
        kit.said(&error),
        format!(
            "{} has a copy `v/one` already: choose another name, or remove that copy first",
            "place"
        )
    );
    fs::write(kit.path("received"), "mine").unwrap();
    let error = kit.receive("v/one").unwrap_err();
    assert_eq!(
        kit.said(&error),
        "received exists already: choose another name, or remove it first"
    );
    fs::remove_file(kit.path("received")).unwrap();
    let received = kit.receive("v/one").unwrap();
    fs::write(kit.path("received"), "mine").unwrap();
    assert_eq!(
        kit.said(&received.keep().unwrap_err()),
        "received exists already: choose another name, or remove it first"
    );
    assert_eq!(fs::read(kit.path("received")).unwrap(), b"mine");
}

#[test]
fn removing_takes_what_no_other_copy_needs() {
    let kit = Kit::new();
    let image = kit.image(3 * PIECE, &[(0, b"a"), (PIECE, b"b")]);
    kit.send(&image, "v/one").unwrap();
    kit.send(&image, "w/one").unwrap();
    image.write_all_at(b"c", PIECE).unwrap();
    kit.send(&image, "v/two").unwrap();
    assert_eq!(kit.chunks().len(), 5);
    let removed = kit.remove(&["v/one"]).unwrap();
    assert_eq!((removed.chunks, removed.bytes), (1, stored(1)));
    kit.receive("v/two").unwrap().keep().unwrap();
    let error = kit.remove(&["v/one"]).unwrap_err();
    assert_eq!(kit.said(&error), "there is no copy `v/one` in place");
    let error = kit.remove(&["w/one"]).unwrap_err();
    assert_eq!(kit.said(&error), "there is no copy `w/one` in place");
    assert_eq!(kit.remove(&["v/two"]).unwrap().chunks, 2);
    assert_eq!(kit.files().len(), 5, "{:?}", kit.files());
}

#[test]
fn nothing_is_removed_while_it_is_not_known_what_is_needed() {
    let kit = Kit::new();
    let image = kit.image(PIECE, &[(0, b"a")]);
    kit.send(&image, "v/one").unwrap();
    kit.send(&image, "v/two").unwrap();
    fs::write(kit.path("place/copies/v/two"), "nothing").unwrap();
    let error = kit.remove(&["v/one"]).unwrap_err();
    assert_eq!(
        kit.said(&error),
        "the manifest of `v/two` is damaged: it does not begin as a manifest does. Use another copy; if the place \
         itself is a copy, bring the manifest again"
    );
    assert_eq!(list(&kit.place()).unwrap().len(), 2);
    kit.remove(&["v/two", "v/one"]).unwrap();
    assert!(kit.chunks().is_empty());
}

#[test]
fn one_process_at_a_time_changes_the_copies_of_a_volume() {
    let kit = Kit::new();
    let image = kit.image(PIECE, &[(0, b"a")]);
    let inner = kit.image(PIECE, &[(0, b"b")]);
    let mut said = Vec::new();
    kit.send_with(&image, "v/one", Trust::Length, &mut |_, _| {
        for refused in [
            kit.send(&inner, "v/two").map(drop).unwrap_err(),
            kit.remove(&[]).map(drop).unwrap_err(),
        ] {
            said.push(kit.said(&refused));
        }
        kit.send(&inner, "w/one").unwrap();
        true
    })
    .unwrap();
    let busy = "copies of `v` are being sent to place or removed from place by another process: wait until it has ended";
    assert_eq!(said, [busy, busy]);
    let received = kit.receive("v/one").unwrap();
    let error = kit.receive("v/one").unwrap_err();
    assert_eq!(
        kit.said(&error),
        "received is being received by another process: wait until it has ended"
    );
    received.discard().unwrap();
    assert!(!kit.path("received.receiving").exists());
}

#[test]
fn what_is_not_ours_in_a_place_is_passed_over() {
    let kit = Kit::new();
    kit.send(&kit.image(PIECE, &[(0, b"a")]), "v/one").unwrap();
    let place = kit.path("place");
    fs::write(place.join("copies/README"), "x").unwrap();
    fs::write(place.join("copies/v/.hidden"), "x").unwrap();
    fs::write(place.join("copies/v/a name"), "x").unwrap();
    fs::create_dir(place.join("copies/v/folder")).unwrap();
    symlink("one", place.join("copies/v/link")).unwrap();
    symlink("v", place.join("copies/w")).unwrap();
    fs::write(place.join("chunks/v/file"), "x").unwrap();
    assert_eq!(list(&kit.place()).unwrap(), [name("v/one")]);
    kit.remove(&["v/one"]).unwrap();
    assert!(place.join("chunks/v/file").exists());
}

#[test]
fn drafts_that_a_crash_left_go_away() {
    let kit = Kit::new();
    kit.send(&kit.image(PIECE, &[(0, b"a")]), "v/one").unwrap();
    let chunk = kit.chunks().remove(0);
    let draft = chunk.with_file_name(".abcd.draft");
    fs::write(&draft, "half").unwrap();
    kit.remove(&[]).unwrap();
    assert!(!draft.exists() && chunk.exists());
}

#[test]
fn a_place_must_be_there() {
    let kit = Kit::new();
    let said = |path: &str| {
        let path = kit.path(path);
        kit.said(&Place::parse(path.to_str().unwrap(), &BucketOptions::default()).unwrap_err())
    };
    assert_eq!(
        said("none"),
        "`none` is not a place for copies: there is no such directory. Create it; if it is on a disk of its own, \
         mount that first"
    );
    fs::write(kit.path("file"), "").unwrap();
    assert_eq!(
        said("file/within"),
        "cannot open file/within: Not a directory (os error 20)"
    );
    assert_eq!(
        said("file"),
        "`file` is not a place for copies: it is not a directory. Name a directory, or a bucket as s3://BUCKET/PREFIX"
    );
    let missing = kit.receive("v/none").unwrap_err();
    assert_eq!(kit.said(&missing), "there is no copy `v/none` in place");
}
