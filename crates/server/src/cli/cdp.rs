//! `keyward cdp`

use std::path::PathBuf;

use anyhow::Context as _;
use base64::{Engine as _, engine::general_purpose::STANDARD};
use clap::{Args, Subcommand};
use keyward_client::{Connect, ENVIRONMENT};
use rustls_pki_types::{SubjectPublicKeyInfoDer, pem::PemObject as _};
use serde_json::{Map, Value};

use crate::out::say;

fn after_create() -> String {
    format!(
        "Examples:
  eval \"$(keyward cdp create-access-key --data-dir DIR --user alice)\"
  cdp --endpoint-url http://localhost:5670 environments list-environments
  keyward cdp create-access-key --data-dir DIR --user alice --public-key alice.pem

{ENVIRONMENT}"
    )
}

fn after_list() -> String {
    format!(
        "Examples:
  keyward cdp list-access-keys --data-dir DIR --user alice

{ENVIRONMENT}"
    )
}

fn after_delete() -> String {
    format!(
        "Examples:
  keyward cdp list-access-keys --data-dir DIR --user alice
  keyward cdp delete-access-key --data-dir DIR --user alice 8e9d4b6c-0f1a-4c55-9d6e-3f2b7a1c0d9e

{ENVIRONMENT}"
    )
}

/// Manage the access keys with which IAM users call Cloudera's services, environments and de
///
/// The cdp CLI signs requests with such a key. What its user may do, IAM policies say: actions such as
/// de:enableService and environments:createAWSEnvironment. See docs/cde.md.
#[derive(Debug, Subcommand)]
pub enum Cdp {
    CreateAccessKey(Create),
    ListAccessKeys(List),
    DeleteAccessKey(Delete),
}

/// Create an access key of a user, and print it for a shell
///
/// The private key is shown once: the server stores only the public key. A user may have five keys.
/// Needs keyward:CreateCdpAccessKey on the user.
#[derive(Debug, Args)]
#[command(after_long_help = after_create())]
pub struct Create {
    #[command(flatten)]
    connect: Connect,
    /// The IAM user [default: the one who asks]
    #[arg(long, value_name = "NAME")]
    user: Option<String>,
    /// A file with a public key in PEM: Ed25519, RSA, P-256, P-384 or P-521. The server then never
    /// sees the private key
    #[arg(long, value_name = "FILE")]
    public_key: Option<PathBuf>,
    /// The output format
    #[arg(long, value_parser = ["text", "json"], default_value = "text")]
    output: String,
}

/// List the access keys of a user
///
/// Needs keyward:ListCdpAccessKeys on the user.
#[derive(Debug, Args)]
#[command(after_long_help = after_list())]
pub struct List {
    #[command(flatten)]
    connect: Connect,
    /// The IAM user [default: the one who asks]
    #[arg(long, value_name = "NAME")]
    user: Option<String>,
}

/// Delete an access key of a user, which stops working at once
///
/// Needs keyward:DeleteCdpAccessKey on the user.
#[derive(Debug, Args)]
#[command(after_long_help = after_delete())]
pub struct Delete {
    #[command(flatten)]
    connect: Connect,
    /// The IAM user [default: the one who asks]
    #[arg(long, value_name = "NAME")]
    user: Option<String>,
    /// The access key ID
    access_key_id: String,
}

impl Cdp {
    pub fn run(self) -> anyhow::Result<()> {
        match self {
            Self::CreateAccessKey(create) => create.run(),
            Self::ListAccessKeys(list) => list.run(),
            Self::DeleteAccessKey(delete) => delete.run(),
        }
    }
}

impl Create {
    fn run(self) -> anyhow::Result<()> {
        let mut input = of_user(self.user);
        if let Some(file) = &self.public_key {
            let key = SubjectPublicKeyInfoDer::from_pem_file(file);
            let key =
                key.with_context(|| format!("{} has no public key in PEM", file.display()))?;
            input.insert("PublicKey".to_owned(), STANDARD.encode(&key).into());
        }
        let answer = call(&self.connect, "CreateCdpAccessKey", input)?;
        if self.output == "json" {
            return Ok(say!("{}", serde_json::to_string_pretty(&answer)?)?);
        }
        say!(
            "export CDP_ACCESS_KEY_ID={}",
            member(&answer, "AccessKeyId")
        )?;
        if answer.get("PrivateKey").is_some() {
            say!("export CDP_PRIVATE_KEY={}", member(&answer, "PrivateKey"))?;
        }
        Ok(())
    }
}

impl List {
    fn run(self) -> anyhow::Result<()> {
        let answer = call(&self.connect, "ListCdpAccessKeys", of_user(self.user))?;
        let keys = answer.get("AccessKeys").and_then(Value::as_array);
        let keys = keys.map(Vec::as_slice).unwrap_or_default();
        if keys.is_empty() {
            let user = member(&answer, "UserName");
            return Ok(say!("The user {user} has no access key of CDP.")?);
        }
        for key in keys {
            let (id, method) = (member(key, "AccessKeyId"), member(key, "AuthMethod"));
            say!("{id}  {method}")?;
        }
        Ok(())
    }
}

impl Delete {
    fn run(self) -> anyhow::Result<()> {
        let mut input = of_user(self.user);
        input.insert("AccessKeyId".to_owned(), self.access_key_id.as_str().into());
        call(&self.connect, "DeleteCdpAccessKey", input)?;
        Ok(say!("Deleted {}.", self.access_key_id)?)
    }
}

fn of_user(user: Option<String>) -> Map<String, Value> {
    let named = user.map(|user| ("UserName".to_owned(), Value::from(user)));
    named.into_iter().collect()
}

fn call(connect: &Connect, operation: &str, input: Map<String, Value>) -> anyhow::Result<Value> {
    let client = connect.client()?;
    let runtime = tokio::runtime::Runtime::new()?;
    runtime.block_on(client.call(operation, &Value::Object(input)))
}

fn member<'v>(value: &'v Value, name: &str) -> &'v str {
    value.get(name).and_then(Value::as_str).unwrap_or_default()
}
