//! `DeleteDBInstance`: the agent is told that the volume is to be gone, and the grants are retired, so that nobody can
//! unwrap the data key any more. The instance is `deleting` until the agent says that it is gone.
//!
//! The grants are retired once it is certain that the instance ends. If they cannot be retired then, a worker of
//! Keyward's own API does it, and nothing ends before. An instance whose key cannot be used can be deleted.
//!
//! <https://docs.aws.amazon.com/AmazonRDS/latest/APIReference/API_DeleteDBInstance.html>

use keyward_engine::{
    audit::parameters::{Parameter, boolean, text},
    directory::{
        paths, purpose,
        records::{
            database::Happened,
            storage::{AgentRecord, MOST_BELONGINGS, VolumeKey, VolumeRecord, Wanted},
        },
    },
    gate::{Denied, Gate},
    operation::{Done, Operation, Output},
    policy::permit::Permit,
};
use keyward_store::{batch::Precondition, path::Path};
use keyward_wire::{json, query::Params, xml};

use crate::{
    Cx, Rds, data_key,
    fault::RdsFault,
    instance::{self, Instance, OneInstance},
    members,
    shown::Described,
};

/// The input.
#[derive(Debug)]
pub struct DeleteDBInstance {
    named: String,
    skips_snapshot: bool,
    snapshot: Option<String>,
}

/// The instance, and whether its agent is still there to delete it.
#[derive(Debug)]
pub struct Ending {
    one: OneInstance,
    has_agent: bool,
}

/// What is answered, and what is left to do.
#[derive(Debug)]
pub struct Ended {
    described: Described,
    key: Option<VolumeKey>,
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
    type Permits = Permit<Self>;

    fn parse(params: &Params<'_>) -> Result<Self, RdsFault> {
        let mut m = params.members_with_values();
        let named = m.string("DBInstanceIdentifier").length(0, 255).optional();
        let skips_snapshot = m.boolean("SkipFinalSnapshot").optional().unwrap_or(false);
        let snapshot = m
            .string("FinalDBSnapshotIdentifier")
            .length(0, 255)
            .optional();
        // There are none.
        m.boolean("DeleteAutomatedBackups").optional();
        m.finish()?;
        let named = members::required(named, "DBInstanceIdentifier")?;
        let snapshot = snapshot.filter(|name| !name.is_empty());
        Ok(Self {
            named,
            skips_snapshot,
            snapshot: snapshot.map(str::to_owned),
        })
    }

    async fn resolve(&self, cx: &Cx<'_>) -> Result<Ending, RdsFault> {
        let one = cx.named_instance(&self.named).await?;
        let has_agent = match one.get() {
            Ok(found) => {
                let path = paths::agent(cx.region, cx.account(), &found.volume.agent);
                let agent = cx.directory().rare::<AgentRecord>(&path, purpose::AGENT);
                agent.await?.is_some()
            }
            Err(_) => false,
        };
        Ok(Ending { one, has_agent })
    }

    fn authorize(&self, ending: &Ending, gate: &Gate<'_>) -> Result<Permit<Self>, Denied> {
        gate.permit(&ending.one, |_| ())
    }

    async fn call(
        &self,
        _permit: &Permit<Self>,
        ending: &Ending,
        cx: &Cx<'_>,
    ) -> Result<Done<Ended>, RdsFault> {
        let found = ending.one.get()?;
        self.check(found, ending.has_agent)?;
        let mut batch = cx.batch();
        let at = Precondition::At(found.volume_revision);
        let mut database = found.database()?.clone();
        database.running = false;
        database.happened(cx.now, Happened::Deleting);
        let volume = VolumeRecord {
            wanted: Wanted::Absent,
            generation: found.volume.generation.saturating_add(1),
            reported: None,
            database: Some(Box::new(database)),
            ..found.volume.clone()
        };
        let key = found.volume.key.clone();
        let fits = volume.belongings.len() <= MOST_BELONGINGS && key.is_none();
        let own = instance::path(cx, &found.record.name);
        // It must not have become protected meanwhile.
        let unchanged = Precondition::At(found.revision);
        if !ending.has_agent && fits {
            // Nobody is left to say that it is gone. If it has grants or more than fits a batch, a worker ends it, as
            // it does with those that were to be gone before.
            batch.delete(paths::volume(cx.region, cx.account(), &volume.id), at)?;
            for path in &volume.belongings {
                let path = Path::parse(path)?;
                let precondition = if path == own {
                    unchanged
                } else {
                    Precondition::Any
                };
                batch.delete(path, precondition)?;
            }
        } else {
            cx.put_volume(&mut batch, &volume, at)?;
            batch.check(own, unchanged)?;
        }
        let ended = Instance {
            volume,
            ..found.clone()
        };
        let described = cx.described(ended).await?;
        Ok(Done::changed(Ended { described, key }, batch))
    }

    async fn committed(&self, ended: &Ended, cx: &Cx<'_>) {
        let Some(key) = &ended.key else { return };
        let volume = &ended.described.instance.volume;
        if let Err(error) = data_key::retire(cx, key, &volume.source).await {
            let (cause, instance) = (error.chain(), &volume.id);
            tracing::warn!(cause, %instance, "grants cannot be retired yet");
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
        if found.volume.wanted == Wanted::Absent && has_agent {
            return Err(RdsFault::InvalidDbInstanceState(format!(
                "Instance {} is already being deleted.",
                found.record.name
            )));
        }
        match (self.skips_snapshot, &self.snapshot) {
            (true, None) => Ok(()),
            (true, Some(_)) => combination(
                "FinalDBSnapshotIdentifier can not be specified when deleting a DB instance with SkipFinalSnapshot",
            ),
            (false, None) => combination(
                "FinalDBSnapshotIdentifier is required unless SkipFinalSnapshot is specified.",
            ),
            (false, Some(_)) => combination(
                "FinalDBSnapshotIdentifier is not supported by this version of Keyward, which has no snapshots: make a copy with pg_dump, and specify SkipFinalSnapshot.",
            ),
        }
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
