//! Mistakes that people make, and what comes of them: nothing is lost, and a sentence says what to do.

mod certificates;
mod data_dir;
mod first_start;
mod pipes;

use std::{fs, process::Command};

use expect_test::expect;
use rustix::process::Signal;
use serde_json::json;

use crate::{
    command::{Desk, clean},
    process::{Server, program},
};

/// A command for a server, in a clean environment.
fn serving() -> Command {
    let mut command = Command::new(program());
    clean(&mut command);
    command
}

#[test]
fn what_env_prints_is_safe_to_evaluate() {
    const SECRET: &str = "$(touch ran)`touch ran`' ; touch ran # \"\\ x";
    let server = Server::start_by(
        serving()
            .env("KEYWARD_BOOTSTRAP_ACCESS_KEY_ID", "AKIAIOSFODNN7EXAMPLE")
            .env("KEYWARD_BOOTSTRAP_SECRET_ACCESS_KEY", SECRET),
        "",
    );
    let desk = Desk::new();
    let script = "eval \"$(\"$0\" env --data-dir \"$1\")\" && printf '%s\\n' \
                  \"$AWS_ACCESS_KEY_ID\" \"$AWS_SECRET_ACCESS_KEY\" \"$AWS_ENDPOINT_URL\"";
    let mut shell = desk.command("/bin/sh");
    shell
        .args(["-c", script])
        .arg(program())
        .arg(server.data_dir());
    let url = format!("http://{}", server.address());
    assert_eq!(
        desk.run(&mut shell).ok(),
        format!("AKIAIOSFODNN7EXAMPLE\n{SECRET}\n{url}\n")
    );
    assert!(!desk.path().join("ran").exists());
}

#[test]
fn a_secret_that_a_credentials_file_cannot_hold_is_refused() {
    let desk = Desk::new();
    let refused = |secret: &str| {
        let mut init = desk.command(program());
        init.args(["init", "--data-dir", "data"])
            .env("KEYWARD_BOOTSTRAP_ACCESS_KEY_ID", "AKIAIOSFODNN7EXAMPLE")
            .env("KEYWARD_BOOTSTRAP_SECRET_ACCESS_KEY", secret);
        desk.run(&mut init).failed()
    };
    expect![[r#"
        keyward: KEYWARD_BOOTSTRAP_SECRET_ACCESS_KEY has a line break or another control character, which AWS's credentials files cannot hold
    "#]]
    .assert_eq(&refused("twenty characters\nand more"));
    expect![[r#"
        keyward: KEYWARD_BOOTSTRAP_SECRET_ACCESS_KEY begins or ends with a space, which AWS's credentials files cannot hold
    "#]]
    .assert_eq(&refused("twenty characters and more "));
}

#[test]
fn sighup_does_not_end_the_server() {
    let server = Server::start("");
    let request = server.root().kms("ListKeys", &json!({}));
    server.connect().send(&request).json();
    server.signal(Signal::HUP);
    while !server.log().contains("SIGHUP does nothing") {
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    server.connect().send(&request).json();
}

#[test]
fn a_request_has_a_line_in_the_log_at_debug_alone() {
    let requests = |server: &Server| {
        let request = server.root().kms("ListKeys", &json!({}));
        server.connect().send(&request).json();
        let log = server.log();
        let lines = log.lines().map(|line| {
            serde_json::from_str::<serde_json::Value>(line)
                .expect("lines of JSON without a terminal")
        });
        let of_requests = lines.filter(|line| line["fields"]["message"] == "request");
        of_requests.collect::<Vec<_>>()
    };
    assert_eq!(requests(&Server::start("")).len(), 0);
    let server = Server::start_by(serving().env("KEYWARD_LOG", "keyward=debug"), "");
    let lines = requests(&server);
    assert_eq!(lines.len(), 1);
    let fields = &lines[0]["fields"];
    assert_eq!(fields["target"], "TrentService.ListKeys");
    assert_eq!(fields["status"], 200);
    assert_eq!(fields["client"], "127.0.0.1");
}

#[test]
fn a_log_level_that_does_not_exist_is_refused() {
    let desk = Desk::new();
    let ran = desk.keyward("serve --data-dir data --log verbose");
    assert_eq!(ran.status, 2);
    expect![[r#"
        error: invalid value 'verbose' for '--log <LEVEL>': `verbose` is not a level: use off, error, warn, info, debug or trace, or PART=LEVEL

        For more information, try '--help'.
    "#]]
    .assert_eq(&ran.err);
    assert!(!desk.data().exists());
}

#[test]
fn a_default_region_that_is_not_served_is_refused() {
    let desk = Desk::new();
    let config = "region = \"eu-west-1\"\nregions = [\"us-east-1\"]\n";
    fs::write(desk.path().join("keyward.toml"), config).unwrap();
    expect![[r#"
        keyward: `region` is `eu-west-1`: this default Region is not served: choose one of `regions` (us-east-1), or add it there
    "#]]
    .assert_eq(
        &desk
            .keyward("serve --data-dir data --config keyward.toml")
            .failed(),
    );
    assert!(!desk.data().exists());
}

#[test]
fn a_browser_is_told_what_this_is() {
    let server = Server::start("");
    let get = |path: &str| {
        let request = format!("GET {path} HTTP/1.1\r\nhost: keyward.test\r\n\r\n");
        let answer = server.connect().send(request.as_bytes());
        (answer.status, answer.text())
    };
    let (status, about) = get("/");
    assert_eq!(status, 200);
    expect![[r#"
        This is Keyward: key management with the APIs of AWS KMS, IAM, STS and Organizations.

        It answers AWS clients, not browsers. Point the AWS CLI or an AWS SDK at this server:

            export AWS_ENDPOINT_URL=<this URL>
            aws sts get-caller-identity

        On the server's machine, `keyward env --data-dir DIR` prints the URL and credentials.
        /healthz and /readyz tell whether the server works.
    "#]]
    .assert_eq(&about);
    let nothing = format!("There is nothing at this path.\n\n{about}");
    assert_eq!(get("/console"), (404, nothing));
}
