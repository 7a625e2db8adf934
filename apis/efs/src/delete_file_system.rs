//! `DeleteFileSystem`: the agent is told that the volume is to be gone, and the grant is retired, so that nobody
//! can unwrap the data key any more. The file system is `deleting` until the agent says that it is gone.
//!
//! The grant is retired once it is certain that the file system ends: what refuses that, such as a mount target that
//! is created at the same time, leaves the grant. If it cannot be retired then, a worker of Keyward's own API does it,
//! and nothing ends before.
//!
//! <https://docs.aws.amazon.com/efs/latest/ug/API_DeleteFileSystem.html>

use keyward_engine::{
    audit::parameters::{Parameter, text},
    directory::{
        paths, purpose,
        records::{
            self,
            storage::{MOST_BELONGINGS, VolumeKey, VolumeRecord, Wanted},
        },
    },
    fault::Internal,
    gate::{Denied, Gate},
    operation::{Done, Operation, Output},
    policy::permit::Permit,
};
use keyward_store::{batch::Precondition, path::Path};
use keyward_wire::json::{Members, Object, Writer};

use crate::{Cx, Efs, data_key, fault::EfsFault, file_system::OneFileSystem, members};

/// The input.
#[derive(Debug)]
pub struct DeleteFileSystem {
    id: String,
}

/// What is answered, which is nothing, and what is left to do.
#[derive(Debug)]
pub struct Ended {
    id: String,
    key: Option<VolumeKey>,
}

keyward_types::action!("elasticfilesystem": DeleteFileSystem = "elasticfilesystem:DeleteFileSystem");

impl Operation for DeleteFileSystem {
    const NAME: &'static str = "DeleteFileSystem";
    const READ_ONLY: bool = false;
    const PARAMETERS: &'static [Parameter] = &[text("FileSystemId")];
    type Api = Efs;
    type Output = Ended;
    type Fault = EfsFault;
    type Resolved = OneFileSystem;
    type Permits = Permit<Self>;

    fn parse(body: &Object<'_>) -> Result<Self, EfsFault> {
        let mut m = Members::of(body);
        let id = members::file_system_id(&mut m);
        m.finish()?;
        Ok(Self { id })
    }

    async fn resolve(&self, cx: &Cx<'_>) -> Result<OneFileSystem, EfsFault> {
        cx.named_file_system(&self.id).await
    }

    fn authorize(&self, one: &OneFileSystem, gate: &Gate<'_>) -> Result<Permit<Self>, Denied> {
        gate.permit(one, |_| ())
    }

    async fn call(
        &self,
        _permit: &Permit<Self>,
        one: &OneFileSystem,
        cx: &Cx<'_>,
    ) -> Result<Done<Ended>, EfsFault> {
        let found = one.get()?;
        if !found.volume.targets.is_empty() {
            let id = found.record.id.clone();
            return Err(EfsFault::FileSystemInUse { id });
        }
        let ended = Ended {
            id: found.record.id.clone(),
            key: found.volume.key.clone(),
        };
        let mut batch = cx.batch();
        let path = paths::volume(cx.region, cx.account(), &found.volume.id);
        let at = Precondition::At(found.volume_revision);
        let fits = found.volume.belongings.len() <= MOST_BELONGINGS && ended.key.is_none();
        if !found.has_agent && fits {
            // Nobody is left to say that it is gone. If it has a grant or more than fits a batch, a worker ends it,
            // as it does with those that were to be gone before.
            batch.delete(path, at)?;
            for path in &found.volume.belongings {
                batch.delete(Path::parse(path)?, Precondition::Any)?;
            }
            return Ok(Done::changed(ended, batch));
        }
        if found.volume.wanted == Wanted::Absent {
            return Ok(Done::unchanged(ended));
        }
        let volume = VolumeRecord {
            wanted: Wanted::Absent,
            generation: found.volume.generation.saturating_add(1),
            reported: None,
            ..found.volume.clone()
        };
        let bytes = records::encode(&volume).map_err(Internal::new)?;
        batch.put(path, purpose::VOLUME, &bytes, at)?;
        Ok(Done::changed(ended, batch))
    }

    async fn committed(&self, ended: &Ended, cx: &Cx<'_>) {
        let Some(key) = &ended.key else { return };
        if let Err(error) = data_key::retire(cx, key, &ended.id).await {
            let (cause, file_system) = (error.chain(), &ended.id);
            tracing::warn!(cause, %file_system, "a grant cannot be retired yet");
        }
    }
}

impl Output<Efs> for Ended {
    fn render(&self, _out: &mut Writer<'_>) {}

    fn is_empty(&self) -> bool {
        true
    }
}
