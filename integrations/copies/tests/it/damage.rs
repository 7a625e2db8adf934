//! Copies that are not whole.

use std::{fs, os::unix::fs::FileExt as _};

use keyward_copies::{Fault, Hash, verify};

use crate::kit::{Kit, PIECE, name};

/// A place with one copy of two chunks, and the path of the first of them.
fn damaged(damage: impl FnOnce(&std::path::Path)) -> (Kit, Hash) {
    let kit = Kit::new();
    let image = kit.image(2 * PIECE, &[(0, b"a"), (PIECE, b"b")]);
    let sent = kit.send(&image, "v/one").unwrap();
    let hash = sent.manifest.chunks()[0].hash;
    let text = hash.to_string();
    damage(&kit.path("place/chunks/v").join(&text[..2]).join(&text));
    (kit, hash)
}

#[test]
fn a_damaged_chunk_is_found_and_comes_back() {
    type Damage = fn(&std::path::Path);
    let damages: [Damage; 5] = [
        |path| {
            let file = fs::File::options().write(true).open(path).unwrap();
            file.write_all_at(b"z", PIECE / 2).unwrap();
        },
        |path| {
            fs::File::options()
                .write(true)
                .open(path)
                .unwrap()
                .set_len(PIECE - 1)
                .unwrap()
        },
        |path| {
            fs::File::options()
                .write(true)
                .open(path)
                .unwrap()
                .set_len(PIECE + 1)
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
        assert_eq!(found.faults, [(hash, Fault::Damaged)].into());
        assert_eq!(
            kit.said(&kit.receive("v/one").unwrap_err()),
            format!(
                "chunk {hash} of `v/one` in place is damaged: use another copy; or remove that chunk and send the \
                 volume again, if it still exists, and the chunk comes back"
            )
        );
        assert!(!kit.path("received").exists());
    }
}

#[test]
fn a_missing_chunk_is_found_and_comes_back() {
    let (kit, hash) = damaged(|path| fs::remove_file(path).unwrap());
    let found = verify(&kit.place(), &name("v/one"), &mut |_, _| true).unwrap();
    assert_eq!(found.faults, [(hash, Fault::Missing)].into());
    assert_eq!(
        kit.said(&kit.receive("v/one").unwrap_err()),
        format!(
            "chunk {hash} of `v/one` is not in place any more: use another copy, or send the volume again, if it \
             still exists, and the chunk comes back"
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
fn chunks_that_go_away_while_a_copy_is_made_are_noticed() {
    let (kit, _) = damaged(|_| ());
    let image = fs::File::open(kit.path("image")).unwrap();
    let about = keyward_copies::About::new();
    let sent = keyward_copies::send(&image, &kit.place(), &name("v/two"), &about, &mut |_, _| {
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
    bytes[9] = 2;
    fs::write(&path, &bytes).unwrap();
    assert_eq!(
        kit.said(&kit.receive("v/one").unwrap_err()),
        "the manifest of `v/one` has version 2, and this release knows version 1: use a newer release"
    );
    bytes.truncate(40);
    bytes[9] = 1;
    fs::write(&path, &bytes).unwrap();
    assert!(
        kit.said(&kit.receive("v/one").unwrap_err())
            .contains("is damaged: its hash is another one")
    );
}
