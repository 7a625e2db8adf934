//! `DeleteDBInstance`: the agent is told that the volume is to be gone, and the grants are retired, so that nobody can
//! unwrap the data key any more. The instance is `deleting` until the agent says that it is gone.
//!
//! A final snapshot is made before: the instance stops, and is to be gone once the agent has said that the snapshot is
//! there. Whoever does not want to wait for that any more deletes it again without one.
//!
//! The grants are retired once it is certain that the instance ends. If they cannot be retired then, a worker of
//! Keyward's own API does it, and nothing ends before. An instance whose key cannot be used can be deleted.
//!
//! <https://docs.aws.amazon.com/AmazonRDS/latest/APIReference/API_DeleteDBInstance.html>

use keyward_engine::{
    audit::parameters::{Parameter, boolean, text},
    directory::records::{
        database::Happened,
        storage::{VolumeKey, Wanted},
    },
    gate::{Denied, Gate},
    operation::{Done, Operation, Output},
    policy::permit::Permit,
};
use keyward_store::batch::Precondition;
use keyward_wire::{json, query::Params, xml};

use crate::{
    Cx, Rds,
    create_db_snapshot::{self, FromTo},
    fault::RdsFault,
    held_key,
    instance::{self, Instance, OneInstance},
    members,
    shown::Described,
    snapshotting::{NewSnapshot, Of, key_of},
};

/// The input, and the final snapshot that is made for it.
#[derive(Debug)]
pub struct DeleteDBInstance {
    named: String,
    skips_snapshot: bool,
    snapshot: Option<String>,
    new: NewSnapshot,
}

/// The instance, its final snapshot, and whether its agent is still there to delete it.
#[derive(Debug)]
pub struct Ending {
    one: OneInstance,
    last: Option<FromTo>,
    has_agent: bool,
}

/// What is answered, and what is left to do: data keys whose grants are retired.
#[derive(Debug)]
pub struct Ended {
    described: Described,
    keys: Vec<(VolumeKey, String)>,
}

keyward_types::action!("rds": DeleteDBInstance = "rds:DeleteDBInstance");

impl Operation for DeleteDBInstance {
    const NAME: &'static str = "DeleteDBInstance";
    const READ_ONLY: bool = false;
    const PARAMETERS: &'static [Parameter] = &[
        text("DBInstanceIdentifier"),
        boolean("SkipFinalSnapshot"),
        text("FinalDBSnapshotIdentifier"),
        boolean("DeleteAutomatedBackups"),
    ];
    type Api = Rds;
    type Output = Ended;
    type Fault = RdsFault;
    type Resolved = Ending;
    type Permits = (Permit<Self>, Option<create_db_snapshot::Permits>);

    fn parse(params: &Params<'_>) -> Result<Self, RdsFault> {
        let mut m = params.members_with_values();
        let named = m.string("DBInstanceIdentifier").length(0, 255).optional();
        let skips_snapshot = m.boolean("SkipFinalSnapshot").optional().unwrap_or(false);
        let snapshot = m
            .string("FinalDBSnapshotIdentifier")
            .length(0, 1024)
            .optional();
        // There are none.
        m.boolean("DeleteAutomatedBackups").optional();
        m.finish()?;
        let named = members::required(named, "DBInstanceIdentifier")?;
        let snapshot = snapshot.filter(|name| !name.is_empty());
        let snapshot =
            snapshot.map(|name| members::snapshot_name(name, "FinalDBSnapshotIdentifier"));
        Ok(Self {
            named,
            skips_snapshot,
            snapshot: snapshot.transpose()?,
            new: NewSnapshot::new()?,
        })
    }

    async fn resolve(&self, cx: &Cx<'_>) -> Result<Ending, RdsFault> {
        let one = cx.named_instance(&self.named).await?;
        let has_agent = match one.get() {
            Ok(found) => cx.has_agent(&found.volume).await?,
            Err(_) => false,
        };
        let last = self.snapshot.as_ref();
        let last = last.map(|name| FromTo::new(one.clone(), name, &[], cx));
        Ok(Ending {
            one,
            last,
            has_agent,
        })
    }

    fn authorize(&self, ending: &Ending, gate: &Gate<'_>) -> Result<Self::Permits, Denied> {
        let permit = gate.permit(&ending.one, |_| ())?;
        let snapshot = match &ending.last {
            Some(last) => {
                let found = ending.one.get();
                let tags = found.map(|found| found.record.tags_of_snapshot(&[]));
                Some(last.authorize(gate, (&[], &tags.unwrap_or_default()))?)
            }
            None => None,
        };
        Ok((permit, snapshot))
    }

    async fn call(
        &self,
        _permits: &Self::Permits,
        ending: &Ending,
        cx: &Cx<'_>,
    ) -> Result<Done<Ended>, RdsFault> {
        let found = ending.one.get()?;
        self.check(found, ending.has_agent)?;
        match &self.snapshot {
            Some(name) => self.after_snapshot(found, name, cx).await,
            None => Self::at_once(found, ending.has_agent, cx).await,
        }
    }

    async fn abandoned(&self, cx: &Cx<'_>) {
        if let Some(name) = &self.snapshot {
            self.new.abandoned(name, cx).await;
        }
    }

    async fn committed(&self, ended: &Ended, cx: &Cx<'_>) {
        for (key, arn) in &ended.keys {
            if let Err(error) = held_key::retire(cx, key, arn).await {
                let (cause, resource) = (error.chain(), arn);
                tracing::warn!(cause, resource, "grants cannot be retired yet");
            }
        }
    }
}

impl DeleteDBInstance {
    fn check(&self, found: &Instance, has_agent: bool) -> Result<(), RdsFault> {
        let combination = |text: &str| {
            let message = text.to_owned();
            Err(RdsFault::InvalidParameterCombination(message))
        };
        if found.record.is_protected {
            return combination(
                "Cannot delete protected DB Instance, please disable deletion protection and try again.",
            );
        }
        // One whose agent was removed meanwhile is waited for by nobody.
        let is_ending = found.volume.wanted == Wanted::Absent && has_agent;
        let waits = found.volume.copies.last.is_some() && !self.skips_snapshot;
        if is_ending || waits {
            return Err(RdsFault::InvalidDbInstanceState(format!(
                "Instance {} is already being deleted.",
                found.record.name
            )));
        }
        match (self.skips_snapshot, &self.snapshot) {
            (true, None) | (false, Some(_)) => Ok(()),
            (true, Some(_)) => combination(
                "FinalDBSnapshotIdentifier can not be specified when deleting a DB instance with SkipFinalSnapshot",
            ),
            (false, None) => combination(
                "FinalDBSnapshotIdentifier is required unless SkipFinalSnapshot is specified.",
            ),
        }
    }

    /// It stops, and ends once the snapshot is there.
    async fn after_snapshot(
        &self,
        found: &Instance,
        name: &str,
        cx: &Cx<'_>,
    ) -> Result<Done<Ended>, RdsFault> {
        found.may_be_copied(cx)?;
        // KMS is not asked for what cannot be made.
        self.new.place(name, &found.volume, cx).await?;
        let key = key_of(&self.new, (found, name), cx).await?;
        self.new.turn(cx).await;
        let (agent, revision) = self.new.place(name, &found.volume, cx).await?;
        let mut batch = cx.batch();
        let of = Of {
            name,
            tags: found.record.tags_of_snapshot(&[]),
            volume: &found.volume,
            instance: found.snapped()?,
            copied: None,
        };
        self.new
            .put(&mut batch, (of, key), (&agent, revision), cx)?;
        let mut volume = found.backing_up(cx);
        volume.copies.last = Some(self.new.id().clone());
        if let Some(database) = &mut volume.database {
            database.running = false;
            database.happened(cx.now, Happened::Deleting);
        }
        let at = Precondition::At(found.volume_revision);
        cx.put_volume(&mut batch, &volume, at)?;
        // It must not have become protected meanwhile.
        let own = instance::path(cx, &found.record.name);
        batch.check(own, Precondition::At(found.revision))?;
        let ending = Instance {
            volume,
            ..found.clone()
        };
        let ended = Ended {
            described: cx.described(ending).await?,
            keys: Vec::new(),
        };
        Ok(Done::changed(ended, batch))
    }

    async fn at_once(
        found: &Instance,
        has_agent: bool,
        cx: &Cx<'_>,
    ) -> Result<Done<Ended>, RdsFault> {
        let mut batch = cx.batch();
        let mut keys = Vec::new();
        for snapshot in cx.snapshots().await? {
            if !snapshot.volume.is_made_from(&found.volume.id) {
                continue;
            }
            let is_last = found.volume.copies.last.as_ref() == Some(&snapshot.record.id);
            if !is_last && has_agent {
                return Err(RdsFault::InvalidDbInstanceState(format!(
                    "Instance {} cannot be deleted while the DB snapshot {} of it is being created.",
                    found.record.name, snapshot.record.name
                )));
            }
            // Nobody can make it any more, or it is not waited for.
            let key = cx.end_snapshot(&mut batch, &snapshot).await?;
            keys.extend(key.map(|key| (key, snapshot.volume.source.clone())));
        }
        let own = instance::path(cx, &found.record.name);
        // It must not have become protected meanwhile.
        let unchanged = (&own, Precondition::At(found.revision));
        let before = (&found.volume, found.volume_revision);
        let volume = cx.end(&mut batch, before, unchanged, has_agent)?;
        let key = volume.key.clone();
        keys.extend(key.map(|key| (key, volume.source.clone())));
        let ended = Instance {
            volume,
            ..found.clone()
        };
        let described = cx.described(ended).await?;
        Ok(Done::changed(Ended { described, keys }, batch))
    }
}

impl Output<Rds> for Ended {
    fn render(&self, out: &mut xml::Writer<'_>) {
        self.described.render(out);
    }

    fn response_elements(&self, elements: &mut json::Writer<'_>) {
        self.described.response_elements(elements);
    }
}
