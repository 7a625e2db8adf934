//! `CreateFileSystem`: a new file system, encrypted or not.
//!
//! <https://docs.aws.amazon.com/efs/latest/ug/API_CreateFileSystem.html>
//!
//! An agent of the account and Region stores it: of those that have ever called, the one that stores the fewest
//! volumes. One that is not connected is chosen only if no other can be: it may come back. It is `creating` until the agent says that it is made. If it is to be backed up, only agents count that have
//! a place for backups.

use keyward_crypto::random;
use keyward_engine::{
    audit::parameters::{Parameter, boolean, double, structures, text},
    directory::{
        paths, purpose,
        records::{
            self, V1,
            copies::Copies,
            storage::{self, AgentRecord, MOST_BELONGINGS, VolumeKey, VolumeRecord, Wanted},
        },
    },
    fault::Internal,
    gate::{Denied, Gate},
    one_by_one::Turn,
    operation::{Done, Operation},
    policy::permit::Permit,
};
use keyward_store::{batch::Precondition, revision::Revision};
use keyward_types::{
    storage::{AgentId, VolumeId},
    tag::Tag,
};
use keyward_wire::json::{Members, Object};
use tokio::sync::OnceCell;

use crate::{
    Cx, Efs, condition_keys,
    data_key::{self, DEFAULT_KEY},
    fault::EfsFault,
    file_system::{self, AnyFileSystem, FileSystem, OneFileSystem},
    members,
    records::{CreationTokenRecord, FileSystemRecord, Throughput},
    shown::Described,
    tags, throughput,
};

/// The most file systems of an account in a Region.
const MAX_FILE_SYSTEMS: usize = 1000;
/// What is said if no agent can back it up.
const NO_PLACE: &str = "Backup cannot be true: no agent of this account and Region has a place for backups. Start one with `keyward agent run --backup-to`.";
/// The modes of performance.
const MODES: &[&str] = &["generalPurpose", "maxIO"];
const KEY_ID: &str = r"^([0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}|mrk-[0-9a-f]{32}|alias/[a-zA-Z0-9/_-]+|(arn:aws[-a-z]*:kms:[a-z0-9-]+:\d{12}:((key/[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12})|(key/mrk-[0-9a-f]{32})|(alias/[a-zA-Z0-9/_-]+))))$";

/// The input, and what was created for it.
#[derive(Debug)]
pub struct CreateFileSystem {
    token: String,
    performance_mode: &'static str,
    encrypted: bool,
    key: Option<String>,
    throughput: Throughput,
    availability_zone: Option<String>,
    backup: bool,
    tags: Vec<Tag>,
    /// The id that it gets, whatever conflicts its commit meets.
    id: VolumeId,
    made: OnceCell<VolumeKey>,
    /// Its turn to be counted and made.
    turn: OnceCell<Turn>,
}

/// What a new file system is about.
#[derive(Debug)]
pub struct New {
    any: AnyFileSystem,
    one: OneFileSystem,
}

keyward_types::action!("elasticfilesystem": CreateFileSystem = "elasticfilesystem:CreateFileSystem");

impl Operation for CreateFileSystem {
    const NAME: &'static str = "CreateFileSystem";
    const READ_ONLY: bool = false;
    const PARAMETERS: &'static [Parameter] = &[
        text("CreationToken"),
        text("PerformanceMode"),
        boolean("Encrypted"),
        text("KmsKeyId"),
        text("ThroughputMode"),
        double("ProvisionedThroughputInMibps"),
        text("AvailabilityZoneName"),
        boolean("Backup"),
        structures("Tags", members::SHOWN_TAG),
    ];
    type Api = Efs;
    type Output = Described;
    type Fault = EfsFault;
    type Resolved = New;
    type Permits = (Permit<Self>, Option<Permit<tags::TagResource>>);

    fn parse(body: &Object<'_>) -> Result<Self, EfsFault> {
        let mut m = Members::of(body);
        let token = members::creation_token(&mut m).map(str::to_owned);
        if token.is_none() {
            m.string("CreationToken").required();
        }
        let performance_mode = m.enumeration("PerformanceMode", MODES).optional();
        let encrypted = m.boolean("Encrypted").optional().unwrap_or(false);
        let key = m.string("KmsKeyId").length(1, 2048).pattern(KEY_ID, is_key);
        let key = key.optional().map(str::to_owned);
        let throughput = throughput::AskedThroughput::read(&mut m);
        let zone = m.string("AvailabilityZoneName").length(1, 64).optional();
        let zone = zone.map(str::to_owned);
        let backup = m.boolean("Backup").optional().unwrap_or(false);
        let tags = members::tags(&mut m).unwrap_or_default();
        m.finish()?;
        let wrong = |text: &str| Err(EfsFault::BadRequest(text.to_owned()));
        if key.is_some() && !encrypted {
            return wrong("KmsKeyId can be specified only if Encrypted is true.");
        }
        let performance_mode = performance_mode.unwrap_or("generalPurpose");
        let throughput = throughput.from(Throughput::Bursting)?;
        if performance_mode == "maxIO" && throughput == Throughput::Elastic {
            return wrong("Elastic throughput requires the performance mode generalPurpose.");
        }
        if performance_mode == "maxIO" && zone.is_some() {
            return wrong("One Zone file systems require the performance mode generalPurpose.");
        }
        let id = format!("fs-{}", digits(random::array()));
        Ok(Self {
            token: token.unwrap_or_default(),
            performance_mode,
            encrypted,
            key,
            throughput,
            availability_zone: zone,
            backup,
            tags: members::checked(tags)?,
            id: VolumeId::parse(&id).map_err(Internal::new)?,
            made: OnceCell::new(),
            turn: OnceCell::new(),
        })
    }

    async fn resolve(&self, cx: &Cx<'_>) -> Result<New, EfsFault> {
        Ok(New {
            any: AnyFileSystem::of(cx),
            one: OneFileSystem::to_be_made(cx, self.id.as_str()),
        })
    }

    fn authorize(&self, new: &New, gate: &Gate<'_>) -> Result<Self::Permits, Denied> {
        let permit = gate.permit(&new.any, |supply| {
            supply.boolean(condition_keys::ENCRYPTED, self.encrypted);
            supply.request_tags(&self.tags);
        })?;
        if self.tags.is_empty() {
            return Ok((permit, None));
        }
        let tagging = gate.permit(&new.one, |supply| {
            supply.one(condition_keys::CREATE_ACTION, Self::NAME);
            supply.request_tags(&self.tags);
        })?;
        Ok((permit, Some(tagging)))
    }

    async fn call(
        &self,
        _permits: &Self::Permits,
        _new: &New,
        cx: &Cx<'_>,
    ) -> Result<Done<Described>, EfsFault> {
        let key = match self.encrypted {
            true => {
                // KMS is not asked for what cannot be created.
                self.agent(cx).await?;
                let named = self.key.as_deref().unwrap_or(DEFAULT_KEY);
                let make = || data_key::create(cx, named, self.id.as_str());
                Some(self.made.get_or_try_init(make).await?.clone())
            }
            false => None,
        };
        let turn = || cx.state().creations.turn(cx.region, cx.account());
        self.turn.get_or_init(turn).await;
        let (agent, agent_revision) = self.agent(cx).await?;
        let file_system = self.file_system(agent, key, cx)?;
        let mut batch = cx.batch();
        let absent = Precondition::Absent;
        let bytes = records::encode(&file_system.record).map_err(Internal::new)?;
        let path = file_system::path(cx, self.id.as_str())?;
        batch.put(path, purpose::FILE_SYSTEM, &bytes, absent)?;
        let token = CreationTokenRecord {
            version: V1,
            id: self.id.to_string(),
        };
        let bytes = records::encode(&token).map_err(Internal::new)?;
        let path = file_system::token_path(cx, &self.token);
        batch.put(path, purpose::CREATION_TOKEN, &bytes, absent)?;
        let bytes = records::encode(&file_system.volume).map_err(Internal::new)?;
        let path = paths::volume(cx.region, cx.account(), &self.id);
        batch.put(path, purpose::VOLUME, &bytes, absent)?;
        // The agent must not have been removed in the meantime.
        let path = paths::agent(cx.region, cx.account(), &file_system.volume.agent);
        batch.check(path, Precondition::At(agent_revision))?;
        Ok(Done::changed(Described::new(file_system, cx), batch))
    }

    /// An earlier attempt, or one whose commit failed, may have created a grant that is not needed
    /// any more.
    async fn abandoned(&self, cx: &Cx<'_>) {
        let Some(key) = self.made.get() else { return };
        let retired = async {
            let path = paths::volume(cx.region, cx.account(), &self.id);
            let found = cx.directory().rare::<VolumeRecord>(&path, purpose::VOLUME);
            // The store may have failed after it had committed.
            if found.await.map_err(Internal::new)?.is_some() {
                return Ok(());
            }
            data_key::retire(cx, key, self.id.as_str()).await
        };
        let retired: Result<(), Internal> = retired.await;
        if let Err(error) = retired {
            let (cause, file_system) = (error.chain(), self.id.as_str());
            let (key, grant) = (&key.key, &key.grant);
            tracing::error!(
                cause,
                file_system,
                key,
                grant,
                "a grant without a file system cannot be retired"
            );
        }
    }
}

impl CreateFileSystem {
    /// The agent that stores it, and when that was last written.
    async fn agent(&self, cx: &Cx<'_>) -> Result<(AgentId, Revision), EfsFault> {
        if let Some(id) = cx.created_with(&self.token).await? {
            return Err(EfsFault::FileSystemAlreadyExists {
                id,
                token: self.token.clone(),
            });
        }
        let directory = cx.directory();
        let prefix = paths::agents(cx.region, cx.account());
        let agents = directory.every_with_revision::<AgentRecord>(&prefix, purpose::AGENT);
        let agents = agents.await?;
        let prefix = paths::volumes(cx.region, cx.account());
        let volumes = directory
            .every::<VolumeRecord>(&prefix, purpose::VOLUME)
            .await?;
        let of_efs = |volume: &&VolumeRecord| volume.service == "elasticfilesystem";
        if volumes.iter().filter(of_efs).count() >= MAX_FILE_SYSTEMS {
            return Err(EfsFault::FileSystemLimitExceeded);
        }
        let zones = cx.state().vpcs.zones(cx.region);
        if let Some(zone) = self.availability_zone.as_ref()
            && !zones.contains(zone)
        {
            return Err(EfsFault::UnsupportedAvailabilityZone { zone: zone.clone() });
        }
        let stored = |agent: &AgentRecord| {
            let of_agent = volumes.iter().filter(|volume| volume.agent == agent.id);
            of_agent.count()
        };
        // The key of one that never called may have been lost.
        let agents = agents
            .into_iter()
            .filter(|(agent, _)| agent.called.is_some());
        let agents: Vec<(AgentRecord, Revision)> = agents.collect();
        let has_agents = !agents.is_empty();
        let can = |(agent, _): &(AgentRecord, Revision)| agent.backs_up || !self.backup;
        let agents = agents.into_iter().filter(can);
        let agent = agents.min_by_key(|(agent, _)| {
            let is_connected = cx.state().connections.is_connected(&agent.id);
            (!is_connected, stored(agent), agent.created)
        });
        let (agent, revision) = agent.ok_or_else(|| match has_agents && self.backup {
            true => EfsFault::BadRequest(NO_PLACE.to_owned()),
            false => EfsFault::NoAgent {
                account: cx.account().to_string(),
                region: cx.region.to_string(),
            },
        })?;
        Ok((agent.id, revision))
    }

    fn file_system(
        &self,
        agent: AgentId,
        key: Option<VolumeKey>,
        cx: &Cx<'_>,
    ) -> Result<FileSystem, EfsFault> {
        let id = self.id.as_str();
        let belongings: [String; MOST_BELONGINGS] = [
            file_system::path(cx, id)?.as_str().to_owned(),
            file_system::token_path(cx, &self.token).as_str().to_owned(),
        ];
        let record = FileSystemRecord {
            version: V1,
            id: id.to_owned(),
            token: self.token.clone(),
            created: cx.now,
            performance_mode: self.performance_mode.to_owned(),
            throughput: self.throughput,
            throughput_changed: None,
            availability_zone: self.availability_zone.clone(),
            key: key.as_ref().map(|key| key.key.clone()),
            tags: self.tags.clone(),
            lifecycle: Vec::new(),
            has_backup_policy: self.backup,
            is_overwritable: false,
        };
        let volume = VolumeRecord {
            version: V1,
            id: self.id.clone(),
            service: "elasticfilesystem".to_owned(),
            agent,
            created: cx.now,
            generation: 1,
            wanted: Wanted::Present,
            key,
            made: false,
            available_on: None,
            reported: None,
            source: file_system::arn(cx.region, cx.account(), id),
            belongings: belongings.into(),
            targets: Vec::new(),
            authorization: storage::first(),
            backs_up: self.backup,
            backup: None,
            size: None,
            database: None,
            image_generation: None,
            copies: Copies::default(),
        };
        Ok(FileSystem {
            record,
            revision: Revision::default(),
            volume,
            volume_revision: Revision::default(),
            has_agent: true,
        })
    }
}

/// 17 hexadecimal digits.
pub fn digits(random: [u8; 9]) -> String {
    let digits: String = random.iter().map(|byte| format!("{byte:02x}")).collect();
    digits.chars().take(17).collect()
}

/// Whether the text has the shape of a key's id or ARN, or of an alias or its ARN.
fn is_key(text: &str) -> bool {
    let hex = |text: &str, length: usize| {
        let digit = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
        text.len() == length && text.bytes().all(digit)
    };
    let is_id = |text: &str| match text.strip_prefix("mrk-") {
        Some(digits) => hex(digits, 32),
        None => {
            let parts: Vec<&str> = text.split('-').collect();
            let lengths = [8, 4, 4, 4, 12];
            parts.len() == lengths.len()
                && parts
                    .iter()
                    .zip(lengths)
                    .all(|(part, length)| hex(part, length))
        }
    };
    let is_alias = |text: &str| {
        let legal = |byte: u8| byte.is_ascii_alphanumeric() || b"/_-".contains(&byte);
        text.strip_prefix("alias/")
            .is_some_and(|name| !name.is_empty() && name.bytes().all(legal))
    };
    let Some(parts) = keyward_types::arn::ArnParts::parse(text) else {
        return is_id(text) || is_alias(text);
    };
    let account =
        parts.account.len() == 12 && parts.account.bytes().all(|byte| byte.is_ascii_digit());
    let named = match parts.resource.strip_prefix("key/") {
        Some(id) => is_id(id),
        None => is_alias(parts.resource),
    };
    parts.service == "kms" && account && named
}
