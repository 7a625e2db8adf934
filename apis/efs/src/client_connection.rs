//! What a client of a file system may do that speaks NFS, not this API: whether it may mount the file system, write
//! to it, and be root in it. The agent that serves the file system asks, through Keyward's own service.
//!
//! CloudTrail calls what a client does `NewClientConnection`, and `UpdateClientConnection` if the same is decided
//! again for a client that is connected.
//!
//! <https://docs.aws.amazon.com/efs/latest/ug/iam-access-control-nfs-efs.html>

use std::sync::OnceLock;

use keyward_engine::{
    audit::parameters::{Parameter, boolean, text},
    caller::Caller,
    directory::{paths, purpose, units::organization::Membership},
    fault::Internal,
    gate::{Denied, Gate, protected::Protected, supply::Supply},
    operation::{Done, Operation, Output},
    policy::{
        document::{Document, PolicyKind},
        permit::Permit,
        policy::Policy,
        principal::Bindings,
        request::Resource,
    },
};
use keyward_store::sealed::Generation;
use keyward_types::{account::AccountId, partition::Partition, storage::VolumeId, tag::Tag};
use keyward_wire::json::{Members, Object, Writer};

use crate::{
    Cx, Efs, access_point, condition_keys,
    fault::EfsFault,
    file_system::{self, denial},
    records::{AccessPointRecord, FileSystemRecord},
    resource_policy::FileSystemPolicy,
};

keyward_types::actions! {
    "elasticfilesystem":
    ClientMount = "elasticfilesystem:ClientMount",
    ClientRootAccess = "elasticfilesystem:ClientRootAccess",
    ClientWrite = "elasticfilesystem:ClientWrite",
}

/// AWS's default: everybody who reaches the file system may do everything that nothing denies.
pub const DEFAULT: &str = r#"{"Version":"2012-10-17","Statement":[{"Sid":"default","Effect":"Allow","Principal":{"AWS":"*"},"Action":["elasticfilesystem:ClientMount","elasticfilesystem:ClientRootAccess","elasticfilesystem:ClientWrite"]}]}"#;

/// A connection of a client, a new one or, again, one that is open.
#[derive(Debug)]
pub struct ClientConnection<const AGAIN: bool> {
    owner: AccountId,
    file_system: VolumeId,
    target: Option<String>,
    secure: bool,
    access_point: Option<String>,
}

/// `NewClientConnection`
pub type NewClientConnection = ClientConnection<false>;
/// `UpdateClientConnection`
pub type UpdateClientConnection = ClientConnection<true>;

/// The client's file system.
#[derive(Debug)]
pub struct Reached {
    arn: String,
    partition: Partition,
    owner: AccountId,
    membership: Option<Membership>,
    record: Option<FileSystemRecord>,
    policy: Option<FileSystemPolicy>,
    /// The access point that it uses: its ARN, and its record.
    point: Option<(String, Option<AccessPointRecord>)>,
}

/// What a client may do.
#[derive(Debug)]
pub struct Rights {
    write: bool,
    root: bool,
    point: Option<AccessPointRecord>,
}

impl<const AGAIN: bool> Operation for ClientConnection<AGAIN> {
    const NAME: &'static str = if AGAIN {
        "UpdateClientConnection"
    } else {
        "NewClientConnection"
    };
    const READ_ONLY: bool = true;
    const PARAMETERS: &'static [Parameter] = &[
        text("OwnerId"),
        text("FileSystemId"),
        text("MountTargetId"),
        boolean("SecureTransport"),
        text("AccessPointId"),
    ];
    type Api = Efs;
    type Output = Rights;
    type Fault = EfsFault;
    type Resolved = Reached;
    type Permits = (Permit<ClientMount>, bool, bool);

    fn parse(body: &Object<'_>) -> Result<Self, EfsFault> {
        let mut m = Members::of(body);
        let owner = AccountId::parse(m.string("OwnerId").required());
        let file_system = VolumeId::parse(m.string("FileSystemId").required());
        let target = m.string("MountTargetId").length(1, 128).optional();
        let target = target.map(str::to_owned);
        let secure = m.boolean("SecureTransport").required();
        let access_point = m.string("AccessPointId").length(1, 128).optional();
        let access_point = access_point.map(str::to_owned);
        m.finish()?;
        Ok(Self {
            owner: owner.map_err(Internal::new)?,
            file_system: file_system.map_err(Internal::new)?,
            target,
            secure,
            access_point,
        })
    }

    async fn resolve(&self, cx: &Cx<'_>) -> Result<Reached, EfsFault> {
        let (id, home) = (self.file_system.as_str(), (cx.region, self.owner));
        let directory = cx.directory();
        let path = file_system::path_in(home, id)?;
        let found = directory.rare::<FileSystemRecord>(&path, purpose::FILE_SYSTEM);
        let record = found.await?.map(|(record, _)| record);
        let point = match &self.access_point {
            Some(point) => {
                let arn = access_point::arn(cx.region, self.owner, point);
                let found = match paths::of_kind(cx.region, self.owner, access_point::KIND, point) {
                    Ok(path) => directory.rare(&path, purpose::ACCESS_POINT).await?,
                    // Nothing has an id that no path can have.
                    Err(_) => None,
                };
                let found: Option<AccessPointRecord> = found.map(|(record, _)| record);
                // One of another file system leads nowhere in this one.
                Some((arn, found.filter(|found| found.file_system == id)))
            }
            None => None,
        };
        let partition = cx.region.partition();
        Ok(Reached {
            arn: file_system::arn(cx.region, self.owner, id),
            partition,
            owner: self.owner,
            membership: directory.membership((partition, self.owner)).await?,
            record,
            policy: FileSystemPolicy::of(cx, home, &self.file_system).await?,
            point,
        })
    }

    fn authorize(&self, reached: &Reached, gate: &Gate<'_>) -> Result<Self::Permits, Denied> {
        let supply = |supply: &mut Supply| {
            supply.secure_transport(self.secure);
            let by_target = self.target.is_some();
            supply.boolean(condition_keys::ACCESSED_VIA_MOUNT_TARGET, by_target);
            if let Some((arn, _)) = &reached.point {
                supply.text(condition_keys::ACCESS_POINT_ARN, arn.as_str());
            }
        };
        let mount = gate.permit::<ClientMount>(reached, supply)?;
        let write = gate.permit::<ClientWrite>(reached, supply).is_ok();
        let root = gate.permit::<ClientRootAccess>(reached, supply).is_ok();
        Ok((mount, write, root))
    }

    async fn call(
        &self,
        (_, write, root): &Self::Permits,
        reached: &Reached,
        _cx: &Cx<'_>,
    ) -> Result<Done<Rights>, EfsFault> {
        if reached.record.is_none() {
            let id = self.file_system.to_string();
            return Err(EfsFault::FileSystemNotFound { id });
        }
        let point = match (&reached.point, &self.access_point) {
            (Some((_, None)), Some(id)) => {
                return Err(EfsFault::AccessPointNotFound { id: id.clone() });
            }
            (Some((_, found)), _) => found.clone(),
            (None, _) => None,
        };
        Ok(Done::unchanged(Rights {
            write: *write,
            root: *root,
            point,
        }))
    }
}

/// The compiled default.
fn default_policy() -> &'static Policy {
    static COMPILED: OnceLock<Policy> = OnceLock::new();
    COMPILED.get_or_init(|| match Document::parse(DEFAULT, PolicyKind::FileSystem) {
        Ok(document) => Policy::compile(&document, &Bindings::default()),
        // INVARIANT: it is a policy, as a test shows; one without statements would allow nobody.
        Err(_) => Policy::empty(),
    })
}

impl Protected for Reached {
    fn resource(&self, _caller: &Caller) -> Option<Resource<'_>> {
        let own = match &self.policy {
            Some(own) => own.compiled(),
            None => default_policy(),
        };
        Some(Resource::shared(&self.arn, self.partition, self.owner, own))
    }

    fn shown(&self) -> &str {
        &self.arn
    }

    fn owner(&self) -> Option<&Membership> {
        self.membership.as_ref()
    }

    fn tags(&self) -> &[Tag] {
        match &self.record {
            Some(record) => &record.tags,
            None => &[],
        }
    }

    fn policy_generation(&self) -> Option<Generation> {
        self.policy.as_ref().and_then(FileSystemPolicy::generation)
    }

    fn denial(&self, caller: &Caller, action: &str) -> Option<String> {
        Some(denial(caller, action))
    }
}

impl Output<Efs> for Rights {
    fn render(&self, out: &mut Writer<'_>) {
        out.boolean("Write", self.write);
        out.boolean("Root", self.root);
        if let Some(point) = &self.point {
            out.object("AccessPoint", |out| {
                out.string("AccessPointId", &point.id);
                access_point::write_view(point, out);
            });
        }
    }

    fn additional_event_data(&self, data: &mut Writer<'_>) {
        data.object("permissions", |permissions| {
            permissions.boolean("ClientRootAccess", self.root);
            permissions.boolean("ClientMount", true);
            permissions.boolean("ClientWrite", self.write);
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_is_a_policy_of_a_file_system() {
        assert!(Document::parse(DEFAULT, PolicyKind::FileSystem).is_ok());
    }
}
