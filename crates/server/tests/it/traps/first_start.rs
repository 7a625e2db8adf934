//! The first start: what it creates, what it says, and what the data directory remembers of it.

use std::{
    fs,
    io::{BufRead as _, BufReader},
    os::unix::fs::PermissionsExt as _,
    process::Stdio,
};

use expect_test::expect;

use crate::{command::Desk, process::program};

#[test]
fn the_first_start_says_what_was_created_and_how_to_go_on() {
    let desk = Desk::new();
    expect![[r#"
        Keyward created a new server:

          data directory  data
          account         000000000000, default Region us-east-1
          credentials     data/admin-credentials (access key of the root user)
          root key        keys/of/keyward/root.key (new)

        Keep a copy of the root key in another place: without it, nobody can ever read this
        data again. Leave it out of backups of the data directory: the two together open
        everything.

        To start the server:

          keyward serve --data-dir data

        To use it, paste this into another shell:

          eval "$(keyward env --data-dir data)"
          aws sts get-caller-identity
    "#]]
    .assert_eq(
        &desk
            .keyward("init --data-dir data --root-key keys/of/keyward/root.key")
            .ok(),
    );
    let mode = |name: &str| {
        let found = fs::metadata(desk.path().join(name)).unwrap();
        found.permissions().mode() & 0o777
    };
    assert_eq!(mode("keys"), 0o700);
    assert_eq!(mode("keys/of/keyward"), 0o700);
    assert_eq!(mode("keys/of/keyward/root.key"), 0o600);
}

#[test]
fn the_first_start_of_a_server_says_so_before_it_listens() {
    let desk = Desk::new();
    let mut serve = desk.command(program());
    let mut child = serve
        .args(["serve", "--data-dir", "my data", "--listen", "127.0.0.1:0"])
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut said = String::new();
    for line in BufReader::new(child.stdout.take().unwrap()).lines() {
        let line = line.unwrap();
        if line.starts_with("listening on ") {
            break;
        }
        said.push_str(&line.replace(program().to_str().unwrap(), "keyward"));
        said.push('\n');
    }
    child.kill().unwrap();
    child.wait().unwrap();
    expect![[r#"
        Keyward created a new server:

          data directory  my data
          account         000000000000, default Region us-east-1
          credentials     my data/admin-credentials (access key of the root user)
          root key        my data/root.key (new)

        Keep a copy of the root key in another place: without it, nobody can ever read this
        data again. Leave it out of backups of the data directory: the two together open
        everything.

        To use the server, paste this into another shell:

          eval "$(keyward env --data-dir 'my data')"
          aws sts get-caller-identity

    "#]]
    .assert_eq(&said);
}

#[test]
fn where_the_root_key_is_is_remembered() {
    let desk = Desk::new();
    desk.keyward("init --data-dir data --root-key keys/root.key")
        .ok();
    desk.keyward("account list --data-dir data").ok();
    // From anywhere.
    let mut elsewhere = desk.command(program());
    elsewhere
        .current_dir("/")
        .args(["audit", "verify", "--data-dir"])
        .arg(desk.data());
    desk.run(&mut elsewhere).ok();
    fs::rename(desk.path().join("keys"), desk.path().join("moved")).unwrap();
    expect![[r#"
        keyward: there is no root key at keys/root.key, and the store cannot be opened without it: restore it, or say where it is with --root-key
    "#]]
    .assert_eq(&desk.keyward("account list --data-dir data").failed());
    desk.keyward("init --data-dir data --root-key moved/root.key")
        .ok();
    desk.keyward("account list --data-dir data").ok();
}

#[test]
fn a_data_directory_with_its_root_key_can_be_moved() {
    let desk = Desk::new();
    desk.keyward("init --data-dir data").ok();
    fs::rename(desk.data(), desk.path().join("moved")).unwrap();
    desk.keyward("account list --data-dir moved").ok();
}
