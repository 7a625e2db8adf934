//! `DeleteDBSnapshot`: the snapshot is gone, its grants are retired, and its agent is told to delete the image.
//!
//! <https://docs.aws.amazon.com/AmazonRDS/latest/APIReference/API_DeleteDBSnapshot.html>

use keyward_engine::{
    audit::parameters::{Parameter, text},
    directory::records::storage::VolumeKey,
    gate::{Denied, Gate},
    operation::{Done, Operation, Output},
    policy::permit::Permit,
};
use keyward_wire::{json, query::Params, xml};

use crate::{
    Cx, Rds, fault::RdsFault, held_key, members, shown_snapshot::DescribedSnapshot,
    snapshot::OneSnapshot,
};

/// The input.
#[derive(Debug)]
pub struct DeleteDBSnapshot {
    named: String,
}

/// What is answered, and the data key whose grants are retired.
#[derive(Debug)]
pub struct Deleted {
    described: DescribedSnapshot,
    key: Option<VolumeKey>,
}

keyward_types::action!("rds": DeleteDBSnapshot = "rds:DeleteDBSnapshot");

impl Operation for DeleteDBSnapshot {
    const NAME: &'static str = "DeleteDBSnapshot";
    const READ_ONLY: bool = false;
    const PARAMETERS: &'static [Parameter] = &[text("DBSnapshotIdentifier")];
    type Api = Rds;
    type Output = Deleted;
    type Fault = RdsFault;
    type Resolved = OneSnapshot;
    type Permits = Permit<Self>;

    fn parse(params: &Params<'_>) -> Result<Self, RdsFault> {
        let mut m = params.members_with_values();
        let named = m.string("DBSnapshotIdentifier").length(0, 1024).optional();
        m.finish()?;
        let named = members::required(named, "DBSnapshotIdentifier")?;
        Ok(Self { named })
    }

    async fn resolve(&self, cx: &Cx<'_>) -> Result<OneSnapshot, RdsFault> {
        cx.named_snapshot(&self.named).await
    }

    fn authorize(&self, one: &OneSnapshot, gate: &Gate<'_>) -> Result<Permit<Self>, Denied> {
        gate.permit(one, |_| ())
    }

    async fn call(
        &self,
        _permit: &Permit<Self>,
        one: &OneSnapshot,
        cx: &Cx<'_>,
    ) -> Result<Done<Deleted>, RdsFault> {
        let found = one.get()?;
        // One that nobody can make any more can be deleted as well.
        if found.status() == "creating" && cx.has_agent(&found.volume).await? {
            return Err(RdsFault::InvalidDbSnapshotState(
                "Cannot delete the snapshot because it is not currently in the available or failed state.".to_owned(),
            ));
        }
        if cx.is_being_copied(&found.volume.id).await? {
            return Err(RdsFault::InvalidDbSnapshotState(format!(
                "Cannot delete the snapshot {} because it is being copied or restored.",
                found.record.name
            )));
        }
        let mut batch = cx.batch();
        let key = cx.end_snapshot(&mut batch, found).await?;
        let described = DescribedSnapshot::new(found.clone(), cx).deleted();
        Ok(Done::changed(Deleted { described, key }, batch))
    }

    async fn committed(&self, deleted: &Deleted, cx: &Cx<'_>) {
        let Some(key) = &deleted.key else { return };
        let volume = &deleted.described.snapshot.volume;
        if let Err(error) = held_key::retire(cx, key, &volume.source).await {
            let (cause, snapshot) = (error.chain(), &volume.id);
            tracing::warn!(cause, %snapshot, "grants cannot be retired yet");
        }
    }
}

impl Output<Rds> for Deleted {
    fn render(&self, out: &mut xml::Writer<'_>) {
        self.described.render(out);
    }

    fn response_elements(&self, elements: &mut json::Writer<'_>) {
        self.described.response_elements(elements);
    }
}
