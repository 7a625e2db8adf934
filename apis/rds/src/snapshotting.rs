//! How a snapshot of an instance begins: by its own operation, or before the instance is deleted.

use keyward_crypto::random;
use keyward_engine::{
    directory::{
        paths, purpose,
        records::{
            V1,
            copies::Copies,
            database::Happened,
            storage::{self, AgentRecord, VolumeKey, VolumeRecord, Wanted},
        },
    },
    fault::Internal,
    one_by_one::Turn,
};
use keyward_store::{batch::Precondition, revision::Revision, sealed::SealedBatch};
use keyward_types::{storage::VolumeId, tag::Tag};
use tokio::sync::OnceCell;

use crate::{
    Cx,
    data_key::{self, For, Original},
    fault::RdsFault,
    held_key,
    instance::Instance,
    records::{DbSnapshotRecord, Snapped},
    snapshot::{self, Snapshot},
};

/// The most snapshots of an account in a Region.
const MAX_SNAPSHOTS: usize = 100;

/// A snapshot that is to be made, whatever conflicts its commit meets.
#[derive(Debug)]
pub struct NewSnapshot {
    id: VolumeId,
    made: OnceCell<VolumeKey>,
    /// Its turn to be counted and made.
    turn: OnceCell<Turn>,
}

/// What a snapshot is made of.
#[derive(Debug)]
pub struct Of<'o> {
    /// Its name.
    pub name: &'o str,
    /// Its tags.
    pub tags: Vec<Tag>,
    /// The volume that is copied.
    pub volume: &'o VolumeRecord,
    /// The instance as it is, or was.
    pub instance: Snapped,
    /// The snapshot that it is a copy of.
    pub copied: Option<&'o DbSnapshotRecord>,
}

impl NewSnapshot {
    /// A new one.
    ///
    /// # Errors
    /// Never; an id has the shape of one.
    pub fn new() -> Result<Self, Internal> {
        let digits: [u8; 9] = random::array();
        let digits: String = digits.iter().map(|byte| format!("{byte:02x}")).collect();
        let id = format!("snap-{}", digits.get(..17).unwrap_or_default());
        Ok(Self {
            id: VolumeId::parse(&id).map_err(Internal::new)?,
            made: OnceCell::new(),
            turn: OnceCell::new(),
        })
    }

    /// The id of its volume.
    pub fn id(&self) -> &VolumeId {
        &self.id
    }

    /// Waits for its turn to be counted and made. The checks count only then.
    pub async fn turn(&self, cx: &Cx<'_>) {
        let turn = || cx.state().snapshots.turn(cx.region, cx.account());
        self.turn.get_or_init(turn).await;
    }

    /// Checks that it can be made: that its name is free, the account has room for it, and the agent of the original can
    /// copy volumes.
    ///
    /// # Errors
    /// If it cannot.
    pub async fn place(
        &self,
        name: &str,
        original: &VolumeRecord,
        cx: &Cx<'_>,
    ) -> Result<(AgentRecord, Revision), RdsFault> {
        let all = cx.snapshots().await?;
        if all.iter().any(|one| one.record.name == name) {
            let name = name.to_owned();
            return Err(RdsFault::DbSnapshotAlreadyExists { name });
        }
        if all.len() >= MAX_SNAPSHOTS {
            return Err(RdsFault::SnapshotQuotaExceeded);
        }
        cx.copying_agent(original).await
    }

    /// Its data key, made once, if that of the original can be used.
    ///
    /// # Errors
    /// If it cannot, or the new one cannot be made.
    pub async fn key(
        &self,
        original: Original<'_>,
        make: impl Future<Output = Result<VolumeKey, RdsFault>> + Send,
        cx: &Cx<'_>,
    ) -> Result<VolumeKey, RdsFault> {
        let checked = async {
            held_key::check(cx, original.key, original.arn).await?;
            make.await
        };
        Ok(self.made.get_or_try_init(|| checked).await?.clone())
    }

    /// Has a batch make it.
    ///
    /// # Errors
    /// When the batch has no room.
    pub fn put(
        &self,
        batch: &mut SealedBatch,
        (of, key): (Of<'_>, Option<VolumeKey>),
        (agent, agent_revision): (&AgentRecord, Revision),
        cx: &Cx<'_>,
    ) -> Result<Snapshot, RdsFault> {
        let record = DbSnapshotRecord {
            version: V1,
            name: of.name.to_owned(),
            id: self.id.clone(),
            created: cx.now,
            original: of.copied.map_or(cx.now, |copied| copied.original),
            source: of
                .copied
                .map(|copied| snapshot::arn(cx.region, cx.account(), &copied.name)),
            key: key.as_ref().map(|key| key.key.clone()),
            instance: of.instance,
            tags: of.tags,
        };
        let before = of.volume.key.as_ref().map(|key| &key.key);
        let reseals = before != record.key.as_ref();
        let volume = VolumeRecord {
            version: V1,
            id: self.id.clone(),
            service: "rds".to_owned(),
            agent: agent.id.clone(),
            created: cx.now,
            generation: 1,
            wanted: Wanted::Present,
            key,
            made: false,
            available_on: None,
            reported: None,
            source: snapshot::arn(cx.region, cx.account(), of.name),
            // Its record ends before it, so that its name is free at once.
            belongings: Vec::new(),
            targets: Vec::new(),
            authorization: storage::first(),
            backs_up: false,
            backup: None,
            size: of.volume.size,
            database: None,
            image_generation: None,
            copies: Copies::snapshot(of.volume.id.clone(), reseals),
        };
        cx.put_snapshot(batch, &record, Precondition::Absent)?;
        cx.put_volume(batch, &volume, Precondition::Absent)?;
        // The agent must not have gone meanwhile.
        let path = paths::agent(cx.region, cx.account(), &agent.id);
        batch.check(path, Precondition::At(agent_revision))?;
        Ok(Snapshot {
            record,
            revision: Revision::default(),
            volume,
            volume_revision: Revision::default(),
        })
    }

    /// An earlier attempt, or one whose commit failed, may have made grants that nobody needs now.
    pub async fn abandoned(&self, name: &str, cx: &Cx<'_>) {
        let Some(key) = self.made.get() else { return };
        let arn = snapshot::arn(cx.region, cx.account(), name);
        held_key::take_back(cx, key, (&self.id, &arn)).await;
    }
}

impl Instance {
    /// The instance as its snapshots remember it.
    ///
    /// # Errors
    /// When it has no database, which never is.
    pub fn snapped(&self) -> Result<Snapped, Internal> {
        let (record, database) = (&self.record, self.database()?);
        Ok(Snapped {
            name: record.name.clone(),
            id: record.id.clone(),
            created: record.created,
            class: record.class.clone(),
            engine_version: database.version.clone(),
            storage: record.storage,
            storage_type: record.storage_type.clone(),
            database: record.database.clone(),
            port: database.port,
            master: database.master.clone(),
            verifier: database.verifier.clone(),
            vpc: record.vpc.clone(),
            zone: record.zone.clone(),
        })
    }

    /// Its volume, of which one more copy is to be made.
    #[must_use]
    pub fn backing_up(&self, cx: &Cx<'_>) -> VolumeRecord {
        let mut volume = self.volume.clone();
        volume.copies = volume.copies.one_more();
        if let Some(database) = &mut volume.database {
            database.happened(cx.now, Happened::BackingUp);
        }
        volume
    }

    /// What its snapshots are made from, if it is encrypted.
    pub fn original(&self) -> Option<Original<'_>> {
        let key = self.volume.key.as_ref()?;
        Some(Original {
            arn: &self.volume.source,
            key,
        })
    }

    /// The instance, if a snapshot of it can be made.
    ///
    /// # Errors
    /// If its status is not `available`.
    pub fn may_be_copied(&self, cx: &Cx<'_>) -> Result<&Self, RdsFault> {
        match self.status(cx.now) {
            "available" => Ok(self),
            _ => Err(RdsFault::InvalidDbInstanceState(format!(
                "Cannot create a snapshot because the database instance {} is not currently in the available state.",
                self.record.name
            ))),
        }
    }
}

/// The data key of a snapshot of an instance; none if that is not encrypted.
///
/// # Errors
/// If it cannot be made.
pub async fn key_of(
    new: &NewSnapshot,
    (found, name): (&Instance, &str),
    cx: &Cx<'_>,
) -> Result<Option<VolumeKey>, RdsFault> {
    let Some(original) = found.original() else {
        return Ok(None);
    };
    let arn = snapshot::arn(cx.region, cx.account(), name);
    let of = For {
        arn: &arn,
        id: found.record.id.as_str(),
        volume: new.id().as_str(),
        is_snapshot: true,
    };
    let made = data_key::snapshot(cx, of, original);
    new.key(original, made, cx).await.map(Some)
}

impl Cx<'_> {
    /// The agent of a volume, if it can make copies of that.
    ///
    /// # Errors
    /// If it cannot, or is gone.
    pub async fn copying_agent(
        &self,
        volume: &VolumeRecord,
    ) -> Result<(AgentRecord, Revision), RdsFault> {
        let path = paths::agent(self.region, self.account(), &volume.agent);
        let agent = self.directory().rare::<AgentRecord>(&path, purpose::AGENT);
        let agent = agent.await?.filter(|(agent, _)| agent.copies);
        agent.ok_or_else(|| RdsFault::NoCopies {
            agent: volume.agent.to_string(),
        })
    }

    /// Whether another volume is still to be made from one.
    ///
    /// # Errors
    /// When the volumes cannot be read.
    pub async fn is_being_copied(&self, id: &VolumeId) -> Result<bool, RdsFault> {
        let prefix = paths::volumes(self.region, self.account());
        let directory = self.directory();
        let all = directory.every::<VolumeRecord>(&prefix, purpose::VOLUME);
        Ok(all.await?.iter().any(|volume| volume.is_made_from(id)))
    }
}
