//! `keyward k8s-plugin`

use std::{
    net::{Ipv4Addr, Ipv6Addr, SocketAddr},
    path::PathBuf,
    time::Duration,
};

use anyhow::bail;
use clap::{Args, ValueEnum};
use keyward_client::{hosts::Plaintext, remote};
use keyward_crypto::secret::{allocator::wiping, process::harden};
use keyward_k8s::{
    context::{self, Context},
    plugin::Plugin,
    provider::{self, Settings},
    socket,
};
use keyward_types::arn::ArnParts;

use crate::telemetry::Logging;

const AFTER_HELP: &str = "\
Examples:
  keyward k8s-plugin --key arn:aws:kms:us-east-1:000000000000:key/1234abcd-… \\
      --kms-endpoint https://keyward.example:5670 --ca-file /etc/keyward/ca.pem \\
      --health-port 127.0.0.1:8083
  keyward k8s-plugin --key arn:aws:kms:eu-west-1:111122223333:key/1234abcd-… \\
      --encryption-context cluster=c1

Environment:
  Credentials are found as the AWS CLI finds them, anew for each call: in AWS_ACCESS_KEY_ID,
  AWS_SECRET_ACCESS_KEY and AWS_SESSION_TOKEN; in AWS_ROLE_ARN and AWS_WEB_IDENTITY_TOKEN_FILE, a
  role and the token of a pod, which STS turns into a session; or in the profile that AWS_PROFILE
  names in ~/.aws/config (AWS_CONFIG_FILE) and ~/.aws/credentials (AWS_SHARED_CREDENTIALS_FILE).
  With --instance-role, they are those of the EC2 instance. They need kms:Encrypt and kms:Decrypt
  on the key. AWS_REGION, AWS_ENDPOINT_URL_KMS, AWS_ENDPOINT_URL_STS, AWS_ENDPOINT_URL and
  AWS_CA_BUNDLE are used where no flag is given.

Signals:
  SIGTERM and SIGINT end the plugin: calls are answered, and the sockets removed.";

/// Run the plugin by which a Kubernetes API server encrypts secrets under a KMS key
///
/// It serves version v2 of Kubernetes' KMS API on a socket, and asks Keyward or AWS KMS. While the key cannot be used,
/// the API server stops writing secrets after three minutes, and cannot read any after a restart. When the key is
/// rotated, new secrets use the new material. Flags and ciphertext are those of aws-encryption-provider, so that a
/// cluster can move over without re-encrypting anything: see docs/kubernetes.md.
#[derive(Debug, Args)]
#[command(after_long_help = AFTER_HELP)]
pub struct K8sPlugin {
    /// The key to encrypt under: its ARN. An alias or an id also works, and is looked up once. With several keys,
    /// separated by commas, each has a provider of its own
    #[arg(long, value_name = "KEY", required = true, value_delimiter = ',')]
    key: Vec<String>,
    /// The socket of the provider, one for each key. Only this user can connect to it
    #[arg(
        long,
        value_name = "PATH",
        value_delimiter = ',',
        default_value = "/var/run/kmsplugin/socket.sock",
        value_parser = socket::parse
    )]
    listen: Vec<PathBuf>,
    /// The URL of KMS [default: AWS_ENDPOINT_URL_KMS, AWS_ENDPOINT_URL, or AWS's own for the Region]
    #[arg(long, value_name = "URL", visible_alias = "endpoint-url")]
    kms_endpoint: Option<String>,
    /// The URL of STS, for web identities [default: AWS_ENDPOINT_URL_STS, AWS_ENDPOINT_URL, or the URL of KMS if
    /// that is not AWS's]
    #[arg(long, value_name = "URL")]
    sts_endpoint: Option<String>,
    /// The Region of the keys [default: that in the key's ARN, or AWS_REGION]
    #[arg(long, value_name = "REGION")]
    region: Option<String>,
    /// A profile of the AWS CLI, whose credentials are used [default: AWS_PROFILE]
    #[arg(long, value_name = "NAME")]
    profile: Option<String>,
    /// Use the role of the EC2 instance that the plugin runs on, by its metadata service (IMDSv2), and no other
    /// credentials
    #[arg(long, conflicts_with = "profile")]
    instance_role: bool,
    /// A file of certificates to trust in addition to the system's (PEM): of authorities, or the server's own
    /// [default: AWS_CA_BUNDLE]
    #[arg(long, value_name = "FILE")]
    ca_file: Option<PathBuf>,
    /// Ask KMS or STS on another machine by a URL that begins with http://: requests and answers, the seeds of all
    /// secrets among them, are not encrypted on the network
    #[arg(long)]
    danger_plaintext: bool,
    /// The encryption context to encrypt with: NAME=VALUE,NAME=VALUE. With several keys, once for each in their order,
    /// or not at all
    #[arg(long, value_name = "PAIRS", value_parser = context::parse)]
    encryption_context: Vec<Context>,
    /// Another key whose objects are decrypted, for a cluster that moves from one key to another. Can be repeated
    #[arg(long, value_name = "KEY", value_delimiter = ',')]
    decrypt_key: Vec<String>,
    /// Another encryption context that objects may have, for a cluster that moves from one to another; '' for none.
    /// Can be repeated
    #[arg(long, value_name = "PAIRS", value_parser = context::parse)]
    decrypt_encryption_context: Vec<Context>,
    /// For a service that acts for others: the resource for which KMS is asked (aws:SourceArn and aws:SourceAccount)
    #[arg(long, value_name = "ARN")]
    source_arn: Option<String>,
    /// Where health and metrics are served: ADDRESS:PORT, :PORT for all addresses, or off
    #[arg(long, value_name = "ADDRESS", default_value = ":8080", value_parser = parse_port)]
    health_port: Port,
    /// The path of the check that fails while a key cannot be used
    #[arg(long, value_name = "PATH", default_value = "/healthz")]
    healthz_path: String,
    /// The path of the check that fails when a restart of the plugin may help: if its socket is gone, but not while a
    /// key cannot be used
    #[arg(long, value_name = "PATH", default_value = "/livez")]
    livez_path: String,
    /// The most calls of KMS in a second; 0 for no limit
    #[arg(long, value_name = "NUMBER", default_value_t = 0)]
    qps_limit: u32,
    /// The most of these calls at once
    #[arg(long, value_name = "NUMBER", default_value_t = 0)]
    burst_limit: u32,
    /// What retries of calls of KMS may cost together: each costs 5, or 10 if KMS has not answered, which is given back
    /// when it succeeds; 0 for no limit
    #[arg(long, value_name = "NUMBER", default_value_t = 0)]
    retry_token_capacity: u32,
    /// The version that the provider says it has. An API server that was started with aws-encryption-provider demands
    /// v2beta1 until it is restarted
    #[arg(long, value_enum, value_name = "VERSION", default_value_t = StatusVersion::V2)]
    status_version: StatusVersion,
    /// Which version's keys are checked. There is only v2
    #[arg(long, hide = true, value_name = "VERSION", default_value = "v2", value_parser = ["v2"])]
    health_kms_version: String,
    /// How many seconds a connection lasts before the API server must make another one: plaintexts may be in its
    /// buffers for so long
    #[arg(long, hide = true, value_name = "SECONDS", default_value_t = 60)]
    connection_seconds: u64,
    /// The same as --log debug
    #[arg(long)]
    debug: bool,
    #[command(flatten)]
    logging: Logging,
}

/// What Status answers as its version.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum StatusVersion {
    /// As this version of Kubernetes' KMS API is called
    V2,
    /// As it was called before Kubernetes 1.29
    #[value(name = "v2beta1")]
    V2Beta1,
}

/// Addresses to listen on, of which the first is taken that the machine has; none for nowhere.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Port(Vec<SocketAddr>);

fn parse_port(text: &str) -> Result<Port, String> {
    if text == "off" {
        return Ok(Port(Vec::new()));
    }
    let port = text.strip_prefix(':').and_then(|port| port.parse().ok());
    if let Some(port) = port {
        return Ok(Port(vec![
            (Ipv6Addr::UNSPECIFIED, port).into(),
            (Ipv4Addr::UNSPECIFIED, port).into(),
        ]));
    }
    let text = text.replace("localhost:", "127.0.0.1:");
    match text.parse() {
        Ok(address) => Ok(Port(vec![address])),
        Err(_) => Err("use ADDRESS:PORT, :PORT, or off".to_owned()),
    }
}

impl K8sPlugin {
    pub fn run(self) -> anyhow::Result<()> {
        let logging = match self.debug {
            true => self.logging.clone().with_level("debug"),
            false => self.logging.clone(),
        };
        logging.start();
        // The seeds of all secrets pass through its memory.
        let hardening = harden();
        for warning in hardening.warnings {
            tracing::warn!("{warning}");
        }
        // Without swap, as nodes of Kubernetes usually are, nothing has to be locked.
        let swaps = std::fs::read_to_string("/proc/swaps");
        if !hardening.all_locked && swaps.map_or(true, |swaps| has_swap(&swaps)) {
            tracing::warn!(
                "the seeds of all secrets may be swapped to disk: turn swap off on this machine, or allow the plugin to lock its memory (`ulimit -l unlimited`, `LimitMEMLOCK=infinity` of systemd)"
            );
        }
        let plugin = self.plugin()?;
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        // They pass through buffers of the gRPC, TLS and HTTP libraries as well.
        wiping(|| runtime.block_on(plugin.run()))
    }

    fn plugin(self) -> anyhow::Result<Plugin> {
        let contexts = self.contexts()?;
        if self.listen.len() != self.key.len() {
            bail!(
                "--key has {}, and --listen has {}: give each key a socket of its own",
                self.key.len(),
                self.listen.len()
            );
        }
        let settings = self
            .key
            .into_iter()
            .zip(contexts)
            .map(|(key, context)| Settings {
                key,
                other_keys: self.decrypt_key.clone(),
                context,
                other_contexts: self.decrypt_encryption_context.clone(),
                version: match self.status_version {
                    StatusVersion::V2 => provider::Version::V2,
                    StatusVersion::V2Beta1 => provider::Version::V2Beta1,
                },
            });
        Ok(Plugin {
            keys: self.listen.into_iter().zip(settings).collect(),
            kms: remote::Options {
                endpoint_url: self.kms_endpoint,
                sts_endpoint_url: self.sts_endpoint,
                region: self.region,
                profile: self.profile,
                instance_role: self.instance_role,
                ca_file: self.ca_file,
                plaintext: Plaintext::everywhere_if(self.danger_plaintext),
                fields: fields(self.source_arn)?,
            },
            health: self.health_port.0,
            healthz: self.healthz_path,
            livez: self.livez_path,
            calls_in_a_second: self.qps_limit,
            calls_at_once: self.burst_limit,
            retries: self.retry_token_capacity,
            connection_age: Duration::from_secs(self.connection_seconds),
        })
    }

    /// The encryption context of each key.
    fn contexts(&self) -> anyhow::Result<Vec<Context>> {
        let (keys, given) = (self.key.len(), &self.encryption_context);
        if keys == 1 {
            // One may be given in pieces.
            let pieces = given.iter().flatten();
            let mut whole = Context::new();
            for (name, value) in pieces {
                if whole.insert(name.clone(), value.clone()).is_some() {
                    bail!("`{name}` occurs twice in the encryption context");
                }
            }
            return Ok(vec![whole]);
        }
        if given.is_empty() {
            return Ok(vec![Context::new(); keys]);
        }
        if given.len() != keys {
            bail!(
                "--key has {keys}, and --encryption-context is there {} times: give one for each key, '' for none, or leave it out",
                given.len()
            );
        }
        Ok(given.clone())
    }
}

/// Whether the machine can write memory to a disk, by what `/proc/swaps` says: a line for each place, after a heading.
fn has_swap(swaps: &str) -> bool {
    swaps.lines().count() > 1
}

/// The header fields that say for whom a service asks.
fn fields(source_arn: Option<String>) -> anyhow::Result<Vec<(&'static str, String)>> {
    let Some(arn) = source_arn else {
        return Ok(Vec::new());
    };
    let account = ArnParts::parse(&arn).map(|parts| parts.account.to_owned());
    let printed = arn.bytes().all(|byte| byte.is_ascii_graphic());
    match account {
        Some(account) if printed => Ok(vec![
            ("x-amz-source-account", account),
            ("x-amz-source-arn", arn),
        ]),
        Some(_) | None => bail!("--source-arn `{}` is not an ARN", arn.escape_debug()),
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        plugin: K8sPlugin,
    }

    fn plugin(flags: &[&str]) -> Result<Plugin, String> {
        let line = ["x"].iter().chain(flags);
        let line = Line::try_parse_from(line).map_err(|error| error.to_string())?;
        line.plugin.plugin().map_err(|error| error.to_string())
    }

    #[test]
    fn the_flags_of_aws_encryption_provider_are_understood() {
        let plugin = plugin(&[
            "--key=arn:aws:kms:us-west-2:111122223333:key/k",
            "--region=us-west-2",
            "--kms-endpoint=https://kms.example",
            "--listen=/run/a.sock",
            "--encryption-context=a=b",
            "--encryption-context=c=d",
            "--source-arn=arn:aws:eks:us-west-2:111122223333:cluster/c",
            "--health-port=:8083",
            "--healthz-path=/h",
            "--livez-path=/l",
            "--health-kms-version=v2",
            "--qps-limit=5",
            "--burst-limit=7",
            "--retry-token-capacity=500",
            "--debug",
        ])
        .unwrap();
        let [(socket, settings)] = &plugin.keys[..] else {
            panic!("{plugin:?}")
        };
        assert_eq!(socket, &PathBuf::from("/run/a.sock"));
        assert_eq!(settings.key, "arn:aws:kms:us-west-2:111122223333:key/k");
        assert_eq!(settings.context, context::parse("a=b,c=d").unwrap());
        assert_eq!(settings.version, provider::Version::V2);
        assert_eq!(
            plugin.kms.endpoint_url.as_deref(),
            Some("https://kms.example")
        );
        assert_eq!(
            plugin.kms.fields,
            [
                ("x-amz-source-account", "111122223333".to_owned()),
                (
                    "x-amz-source-arn",
                    "arn:aws:eks:us-west-2:111122223333:cluster/c".to_owned()
                ),
            ]
        );
        let health: Vec<String> = plugin.health.iter().map(ToString::to_string).collect();
        assert_eq!(health, ["[::]:8083", "0.0.0.0:8083"]);
        assert_eq!(
            (plugin.healthz.as_str(), plugin.livez.as_str()),
            ("/h", "/l")
        );
        assert_eq!((plugin.calls_in_a_second, plugin.calls_at_once), (5, 7));
        assert_eq!(plugin.retries, 500);
    }

    #[test]
    fn each_key_has_a_socket_and_a_context_of_its_own() {
        let two = ["--key=k1,k2", "--listen=/a,/b"];
        let contexts = |flags: &[&str]| {
            let plugin = plugin(&[&two[..], flags].concat())?;
            let keys = plugin.keys.into_iter();
            Ok::<_, String>(
                keys.map(|(_, settings)| settings.context)
                    .collect::<Vec<_>>(),
            )
        };
        assert_eq!(contexts(&[]).unwrap(), [Context::new(), Context::new()]);
        let parse = |text| context::parse(text).unwrap();
        assert_eq!(
            contexts(&["--encryption-context=a=b", "--encryption-context="]).unwrap(),
            [parse("a=b"), parse("")]
        );
        assert_eq!(
            contexts(&["--encryption-context=a=b"]).unwrap_err(),
            "--key has 2, and --encryption-context is there 1 times: give one for each key, '' for none, or leave it out"
        );
        assert_eq!(
            plugin(&["--key=k1,k2"]).unwrap_err(),
            "--key has 2, and --listen has 1: give each key a socket of its own"
        );
        assert_eq!(
            plugin(&[
                "--key=k",
                "--encryption-context=a=b",
                "--encryption-context=a=c"
            ])
            .unwrap_err(),
            "`a` occurs twice in the encryption context"
        );
        assert_eq!(
            plugin(&["--key=k", "--source-arn=x"]).unwrap_err(),
            "--source-arn `x` is not an ARN"
        );
    }

    #[test]
    fn a_machine_without_swap_has_only_a_heading() {
        let heading = "Filename\t\t\t\tType\t\tSize\t\tUsed\t\tPriority\n";
        assert!(!has_swap(heading));
        assert!(has_swap(&format!(
            "{heading}/dev/dm-1 partition\t999420\t0\t-2\n"
        )));
    }

    #[test]
    fn health_is_served_where_it_is_said() {
        let addresses = |text| {
            let port = parse_port(text)?;
            Ok::<_, String>(port.0.iter().map(ToString::to_string).collect::<Vec<_>>())
        };
        assert_eq!(addresses("127.0.0.1:1").unwrap(), ["127.0.0.1:1"]);
        assert_eq!(addresses("localhost:1").unwrap(), ["127.0.0.1:1"]);
        assert!(addresses("off").unwrap().is_empty());
        for wrong in ["8080", ":x", "", "host:1"] {
            assert_eq!(
                addresses(wrong).unwrap_err(),
                "use ADDRESS:PORT, :PORT, or off"
            );
        }
    }
}
