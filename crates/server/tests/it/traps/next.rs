//! Commands that leave a server stopped say how to go on.

use std::{fs, os::unix::fs::PermissionsExt as _};

use expect_test::expect;

use crate::command::Desk;

#[test]
fn a_command_without_its_data_directory_shows_how_to_name_it() {
    let ran = Desk::new().keyward("account list");
    assert_eq!(ran.status, 2);
    expect![[r#"
        error: the following required arguments were not provided:
          <--data-dir <DIR>|--config <FILE>>

        Usage: keyward account list <--data-dir <DIR>|--config <FILE>>

        For more information, try '--help'.
    "#]]
    .assert_eq(&ran.err);
}

#[test]
fn a_new_account_or_service_is_told_with_the_next_step() {
    let desk = Desk::new();
    desk.keyward("init --data-dir data").ok();
    let said =
        desk.keyward("account create --account-id 111122223333 --data-dir data --profile new");
    expect![[r#"
        Account 111122223333 is created.
        The access key of its root user is in data/credentials-111122223333, profile new.

        Next: start the server. To use the access key, paste this into a shell:

          unset AWS_ACCESS_KEY_ID AWS_SECRET_ACCESS_KEY AWS_SESSION_TOKEN
          export AWS_SHARED_CREDENTIALS_FILE=data/credentials-111122223333 AWS_PROFILE=new
          export AWS_ENDPOINT_URL=http://127.0.0.1:5670
          export AWS_REGION=us-east-1 AWS_DEFAULT_REGION=us-east-1
          aws sts get-caller-identity
    "#]]
    .assert_eq(&said.ok());
    let said = desk.keyward("service create rds --data-dir data").ok();
    expect![[r#"
        The credentials of rds.amazonaws.com are in data/credentials-rds.

        Next: start the server. Then have the service sign its requests with these credentials:
        docs/recipes/services.md shows a service that acts for its callers.
    "#]]
    .assert_eq(&said);
}

#[test]
fn whoever_deletes_a_service_hears_what_becomes_of_its_grants() {
    let desk = Desk::new();
    desk.keyward("init --data-dir data").ok();
    for service in ["rds", "elasticfilesystem"] {
        desk.keyward(&format!("service create {service} --data-dir data"))
            .ok();
    }
    expect![[r#"
        Deleted the credentials of rds.amazonaws.com.
    "#]]
    .assert_eq(&desk.keyward("service delete rds --data-dir data").ok());
    let said = desk.keyward("service delete elasticfilesystem --data-dir data");
    expect![[r#"
        Deleted the credentials of elasticfilesystem.amazonaws.com.

        Within half an hour of its next start, the server permanently retires each grant of this service that looks like
        one of a file system and belongs to none of its file systems. If the service is to continue, create its credentials again first.
    "#]].assert_eq(&said.ok());
}

#[test]
fn new_root_credentials_are_told_with_the_next_step() {
    let desk = Desk::new();
    desk.keyward("init --data-dir data").ok();
    let said = desk.keyward("init --new-root-credentials --data-dir data");
    expect![[r#"
        The new access key of the root user of account 000000000000 is in data/admin-credentials.
        Its old access keys are deleted.

        Next: start the server. To use the access key, paste this into a shell:

          eval "$(keyward env --data-dir data)"
          aws sts get-caller-identity
    "#]]
    .assert_eq(&said.ok());
}

#[test]
fn a_root_key_that_others_can_read_is_told_with_where_to_go_on() {
    let desk = Desk::new();
    desk.keyward("init --data-dir data").ok();
    let file = desk.data().join("root.key");
    fs::set_permissions(&file, fs::Permissions::from_mode(0o640)).unwrap();
    let said = desk.keyward("account list --data-dir data").failed();
    expect![[r#"
        keyward: users other than its owner can read the root key data/root.key: run `chmod 600` on it; if they may have read it, see "The root key" in docs/operations.md
    "#]]
    .assert_eq(&said);
}
