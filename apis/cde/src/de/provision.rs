//! What is created for a service, as the role of its environment: a file system with a mount target, a database, and what
//! a provider of Kubernetes secrets needs. All of it happens in the request that enables the service; what EFS and RDS do
//! later rests on the grants that they make in it.

use std::time::Duration;

use keyward_crypto::random;
use keyward_engine::{
    dependents::ResourceState,
    directory::ReadError,
    fault::Internal,
    forward::{NotDone, call, role::AssumedRole},
};
use keyward_types::tag::Tag;
use keyward_wire::json::{Limits, Object, Value, Writer};

use crate::{
    Cx, De,
    de::parts::{self, word},
    fault::CdeFault,
    records::{EnvironmentRecord, ServiceRecord},
    role::{parameters, told},
};

/// How often an agent's work is looked at while the request waits for it.
const LOOK: Duration = Duration::from_millis(100);
/// The engine of the database.
pub const ENGINE: &str = "postgres";
/// Its class.
pub const DATABASE_CLASS_NAME: &str = "db.t3.medium";
/// Its storage in GiB, the least that RDS gives.
const DATABASE_STORAGE: &str = "20";
/// The encryption context of Kubernetes secrets.
pub const CONTEXT: &str = "cde:cluster-id";

/// A step that failed.
#[derive(Debug)]
pub struct Failure {
    /// Cloudera's word for it.
    pub word: &'static str,
    /// Why.
    pub message: String,
}

impl Failure {
    fn of(word: &'static str, not_done: NotDone) -> Self {
        let message = match told(not_done) {
            Ok(message) => message,
            Err(CdeFault::Internal(internal)) => return internal_failure(word, &internal),
            Err(_) => String::new(),
        };
        Self { word, message }
    }

    fn read(word: &'static str, error: ReadError) -> Self {
        internal_failure(word, &Internal::new(error))
    }
}

fn internal_failure(word: &'static str, internal: &Internal) -> Failure {
    let cause = internal.chain();
    tracing::error!(cause, word, "a step of enabling a service failed");
    let message = "The server failed; its log says why.".to_owned();
    Failure { word, message }
}

/// What is told of each step.
#[derive(Debug, Default)]
pub struct Log(Vec<String>);

impl Log {
    /// Adds a line.
    pub fn say(&mut self, cx: &Cx<'_>, text: String) {
        let now = cx.shared().clock().now().iso8601();
        self.0.push(format!("{now} {text}"));
    }

    /// The lines.
    pub fn lines(&self) -> &[String] {
        &self.0
    }
}

/// The tags of everything that is created for a service.
pub fn tags_of(service: &ServiceRecord) -> Vec<Tag> {
    let own = [
        ("Name", parts::name(service)),
        ("cde-cluster-id", service.id.clone()),
    ];
    let own = own.map(|(key, value)| Tag {
        key: key.to_owned(),
        value,
    });
    let others = service.tags.iter();
    let others = others.filter(|tag| own.iter().all(|own| own.key != tag.key));
    let others: Vec<Tag> = others.cloned().collect();
    own.into_iter().chain(others).collect()
}

/// Creates everything, one step after the other.
///
/// # Errors
/// The first step that failed. What the steps before it have created stays until the service is disabled.
pub async fn run(
    cx: &Cx<'_>,
    role: &AssumedRole,
    (service, environment): (&ServiceRecord, &EnvironmentRecord),
    log: &mut Log,
) -> Result<(), Failure> {
    let under = service.key.as_deref().unwrap_or("the AWS managed key");
    let id = create_file_system(cx, role, service).await?;
    log.say(
        cx,
        format!("The file system {id} is being created under {under}."),
    );
    note(cx, &service.id, |out| out.string("fileSystemId", &id)).await;
    create_database(cx, role, service).await?;
    let name = parts::name(service);
    log.say(
        cx,
        format!("The database {name} is being created under {under}."),
    );
    let made = ServiceRecord {
        file_system: Some(id.clone()),
        ..service.clone()
    };
    wait_for_file_system(cx, &made).await?;
    log.say(cx, format!("The file system {id} is available."));
    let subnet = environment
        .subnets
        .first()
        .map(String::as_str)
        .unwrap_or_default();
    create_mount_target(cx, role, &id, subnet).await?;
    log.say(cx, format!("A mount target is being created in {subnet}."));
    match &service.key {
        Some(key) => {
            probe(cx, role, key, service).await?;
            log.say(
                cx,
                format!("Kubernetes secrets can be encrypted under {key}."),
            );
        }
        None => {
            let text = "The environment has no key: there is no provider of Kubernetes secrets.";
            log.say(cx, text.to_owned());
        }
    }
    Ok(())
}

/// Tells what is known of a service's provisioning to its record.
pub async fn note(cx: &Cx<'_>, service: &str, members: impl FnOnce(&mut Writer<'_>)) {
    let body = Writer::render(1024, |out| {
        out.string("clusterId", service);
        members(out);
    });
    let noted = call::<De>(cx, ("de", "recordProvisioning"), &body).await;
    if let Err(error) = noted {
        tracing::error!(
            service,
            ?error,
            "what was done for a service cannot be noted"
        );
    }
}

async fn create_file_system(
    cx: &Cx<'_>,
    role: &AssumedRole,
    service: &ServiceRecord,
) -> Result<String, Failure> {
    let body = Writer::render(1024, |out| {
        out.string("CreationToken", &parts::name(service));
        out.boolean("Encrypted", true);
        if let Some(key) = &service.key {
            out.string("KmsKeyId", key);
        }
        out.array("Tags", |tags| {
            for Tag { key, value } in tags_of(service) {
                tags.object(|tag| {
                    tag.string("Key", &key);
                    tag.string("Value", &value);
                });
            }
        });
    });
    let named = ("elasticfilesystem", "CreateFileSystem");
    let made = role.call(cx, named, &body).await;
    let made = made.map_err(|error| Failure::of(word::FILE_SYSTEM, error))?;
    text(&made, "FileSystemId").map_err(|error| internal_failure(word::FILE_SYSTEM, &error))
}

async fn create_database(
    cx: &Cx<'_>,
    role: &AssumedRole,
    service: &ServiceRecord,
) -> Result<(), Failure> {
    // Nobody knows it: whoever is to connect sets another one with ModifyDBInstance.
    let password: [u8; 24] = random::array();
    let password: String = password.iter().map(|byte| format!("{byte:02x}")).collect();
    let name = parts::name(service);
    let mut pairs = vec![
        ("Action".to_owned(), "CreateDBInstance"),
        ("Version".to_owned(), "2014-10-31"),
        ("DBInstanceIdentifier".to_owned(), name.as_str()),
        ("DBInstanceClass".to_owned(), DATABASE_CLASS_NAME),
        ("Engine".to_owned(), ENGINE),
        ("AllocatedStorage".to_owned(), DATABASE_STORAGE),
        ("DBName".to_owned(), "cde"),
        ("MasterUsername".to_owned(), "cde"),
        ("MasterUserPassword".to_owned(), &password),
        ("BackupRetentionPeriod".to_owned(), "0"),
        ("StorageEncrypted".to_owned(), "true"),
    ];
    if let Some(key) = &service.key {
        pairs.push(("KmsKeyId".to_owned(), key));
    }
    let tags = tags_of(service);
    for (at, Tag { key, value }) in (1..).zip(&tags) {
        pairs.push((format!("Tags.Tag.{at}.Key"), key));
        pairs.push((format!("Tags.Tag.{at}.Value"), value));
    }
    let pairs: Vec<(&str, &str)> = pairs
        .iter()
        .map(|(name, value)| (&**name, *value))
        .collect();
    let made = role
        .call(cx, ("rds", "CreateDBInstance"), &parameters(&pairs))
        .await;
    made.map(|_| ())
        .map_err(|error| Failure::of(word::DATABASE, error))
}

/// A mount target needs a file system that is there.
async fn wait_for_file_system(cx: &Cx<'_>, service: &ServiceRecord) -> Result<(), Failure> {
    let is_there = |state: &Option<ResourceState>| {
        let state = state.as_ref().map(|state| state.state.as_str());
        !matches!(state, Some("creating"))
    };
    let arn = parts::file_system_arn(cx, service).unwrap_or_default();
    let found = wait(cx, &arn, is_there).await;
    let found = found.map_err(|error| Failure::read(word::FILE_SYSTEM, error))?;
    let message = match found.as_ref().map(|state| state.state.as_str()) {
        Some("available") => return Ok(()),
        Some("creating") => {
            "The agent that is to store the file system does not answer. `keyward agent list` shows agents."
        }
        Some(_) => "The agent could not create the file system. `keyward agent list` shows why.",
        None => "The file system was deleted while the service was being enabled.",
    };
    Err(Failure {
        word: word::FILE_SYSTEM,
        message: message.to_owned(),
    })
}

/// Waits until the state of a resource is one that is waited for, or for as long as requests wait for agents. Answers the
/// last state.
///
/// # Errors
/// When it cannot be read.
pub async fn wait(
    cx: &Cx<'_>,
    arn: &str,
    is_it: impl Fn(&Option<ResourceState>) -> bool,
) -> Result<Option<ResourceState>, ReadError> {
    let until = async {
        loop {
            let state = cx.state_of(arn).await?;
            if is_it(&state) {
                return Ok::<_, ReadError>(state);
            }
            tokio::time::sleep(LOOK).await;
        }
    };
    let limited = tokio::time::timeout(cx.state().patience, until);
    match cx.wait(limited).await {
        Ok(Some(Ok(found))) => found,
        // It took too long, or the server stops or is full.
        Ok(Some(Err(_)) | None) | Err(_) => cx.state_of(arn).await,
    }
}

async fn create_mount_target(
    cx: &Cx<'_>,
    role: &AssumedRole,
    file_system: &str,
    subnet: &str,
) -> Result<(), Failure> {
    let body = Writer::render(256, |out| {
        out.string("FileSystemId", file_system);
        out.string("SubnetId", subnet);
    });
    let named = ("elasticfilesystem", "CreateMountTarget");
    let made = role.call(cx, named, &body).await;
    made.map(|_| ())
        .map_err(|error| Failure::of(word::MOUNT_TARGET, error))
}

/// Encrypts and decrypts something as a provider of Kubernetes secrets would.
///
/// # Errors
/// When the role may not, or the key cannot be used.
pub async fn probe(
    cx: &Cx<'_>,
    role: &AssumedRole,
    key: &str,
    service: &ServiceRecord,
) -> Result<(), Failure> {
    let failed = |error| Failure::of(word::CLUSTER, error);
    let context = |out: &mut Writer<'_>| {
        out.object("EncryptionContext", |out| out.string(CONTEXT, &service.id));
    };
    let body = Writer::render(512, |out| {
        out.string("KeyId", key);
        out.blob("Plaintext", b"keyward");
        context(out);
    });
    let sealed = role
        .call(cx, ("kms", "Encrypt"), &body)
        .await
        .map_err(failed)?;
    let sealed = text(&sealed, "CiphertextBlob");
    let sealed = sealed.map_err(|error| internal_failure(word::CLUSTER, &error))?;
    let body = Writer::render(1024, |out| {
        out.string("KeyId", key);
        out.string("CiphertextBlob", &sealed);
        context(out);
    });
    role.call(cx, ("kms", "Decrypt"), &body)
        .await
        .map(|_| ())
        .map_err(failed)
}

/// A text in an answer.
///
/// # Errors
/// When it is not there.
pub fn text(answer: &[u8], name: &str) -> Result<String, Internal> {
    let answer = Object::parse(answer, &Limits::KMS).map_err(Internal::new)?;
    match answer.get(name) {
        Some(Value::Text(text)) => Ok(text.to_string()),
        _ => Err(Internal::new("an answer of another API lacks a member")),
    }
}
