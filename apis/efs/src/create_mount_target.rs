//! `CreateMountTarget`: an address of a subnet at which the file system is served. It is `creating` until the
//! file system's agent says that it serves it.
//!
//! <https://docs.aws.amazon.com/efs/latest/ug/API_CreateMountTarget.html>

use std::{
    net::Ipv4Addr,
    sync::atomic::{AtomicBool, Ordering},
};

use keyward_crypto::random;
use keyward_engine::{
    audit::parameters::{Parameter, text, texts},
    directory::{
        addresses, purpose,
        records::{
            self, V1,
            storage::{AddressRecord, TargetRecord, TargetState},
        },
    },
    fault::Internal,
    gate::{Denied, Gate},
    operation::{Done, Operation},
    policy::permit::Permit,
};
use keyward_store::batch::Precondition;
use keyward_types::vpc::Subnet;
use keyward_wire::json::{Members, Object};

use crate::{
    Cx, Efs,
    create_file_system::digits,
    fault::EfsFault,
    file_system::{FileSystem, OneFileSystem},
    members,
    mount_target::{self, DescribedMountTarget},
    records::MountTargetRecord,
};

const SUBNET_ID: &str = "^subnet-[0-9a-f]{8,40}$";
const ADDRESS: &str = r"^[0-9]{1,3}\.[0-9]{1,3}\.[0-9]{1,3}\.[0-9]{1,3}$";
/// The kinds of addresses of the model.
const ADDRESS_TYPES: &[&str] = &["IPV4_ONLY", "IPV6_ONLY", "DUAL_STACK"];

/// The input, and the ids that the mount target and its interface get.
#[derive(Debug)]
pub struct CreateMountTarget {
    file_system: String,
    subnet: String,
    address: Option<Ipv4Addr>,
    groups: Vec<String>,
    id: String,
    interface: String,
    /// Whether an address was chosen before, which another request has got since.
    is_late: AtomicBool,
}

keyward_types::action!("elasticfilesystem": CreateMountTarget = "elasticfilesystem:CreateMountTarget");

impl Operation for CreateMountTarget {
    const NAME: &'static str = "CreateMountTarget";
    const READ_ONLY: bool = false;
    const PARAMETERS: &'static [Parameter] = &[
        text("FileSystemId"),
        text("SubnetId"),
        text("IpAddress"),
        text("Ipv6Address"),
        text("IpAddressType"),
        texts("SecurityGroups"),
    ];
    type Api = Efs;
    type Output = DescribedMountTarget;
    type Fault = EfsFault;
    type Resolved = OneFileSystem;
    type Permits = Permit<Self>;

    fn parse(body: &Object<'_>) -> Result<Self, EfsFault> {
        let mut m = Members::of(body);
        let file_system = members::file_system_id(&mut m);
        let subnet = m.string("SubnetId").length(15, 47);
        let subnet = subnet.pattern(SUBNET_ID, |id| members::is_id(id, "subnet-"));
        let subnet = subnet.required().to_owned();
        let address = m.string("IpAddress").length(7, 15);
        let address = address.pattern(ADDRESS, is_dotted).optional();
        let ipv6 = m.string("Ipv6Address").length(3, 39).optional();
        let kind = m.enumeration("IpAddressType", ADDRESS_TYPES).optional();
        let groups = members::security_groups(&mut m).unwrap_or_default();
        m.finish()?;
        let wrong = |text: String| Err(EfsFault::BadRequest(text));
        if ipv6.is_some() || kind.is_some_and(|kind| kind != "IPV4_ONLY") {
            return wrong(
                "Mount targets have IPv4 addresses here: IpAddressType must be IPV4_ONLY."
                    .to_owned(),
            );
        }
        let address = match address {
            None => None,
            Some(text) => match text.parse() {
                Ok(address) => Some(address),
                Err(_) => return wrong(format!("{text} is not an IPv4 address.")),
            },
        };
        Ok(Self {
            file_system,
            subnet,
            address,
            groups,
            id: format!("fsmt-{}", digits(random::array())),
            interface: format!("eni-{}", digits(random::array())),
            is_late: AtomicBool::new(false),
        })
    }

    async fn resolve(&self, cx: &Cx<'_>) -> Result<OneFileSystem, EfsFault> {
        cx.named_file_system(&self.file_system).await
    }

    fn authorize(&self, one: &OneFileSystem, gate: &Gate<'_>) -> Result<Permit<Self>, Denied> {
        gate.permit(one, |_| ())
    }

    async fn call(
        &self,
        _permit: &Permit<Self>,
        one: &OneFileSystem,
        cx: &Cx<'_>,
    ) -> Result<Done<DescribedMountTarget>, EfsFault> {
        let found = one.get()?.available()?;
        let vpcs = &cx.state().vpcs;
        let subnet = vpcs.subnet(cx.region, &self.subnet);
        let subnet = subnet.ok_or_else(|| EfsFault::SubnetNotFound {
            subnet: self.subnet.clone(),
        })?;
        fits(found, &subnet)?;
        let groups = match self.groups.as_slice() {
            [] => vec![vpcs.default_group(&subnet.vpc).to_owned()],
            named => cx.checked_groups(named, &subnet.vpc)?,
        };
        let address = self.address(&subnet, cx).await?;
        let place = addresses::path(cx, address);
        let index = mount_target::path(cx, &self.id)?;
        let target = TargetRecord {
            id: self.id.clone(),
            subnet: subnet.id,
            vpc: subnet.vpc,
            zone: subnet.zone,
            address,
            interface: self.interface.clone(),
            groups,
            state: TargetState::Creating,
            belongings: vec![index.as_str().to_owned(), place.as_str().to_owned()],
        };
        let mut batch = cx.batch();
        let record = MountTargetRecord {
            version: V1,
            file_system: found.record.id.clone(),
        };
        let bytes = records::encode(&record).map_err(Internal::new)?;
        batch.put(index, purpose::MOUNT_TARGET, &bytes, Precondition::Absent)?;
        let record = AddressRecord {
            version: V1,
            address,
            user: self.id.clone(),
        };
        let bytes = records::encode(&record).map_err(Internal::new)?;
        // Another mount target may have got it meanwhile.
        batch.put(place, purpose::SUBNET_ADDRESS, &bytes, Precondition::Absent)?;
        let output = DescribedMountTarget::new(&target, &found.record.id, cx);
        let mut targets = found.volume.targets.clone();
        targets.push(target);
        cx.put_targets(&mut batch, found, targets)?;
        Ok(Done::changed(output, batch))
    }
}

impl CreateMountTarget {
    /// The requested address, or the lowest free one.
    async fn address(&self, subnet: &Subnet, cx: &Cx<'_>) -> Result<Ipv4Addr, EfsFault> {
        let used = addresses::used(cx).await?;
        match self.address {
            Some(address) if !subnet.has(address) => {
                let (id, network) = (&subnet.id, subnet.network);
                let message = format!(
                    "{address} is not an address of the subnet '{id}', {network}, that a mount target can have."
                );
                Err(EfsFault::BadRequest(message))
            }
            Some(address) if used.contains(&address) => Err(EfsFault::IpAddressInUse {
                address: address.to_string(),
            }),
            Some(address) => Ok(address),
            None => {
                let mut free = subnet.addresses().filter(|address| !used.contains(address));
                let lowest = free.next();
                // Another request took the lowest one first: requests that were as late as this one should not
                // all try the next.
                let chosen = match self.is_late.swap(true, Ordering::Relaxed) {
                    true => {
                        let [skip, ..] = random::public::<8>();
                        free.take(usize::from(skip)).last()
                    }
                    false => None,
                };
                chosen
                    .or(lowest)
                    .ok_or_else(|| EfsFault::NoFreeAddressesInSubnet {
                        subnet: subnet.id.clone(),
                    })
            }
        }
    }
}

/// Checks that a file system can have a mount target in a subnet.
fn fits(found: &FileSystem, subnet: &Subnet) -> Result<(), EfsFault> {
    let zone = found.record.availability_zone.as_ref();
    if zone.is_some_and(|zone| *zone != subnet.zone) {
        return Err(EfsFault::AvailabilityZonesMismatch);
    }
    let targets = &found.volume.targets;
    if targets.iter().any(|target| target.vpc != subnet.vpc) {
        let message = "requested subnet for new mount target is not in the same VPC as existing mount targets";
        return Err(EfsFault::MountTargetConflict(message));
    }
    if targets.iter().any(|target| target.zone == subnet.zone) {
        let message = "mount target already exists in this AZ";
        return Err(EfsFault::MountTargetConflict(message));
    }
    Ok(())
}

/// Whether the text has four numbers, as AWS's pattern has it.
fn is_dotted(text: &str) -> bool {
    let mut parts = text.split('.');
    let is_number = |part: &str| {
        (1..=3).contains(&part.len()) && part.bytes().all(|byte| byte.is_ascii_digit())
    };
    parts.clone().count() == 4 && parts.all(is_number)
}
