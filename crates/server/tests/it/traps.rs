//! Mistakes that people make, and what comes of them: nothing is lost, and a sentence says what to do.

mod asking;
mod certificates;
mod data_dir;
mod first_start;
mod next;
mod pipes;

use std::{fs, net::TcpListener, process::Command};

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
fn an_address_in_use_is_told_with_the_flag_that_chooses_another() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap();
    let desk = Desk::new();
    let said = |flags: &str| {
        let said = desk.keyward(&format!("serve --data-dir data {flags}"));
        said.failed().replace(&address.to_string(), "ADDRESS")
    };
    expect![[r#"
        keyward: cannot listen on ADDRESS: Address already in use (os error 98): stop the other process, or choose another address with --listen
    "#]]
    .assert_eq(&said(&format!("--listen {address}")));
    expect![[r#"
        keyward: cannot listen on ADDRESS: Address already in use (os error 98): stop the other process, or choose another address with --admin-listen
    "#]]
    .assert_eq(&said(&format!("--listen 127.0.0.1:0 --admin-listen {address}")));
}

#[test]
fn a_configuration_that_is_not_toml_is_shown_where_it_is_not() {
    let desk = Desk::new();
    fs::write(desk.path().join("keyward.toml"), "region = [\n").unwrap();
    let said = desk.keyward("serve --data-dir data --config keyward.toml");
    let said = said.failed();
    assert!(
        said.starts_with("keyward: the configuration file keyward.toml is not valid: TOML parse"),
        "{said}"
    );
    assert!(said.ends_with("]`\n"), "{said}");
}

#[test]
fn a_bootstrap_secret_from_a_file_is_refused_by_the_name_that_was_set() {
    const FILE: &str = "KEYWARD_BOOTSTRAP_SECRET_ACCESS_KEY_FILE";
    let desk = Desk::new();
    fs::write(desk.path().join("secret"), "short\n").unwrap();
    let refused = |id: &str| {
        let mut init = desk.command(program());
        init.args(["init", "--data-dir", "data"])
            .env("KEYWARD_BOOTSTRAP_ACCESS_KEY_ID", id)
            .env(FILE, "secret");
        desk.run(&mut init).failed()
    };
    expect![[r#"
        keyward: KEYWARD_BOOTSTRAP_SECRET_ACCESS_KEY_FILE is set: set KEYWARD_BOOTSTRAP_ACCESS_KEY_ID too
    "#]]
    .assert_eq(&refused(""));
    expect![[r#"
        keyward: the secret in the file of KEYWARD_BOOTSTRAP_SECRET_ACCESS_KEY_FILE has fewer than 20 characters: choose a longer one, or accept the danger with --danger-short-bootstrap-secret
    "#]]
    .assert_eq(&refused("AKIAIOSFODNN7EXAMPLE"));
    // What is refused leaves nothing behind.
    assert!(!desk.data().exists());
}

#[test]
fn an_account_id_that_is_not_one_is_told_once() {
    let desk = Desk::new();
    expect![[r#"
        keyward: --account-id is `12`: use twelve digits
    "#]]
    .assert_eq(
        &desk
            .keyward("account create --data-dir data --account-id 12")
            .failed(),
    );
}

#[test]
fn a_server_that_does_not_run_is_asked_about_last() {
    let free = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = free.local_addr().unwrap();
    drop(free);
    let desk = Desk::new();
    let mut asks = desk.command(program());
    asks.args(["policy", "who-can", "kms:Decrypt", "alias/x"])
        .args(["--region", "us-east-1", "--endpoint-url"])
        .arg(format!("http://{address}"))
        .env("AWS_ACCESS_KEY_ID", "AKIAIOSFODNN7EXAMPLE")
        .env("AWS_SECRET_ACCESS_KEY", "secret");
    let said = desk.run(&mut asks).failed();
    expect![[r#"
        keyward: cannot connect to ADDRESS: Connection refused (os error 111): is the server running?
    "#]]
    .assert_eq(&said.replace(&address.to_string(), "ADDRESS"));
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
        This is Keyward: key management with the APIs of AWS KMS, IAM, STS, Organizations, EFS and RDS.

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
