//! `CreateDBSnapshot`: a copy of an instance's volume, as it is at one moment, that outlasts the instance. PostgreSQL
//! recovers from such a copy as it does after a power cut.
//!
//! It is encrypted under the key of its instance. The caller needs no right to that: RDS uses the instance's grants.
//!
//! <https://docs.aws.amazon.com/AmazonRDS/latest/APIReference/API_CreateDBSnapshot.html>

use keyward_engine::{
    audit::parameters::{Parameter, structures, text},
    gate::{Denied, Gate},
    operation::{Done, Operation},
    policy::permit::Permit,
};
use keyward_store::batch::Precondition;
use keyward_types::tag::Tag;
use keyward_wire::query::Params;

use crate::{
    Cx, Rds,
    fault::RdsFault,
    instance::OneInstance,
    members,
    shown_snapshot::DescribedSnapshot,
    snapshot::OneSnapshot,
    snapshotting::{NewSnapshot, Of, key_of},
    tags::AddTagsToResource,
};

/// The input, and what is made for it.
#[derive(Debug)]
pub struct CreateDBSnapshot {
    name: String,
    instance: String,
    tags: Vec<Tag>,
    new: NewSnapshot,
}

/// The instance, and the snapshot of it.
#[derive(Debug)]
pub struct FromTo {
    instance: OneInstance,
    snapshot: OneSnapshot,
}

keyward_types::action!("rds": CreateDBSnapshot = "rds:CreateDBSnapshot");

impl FromTo {
    /// Of an instance, with the tags that a request gives the snapshot.
    pub fn new(instance: OneInstance, name: &str, tags: &[Tag], cx: &Cx<'_>) -> Self {
        Self {
            instance: instance.with_request_tags(tags),
            snapshot: OneSnapshot::to_be_made(cx, name, tags),
        }
    }

    /// What the snapshot of an instance needs.
    ///
    /// # Errors
    /// When the policies deny.
    pub fn authorize(
        &self,
        gate: &Gate<'_>,
        (asked, all): (&[Tag], &[Tag]),
    ) -> Result<Permits, Denied> {
        let of_instance = gate.permit(&self.instance, |supply| supply.request_tags(asked))?;
        let of_snapshot = gate.permit(&self.snapshot, |supply| supply.request_tags(asked))?;
        Ok((of_instance, of_snapshot, gate.tagging(&self.snapshot, all)?))
    }
}

/// What a snapshot of an instance needs.
pub type Permits = (
    Permit<CreateDBSnapshot>,
    Permit<CreateDBSnapshot>,
    Option<Permit<AddTagsToResource>>,
);

impl Operation for CreateDBSnapshot {
    const NAME: &'static str = "CreateDBSnapshot";
    const READ_ONLY: bool = false;
    const PARAMETERS: &'static [Parameter] = &[
        text("DBSnapshotIdentifier"),
        text("DBInstanceIdentifier"),
        structures("Tags", members::SHOWN_TAG),
    ];
    type Api = Rds;
    type Output = DescribedSnapshot;
    type Fault = RdsFault;
    type Resolved = FromTo;
    type Permits = Permits;

    fn parse(params: &Params<'_>) -> Result<Self, RdsFault> {
        let mut m = params.members_with_values();
        let name = m.string("DBSnapshotIdentifier").length(0, 1024).optional();
        let instance = m.string("DBInstanceIdentifier").length(0, 255).optional();
        let tags = members::tags(&mut m).unwrap_or_default();
        m.finish()?;
        let name = members::required(name, "DBSnapshotIdentifier")?;
        let instance = members::required(instance, "DBInstanceIdentifier")?;
        Ok(Self {
            name: members::snapshot_name(&name, "DBSnapshotIdentifier")?,
            instance,
            tags: members::checked(tags)?,
            new: NewSnapshot::new()?,
        })
    }

    async fn resolve(&self, cx: &Cx<'_>) -> Result<FromTo, RdsFault> {
        let instance = cx.named_instance(&self.instance).await?;
        Ok(FromTo::new(instance, &self.name, &self.tags, cx))
    }

    fn authorize(&self, from_to: &FromTo, gate: &Gate<'_>) -> Result<Permits, Denied> {
        from_to.authorize(gate, (&self.tags, &self.tags))
    }

    async fn call(
        &self,
        _permits: &Permits,
        from_to: &FromTo,
        cx: &Cx<'_>,
    ) -> Result<Done<DescribedSnapshot>, RdsFault> {
        let found = from_to.instance.get()?.may_be_copied(cx)?;
        // KMS is not asked for what cannot be made.
        self.new.place(&self.name, &found.volume, cx).await?;
        let key = key_of(&self.new, (found, &self.name), cx).await?;
        self.new.turn(cx).await;
        let (agent, revision) = self.new.place(&self.name, &found.volume, cx).await?;
        let mut batch = cx.batch();
        let of = Of {
            name: &self.name,
            tags: found.record.tags_of_snapshot(&self.tags),
            volume: &found.volume,
            instance: found.snapped()?,
            copied: None,
        };
        let made = self
            .new
            .put(&mut batch, (of, key), (&agent, revision), cx)?;
        let at = Precondition::At(found.volume_revision);
        cx.put_volume(&mut batch, &found.backing_up(cx), at)?;
        Ok(Done::changed(DescribedSnapshot::new(made, cx), batch))
    }

    async fn abandoned(&self, cx: &Cx<'_>) {
        self.new.abandoned(&self.name, cx).await;
    }
}
