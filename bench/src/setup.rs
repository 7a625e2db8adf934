//! A Keyward with something to do: started fresh, with a user, a policy, keys and blobs.

use std::path::{Path, PathBuf};

use anyhow::Context;
use base64::{Engine, engine::general_purpose::STANDARD};
use serde_json::{Value, json};

use crate::{
    client::Client,
    clock, process,
    process::{Pinning, Server},
    sign::Signer,
};

/// The Region of every request.
pub const REGION: &str = "us-east-1";

/// A running Keyward and who may ask it.
#[derive(Debug)]
pub struct World {
    /// The server.
    pub server: Server,
    /// Its data directory.
    pub data_dir: PathBuf,
    /// The account's root user.
    pub root: Signer,
}

impl World {
    /// Starts Keyward, pinned like the baselines, on a data directory (made if it is not there).
    pub fn start(
        program: &Path,
        data_dir: &Path,
        config: Option<&Path>,
        pinning: &Pinning,
    ) -> anyhow::Result<Self> {
        let mut command = process::pinned(&pinning.servers, program);
        command.arg("serve").arg("--data-dir").arg(data_dir);
        command.args(["--listen", "127.0.0.1:0"]);
        if let Some(config) = config {
            command.arg("--config").arg(config);
        }
        let server = Server::start(command, &data_dir.with_extension("log"))?;
        let credentials = std::fs::read_to_string(data_dir.join("admin-credentials"))
            .context("no admin-credentials in the data directory")?;
        let value = |name: &str| {
            let found = credentials.lines().find_map(|line| {
                let (key, value) = line.split_once('=')?;
                (key.trim() == name).then(|| value.trim().to_owned())
            });
            found.with_context(|| format!("no {name} in admin-credentials"))
        };
        let root = Signer {
            access_key_id: value("aws_access_key_id")?,
            secret: value("aws_secret_access_key")?,
            region: REGION.to_owned(),
            host: server.host.clone(),
        };
        Ok(Self {
            server,
            data_dir: data_dir.to_owned(),
            root,
        })
    }

    /// One KMS call of a caller.
    pub fn kms(&self, caller: &Signer, operation: &str, body: &Value) -> anyhow::Result<Value> {
        let body = serde_json::to_vec(body)?;
        let mut client = Client::connect(&self.server.host)?;
        client
            .json(&caller.kms(operation, &body, clock::now()))
            .with_context(|| operation.to_owned())
    }

    /// A new key with the default policy; answers its id.
    pub fn create_key(&self) -> anyhow::Result<String> {
        self.create_key_of(&json!({}))
    }

    /// A new key of these parameters; answers its id.
    pub fn create_key_of(&self, parameters: &Value) -> anyhow::Result<String> {
        let made = self.kms(&self.root, "CreateKey", parameters)?;
        let id = made.pointer("/KeyMetadata/KeyId").and_then(Value::as_str);
        Ok(id.context("CreateKey answered no KeyId")?.to_owned())
    }

    /// A new IAM user whom an inline policy allows what the bench does, and nothing else.
    pub fn create_user(&self, name: &str) -> anyhow::Result<Signer> {
        let policy = json!({
            "Version": "2012-10-17",
            "Statement": [
                {
                    "Effect": "Allow",
                    "Action": ["kms:Encrypt", "kms:Decrypt", "kms:GenerateDataKey"],
                    "Resource": "*",
                },
                {"Effect": "Allow", "Action": "kms:CreateKey", "Resource": "*"},
            ],
        });
        let policy = escaped(&policy.to_string());
        let of = format!("Version=2010-05-08&UserName={name}");
        self.iam(&format!("Action=CreateUser&{of}"))?;
        let put = "Action=PutUserPolicy&PolicyName=bench";
        self.iam(&format!("{put}&{of}&PolicyDocument={policy}"))?;
        let made = self.iam(&format!("Action=CreateAccessKey&{of}"))?;
        Ok(Signer {
            access_key_id: tagged(&made, "AccessKeyId")?,
            secret: tagged(&made, "SecretAccessKey")?,
            region: REGION.to_owned(),
            host: self.server.host.clone(),
        })
    }

    /// A new IAM user whom no policy allows anything.
    pub fn create_grantee(&self, name: &str) -> anyhow::Result<Signer> {
        let of = format!("Version=2010-05-08&UserName={name}");
        self.iam(&format!("Action=CreateUser&{of}"))?;
        let made = self.iam(&format!("Action=CreateAccessKey&{of}"))?;
        Ok(Signer {
            access_key_id: tagged(&made, "AccessKeyId")?,
            secret: tagged(&made, "SecretAccessKey")?,
            region: REGION.to_owned(),
            host: self.server.host.clone(),
        })
    }

    fn iam(&self, body: &str) -> anyhow::Result<String> {
        let mut client = Client::connect(&self.server.host)?;
        let request = self.root.query("iam", body.as_bytes(), clock::now());
        Ok(String::from_utf8(client.send(&request)?)?)
    }

    /// The ids of the account's keys, as ListKeys pages through them.
    pub fn list_keys(&self) -> anyhow::Result<Vec<String>> {
        let mut client = Client::connect(&self.server.host)?;
        let (mut ids, mut marker) = (Vec::new(), Value::Null);
        loop {
            let body = json!({"Limit": 1000, "Marker": marker}).to_string();
            let page = client.json(&self.root.kms("ListKeys", body.as_bytes(), clock::now()))?;
            let keys = page.get("Keys").and_then(Value::as_array);
            for key in keys.context("ListKeys answered no Keys")? {
                ids.extend(key.get("KeyId").and_then(Value::as_str).map(str::to_owned));
            }
            if page.get("Truncated") != Some(&Value::Bool(true)) {
                return Ok(ids);
            }
            marker = page.get("NextMarker").cloned().unwrap_or_default();
        }
    }

    /// The audit trail so far.
    pub fn trail(&self) -> anyhow::Result<String> {
        let mut paths = Vec::new();
        for entry in std::fs::read_dir(self.data_dir.join("audit"))? {
            paths.push(entry?.path());
        }
        paths.sort_unstable();
        let is_segment = |path: &&PathBuf| path.to_string_lossy().contains("/trail-");
        let mut text = String::new();
        for path in paths.iter().filter(is_segment) {
            text.push_str(&std::fs::read_to_string(path)?);
        }
        Ok(text)
    }

    /// Bytes of the audit trail so far.
    pub fn trail_bytes(&self) -> anyhow::Result<u64> {
        let mut bytes = 0;
        for entry in std::fs::read_dir(self.data_dir.join("audit"))? {
            bytes += entry?.metadata()?.len();
        }
        Ok(bytes)
    }
}

/// The parameters of one call of each operation that the bench measures.
pub fn bodies(world: &World, caller: &Signer, key: &str) -> anyhow::Result<Vec<(String, Value)>> {
    let context = json!({"tenant": "blue"});
    let encrypt = json!({
        "KeyId": key,
        "Plaintext": STANDARD.encode([7; 32]),
        "EncryptionContext": context,
    });
    let made = world.kms(caller, "Encrypt", &encrypt)?;
    let blob = made
        .get("CiphertextBlob")
        .context("Encrypt answered no blob")?;
    let generate = json!({"KeyId": key, "KeySpec": "AES_256", "EncryptionContext": context});
    let decrypt = json!({"CiphertextBlob": blob, "EncryptionContext": context});
    Ok(vec![
        ("GenerateDataKey".to_owned(), generate),
        ("Encrypt".to_owned(), encrypt),
        ("Decrypt".to_owned(), decrypt),
    ])
}

/// The text between an XML tag and its end.
fn tagged(xml: &str, tag: &str) -> anyhow::Result<String> {
    let found = xml
        .split_once(&format!("<{tag}>"))
        .and_then(|(_, rest)| rest.split_once(&format!("</{tag}>")));
    Ok(found
        .with_context(|| format!("no {tag} in the answer"))?
        .0
        .to_owned())
}

/// Percent-encoding of everything but letters and digits.
fn escaped(text: &str) -> String {
    let mut out = String::new();
    for byte in text.bytes() {
        match byte {
            b'0'..=b'9' | b'A'..=b'Z' | b'a'..=b'z' => out.push(char::from(byte)),
            _ => out.push_str(&format!("%{byte:02X}")),
        }
    }
    out
}
