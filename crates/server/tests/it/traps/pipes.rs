//! Readers that stop reading.

use std::{
    fs,
    io::pipe,
    process::Stdio,
    time::{Duration, SystemTime},
};

use crate::{command::Desk, process::program};

#[test]
fn a_reader_that_has_read_enough_is_no_failure() {
    let desk = Desk::new();
    desk.keyward("init --data-dir data").ok();
    for words in [
        "policy keys",
        "--help",
        "completions bash",
        "env --data-dir data",
        "account list --data-dir data",
        "audit verify --data-dir data",
        "service list --data-dir data",
    ] {
        let (reader, writer) = pipe().unwrap();
        drop(reader);
        let mut command = desk.command(program());
        command.args(words.split_whitespace()).stdout(writer);
        let output = command.stdin(Stdio::null()).output().unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(
            (output.status.code(), said.as_str()),
            (Some(0), ""),
            "{words}"
        );
    }
}

#[test]
fn a_server_serves_though_nobody_reads_what_it_prints_and_logs() {
    let desk = Desk::new();
    let closed = || {
        let (reader, writer) = pipe().unwrap();
        drop(reader);
        writer
    };
    let mut serve = desk.command(program());
    let mut child = serve
        .args(["serve", "--data-dir", "data", "--listen", "127.0.0.1:0"])
        .stdout(closed())
        .stderr(closed())
        .spawn()
        .unwrap();
    #[expect(clippy::disallowed_methods, reason = "a test gives up some time")]
    let begun = SystemTime::now();
    let answered = loop {
        let remembered = fs::read_to_string(desk.data().join("environment.toml"));
        if let Some(address) = remembered.unwrap_or_default().split('"').nth(1)
            && let Some(address) = address.strip_prefix("http://")
        {
            let mut connection = crate::wire::Connection::open(address);
            break connection
                .send(b"GET /readyz HTTP/1.1\r\nhost: x\r\n\r\n")
                .status;
        }
        assert!(begun.elapsed().unwrap() < Duration::from_secs(60));
        std::thread::sleep(Duration::from_millis(50));
    };
    assert_eq!(answered, 200);
    assert!(child.try_wait().unwrap().is_none());
    child.kill().unwrap();
    child.wait().unwrap();
}
