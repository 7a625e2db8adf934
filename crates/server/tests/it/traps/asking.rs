//! Questions to a server, and cases without one, that are not asked as they should be.

use std::{fs, path::Path};

use expect_test::expect;

use crate::{
    command::{Desk, Ran},
    process::{Server, program},
};

const WHO_CAN: [&str; 4] = ["policy", "who-can", "kms:Decrypt", "alias/none"];

/// Asks who may use a key that is not there.
fn who_can(desk: &Desk, more: &[&str]) -> Ran {
    desk.run(desk.command(program()).args(WHO_CAN).args(more))
}

/// A configuration file on the desk.
fn configured(desk: &Desk, data_dir: &Path) {
    let config = format!("data_dir = {:?}\n", data_dir.to_str().unwrap());
    fs::write(desk.path().join("keyward.toml"), config).unwrap();
}

#[test]
fn a_server_is_asked_by_its_configuration_file() {
    let (server, desk) = (Server::start(""), Desk::new());
    configured(&desk, &server.data_dir());
    let said = who_can(&desk, &["--config", "keyward.toml"]).failed();
    let alias = "arn:aws:kms:us-east-1:000000000000:alias/none";
    assert_eq!(
        said,
        format!("keyward: NotFoundException: Alias {alias} is not found.\n")
    );
}

#[test]
fn a_configuration_file_that_names_no_data_directory_is_told() {
    let desk = Desk::new();
    fs::write(desk.path().join("keyward.toml"), "region = \"eu-west-1\"\n").unwrap();
    let said = who_can(&desk, &["--config", "keyward.toml"]).failed();
    expect![[r#"
        keyward: the configuration file keyward.toml has no `data_dir`: use --data-dir DIR, or leave --config out to find the server as the AWS CLI does
    "#]]
    .assert_eq(&said);
}

#[test]
fn certificates_for_a_server_without_tls_are_refused() {
    let (server, desk) = (Server::start(""), Desk::new());
    let data_dir = server.data_dir();
    let given = [
        "--data-dir",
        data_dir.to_str().unwrap(),
        "--ca-file",
        "none",
    ];
    let said = who_can(&desk, &given).failed();
    expect![[r#"
        keyward: --ca-file is given, but `http://ADDRESS` is not encrypted: use the server's URL that begins with https://, or leave --ca-file out
    "#]]
    .assert_eq(&said.replace(server.address(), "ADDRESS"));
}

#[test]
fn a_condition_key_that_no_request_has_is_refused() {
    let (server, desk) = (Server::start(""), Desk::new());
    configured(&desk, &server.data_dir());
    for (given, said) in [
        (
            "foo=bar",
            expect![[r#"
                keyward: ValidationException: Requests to this server have no condition key foo. `keyward policy keys` lists those that they can have.
            "#]],
        ),
        (
            "aws:SorceIp=10.0.0.1",
            expect![[r#"
                keyward: ValidationException: Requests to this server have no condition key aws:SorceIp. Did you mean aws:SourceIp? `keyward policy keys` lists those that they can have.
            "#]],
        ),
        (
            "kms:EncryptionContxt:dept=hr",
            expect![[r#"
                keyward: ValidationException: Requests to this server have no condition key kms:EncryptionContxt:dept. Did you mean kms:EncryptionContext:<key>, kms:EncryptionContextKeys or kms:EncryptionAlgorithm? `keyward policy keys` lists those that they can have.
            "#]],
        ),
    ] {
        let given = ["--config", "keyward.toml", "--context", given];
        said.assert_eq(&who_can(&desk, &given).failed());
        let explain = ["policy", "explain", "--action", "kms:Decrypt", "--key", "a"];
        let root = ["--principal", "arn:aws:iam::000000000000:root"];
        let mut asks = desk.command(program());
        let asked = desk.run(asks.args(explain).args(root).args(given));
        said.assert_eq(&asked.failed());
    }
    // Those that are there get as far as the key, which is not.
    for given in [
        "AWS:sourceip=10.0.0.1",
        "aws:RequestTag/cost center=1",
        "kms:EncryptionContext:a:b=c",
        "id.example.org/realm:sub=s",
    ] {
        let given = ["--config", "keyward.toml", "--context", given];
        let said = who_can(&desk, &given).failed();
        assert!(said.starts_with("keyward: NotFoundException: "), "{said}");
    }
}

#[test]
fn a_file_without_cases_fails() {
    const CASE: &str = r#"{"principal":"arn:aws:iam::111122223333:root","action":"kms:ListKeys","resource":"*","expect":"Allow"}"#;
    let desk = Desk::new();
    fs::write(desk.path().join("empty"), "\n\n").unwrap();
    fs::write(desk.path().join("cases"), CASE).unwrap();
    for (files, out) in [
        ("empty", "0 as expected, 0 not\n"),
        ("cases empty", "1 as expected, 0 not\n"),
        ("empty cases", "1 as expected, 0 not\n"),
        ("empty --output json", ""),
    ] {
        let ran = desk.keyward(&format!("policy test {files}"));
        assert_eq!(ran.out, out, "{files}");
        assert_eq!(ran.failed(), "keyward: empty has no cases\n", "{files}");
    }
    let ran = desk.keyward("policy test - ");
    assert_eq!(ran.failed(), "keyward: standard input has no cases\n");
    desk.keyward("policy test cases").ok();
}
