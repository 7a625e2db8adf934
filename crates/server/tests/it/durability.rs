//! What is answered is on disk: each commit is synced before its answer, and with
//! `audit.durability = "strict"` each event too. A disk that fails to sync is believed.
//!
//! A small library, loaded before the C library, counts the server's calls of `fsync` and
//! `fdatasync` and has them fail when told to.

use std::{fs, path::PathBuf, process::Command};

use rustix::process::Signal;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::{
    process::{Server, program},
    wire::{Connection, Signer, base64},
};

mod power_cut;

const STRICT: &str = "[audit]\ndurability = \"strict\"\n";

#[test]
fn a_strict_trail_is_on_disk_before_the_answer() {
    let mut world = World::new(STRICT);
    let decrypt = world.blob();
    for _ in 0..5 {
        let before = world.disk.synced("audit/trail-");
        world.call("Decrypt", &decrypt).unwrap();
        assert!(world.disk.synced("audit/trail-") > before);
    }
    world.disk.fail(true);
    let refused = world.call("Decrypt", &decrypt);
    assert_eq!(refused, Err((500, "KMSInternalException".to_owned())));
    world.disk.fail(false);
    while world.call("Decrypt", &decrypt).is_err() {}
    world.verify_trail();
}

#[test]
fn a_written_trail_is_with_the_system_and_waits_for_no_disk() {
    let mut world = World::new("");
    let decrypt = world.blob();
    let before = world.disk.synced("audit/trail-");
    for _ in 0..5 {
        world.call("Decrypt", &decrypt).unwrap();
    }
    world.disk.fail(true);
    world.call("Decrypt", &decrypt).unwrap();
    world.disk.fail(false);
    assert_eq!(world.disk.synced("audit/trail-"), before);
}

#[test]
fn a_segment_is_brought_to_the_disk_while_it_is_being_written() {
    let mut world = World::new("");
    let made = world.call("CreateKey", &json!({})).unwrap();
    let key = &made["KeyMetadata"]["KeyId"];
    let context = json!({"filler": "x".repeat(8000)});
    let encrypt = json!({"KeyId": key, "Plaintext": base64("x"), "EncryptionContext": context});
    // Each event has the context twice: as many as are more than what is written before a flush.
    let more_than_a_flush = 300;
    let before = world.disk.synced("audit/trail-");
    for _ in 0..more_than_a_flush {
        world.call("Encrypt", &encrypt).unwrap();
    }
    // It is done beside the requests.
    while world.disk.synced("audit/trail-") == before {}
    // A disk that refuses what was acknowledged already is believed all the same.
    world.disk.fail(true);
    let refused = (0..10_000).find_map(|_| world.call("Encrypt", &encrypt).err());
    assert_eq!(refused, Some((500, "KMSInternalException".to_owned())));
    world.disk.fail(false);
    while world.call("Encrypt", &encrypt).is_err() {}
    world.verify_trail();
}

#[test]
fn each_commit_is_on_disk_before_its_answer() {
    let mut world = World::new("");
    for _ in 0..5 {
        let before = world.disk.synced("store.db-wal");
        world.call("CreateKey", &json!({})).unwrap();
        assert!(world.disk.synced("store.db-wal") > before);
    }
}

#[test]
fn after_a_failed_sync_nothing_is_written_until_the_store_was_read_back() {
    let mut world = World::new("");
    let decrypt = world.blob();
    let internal = Err((500, "KMSInternalException".to_owned()));
    world.disk.fail(true);
    assert_eq!(world.call("CreateKey", &json!({})), internal);
    world.disk.fail(false);
    // Whether that key is in the file nobody can tell now, so no other is put behind it.
    assert_eq!(world.call("CreateKey", &json!({})), internal);
    world.call("Decrypt", &decrypt).unwrap();

    let disk = &world.disk;
    world.server.restart(&mut disk.command());
    world.connection = world.server.connect();
    world.call("Decrypt", &decrypt).unwrap();
    world.call("CreateKey", &json!({})).unwrap();
    world.verify_trail();
}

/// A server on a disk that the test controls.
struct World {
    disk: Disk,
    server: Server,
    root: Signer,
    connection: Connection,
}

impl World {
    fn new(config: &str) -> Self {
        Self::on(Disk::new(), config)
    }

    fn on(disk: Disk, config: &str) -> Self {
        let server = Server::start_by(&mut disk.command(), config);
        let (root, connection) = (server.root(), server.connect());
        Self {
            disk,
            server,
            root,
            connection,
        }
    }

    /// The answer of a KMS operation, or status and code of the refusal.
    fn call(&mut self, operation: &str, body: &Value) -> Result<Value, (u16, String)> {
        let answer = self.connection.send(&self.root.kms(operation, body));
        if answer.status == 200 {
            Ok(answer.json())
        } else {
            Err((answer.status, answer.code()))
        }
    }

    /// A Decrypt of something that was encrypted under a new key.
    fn blob(&mut self) -> Value {
        let made = self.call("CreateKey", &json!({})).unwrap();
        let key = &made["KeyMetadata"]["KeyId"];
        let encrypt = json!({"KeyId": key, "Plaintext": base64("x")});
        let made = self.call("Encrypt", &encrypt).unwrap();
        json!({"CiphertextBlob": made["CiphertextBlob"]})
    }

    fn verify_trail(self) {
        let data_dir = self.server.data_dir();
        self.server.signal(Signal::TERM);
        let home = self.server.ended();
        let mut verify = Command::new(program());
        verify.args(["audit", "verify", "--data-dir"]).arg(data_dir);
        let output = verify.output().unwrap();
        assert!(output.status.success(), "{output:?}");
        drop(home);
    }
}

/// The library and where it takes and gives word.
struct Disk {
    folder: TempDir,
}

impl Disk {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let source = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/durability/sync.c");
        let mut compiler = Command::new("cc");
        compiler.args(["-shared", "-fPIC", "-O1", "-Wall", "-Werror", "-o"]);
        let built = compiler.arg(folder.path().join("sync.so")).arg(source);
        assert!(built.status().unwrap().success());
        Self { folder }
    }

    /// The program on this disk.
    fn command(&self) -> Command {
        let mut command = Command::new(program());
        command
            .env("LD_PRELOAD", self.path("sync.so"))
            .env("SYNC_CONTROL", self.folder.path());
        command
    }

    fn fail(&self, fails: bool) {
        if fails {
            fs::write(self.path("fail"), "").unwrap();
        } else {
            fs::remove_file(self.path("fail")).unwrap();
        }
    }

    /// How often a file with this in its path was synced.
    fn synced(&self, part: &str) -> usize {
        let log = fs::read_to_string(self.path("synced")).unwrap();
        log.lines().filter(|path| path.contains(part)).count()
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }
}
