//! `./dev demo`: what Keyward does, on real data, with the AWS CLI as everybody has it.
//!
//! Every step says what it does, shows the commands, and checks the results; the first wrong result
//! ends the demo with an error.

mod article;
mod aws;
mod database;
mod envelope;
mod files;
mod program;
mod secrets;
mod service;
mod stage;
pub mod storage;
mod theft;

use std::{fs, path::PathBuf};

use anyhow::{Context, ensure};
use aws::Aws;
use serde_json::Value;
use stage::Stage;

use crate::run;

/// Bytes of the file that the demo protects.
const FILE_BYTES: usize = 64 << 20;
/// The alias of the demo's key.
const ALIAS: &str = "alias/reports";
/// The description of the demo's key.
const DESCRIPTION: &str = "quarterly reports";
/// The file, and what becomes of it.
const FILE: &str = "report.bin";

/// Where the demo takes its program from, and where it plays.
#[derive(Debug, clap::Args)]
pub struct Demo {
    /// A program that is built already [default: this version is built]
    #[arg(long, value_name = "FILE")]
    program: Option<PathBuf>,
    /// The folder of its files; it is emptied first [default: demo, where cargo puts what it builds]
    #[arg(long, value_name = "DIR")]
    folder: Option<PathBuf>,
}

/// Runs the demo from nothing to its end.
pub fn run(demo: &Demo) -> anyhow::Result<()> {
    let keyward = match &demo.program {
        Some(program) => program.clone(),
        None => run::build("keyward", "keyward", true)?,
    };
    let cli = run::client("aws")?;
    let home = demo.folder.clone();
    let home = home.unwrap_or_else(|| run::target().join("demo"));
    let mut stage = Stage::fresh(home, keyward, cli)?;

    stage.step("Start a server on an empty directory");
    stage.start()?;
    let root = stage.root()?;
    let identity = root.call(&["sts", "get-caller-identity"])?;
    stage.shows(&format!(
        "the AWS CLI works with it unmodified, as the root user of account {}",
        text(&identity, "/Account")?
    ));

    stage.step("Create two users, and a key that only one of them may use");
    let alice = stage.user(&root, "alice")?;
    let mallory = stage.user(&root, "mallory")?;
    let key = create_key(&stage, &root)?;

    stage.step("Alice encrypts a file of 64 MiB with a data key, and decrypts it again");
    envelope::make_file(&stage.path(FILE), FILE_BYTES)?;
    let first = encrypt(&stage, &alice, "first")?;
    open(&stage, &alice, "first", &first.material)?;

    stage.step("Mallory tries, and is denied");
    let said = envelope::refused(&mallory, "first")?;
    let reason = "because no identity-based policy allows the kms:Decrypt action";
    ensure!(said.contains("(AccessDeniedException)"), "{said}");
    ensure!(
        said.contains("user/mallory") && said.contains(reason),
        "{said}"
    );
    stage.prints(&said);

    stage.step("The audit trail has recorded it");
    let request = program::last_event(&stage, "user/mallory")?;

    stage.step("Keyward explains the denial, and what would allow the call");
    program::explain(&stage, &request)?;

    stage.step("Who can decrypt with this key?");
    program::who_can(&stage)?;

    stage.step("Rotate the key: old data still opens, new data uses new key material");
    rotate(&stage, &root, &alice, &key, &first)?;

    stage.step("Disable the key: nobody can open the file. Enable it again");
    root.call(&["kms", "disable-key", "--key-id", &key])?;
    let said = envelope::refused(&alice, "first")?;
    ensure!(
        said.contains("(DisabledException)") && said.contains("is disabled."),
        "{said}"
    );
    stage.prints(&said);
    root.call(&["kms", "enable-key", "--key-id", &key])?;

    let protected = article::play(&stage, &root, &key)?;

    stage.step("Kill the server with SIGKILL and start it again: everything is still there");
    stage.kill()?;
    stage.start()?;
    let (root, alice) = (stage.again(&root)?, stage.again(&alice)?);
    survived(&stage, &root, &alice, &key, &first)?;

    stage.step("Stop the server (SIGTERM), and verify the audit trail");
    ensure!(stage.drain()?, "the server did not exit with status 0");
    program::verify_trail(&stage)?;

    stage.step("Steal the data directory, but not the root key, and search it");
    theft::search(&stage, &alice, &first)?;

    stage.done(&protected);
    Ok(())
}

fn create_key(stage: &Stage, root: &Aws) -> anyhow::Result<String> {
    fs::write(stage.path("policy.json"), policy())?;
    let created = root.call(&[
        "kms",
        "create-key",
        "--description",
        DESCRIPTION,
        "--policy",
        "file://policy.json",
    ])?;
    let key = text(&created, "/KeyMetadata/KeyId")?;
    ensure!(
        text(&created, "/KeyMetadata/KeyState")? == "Enabled",
        "the key is not enabled"
    );
    root.call(&[
        "kms",
        "create-alias",
        "--alias-name",
        ALIAS,
        "--target-key-id",
        &key,
    ])?;
    stage.shows(&format!(
        "{ALIAS} is key {key}; its policy (policy.json) allows alice to decrypt only with the \
         encryption context file={FILE}"
    ));
    Ok(key)
}

/// The default key policy, plus a statement for alice.
fn policy() -> String {
    let account = "000000000000";
    let policy = serde_json::json!({
        "Version": "2012-10-17",
        "Id": "key-demo",
        "Statement": [
            {
                "Sid": "Enable IAM User Permissions",
                "Effect": "Allow",
                "Principal": {"AWS": format!("arn:aws:iam::{account}:root")},
                "Action": "kms:*",
                "Resource": "*",
            },
            {
                "Sid": "Alice uses the key for her report",
                "Effect": "Allow",
                "Principal": {"AWS": format!("arn:aws:iam::{account}:user/alice")},
                "Action": ["kms:GenerateDataKey", "kms:Decrypt"],
                "Resource": "*",
                "Condition": {"StringEquals": {"kms:EncryptionContext:file": FILE}},
            },
        ],
    });
    format!("{policy:#}\n")
}

/// What an encrypted file leaves behind.
struct Encrypted {
    material: String,
    wrapped: Vec<u8>,
    sealed: Vec<u8>,
    data_key: keyward_crypto::secret::SecretBytes,
}

fn encrypt(stage: &Stage, alice: &Aws, name: &str) -> anyhow::Result<Encrypted> {
    let (material, data_key) = envelope::seal(stage, alice, ALIAS, FILE, name)?;
    let wrapped = fs::read(stage.path(&format!("{name}.key")))?;
    let sealed = fs::read(stage.path(&format!("{name}.sealed")))?;
    stage.shows(&format!(
        "{name}.sealed is the file under AES-256-GCM ({} bytes), and {name}.key its data key, \
         encrypted by the server ({} bytes)",
        sealed.len(),
        wrapped.len(),
    ));
    Ok(Encrypted {
        material,
        wrapped,
        sealed,
        data_key,
    })
}

fn open(stage: &Stage, who: &Aws, name: &str, material: &str) -> anyhow::Result<()> {
    let opened = envelope::open(stage, who, name)?;
    ensure!(
        opened.material == material,
        "{name}.key was opened by other material"
    );
    let original = fs::read(stage.path(FILE))?;
    ensure!(
        opened.plaintext.expose() == original,
        "what came out is not what went in"
    );
    stage.shows(&format!(
        "{name}.sealed opens: all {} bytes are the same as before",
        original.len()
    ));
    Ok(())
}

fn rotate(
    stage: &Stage,
    root: &Aws,
    alice: &Aws,
    key: &str,
    first: &Encrypted,
) -> anyhow::Result<()> {
    root.call(&["kms", "rotate-key-on-demand", "--key-id", key])?;
    let second = encrypt(stage, alice, "second")?;
    ensure!(
        second.material != first.material,
        "new data uses the old material"
    );
    open(stage, alice, "first", &first.material)?;
    ensure!(
        fs::read(stage.path("first.key"))? == first.wrapped
            && fs::read(stage.path("first.sealed"))? == first.sealed,
        "first.key or first.sealed has changed"
    );
    stage.shows(&format!(
        "first uses material {}…, second uses {}…; nothing was encrypted again",
        short(&first.material),
        short(&second.material)
    ));
    Ok(())
}

fn survived(
    stage: &Stage,
    root: &Aws,
    alice: &Aws,
    key: &str,
    first: &Encrypted,
) -> anyhow::Result<()> {
    let found = root.call(&["kms", "describe-key", "--key-id", ALIAS])?;
    ensure!(
        text(&found, "/KeyMetadata/KeyId")? == key,
        "the alias names another key"
    );
    ensure!(
        text(&found, "/KeyMetadata/Description")? == DESCRIPTION,
        "the key has another description"
    );
    let stored = root.call(&["kms", "get-key-policy", "--key-id", key])?;
    let stored: Value = serde_json::from_str(&text(&stored, "/Policy")?)?;
    let wanted: Value = serde_json::from_slice(&fs::read(stage.path("policy.json"))?)?;
    ensure!(stored == wanted, "the key policy is another: {stored:#}");
    open(stage, alice, "first", &first.material)
}

fn text(value: &Value, pointer: &str) -> anyhow::Result<String> {
    let found = value.pointer(pointer).and_then(Value::as_str);
    Ok(found
        .with_context(|| format!("no {pointer} in {value}"))?
        .to_owned())
}

fn short(material: &str) -> &str {
    material.get(..16).unwrap_or(material)
}
