//! Where an agent serves a volume, and to whom: the mount targets of its file system, with what the operator
//! configured of their subnets and security groups.

use keyward_engine::directory::records::storage::{
    TargetRecord, TargetState, VolumeRecord, Wanted,
};
use keyward_types::{network::Network, region::Region, vpc::Vpcs};
use keyward_wire::json::Writer;

/// A mount target that an agent is to serve.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    id: String,
    address: std::net::Ipv4Addr,
    port: u16,
    networks: Vec<Network>,
}

/// The mount targets of a volume that are to be served: none of a volume that is being deleted, none
/// that is being deleted itself, and none whose subnet is not configured any more.
pub fn of(volume: &VolumeRecord, vpcs: &Vpcs, region: Region) -> Vec<Target> {
    if volume.wanted == Wanted::Absent {
        return Vec::new();
    }
    let served = |target: &&TargetRecord| target.state != TargetState::Deleting;
    let served = volume.targets.iter().filter(served);
    served
        .filter_map(|target| {
            let subnet = vpcs.subnet(region, &target.subnet)?;
            // The operator may have given the subnet other addresses since.
            subnet.has(target.address).then(|| Target {
                id: target.id.clone(),
                address: target.address,
                port: subnet.port,
                networks: vpcs.ingress(&target.groups),
            })
        })
        .collect()
}

/// What an agent reports about a mount target.
#[derive(Debug)]
pub struct Served {
    /// Its id.
    pub id: String,
    /// Whether it serves it.
    pub state: TargetState,
    /// What is wrong with it, for the operator.
    pub message: Option<String>,
}

/// Updates a volume's mount targets from its agent's report: `served` is all of them. Returns the paths
/// that end with those that are gone, of which there are no more than `room`; the others wait for the
/// agent's next report.
pub fn report(volume: &mut VolumeRecord, served: &[Served], mut room: usize) -> Vec<String> {
    let mut ended = Vec::new();
    volume.targets.retain_mut(|target| {
        let found = served.iter().find(|served| served.id == target.id);
        match (target.state, found) {
            (TargetState::Deleting, Some(_)) => {}
            (TargetState::Deleting, None) => {
                let Some(left) = room.checked_sub(target.belongings.len()) else {
                    return true;
                };
                room = left;
                ended.append(&mut target.belongings);
                return false;
            }
            (before, Some(served)) => {
                if served.state == TargetState::Error && before != TargetState::Error {
                    let (target, reason) = (&target.id, served.message.as_deref());
                    let reason = reason.unwrap_or("not told");
                    tracing::warn!(%target, reason, "an agent cannot serve a mount target");
                }
                target.state = served.state;
            }
            (_, None) => target.state = TargetState::Creating,
        }
        true
    });
    ended
}

impl Target {
    /// Its id.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// Writes it.
    pub fn write(&self, out: &mut Writer<'_>) {
        out.string("MountTargetId", &self.id);
        out.string("IpAddress", &self.address.to_string());
        out.integer("Port", i64::from(self.port));
        out.strings("Cidrs", self.networks.iter().map(Network::to_string));
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use keyward_engine::directory::records::{V1, copies::Copies};
    use keyward_types::{
        storage::{AgentId, VolumeId},
        time::Timestamp,
        vpc::{DEFAULT_GROUP, DEFAULT_SUBNET, DEFAULT_VPC},
    };

    use super::*;

    fn target(id: &str, state: TargetState) -> TargetRecord {
        TargetRecord {
            id: id.to_owned(),
            subnet: DEFAULT_SUBNET.to_owned(),
            vpc: DEFAULT_VPC.to_owned(),
            zone: "us-east-1a".to_owned(),
            address: Ipv4Addr::LOCALHOST,
            interface: "eni-00000000".to_owned(),
            groups: vec![DEFAULT_GROUP.to_owned()],
            state,
            belongings: vec![format!("{id}/1"), format!("{id}/2")],
        }
    }

    fn volume(targets: Vec<TargetRecord>) -> VolumeRecord {
        VolumeRecord {
            version: V1,
            id: VolumeId::parse("fs-00000001").unwrap(),
            service: "elasticfilesystem".to_owned(),
            agent: AgentId::from_random([0; 9]),
            created: Timestamp::from_seconds(0),
            generation: 1,
            wanted: Wanted::Present,
            key: None,
            made: false,
            available_on: None,
            reported: None,
            source: String::new(),
            belongings: Vec::new(),
            targets,
            authorization: 1,
            backs_up: false,
            backup: None,
            size: None,
            database: None,
            image_generation: None,
            copies: Copies::default(),
        }
    }

    #[test]
    fn a_target_is_as_the_agent_says_and_gone_once_it_is_not_served() {
        let targets = vec![
            target("a", TargetState::Creating),
            target("b", TargetState::Available),
            target("c", TargetState::Deleting),
            target("d", TargetState::Deleting),
        ];
        let mut volume = volume(targets);
        let served = |id: &str, state| Served {
            id: id.to_owned(),
            state,
            message: None,
        };
        let served = [
            served("a", TargetState::Error),
            served("c", TargetState::Available),
        ];
        assert_eq!(report(&mut volume, &served, 1), [""; 0]);
        assert_eq!(volume.targets.len(), 4);
        assert_eq!(report(&mut volume, &served, 2), ["d/1", "d/2"]);
        let states: Vec<(&str, TargetState)> = volume
            .targets
            .iter()
            .map(|target| (target.id.as_str(), target.state))
            .collect();
        let expected = [
            ("a", TargetState::Error),
            ("b", TargetState::Creating),
            ("c", TargetState::Deleting),
        ];
        assert_eq!(states, expected);
    }

    #[test]
    fn an_agent_is_told_of_no_target_that_is_to_be_gone() {
        let region = Region::parse("us-east-1").unwrap();
        let vpcs = Vpcs::default();
        let mut volume = volume(vec![
            target("a", TargetState::Error),
            target("b", TargetState::Deleting),
            TargetRecord {
                subnet: "subnet-0000000a".to_owned(),
                ..target("c", TargetState::Available)
            },
        ]);
        let told: Vec<String> = of(&volume, &vpcs, region)
            .into_iter()
            .map(|target| target.id)
            .collect();
        assert_eq!(told, ["a"]);
        volume.wanted = Wanted::Absent;
        assert_eq!(of(&volume, &vpcs, region), []);
    }
}
