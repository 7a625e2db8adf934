//! What the server wants of an agent's volumes: the answer of `PollVolumes`.

use std::{collections::BTreeMap, fmt, net::IpAddr};

use keyward_types::storage::VolumeId;
use serde::{Deserialize, Serialize};

/// The most volumes that an answer may have: more than an account can have in a Region.
pub const MOST_VOLUMES: usize = 10_000;

/// All that is wanted.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Volumes {
    /// What to say at the next question, so that it waits until something else is wanted.
    pub known: String,
    /// The volumes.
    #[serde(rename = "Volumes")]
    pub all: Vec<Wanted>,
}

/// What is wanted of one volume. Members that are not known here are passed over: a server may be newer.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Wanted {
    /// The volume.
    #[serde(rename = "VolumeId")]
    pub volume: VolumeId,
    /// Counts what was wanted of it: a report is about one of them.
    pub generation: u64,
    /// Whether it is to be there.
    #[serde(rename = "Wanted")]
    pub presence: Presence,
    /// Whether it has ever been there, as this agent has said: then it may hold data, and is never made again.
    #[serde(default)]
    pub made: bool,
    /// Whether it is encrypted.
    pub encrypted: bool,
    /// Whether it is to be backed up.
    #[serde(default)]
    pub back_up: bool,
    /// The generation of its newest backup, as an agent has said.
    #[serde(default)]
    pub backup_generation: Option<u64>,
    /// The newest generation of its image that an agent has reported.
    #[serde(default)]
    pub image_generation: Option<u64>,
    /// Where it is to be served over NFS.
    #[serde(default)]
    pub targets: Vec<Target>,
    /// Grows when clients may have other rights than before.
    #[serde(default)]
    pub authorization_revision: u64,
    /// How large it is to be, in bytes; none for the agent's own choice. It never becomes smaller.
    #[serde(default)]
    pub size_in_bytes: Option<u64>,
    /// Whether it is only kept: a snapshot, which is never attached.
    #[serde(default)]
    pub at_rest: bool,
    /// The volume that it is to be made from, as long as it is not made.
    #[serde(default)]
    pub origin: Option<Origin>,
    /// The database that is to be on it.
    #[serde(default)]
    pub database: Option<Database>,
    /// The ARN of the KMS key that wraps the data key.
    #[serde(default)]
    key_id: Option<String>,
    /// The wrapped data key, in base64.
    #[serde(default)]
    ciphertext_blob: Option<String>,
    /// What unwrapping it needs.
    #[serde(default)]
    encryption_context: BTreeMap<String, String>,
}

/// An address on which a volume is to be served over NFS.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Target {
    /// The id of the mount target.
    pub mount_target_id: String,
    /// The address, one of this machine.
    pub ip_address: IpAddr,
    /// The port.
    pub port: u16,
    /// The networks that may connect, such as `10.0.0.0/8`. Nobody if there is none.
    pub cidrs: Vec<String>,
}

/// The volume that another one is made from.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Origin {
    /// The volume, which is on this machine.
    #[serde(rename = "VolumeId")]
    pub volume: VolumeId,
    /// Whether the copy has a data key of its own, so that every block is encrypted anew.
    #[serde(default)]
    pub reseal: bool,
}

/// A database server that is to be on a volume.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Database {
    /// Which program it is, such as `postgres`.
    pub engine: String,
    /// Its version. Only the first number is binding: what is installed of it runs.
    pub engine_version: String,
    /// Whether it is to run.
    pub running: bool,
    /// The address, one of this machine.
    pub address: IpAddr,
    /// The port.
    pub port: u16,
    /// The database that is created first.
    #[serde(default)]
    pub database_name: Option<String>,
    /// The master user.
    pub master_username: String,
    /// What the server stores of the master user's password.
    pub password_verifier: PasswordVerifier,
    /// The password is set when this grows.
    pub password_epoch: u64,
    /// The server is restarted when this grows.
    pub restart_epoch: u64,
    /// The host names and addresses of its certificate.
    pub names: Vec<String>,
    /// The networks that may connect, such as `10.0.0.0/8`. Nobody if there is none.
    pub cidrs: Vec<String>,
}

/// What a database server stores of a password. It is not shown: passwords can be guessed by it.
#[derive(Clone, PartialEq, Eq, Deserialize)]
#[serde(transparent)]
pub struct PasswordVerifier(String);

impl PasswordVerifier {
    /// As it is stored.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for PasswordVerifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PasswordVerifier")
    }
}

/// Whether a volume is to be there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Presence {
    /// It is.
    Present,
    /// It is to be gone.
    Absent,
}

/// The wrapped data key of a volume. Nothing of it is secret.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WrappedKey {
    /// The ARN of the KMS key that wraps it.
    pub key_arn: String,
    /// In base64.
    pub ciphertext: String,
    /// What unwrapping needs.
    pub context: BTreeMap<String, String>,
}

/// Why an answer cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum WantedError {
    /// It is not what a server answers.
    #[error("the server's answer cannot be read: {0}")]
    Json(#[from] serde_json::Error),
    /// It has too much.
    #[error("the server names {0} volumes, more than there can be")]
    TooMany(usize),
    /// An encrypted volume has no key.
    #[error("the server says that volume {0} is encrypted, and not by what")]
    NoKey(VolumeId),
}

impl Volumes {
    /// Reads an answer. One that cannot be used in one part is not used at all: nothing is done by half of it.
    ///
    /// # Errors
    /// When it cannot be used.
    pub fn parse(answer: &[u8]) -> Result<Self, WantedError> {
        let volumes: Self = serde_json::from_slice(answer)?;
        if volumes.all.len() > MOST_VOLUMES {
            return Err(WantedError::TooMany(volumes.all.len()));
        }
        for wanted in &volumes.all {
            if wanted.encrypted && wanted.key().is_none() {
                return Err(WantedError::NoKey(wanted.volume.clone()));
            }
        }
        Ok(volumes)
    }
}

impl Wanted {
    /// The newest generation that the server knows: of its image, or of a backup.
    pub fn newest_generation(&self) -> Option<u64> {
        self.image_generation.max(self.backup_generation)
    }

    /// A volume without encryption.
    pub fn plain(volume: VolumeId, generation: u64, presence: Presence) -> Self {
        Self {
            volume,
            generation,
            presence,
            made: false,
            encrypted: false,
            back_up: false,
            backup_generation: None,
            image_generation: None,
            targets: Vec::new(),
            authorization_revision: 0,
            size_in_bytes: None,
            at_rest: false,
            origin: None,
            database: None,
            key_id: None,
            ciphertext_blob: None,
            encryption_context: BTreeMap::new(),
        }
    }

    /// Its wrapped data key, if it is encrypted.
    pub fn key(&self) -> Option<WrappedKey> {
        if !self.encrypted {
            return None;
        }
        Some(WrappedKey {
            key_arn: self.key_id.clone()?,
            ciphertext: self.ciphertext_blob.clone()?,
            context: self.encryption_context.clone(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ANSWER: &str = r#"{"Known":"k","Volumes":[
        {"VolumeId":"fs-00000000000000001","Service":"elasticfilesystem","AccountId":"111122223333",
         "Generation":2,"Wanted":"PRESENT","Made":true,"Encrypted":true,"KeyId":"arn:aws:kms:x","CiphertextBlob":"AAAA",
         "EncryptionContext":{"a":"b"},"AuthorizationRevision":4,
         "BackUp":true,"BackupGeneration":9,"ImageGeneration":12,
         "Targets":[{"MountTargetId":"fsmt-1","IpAddress":"127.0.0.1","Port":2049,"Cidrs":["10.0.0.0/8"]}]},
        {"VolumeId":"fs-00000000000000002","Service":"elasticfilesystem","AccountId":"111122223333",
         "Generation":3,"Wanted":"ABSENT","Encrypted":false}]}"#;

    #[test]
    fn an_answer_is_read_and_what_is_unknown_in_it_passed_over() {
        let volumes = Volumes::parse(ANSWER.as_bytes()).unwrap();
        assert_eq!(volumes.known, "k");
        let [first, second] = volumes.all.as_slice() else {
            panic!("{volumes:?}")
        };
        let key = first.key().unwrap();
        assert_eq!((first.generation, first.presence), (2, Presence::Present));
        assert!(first.made);
        assert_eq!((first.back_up, first.backup_generation), (true, Some(9)));
        assert_eq!(first.image_generation, Some(12));
        assert_eq!(
            (key.key_arn.as_str(), key.ciphertext.as_str()),
            ("arn:aws:kms:x", "AAAA")
        );
        assert_eq!(key.context, [("a".to_owned(), "b".to_owned())].into());
        let target = Target {
            mount_target_id: "fsmt-1".to_owned(),
            ip_address: IpAddr::from([127, 0, 0, 1]),
            port: 2049,
            cidrs: vec!["10.0.0.0/8".to_owned()],
        };
        assert_eq!(
            (first.targets.as_slice(), first.authorization_revision),
            ([target].as_slice(), 4)
        );
        let id = VolumeId::parse("fs-00000000000000002").unwrap();
        assert_eq!(*second, Wanted::plain(id, 3, Presence::Absent));
        assert_eq!(second.key(), None);
    }

    #[test]
    fn a_database_is_read_and_its_verifier_is_not_shown() {
        let database = r#""SizeInBytes":1073741824,"Database":{"Engine":"postgres","EngineVersion":"15.14",
            "Running":true,"Address":"10.0.0.4","Port":5432,"MasterUsername":"admin",
            "PasswordVerifier":"SCRAM-SHA-256$SECRET","PasswordEpoch":2,"RestartEpoch":1,
            "Names":["orders.rds.localhost"],"Cidrs":["10.0.0.0/8"]},"Encrypted":false"#;
        let answer = ANSWER.replace(r#""Encrypted":false"#, database);
        let volumes = Volumes::parse(answer.as_bytes()).unwrap();
        assert_eq!(volumes.all[0].database, None);
        let second = &volumes.all[1];
        assert_eq!(second.size_in_bytes, Some(1 << 30));
        assert_eq!((second.at_rest, second.origin.as_ref()), (false, None));
        let database = second.database.as_ref().unwrap();
        assert_eq!(
            (database.port, database.database_name.as_deref()),
            (5432, None)
        );
        assert_eq!(database.password_verifier.expose(), "SCRAM-SHA-256$SECRET");
        assert!(!format!("{volumes:?}").contains("SECRET"));
    }

    #[test]
    fn a_snapshot_names_what_it_is_made_from() {
        let origin = r#""AtRest":true,"Origin":{"VolumeId":"db-AJS3ENW7IR2DMV6HQZCLU5GPYB","Reseal":true},"Encrypted":false"#;
        let answer = ANSWER.replace(r#""Encrypted":false"#, origin);
        let volumes = Volumes::parse(answer.as_bytes()).unwrap();
        let snapshot = &volumes.all[1];
        assert!(snapshot.at_rest);
        let origin = snapshot.origin.as_ref().unwrap();
        assert!(origin.volume.is_of_database() && origin.reseal);
    }

    #[test]
    fn half_an_answer_is_none() {
        for (from, to, why) in [
            ("\"KeyId\"", "\"Other\"", "encrypted, and not by what"),
            ("PRESENT", "PERHAPS", "unknown variant `PERHAPS`"),
            ("fs-00000000000000002", "../../etc", "not an id"),
        ] {
            let error = Volumes::parse(ANSWER.replace(from, to).as_bytes()).unwrap_err();
            assert!(error.to_string().contains(why), "{error}");
        }
    }
}
