//! Certificates that cannot work, and self-signed ones that must.

use std::{
    fs,
    os::unix::fs::PermissionsExt as _,
    path::Path,
    process::{Command, Stdio},
};

use expect_test::expect;

use crate::{
    command::Desk,
    process::{Server, program},
};

/// A configuration of `openssl ca`, which can sign for any time.
const AUTHORITY: &str = "\
[ca]
default_ca = d
[d]
database = index
serial = serial
new_certs_dir = .
default_md = sha256
policy = p
[p]
commonName = supplied
";

fn openssl(folder: &Path, words: &str) {
    let output = Command::new("openssl")
        .current_dir(folder)
        .args(words.split_whitespace())
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "openssl {words}: {said}");
    for file in fs::read_dir(folder).unwrap().flatten() {
        if file.path().extension().is_some_and(|kind| kind == "key") {
            fs::set_permissions(file.path(), fs::Permissions::from_mode(0o600)).unwrap();
        }
    }
}

/// `NAME.pem` and `NAME.key`: a certificate of its own for these names, made as everybody makes one.
fn self_signed(folder: &Path, name: &str, names: &str) {
    openssl(
        folder,
        &format!(
            "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 30 -subj /CN=keyward \
             -addext subjectAltName={names} -keyout {name}.key -out {name}.pem"
        ),
    );
}

/// `NAME.pem` and `NAME.key`: a certificate for a time.
fn for_time(folder: &Path, name: &str, from: &str, until: &str) {
    fs::write(folder.join("authority"), AUTHORITY).unwrap();
    fs::write(folder.join("index"), "").unwrap();
    fs::write(folder.join("serial"), "01\n").unwrap();
    openssl(
        folder,
        &format!(
            "req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN=keyward \
             -keyout {name}.key -out {name}.csr"
        ),
    );
    openssl(
        folder,
        &format!(
            "ca -selfsign -batch -notext -config authority -keyfile {name}.key -in {name}.csr \
             -out {name}.pem -startdate {from} -enddate {until}"
        ),
    );
}

fn tls(certificate: &str, key: &str) -> String {
    format!("[tls]\ncertificate = \"{certificate}\"\nprivate_key = \"{key}\"\n")
}

#[test]
fn a_certificate_that_no_client_would_accept_is_refused() {
    let desk = Desk::new();
    let refused = |certificate: &str, key: &str| {
        let config = tls(certificate, key);
        fs::write(desk.path().join("keyward.toml"), config).unwrap();
        desk.keyward("serve --data-dir data --config keyward.toml --listen 127.0.0.1:0")
            .failed()
    };
    for_time(desk.path(), "old", "20200101000000Z", "20210101000000Z");
    expect![[r#"
        keyward: `tls.certificate` is `old.pem`: this certificate expired at 2021-01-01T00:00:00Z, and no client would accept it: replace it
    "#]]
    .assert_eq(&refused("old.pem", "old.key"));
    for_time(desk.path(), "future", "20990101000000Z", "21000101000000Z");
    expect![[r#"
        keyward: `tls.certificate` is `future.pem`: this certificate is not valid before 2099-01-01T00:00:00Z: wait, or check this machine's clock
    "#]]
    .assert_eq(&refused("future.pem", "future.key"));
    self_signed(desk.path(), "a", "DNS:a.example");
    self_signed(desk.path(), "b", "DNS:b.example");
    expect![[r#"
        keyward: `tls.private_key` is `b.key`: this is not the key of the certificate `a.pem`. The certificate must be the first one in its file
    "#]]
    .assert_eq(&refused("a.pem", "b.key"));
    fs::write(desk.path().join("empty.pem"), "").unwrap();
    expect![[r#"
        keyward: `tls.certificate` is `empty.pem`, which holds no certificate in PEM form
    "#]]
    .assert_eq(&refused("empty.pem", "a.key"));
    fs::set_permissions(desk.path().join("a.key"), fs::Permissions::from_mode(0o644)).unwrap();
    expect![[r#"
        keyward: `tls.private_key` is `a.key`, which others can read: run `chmod 600 a.key`
    "#]]
    .assert_eq(&refused("a.pem", "a.key"));
    assert!(!desk.data().exists(), "nothing is created before");
}

#[test]
fn a_self_signed_certificate_works_when_it_is_given() {
    let desk = Desk::new();
    self_signed(desk.path(), "own", "DNS:localhost");
    let path = |name: &str| desk.path().join(name).to_str().unwrap().to_owned();
    let server = Server::start(&tls(&path("own.pem"), &path("own.key")));
    let asks = |more: &[&str], bundle: Option<&str>| {
        let mut command = desk.command(program());
        command
            .args([
                "policy",
                "who-can",
                "kms:Decrypt",
                "alias/none",
                "--data-dir",
            ])
            .arg(server.data_dir())
            .args(more);
        if let Some(bundle) = bundle {
            command.env("AWS_CA_BUNDLE", bundle);
        }
        let address = server.address();
        let (_, port) = address.split_once(':').unwrap();
        desk.run(&mut command).failed().replace(port, "PORT")
    };
    // The data directory names the server as its certificate does.
    expect![[r#"
        keyward: the certificate of localhost:PORT is not trusted: give it, or the certificate of the authority that signed it, with --ca-file or AWS_CA_BUNDLE
    "#]]
    .assert_eq(&asks(&[], None));
    let answered = expect![[r#"
        keyward: NotFoundException: Alias arn:aws:kms:us-east-1:000000000000:alias/none is not found.
    "#]];
    answered.assert_eq(&asks(&["--ca-file", "own.pem"], None));
    answered.assert_eq(&asks(&[], Some("own.pem")));
    let by_address = format!("https://{}", server.address());
    expect![[r#"
        keyward: the certificate of 127.0.0.1:PORT is not for this name: give the server by a name that is in its certificate, with --endpoint-url (it is for localhost)
    "#]]
    .assert_eq(&asks(
        &["--ca-file", "own.pem", "--endpoint-url", &by_address],
        None,
    ));
    let plain = format!("http://{}", server.address());
    expect![[r#"
        keyward: 127.0.0.1:PORT does not answer in HTTP: if it has a certificate, use a URL that begins with https://: invalid HTTP version parsed
    "#]]
    .assert_eq(&asks(&["--endpoint-url", &plain], None));
    fs::write(desk.path().join("empty.pem"), "").unwrap();
    expect![[r#"
        keyward: AWS_CA_BUNDLE is `empty.pem`: it holds no certificate in PEM form
    "#]]
    .assert_eq(&asks(&[], Some("empty.pem")));
}

#[test]
fn https_to_a_server_without_a_certificate_is_told() {
    let desk = Desk::new();
    let server = Server::start("");
    let mut command = desk.command(program());
    command
        .args([
            "policy",
            "who-can",
            "kms:Decrypt",
            "alias/none",
            "--data-dir",
        ])
        .arg(server.data_dir())
        .args(["--endpoint-url", &format!("https://{}", server.address())]);
    let said = desk.run(&mut command).failed();
    assert_eq!(
        said,
        format!(
            "keyward: {} does not speak TLS: use a URL that begins with http://\n",
            server.address()
        )
    );
}

#[test]
fn commands_read_the_profiles_of_the_aws_cli() {
    let desk = Desk::new();
    let server = Server::start("");
    let key = server.root();
    fs::create_dir(desk.path().join(".aws")).unwrap();
    let config = format!(
        "[profile on-premises]\nregion = eu-central-1\nendpoint_url = http://{}\n",
        server.address()
    );
    fs::write(desk.path().join(".aws/config"), config).unwrap();
    let credentials = format!(
        "[on-premises]\naws_access_key_id = {}\naws_secret_access_key = {}\n",
        key.id, key.secret
    );
    fs::write(desk.path().join(".aws/credentials"), credentials).unwrap();
    let ask = ["policy", "who-can", "kms:Decrypt", "alias/none"];
    let answered = expect![[r#"
        keyward: NotFoundException: Alias arn:aws:kms:eu-central-1:000000000000:alias/none is not found.
    "#]];
    let mut by_variable = desk.command(program());
    by_variable.args(ask).env("AWS_PROFILE", "on-premises");
    answered.assert_eq(&desk.run(&mut by_variable).failed());
    let mut by_flag = desk.command(program());
    by_flag.args(ask).args(["--profile", "on-premises"]);
    answered.assert_eq(&desk.run(&mut by_flag).failed());
    let mut none = desk.command(program());
    none.args(ask).env("AWS_PROFILE", "elsewhere");
    expect![[r#"
        keyward: there is no profile `elsewhere` in .aws/config or .aws/credentials
    "#]]
    .assert_eq(&desk.run(&mut none).failed());
}
