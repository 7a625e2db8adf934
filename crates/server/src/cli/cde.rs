//! `keyward cde`

use std::time::Duration;

use anyhow::{Context as _, bail};
use clap::{Args, Subcommand};
use keyward_client::{Connect, ENVIRONMENT};
use keyward_services::cdp_policies;
use keyward_types::arn::ArnParts;
use serde_json::{Value, json};

use crate::out::{OutError, say};

/// How long an answer may take.
const TIMEOUT: Duration = Duration::from_secs(30);

fn after_describe() -> String {
    format!(
        "Examples:
  keyward cde describe --data-dir DIR
  keyward cde describe --data-dir DIR cluster-a2bcdefg

{ENVIRONMENT}"
    )
}

const AFTER_TEMPLATE: &str = "\
Examples:
  keyward cde policy-template key --role arn:aws:iam::111122223333:role/cdp
  keyward cde policy-template trust --external-id ID
  keyward cde policy-template role";

/// Look at services of Cloudera Data Engineering, and print the policies that they need
#[derive(Debug, Subcommand)]
pub enum Cde {
    Describe(Describe),
    PolicyTemplate(PolicyTemplate),
}

/// Show the parts of services, each with its key, its grants and its state
///
/// Cloudera's cdp CLI shows only what Cloudera's model has, which says nothing of keys. Needs
/// de:describeService on the service, and de:listServices to show all of them.
#[derive(Debug, Args)]
#[command(after_long_help = after_describe())]
pub struct Describe {
    #[command(flatten)]
    connect: Connect,
    /// The cluster ID of a service [default: all services of the account]
    service: Option<String>,
    /// The output format
    #[arg(long, value_parser = ["text", "json"], default_value = "text")]
    output: String,
}

/// Print a policy: of the KMS key of an environment, of the role of a credential, or the trust policy of that role
#[derive(Debug, Args)]
#[command(after_long_help = AFTER_TEMPLATE)]
pub struct PolicyTemplate {
    /// Which policy
    #[arg(value_parser = ["key", "role", "trust"])]
    policy: String,
    /// The role of the credential, for the policy of the key
    #[arg(long, value_name = "ARN", required_if_eq("policy", "key"))]
    role: Option<String>,
    /// The external ID of the account, for the trust policy: `cdp environments
    /// get-credential-prerequisites --cloud-platform AWS` shows it
    #[arg(long, value_name = "ID", required_if_eq("policy", "trust"))]
    external_id: Option<String>,
}

impl Cde {
    pub fn run(self) -> anyhow::Result<()> {
        match self {
            Self::Describe(describe) => describe.run(),
            Self::PolicyTemplate(template) => template.run(),
        }
    }
}

impl PolicyTemplate {
    fn run(self) -> anyhow::Result<()> {
        let policy = match (self.policy.as_str(), &self.role, &self.external_id) {
            ("key", Some(role), _) => {
                let parts = ArnParts::parse(role);
                let parts = parts
                    .filter(|parts| parts.service == "iam" && parts.resource.starts_with("role/"));
                let parts = parts.with_context(|| format!("{role} is not the ARN of a role"))?;
                cdp_policies::key_policy(parts.partition, parts.account, role)
            }
            ("trust", _, Some(external_id)) => cdp_policies::trust_policy(external_id),
            _ => cdp_policies::role_policy(),
        };
        Ok(say!("{}", serde_json::to_string_pretty(&policy)?)?)
    }
}

impl Describe {
    fn run(self) -> anyhow::Result<()> {
        let ids = match &self.service {
            Some(id) => vec![id.clone()],
            None => {
                let all = self.ask("listServices", &json!({}))?;
                let all = list(&all, "services").iter();
                all.map(|one| member(one, "clusterId").to_owned()).collect()
            }
        };
        let mut services = Vec::with_capacity(ids.len());
        for id in ids {
            let mut answer = self.ask("describeService", &json!({ "clusterId": id }))?;
            services.extend(answer.get_mut("service").map(Value::take));
        }
        if self.output == "json" {
            return Ok(say!("{}", serde_json::to_string_pretty(&services)?)?);
        }
        if services.is_empty() {
            say!("There is no service in the account.")?;
        }
        for service in &services {
            print(service)?;
        }
        Ok(())
    }

    fn ask(&self, operation: &str, input: &Value) -> anyhow::Result<Value> {
        let client = self.connect.client()?;
        let runtime = tokio::runtime::Runtime::new()?;
        let path = format!("/api/v1/de/{operation}");
        let body = serde_json::to_vec(input)?;
        let (status, body) = runtime.block_on(client.post_to("de", &path, body, TIMEOUT))?;
        let answer: Value = serde_json::from_slice(&body).context("the answer is not JSON")?;
        if status.is_success() {
            return Ok(answer);
        }
        bail!(
            "{}: {}",
            member(&answer, "code"),
            member(&answer, "message")
        )
    }
}

fn print(service: &Value) -> Result<(), OutError> {
    let (name, id) = (member(service, "name"), member(service, "clusterId"));
    let environment = member(service, "environmentName");
    say!(
        "{name} ({id}) in the environment {environment}: {}",
        member(service, "status")
    )?;
    if service.get("statusReason").is_some() {
        say!("  {}", member(service, "statusReason"))?;
    }
    match service.get("encryptionKeyArn") {
        Some(_) => say!("  key: {}", member(service, "encryptionKeyArn"))?,
        None => say!("  key: the keys that AWS manages, one for each service")?,
    }
    for part in list(service, "parts") {
        let arn = part
            .get("arn")
            .and_then(Value::as_str)
            .unwrap_or("a provider to start");
        say!("  {}: {arn}", member(part, "kind"))?;
        say!("      state: {}", member(part, "state"))?;
        if part.get("keyArn").is_some() {
            say!("      key: {}", member(part, "keyArn"))?;
        }
        for grant in list(part, "grantIds").iter().filter_map(Value::as_str) {
            say!("      grant: {grant}")?;
        }
        for address in list(part, "addresses").iter().filter_map(Value::as_str) {
            say!("      address: {address}")?;
        }
        for target in list(part, "mountTargets") {
            say!(
                "      mount target: {} ({})",
                member(target, "id"),
                member(target, "state")
            )?;
        }
        if part.get("command").is_some() {
            say!("      start: {}", member(part, "command"))?;
        }
    }
    Ok(())
}

fn list<'v>(value: &'v Value, name: &str) -> &'v [Value] {
    let list = value.get(name).and_then(Value::as_array);
    list.map(Vec::as_slice).unwrap_or_default()
}

fn member<'v>(value: &'v Value, name: &str) -> &'v str {
    value.get(name).and_then(Value::as_str).unwrap_or_default()
}
