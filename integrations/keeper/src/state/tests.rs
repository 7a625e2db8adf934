//! What a machine knows of its volumes, and when it must not be lowered.

use super::{folder::RECORD, *};

fn states(path: &Path) -> States {
    let state_dir = Some(path.join("state"));
    StateArgs { state_dir }.states().unwrap()
}

const VOLUME: ImageId = ImageId::from_bytes([7; 16]);

#[test]
fn a_known_generation_only_goes_up() {
    let home = tempfile::tempdir().unwrap();
    let states = states(home.path());
    assert_eq!(states.known(VOLUME).unwrap(), None);
    for (noted, known) in [(3, 3), (2, 3), (9, 9)] {
        states.note(VOLUME, noted).unwrap();
        assert_eq!(states.known(VOLUME).unwrap(), Some(known));
    }
    fs::write(states.generation_file(VOLUME), "many").unwrap();
    let error = states.known(VOLUME).unwrap_err().to_string();
    assert!(
        error.ends_with(
            "does not hold a generation: write into it the newest one that is known of the volume"
        ),
        "{error}"
    );
}

#[test]
fn a_record_that_cannot_be_read_is_none_unless_its_process_lives() {
    let home = tempfile::tempdir().unwrap();
    let states = states(home.path());
    let (image, other) = (home.path().join("image"), ImageId::from_bytes([8; 16]));
    let own = states.folder(VOLUME).unwrap();
    own.record(&Process::this(VOLUME, &image, None, false))
        .unwrap();
    let foreign = states.folder(other).unwrap();
    for text in ["", "{}", "nothing"] {
        fs::write(foreign.path().join(RECORD), text).unwrap();
        assert!(states.find(other).unwrap().is_none(), "{text}");
        assert!(states.find_by_path(&image).unwrap().is_some(), "{text}");
    }
    let _lock = foreign.lock().unwrap();
    let error = states.find(other).unwrap_err().to_string();
    assert!(error.ends_with("process.json was not written by this release"));
    assert!(states.find_by_path(&image).unwrap().is_some());
}

#[test]
fn a_key_is_recognized_again() {
    let home = tempfile::tempdir().unwrap();
    let states = states(home.path());
    assert_eq!(states.known_key(VOLUME).unwrap(), None);
    for commitment in [[1; 32], [1; 32], [2; 32]] {
        states.note_key(VOLUME, commitment).unwrap();
        assert_eq!(states.known_key(VOLUME).unwrap(), Some(commitment));
    }
    for wrong in ["", "01", "none"] {
        fs::write(states.key_file(VOLUME), wrong).unwrap();
        assert!(states.known_key(VOLUME).is_err(), "{wrong}");
    }
}

#[test]
fn a_process_is_found_by_image_and_by_directory_and_lives_while_it_has_the_lock() {
    let home = tempfile::tempdir().unwrap();
    let states = states(home.path());
    let (image, dir) = (home.path().join("image"), home.path().join("dir"));
    assert!(states.find_by_path(&image).unwrap().is_none());
    let folder = states.folder(VOLUME).unwrap();
    assert!(states.find(VOLUME).unwrap().is_none());
    let process = Process::this(VOLUME, &image, Some(&dir), false);
    folder.record(&process).unwrap();
    assert!(!states.find(VOLUME).unwrap().unwrap().lives);
    let lock = folder.lock().unwrap();
    let error = folder.lock().unwrap_err().to_string();
    assert_eq!(error, "the volume has a process already");
    for path in [&image, &dir] {
        let found = states.find_by_path(path).unwrap().unwrap();
        assert!(found.lives);
        assert_eq!(found.process.pid, std::process::id());
    }
    assert!(states.find_by_path(home.path()).unwrap().is_none());
    drop(lock);
    assert!(!states.find(VOLUME).unwrap().unwrap().lives);
    folder.forget().unwrap();
    folder.forget().unwrap();
    assert!(states.find(VOLUME).unwrap().is_none());
}
