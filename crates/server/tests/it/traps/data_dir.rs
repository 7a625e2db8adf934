//! Data directories that are not what somebody thinks they are.

use std::fs;

use expect_test::expect;

use crate::{command::Desk, process::Server};

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
    "policy explain --request-id 1",
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
        keyward: the store data/store.db is missing, but data/audit holds its audit trail: put the store back from a backup (docs/operations.md says how), or, to begin again with an empty store, move the trail away
    "#]];
    for command in commands {
        missing.assert_eq(&said(command));
    }
    assert!(!desk.data().join("store.db").exists());
    fs::write(desk.data().join("store.db"), "").unwrap();
    let empty = expect![[r#"
        keyward: the store data/store.db is empty, but data/audit holds its audit trail: put the store back from a backup (docs/operations.md says how), or, to begin again with an empty store, move the trail away
    "#]];
    for command in commands {
        empty.assert_eq(&said(command));
    }
    assert_eq!(desk.read("data/admin-credentials"), credentials);
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
