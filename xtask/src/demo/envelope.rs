//! Envelope encryption as a client does it: a data key from KMS, AES-256-GCM locally, and the
//! wrapped key stored beside the data.
//!
//! `NAME.sealed` is a nonce of 12 bytes and the ciphertext with its tag; `NAME.key` is the
//! ciphertext blob of the data key.

use std::{fs, path::Path};

use anyhow::Context;
use base64::{Engine, engine::general_purpose::STANDARD};
use keyward_crypto::{
    aead,
    aead::{Aad, NONCE_BYTES, Purpose},
    random,
    secret::SecretBytes,
};
use serde_json::Value;

use super::{FILE, aws::Aws, stage::Stage, text};

/// What came out, and by which material of the KMS key.
pub struct Opened {
    pub plaintext: SecretBytes,
    pub material: String,
}

/// Writes a file of random bytes: no two runs and no two blocks are alike.
pub fn make_file(path: &Path, bytes: usize) -> anyhow::Result<()> {
    let mut content = vec![0; bytes];
    random::fill(&mut content);
    fs::write(path, content).with_context(|| format!("cannot write {}", path.display()))
}

/// Encrypts `file` into `name.sealed` and `name.key`; answers the material that wrapped the data key,
/// and the data key, which only the demo keeps.
pub fn seal(
    stage: &Stage,
    who: &Aws,
    key: &str,
    file: &str,
    name: &str,
) -> anyhow::Result<(String, SecretBytes)> {
    let made = who.call(&[
        "kms",
        "generate-data-key",
        "--key-id",
        key,
        "--key-spec",
        "AES_256",
        "--encryption-context",
        &context(),
    ])?;
    let data_key = data_key(&made)?;
    let wrapped = STANDARD.decode(text(&made, "/CiphertextBlob")?)?;
    let nonce: [u8; NONCE_BYTES] = random::array();
    let plaintext = fs::read(stage.path(file))?;
    let sealed = aead::seal(exposed(&data_key)?, nonce, &aad(file), &plaintext);
    fs::write(
        stage.path(&format!("{name}.sealed")),
        [&nonce[..], &sealed].concat(),
    )?;
    fs::write(stage.path(&format!("{name}.key")), wrapped)?;
    Ok((text(&made, "/KeyMaterialId")?, data_key))
}

/// Opens `name.sealed` with the key that KMS unwraps from `name.key`.
pub fn open(stage: &Stage, who: &Aws, name: &str) -> anyhow::Result<Opened> {
    let found = who.call(&decrypt(name).each_ref().map(String::as_str))?;
    let data_key = data_key(&found)?;
    let sealed = fs::read(stage.path(&format!("{name}.sealed")))?;
    let (nonce, sealed) = sealed
        .split_first_chunk()
        .context("the sealed file is cut off")?;
    let plaintext = aead::open(exposed(&data_key)?, *nonce, &aad(FILE), sealed)?;
    let material = text(&found, "/KeyMaterialId")?;
    Ok(Opened {
        plaintext,
        material,
    })
}

/// Why `name.key` cannot be unwrapped; an error if it can.
pub fn refused(who: &Aws, name: &str) -> anyhow::Result<String> {
    who.refused(&decrypt(name).each_ref().map(String::as_str))
}

fn decrypt(name: &str) -> [String; 8] {
    [
        "kms".to_owned(),
        "decrypt".to_owned(),
        "--key-id".to_owned(),
        super::ALIAS.to_owned(),
        "--ciphertext-blob".to_owned(),
        format!("fileb://{name}.key"),
        "--encryption-context".to_owned(),
        context(),
    ]
}

fn context() -> String {
    format!("file={FILE}")
}

fn data_key(answer: &Value) -> anyhow::Result<SecretBytes> {
    Ok(SecretBytes::from_vec(
        STANDARD.decode(text(answer, "/Plaintext")?)?,
    ))
}

fn exposed(key: &SecretBytes) -> anyhow::Result<&[u8; 32]> {
    key.expose_array()
        .context("the data key is not 32 bytes long")
}

fn aad(file: &str) -> Aad {
    Aad::new(Purpose::ClientData, 1).part(file.as_bytes())
}
