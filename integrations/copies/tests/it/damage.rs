//! Copies that are not whole.

use std::{collections::BTreeMap, fs, os::unix::fs::FileExt as _};

use keyward_copies::{Fault, Hash, Packed, Trust, verify};

use crate::kit::{Kit, PIECE, name, stored};

/// A place with one copy of two chunks, and the first of them, which was damaged.
fn damaged(damage: impl FnOnce(&std::path::Path)) -> (Kit, Hash) {
    let kit = Kit::new();
    let image = kit.image(2 * PIECE, &[(0, b"a"), (PIECE, b"b")]);
    let sent = kit.send(&image, "v/one").unwrap();
    let hash = sent.manifest.chunks()[0].hash;
    damage(&kit.path(&Kit::chunk(hash)));
    (kit, hash)
}

/// A piece with one block, which is none of the image's.
fn another() -> Packed {
    let mut piece = vec![0; PIECE as usize];
    piece[7] = 7;
    Packed::pack(&piece).unwrap()
}

/// What was found, without the test's directory.
fn faults(kit: &Kit, found: &BTreeMap<String, Fault>) -> Vec<(String, Fault)> {
    let home = format!("{}/", kit.home.path().display());
    let found = found.iter();
    found
        .map(|(path, fault)| (path.replace(&home, ""), *fault))
        .collect()
}

#[test]
fn a_damaged_chunk_is_found() {
    type Damage = fn(&std::path::Path);
    let damages: [Damage; 7] = [
        |path| {
            let file = fs::File::options().write(true).open(path).unwrap();
            file.write_all_at(b"z", stored(1) / 2).unwrap();
        },
        // Another piece, in the one form that it has.
        |path| fs::write(path, another().as_bytes()).unwrap(),
        // The piece itself.
        |path| {
            let mut piece = vec![0; PIECE as usize];
            piece[0] = b'a';
            fs::write(path, piece).unwrap();
        },
        |path| {
            fs::File::options()
                .write(true)
                .open(path)
                .unwrap()
                .set_len(stored(1) - 1)
                .unwrap()
        },
        |path| {
            fs::File::options()
                .write(true)
                .open(path)
                .unwrap()
                .set_len(stored(1) + 1)
                .unwrap()
        },
        |path| fs::write(path, "").unwrap(),
        |path| {
            fs::remove_file(path).unwrap();
            fs::create_dir(path).unwrap();
        },
    ];
    for damage in damages {
        let (kit, hash) = damaged(damage);
        let found = verify(&kit.place(), &name("v/one"), &mut |_, _| true).unwrap();
        assert_eq!(
            faults(&kit, &found.faults),
            [(Kit::chunk(hash), Fault::Damaged)]
        );
        assert_eq!(
            kit.said(&kit.receive("v/one").unwrap_err()),
            format!(
                "the chunk {} of `v/one` is damaged: use another copy; or send the volume again with \
                 --verify, if it still exists, and the chunk comes back",
                Kit::chunk(hash)
            )
        );
        assert!(!kit.path("received").exists());
    }
}

#[test]
fn a_missing_chunk_is_found_and_comes_back() {
    let (kit, hash) = damaged(|path| fs::remove_file(path).unwrap());
    let found = verify(&kit.place(), &name("v/one"), &mut |_, _| true).unwrap();
    assert_eq!(
        faults(&kit, &found.faults),
        [(Kit::chunk(hash), Fault::Missing)]
    );
    assert_eq!(
        kit.said(&kit.receive("v/one").unwrap_err()),
        format!(
            "the chunk {} of `v/one` is missing: use another copy, or send the volume again, if it still exists, \
             and the chunk comes back",
            Kit::chunk(hash)
        )
    );
    let image = fs::File::open(kit.path("image")).unwrap();
    assert_eq!(kit.send(&image, "v/two").unwrap().new_chunks, 1);
    kit.receive("v/one").unwrap().keep().unwrap();
    assert_eq!(
        fs::read(kit.path("received")).unwrap(),
        fs::read(kit.path("image")).unwrap()
    );
}

#[test]
fn a_chunk_that_is_not_whole_is_sent_again() {
    let (kit, _) = damaged(|path| fs::write(path, "half").unwrap());
    let image = fs::File::open(kit.path("image")).unwrap();
    assert_eq!(kit.send(&image, "v/two").unwrap().new_chunks, 1);
    assert!(
        verify(&kit.place(), &name("v/one"), &mut |_, _| true)
            .unwrap()
            .faults
            .is_empty()
    );
}

#[test]
fn a_chunk_with_other_content_is_sent_again_if_it_is_read() {
    let (kit, hash) = damaged(|path| fs::write(path, another().as_bytes()).unwrap());
    let image = fs::File::open(kit.path("image")).unwrap();
    // Its length says nothing.
    let sent = kit.send(&image, "v/two").unwrap();
    assert_eq!((sent.new_chunks, sent.reused), (0, 2));
    let found = verify(&kit.place(), &name("v/two"), &mut |_, _| true).unwrap();
    assert_eq!(
        faults(&kit, &found.faults),
        [(Kit::chunk(hash), Fault::Damaged)]
    );
    let send = |copy| kit.send_with(&image, copy, Trust::Content, &mut |_, _| true);
    let sent = send("v/three").unwrap();
    assert_eq!(
        (sent.new_chunks, sent.new_bytes, sent.reused),
        (1, stored(1), 1)
    );
    // All copies have it again.
    for copy in ["v/one", "v/two", "v/three"] {
        let found = verify(&kit.place(), &name(copy), &mut |_, _| true).unwrap();
        assert!(found.faults.is_empty());
    }
    assert_eq!(send("v/four").unwrap().new_chunks, 0);
}

#[test]
fn a_manifest_that_says_two_things_of_a_chunk_is_not_whole() {
    let (kit, hash) = damaged(|_| ());
    // The second piece has the first one's chunk, with two blocks instead of one.
    let path = kit.path("place/copies/v/one");
    let whole = fs::read(&path).unwrap();
    for stored in [stored(2), stored(1)] {
        let mut bytes = whole[..whole.len() - 32].to_vec();
        let second = bytes.len() - 36;
        bytes[second..second + 4].copy_from_slice(&(stored as u32).to_be_bytes());
        bytes[second + 4..].copy_from_slice(hash.as_bytes());
        let end = Hash::of(&bytes);
        bytes.extend_from_slice(end.as_bytes());
        fs::write(&path, &bytes).unwrap();
        let found = verify(&kit.place(), &name("v/one"), &mut |_, _| true).unwrap();
        let is_whole = stored == self::stored(1);
        assert_eq!(found.faults.is_empty(), is_whole);
        assert_eq!(kit.receive("v/one").is_ok(), is_whole);
    }
}

#[test]
fn chunks_that_go_away_while_a_copy_is_made_are_noticed() {
    let (kit, _) = damaged(|_| ());
    let image = fs::File::open(kit.path("image")).unwrap();
    let sent = kit.send_with(&image, "v/two", Trust::Length, &mut |_, _| {
        for chunk in kit.chunks() {
            fs::remove_file(chunk).unwrap();
        }
        true
    });
    assert_eq!(
        kit.said(&sent.unwrap_err()),
        "chunks of `v/two` were removed from place while it was sent: send it again, and see to it that only one \
         machine at a time sends or removes copies of a volume"
    );
    assert!(!kit.path("place/copies/v/two").exists());
}

#[test]
fn a_manifest_of_another_version_is_not_read() {
    let (kit, _) = damaged(|_| ());
    let path = kit.path("place/copies/v/one");
    let mut bytes = fs::read(&path).unwrap();
    bytes[9] = 3;
    fs::write(&path, &bytes).unwrap();
    assert_eq!(
        kit.said(&kit.receive("v/one").unwrap_err()),
        "the manifest of `v/one` has version 3, and this release knows version 2: use a newer release"
    );
    bytes.truncate(40);
    bytes[9] = 2;
    fs::write(&path, &bytes).unwrap();
    assert!(
        kit.said(&kit.receive("v/one").unwrap_err())
            .contains("is damaged: its hash is another one")
    );
}
