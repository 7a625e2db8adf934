//! Data directories that are not what somebody thinks they are.

use std::{fs, os::unix::fs::PermissionsExt as _};

use expect_test::expect;
use serde_json::json;

use crate::{
    command::{Desk, Ran},
    process::{Server, program},
};

/// Every command that works on a data directory and does not begin one, without its `--data-dir`.
const COMMANDS: [&str; 13] = [
    "env",
    "init --new-root-credentials",
    "account list",
    "account create",
    "service list",
    "service create rds",
    "service delete rds",
    "audit verify",
    "audit accept-loss",
    "store accept-clock",
    "store accept-restore",
    "policy who-can kms:Decrypt alias/x",
    "policy explain --request-id 01234567-89ab-cdef-0123-456789abcdef",
];

#[test]
fn a_mistyped_data_directory_is_told_and_not_created() {
    for command in COMMANDS {
        let desk = Desk::new();
        let said = desk.keyward(&format!("{command} --data-dir data")).failed();
        assert_eq!(
            said,
            "keyward: there is no data directory data: check --data-dir; `keyward init` creates a new one\n",
            "{command}"
        );
        assert!(!desk.data().exists(), "{command}");
    }
}

#[test]
fn a_directory_of_something_else_is_told_and_left_alone() {
    for command in COMMANDS {
        let desk = Desk::new();
        fs::create_dir(desk.data()).unwrap();
        let said = desk.keyward(&format!("{command} --data-dir data")).failed();
        assert_eq!(
            said,
            "keyward: the directory data holds no store: check --data-dir; `keyward init` creates a new one\n",
            "{command}"
        );
        assert_eq!(fs::read_dir(desk.data()).unwrap().count(), 0, "{command}");
    }
}

#[test]
fn a_missing_or_empty_store_beside_a_trail_is_called_that() {
    let desk = Desk::new();
    desk.keyward("init --data-dir data").ok();
    let credentials = desk.read("data/admin-credentials");
    fs::remove_file(desk.data().join("store.db")).unwrap();
    for suffix in ["-wal", "-shm"] {
        let _ = fs::remove_file(desk.data().join(format!("store.db{suffix}")));
    }
    let commands = [
        "serve --listen 127.0.0.1:0",
        "init",
        "init --new-root-credentials",
        "account list",
        "audit verify",
        "env",
    ];
    let said = |command: &str| desk.keyward(&format!("{command} --data-dir data")).failed();
    let missing = expect![[r#"
        keyward: the store data/store.db is missing, but data/audit holds its audit trail and data/admin-credentials holds its root user's access key: put the store back from a backup (docs/operations.md says how), or, to begin again with an empty store, move data/audit and data/admin-credentials away
    "#]];
    for command in commands {
        missing.assert_eq(&said(command));
    }
    assert!(!desk.data().join("store.db").exists());
    fs::write(desk.data().join("store.db"), "").unwrap();
    let empty = expect![[r#"
        keyward: the store data/store.db is empty, but data/audit holds its audit trail and data/admin-credentials holds its root user's access key: put the store back from a backup (docs/operations.md says how), or, to begin again with an empty store, move data/audit and data/admin-credentials away
    "#]];
    for command in commands {
        empty.assert_eq(&said(command));
    }
    assert_eq!(desk.read("data/admin-credentials"), credentials);
}

#[test]
fn a_missing_store_beside_credentials_alone_is_called_that() {
    let desk = Desk::new();
    fs::create_dir(desk.data()).unwrap();
    fs::write(desk.data().join("admin-credentials"), "[default]\n").unwrap();
    for command in ["serve --listen 127.0.0.1:0", "init", "account list"] {
        let said = desk.keyward(&format!("{command} --data-dir data")).failed();
        expect![[r#"
            keyward: the store data/store.db is missing, but data/admin-credentials holds its root user's access key: put the store back from a backup (docs/operations.md says how), or, to begin again with an empty store, move data/admin-credentials away
        "#]]
        .assert_eq(&said);
    }
    assert_eq!(fs::read_dir(desk.data()).unwrap().count(), 1);
    assert_eq!(desk.read("data/admin-credentials"), "[default]\n");
}

/// Runs a command that cannot make any file longer than so many blocks of 512 bytes.
fn with_room(desk: &Desk, blocks: u32, words: &str) -> Ran {
    let mut shell = desk.command("/bin/sh");
    let script = format!("trap '' XFSZ; ulimit -f {blocks}; exec \"$0\" {words}");
    desk.run(shell.args(["-c", &script]).arg(program()))
}

/// Has a server write until the store's log is longer than so many bytes.
fn fill_log(server: &Server, bytes: u64) {
    let (root, mut connection) = (server.root(), server.connect());
    let log = server.data_dir().join("store.db-wal");
    // A start empties the log once, in the background: what comes after many writes stays.
    for made in 0.. {
        if made >= 20 && fs::metadata(&log).unwrap().len() > bytes {
            return;
        }
        assert!(made < 1_000, "{} does not grow", log.display());
        let answer = connection.send(&root.kms("CreateKey", &json!({})));
        assert_eq!(answer.status, 200, "{}", answer.text());
    }
}

#[test]
fn credentials_that_the_store_does_not_take_replace_none() {
    // No fewer: SQLite's index of the log takes so much.
    const BLOCKS: u32 = 64;
    for command in [
        "init --new-root-credentials",
        "service create rds",
        "account create --account-id 111122223333",
    ] {
        let mut server = Server::start("");
        let data = server.data_dir();
        fill_log(&server, u64::from(BLOCKS) * 512);
        // Its log of writes stays, so that there is no room behind it.
        server.kill();
        let read = || fs::read_to_string(data.join("admin-credentials")).unwrap();
        let credentials = read();
        let words = format!("{command} --data-dir {}", data.display());
        let ran = with_room(&Desk::new(), BLOCKS, &words);
        assert_eq!(ran.status, 1, "{command}");
        let no_room = "the store has no room left to write: free space on its disk";
        assert!(ran.err.contains(no_room), "{}", ran.err);
        assert_eq!(read(), credentials);
        assert!(!data.join("credentials-rds").exists());
        assert!(!data.join("credentials-111122223333").exists());
    }
}

#[test]
fn credentials_that_a_start_left_in_a_draft_are_kept_by_the_next() {
    let desk = Desk::new();
    desk.keyward("init --data-dir data").ok();
    let (file, draft) = (
        desk.data().join("admin-credentials"),
        desk.data().join(".admin-credentials.tmp"),
    );
    let credentials = fs::read_to_string(&file).unwrap();
    fs::rename(&file, &draft).unwrap();
    desk.keyward("init --data-dir data").ok();
    assert_eq!(fs::read_to_string(&file).unwrap(), credentials);
    assert!(!draft.exists());
    // One that the store never took is no one's.
    fs::write(&draft, credentials.replace("_id = A", "_id = B")).unwrap();
    desk.keyward("init --data-dir data").ok();
    assert_eq!(fs::read_to_string(&file).unwrap(), credentials);
}

#[test]
fn a_draft_that_keyward_did_not_write_is_not_believed() {
    let desk = Desk::new();
    desk.keyward("init --data-dir data").ok();
    let (file, draft) = (
        desk.data().join("admin-credentials"),
        desk.data().join(".admin-credentials.tmp"),
    );
    let (kept, credentials) = (desk.path().join("kept"), fs::read(&file).unwrap());
    fs::rename(&file, &kept).unwrap();
    let put: [fn(&std::path::Path, &std::path::Path); 4] = [
        |kept, draft| {
            fs::copy(kept, draft).unwrap();
            fs::set_permissions(draft, fs::Permissions::from_mode(0o644)).unwrap();
        },
        |kept, draft| std::os::unix::fs::symlink(kept, draft).unwrap(),
        |kept, draft| fs::hard_link(kept, draft).unwrap(),
        |_, draft| {
            let made = std::process::Command::new("mkfifo").arg(draft).status();
            assert!(made.unwrap().success());
        },
    ];
    for put in put {
        put(&kept, &draft);
        desk.keyward("account list --data-dir data").ok();
        assert!(!file.exists());
        assert!(fs::symlink_metadata(&draft).is_err());
        assert_eq!(fs::read(&kept).unwrap(), credentials);
    }
}

#[test]
fn credentials_do_not_take_the_place_of_a_pipe() {
    let desk = Desk::new();
    desk.keyward("init --data-dir data").ok();
    let pipe = desk.path().join("pipe");
    let made = std::process::Command::new("mkfifo").arg(&pipe).status();
    assert!(made.unwrap().success());
    let ran =
        desk.keyward("account create --data-dir data --account-id 444455556666 --credentials pipe");
    assert!(ran.err.contains("is there already"), "{}", ran.err);
}

#[test]
fn credentials_that_a_command_left_in_a_draft_are_kept_by_the_next() {
    let desk = Desk::new();
    desk.keyward("init --data-dir data").ok();
    desk.keyward("account create --account-id 111122223333 --data-dir data")
        .ok();
    desk.keyward("account create --account-id 444455556666 --credentials other --data-dir data")
        .ok();
    desk.keyward("service create rds --data-dir data").ok();
    for (name, command) in [
        ("credentials-111122223333", "account list"),
        ("credentials-rds", "init"),
        ("admin-credentials", "service list"),
    ] {
        let (file, draft) = (
            desk.data().join(name),
            desk.data().join(format!(".{name}.tmp")),
        );
        let credentials = fs::read_to_string(&file).unwrap();
        fs::rename(&file, &draft).unwrap();
        desk.keyward(&format!("{command} --data-dir data")).ok();
        assert_eq!(fs::read_to_string(&file).unwrap(), credentials, "{name}");
        assert!(!draft.exists(), "{name}");
        // One that the store never took is no one's.
        fs::write(&draft, credentials.replace("_id = A", "_id = B")).unwrap();
        desk.keyward(&format!("{command} --data-dir data")).ok();
        assert_eq!(fs::read_to_string(&file).unwrap(), credentials, "{name}");
        assert!(!draft.exists(), "{name}");
        fs::write(&draft, b"\xff").unwrap();
        desk.keyward(&format!("{command} --data-dir data")).ok();
        assert!(!draft.exists(), "{name}");
    }
    // Elsewhere, the next command for the same file does it.
    let credentials = desk.read("other");
    let draft = desk.path().join(".other.tmp");
    fs::rename(desk.path().join("other"), &draft).unwrap();
    desk.keyward("account create --account-id 444455556666 --credentials other --data-dir data")
        .failed();
    assert_eq!(desk.read("other"), credentials);
    assert!(!draft.exists());
}

#[test]
fn drafts_of_the_root_key_do_not_stay() {
    let desk = Desk::new();
    desk.keyward("init --data-dir data").ok();
    let (key, data) = (desk.data().join("root.key"), desk.data());
    let draft = data.join(".root.key-0123456789abcdef.tmp");
    let others = [".root.key-0123.tmp", ".other.key-0123456789abcdef.tmp"];
    for command in ["init", "account list"] {
        fs::hard_link(&key, &draft).unwrap();
        for name in others {
            fs::write(data.join(name), "x").unwrap();
        }
        desk.keyward(&format!("{command} --data-dir data")).ok();
        assert!(!draft.exists(), "{command}");
        assert!(others.iter().all(|name| data.join(name).exists()));
        assert!(key.exists());
    }
}

#[test]
fn credentials_are_not_written_over_those_of_others() {
    let desk = Desk::new();
    desk.keyward("init --data-dir data").ok();
    let credentials = desk.read("data/admin-credentials");
    for command in [
        "service create rds",
        "account create --account-id 111122223333",
    ] {
        let said = desk.keyward(&format!(
            "{command} --data-dir data --credentials data/admin-credentials"
        ));
        let said = said.failed();
        assert!(
            said.ends_with("the credentials cannot be written: data/admin-credentials is there already and may hold other credentials: move it away, or choose another file\n"),
            "{said}"
        );
        assert_eq!(desk.read("data/admin-credentials"), credentials);
    }
    // Its own, a service gets anew.
    let create = "service create rds --data-dir data --credentials rds";
    desk.keyward(create).ok();
    let first = desk.read("rds");
    desk.keyward(create).ok();
    assert_ne!(desk.read("rds"), first);
}

#[test]
fn new_credentials_of_one_account_leave_those_of_another() {
    let desk = Desk::new();
    desk.keyward("init --data-dir data").ok();
    desk.keyward("account create --data-dir data --account-id 111122223333")
        .ok();
    let (home, other) = ("data/admin-credentials", "data/credentials-111122223333");
    let before = (desk.read(home), desk.read(other));
    let said = desk
        .keyward("init --new-root-credentials --data-dir data --account-id 111122223333")
        .ok();
    expect![[r#"
        The new access key of the root user of account 111122223333 is in data/credentials-111122223333.
        Its old access keys are deleted.

        Next: start the server. To use the access key, paste this into a shell:

          unset AWS_ACCESS_KEY_ID AWS_SECRET_ACCESS_KEY AWS_SESSION_TOKEN
          export AWS_SHARED_CREDENTIALS_FILE=data/credentials-111122223333 AWS_PROFILE=default
          export AWS_ENDPOINT_URL=http://127.0.0.1:5670
          export AWS_REGION=us-east-1 AWS_DEFAULT_REGION=us-east-1
          aws sts get-caller-identity
    "#]]
    .assert_eq(&said);
    assert_eq!(desk.read(home), before.0);
    assert_ne!(desk.read(other), before.1);
    // Also after a start that worked for the other account.
    desk.keyward("init --data-dir data --account-id 111122223333")
        .ok();
    desk.keyward("init --new-root-credentials --data-dir data --account-id 111122223333")
        .ok();
    assert_eq!(desk.read(home), before.0);
    desk.keyward("init --new-root-credentials --data-dir data")
        .ok();
    assert_ne!(desk.read(home), before.0);
}

#[test]
fn the_account_and_the_region_of_the_first_start_are_remembered() {
    let desk = Desk::new();
    desk.keyward("init --data-dir data --account-id 111122223333 --region cn-north-1")
        .ok();
    let said = desk.keyward("init --data-dir data").ok();
    assert_eq!(said, "data was initialized before; nothing changed.\n");
    assert!(
        desk.keyward("account list --data-dir data")
            .ok()
            .contains("111122223333  aws-cn ")
    );
    let exports = desk.keyward("env --data-dir data").ok();
    assert!(exports.contains("export AWS_REGION=cn-north-1\n"));
}

#[test]
fn a_running_servers_directory_is_not_taken() {
    let server = Server::start("");
    let desk = Desk::new();
    let data = server.data_dir();
    let said = desk.keyward(&format!("account list --data-dir {}", data.display()));
    assert_eq!(
        said.failed(),
        format!(
            "keyward: the data directory {} is in use by another keyward process: stop it first\n",
            data.display()
        )
    );
}

#[test]
fn a_file_is_not_a_data_directory() {
    let desk = Desk::new();
    fs::write(desk.data(), "").unwrap();
    for command in COMMANDS.into_iter().chain(["serve", "init"]) {
        let said = desk.keyward(&format!("{command} --data-dir data")).failed();
        assert_eq!(
            said, "keyward: data is not a directory: check --data-dir\n",
            "{command}"
        );
    }
}

#[test]
fn a_lost_credentials_file_is_told_with_the_command_that_helps() {
    let server = Server::start("");
    let desk = Desk::new();
    let file = server.data_dir().join("admin-credentials");
    let env = || {
        let mut env = desk.command(program());
        env.args(["env", "--data-dir"]).arg(server.data_dir());
        let said = desk.run(&mut env).failed();
        said.replace(&server.data_dir().display().to_string(), "data")
    };
    fs::write(&file, "").unwrap();
    expect![[r#"
        keyward: data/admin-credentials has no aws_access_key_id: stop the server, and run `keyward init --new-root-credentials` for a new one
    "#]]
    .assert_eq(&env());
    fs::remove_file(&file).unwrap();
    expect![[r#"
        keyward: data/admin-credentials is missing: stop the server, and run `keyward init --new-root-credentials` for a new one
    "#]]
    .assert_eq(&env());
}

#[test]
fn a_directory_is_not_a_root_key() {
    let desk = Desk::new();
    desk.keyward("init --data-dir data").ok();
    fs::create_dir(desk.path().join("keys")).unwrap();
    for command in ["serve --listen 127.0.0.1:0", "init", "account list"] {
        let said = desk.keyward(&format!("{command} --data-dir data --root-key keys"));
        assert_eq!(
            said.failed(),
            "keyward: the root key keys is a directory: name the file with --root-key\n",
            "{command}"
        );
    }
}

#[test]
fn a_mistyped_archive_is_not_taken_for_one_without_segments() {
    let desk = Desk::new();
    desk.keyward("init --data-dir data").ok();
    let said = desk.keyward("audit verify --data-dir data --archive older");
    assert_eq!(
        said.failed(),
        "keyward: --archive is `older`: there is no such directory\n"
    );
}
