//! `./dev demo`: the product's main job on real data, with the AWS CLI as everybody has it.
//!
//! Every step says what it does, shows the commands, and checks what came of them; the first
//! wrong result ends the demo with an error.

mod aws;
mod envelope;
mod stage;

use std::fs;

use anyhow::Context;
use anyhow::ensure;
use serde_json::Value;

use crate::run;

use aws::Aws;
use stage::Stage;

/// Bytes of the file that the demo protects.
const FILE_BYTES: usize = 64 << 20;
/// The alias of the demo's key.
const ALIAS: &str = "alias/demo";
/// The file, and what becomes of it.
const FILE: &str = "report.bin";

/// Runs the demo from nothing to its end.
pub fn run() -> anyhow::Result<()> {
    let keyward = run::build("keyward", "keyward", false)?;
    let cli = run::client("aws")?;
    let mut stage = Stage::fresh(keyward, cli)?;

    stage.step("Start `keyward serve` on a fresh data directory");
    stage.start()?;
    let root = stage.root()?;
    let identity = root.call(&["sts", "get-caller-identity"])?;
    stage.shows(&format!(
        "the AWS CLI is root of account {}",
        text(&identity, "/Account")?
    ));

    stage.step("Make two IAM users, alice and mallory, with an access key each");
    let alice = stage.user(&root, "alice")?;
    let mallory = stage.user(&root, "mallory")?;
    stage.shows("alice and mallory have access keys; nothing allows them anything yet");

    stage.step("Create a customer managed key that alice may use, an alias and tags");
    let key = create_key(&stage, &root)?;

    stage.step("As alice: encrypt a file of 64 MiB under a fresh data key");
    envelope::make_file(&stage.path(FILE), FILE_BYTES)?;
    let first = encrypt(&stage, &alice, "first")?;

    stage.step("As alice: open it again and compare");
    open(&stage, &alice, "first", &first.material)?;

    stage.step("Rotate the KMS key: old data still open, new data uses new material");
    rotate(&stage, &root, &alice, &key, &first)?;

    stage.step("Disable the key: the file cannot be opened");
    root.call(&["kms", "disable-key", "--key-id", &key])?;
    let said = envelope::refused(&alice, "first")?;
    ensure!(
        said.contains("(DisabledException)") && said.contains("is disabled."),
        "{said}"
    );
    stage.shows(&said);

    stage.step("Enable it: the file opens again");
    root.call(&["kms", "enable-key", "--key-id", &key])?;
    open(&stage, &alice, "first", &first.material)?;

    stage.step("As mallory: denied, with the reason");
    let said = envelope::refused(&mallory, "first")?;
    let reason = "because no identity-based policy allows the kms:Decrypt action";
    ensure!(said.contains("(AccessDeniedException)"), "{said}");
    ensure!(
        said.contains("user/mallory") && said.contains(reason),
        "{said}"
    );
    stage.shows(&said);

    stage.step("Kill the server with SIGKILL, restart it: everything is still there");
    survive(&mut stage, &root, &alice, &key, &first)?;

    stage.step("Ask the server to leave (SIGTERM)");
    ensure!(stage.drain()?, "the server did not leave with status 0");
    stage.shows("it drained and left with status 0");
    stage.done();
    Ok(())
}

fn create_key(stage: &Stage, root: &Aws) -> anyhow::Result<String> {
    fs::write(stage.path("policy.json"), policy())?;
    let made = root.call(&[
        "kms",
        "create-key",
        "--description",
        "the key of the demo",
        "--policy",
        "file://policy.json",
    ])?;
    let key = text(&made, "/KeyMetadata/KeyId")?;
    ensure!(
        text(&made, "/KeyMetadata/KeyState")? == "Enabled",
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
    let tags = "TagKey=team,TagValue=red";
    root.call(&["kms", "tag-resource", "--key-id", &key, "--tags", tags])?;
    check_key(root, &key)?;
    stage.shows(&format!(
        "key {key} is enabled, is {ALIAS}, and is tagged team=red"
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

/// What the server knows of the key is what was asked for.
fn check_key(root: &Aws, key: &str) -> anyhow::Result<()> {
    let found = root.call(&["kms", "describe-key", "--key-id", ALIAS])?;
    ensure!(
        text(&found, "/KeyMetadata/KeyId")? == key,
        "the alias names another key"
    );
    let tags = root.call(&["kms", "list-resource-tags", "--key-id", key])?;
    ensure!(
        text(&tags, "/Tags/0/TagKey")? == "team",
        "the tag is not there"
    );
    ensure!(
        text(&tags, "/Tags/0/TagValue")? == "red",
        "the tag has another value"
    );
    let stored = root.call(&["kms", "get-key-policy", "--key-id", key])?;
    let stored: Value = serde_json::from_str(&text(&stored, "/Policy")?)?;
    let wanted: Value = serde_json::from_str(&policy())?;
    ensure!(stored == wanted, "the key policy is another: {stored:#}");
    Ok(())
}

/// What an encrypted file leaves behind.
struct Encrypted {
    material: String,
    wrapped: Vec<u8>,
    sealed: Vec<u8>,
}

fn encrypt(stage: &Stage, alice: &Aws, name: &str) -> anyhow::Result<Encrypted> {
    let material = envelope::seal(stage, alice, ALIAS, FILE, name)?;
    let wrapped = fs::read(stage.path(&format!("{name}.key")))?;
    let sealed = fs::read(stage.path(&format!("{name}.sealed")))?;
    stage.shows(&format!(
        "{name}.sealed ({} bytes, AES-256-GCM) and beside it {name}.key, the data key wrapped \
         by KMS ({} bytes); its plaintext is gone",
        sealed.len(),
        wrapped.len(),
    ));
    Ok(Encrypted {
        material,
        wrapped,
        sealed,
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
        "all {} bytes of {FILE} are the same",
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
    open(stage, alice, "second", &second.material)?;
    untouched(stage, first)?;
    stage.shows(&format!("first uses material {}…", short(&first.material)));
    stage.shows(&format!(
        "second uses material {}…",
        short(&second.material)
    ));
    stage.shows("nothing was encrypted again: first.sealed and first.key are as they were");
    Ok(())
}

fn untouched(stage: &Stage, first: &Encrypted) -> anyhow::Result<()> {
    ensure!(
        fs::read(stage.path("first.key"))? == first.wrapped,
        "first.key has changed"
    );
    ensure!(
        fs::read(stage.path("first.sealed"))? == first.sealed,
        "first.sealed has changed"
    );
    Ok(())
}

fn survive(
    stage: &mut Stage,
    root: &Aws,
    alice: &Aws,
    key: &str,
    first: &Encrypted,
) -> anyhow::Result<()> {
    stage.kill()?;
    stage.start()?;
    let (root, alice) = (stage.again(root)?, stage.again(alice)?);
    check_key(&root, key)?;
    let rotations = root.call(&["kms", "list-key-rotations", "--key-id", key])?;
    let count = rotations
        .pointer("/Rotations")
        .and_then(Value::as_array)
        .map(Vec::len);
    ensure!(count == Some(1), "the rotation is forgotten");
    open(stage, &alice, "first", &first.material)?;
    stage.shows("key, alias, tags, policy, rotation, users and their access keys are there");
    Ok(())
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
