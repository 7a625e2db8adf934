//! Where a new DB instance goes: which agent runs it, in which version, and at which address.

use std::net::Ipv4Addr;

use keyward_engine::directory::{
    addresses, paths, purpose,
    records::storage::{AgentRecord, VolumeRecord},
};
use keyward_store::revision::Revision;
use keyward_types::vpc::Subnet;

use super::Asked;
use crate::{
    Cx, certificates,
    fault::RdsFault,
    groups::{check_security_groups, default_option_group, default_parameter_group},
    installed::{ENGINE, Version, of_agent},
    snapshot::Snapshot,
    subnet_group::SubnetGroup,
};

/// The most instances of an account in a Region.
const MAX_INSTANCES: usize = 100;

/// Where a new instance goes.
#[derive(Debug)]
pub(super) struct Place {
    pub agent: AgentRecord,
    pub agent_revision: Revision,
    pub version: Version,
    pub group: SubnetGroup,
    pub subnet: Subnet,
    pub groups: Vec<String>,
    pub address: Ipv4Addr,
}

impl Asked {
    /// Where it goes.
    pub(super) async fn place(&self, cx: &Cx<'_>) -> Result<Place, RdsFault> {
        let instances = cx.instances().await?;
        if instances.iter().any(|one| one.record.name == self.name) {
            return Err(RdsFault::DbInstanceAlreadyExists);
        }
        if instances.len() >= MAX_INSTANCES {
            return Err(RdsFault::InstanceQuotaExceeded);
        }
        let prefix = paths::volumes(cx.region, cx.account());
        let volumes = cx
            .directory()
            .every::<VolumeRecord>(&prefix, purpose::VOLUME);
        let volumes = volumes.await?;
        let (agent, agent_revision, version) = match &self.from {
            Some(from) => cx.place_of_snapshot(from).await?,
            None => cx.place(self.version.as_deref(), &volumes).await?,
        };
        self.check_groups(&version, &agent)?;
        let group = cx.subnet_group(&self.subnet_group).await?;
        let name = self.subnet_group.clone();
        let group = group.ok_or(RdsFault::DbSubnetGroupNotFound { name })?;
        let (subnet, address) = self.subnet(&group, cx).await?;
        let groups = self.security_groups(&subnet, cx)?;
        Ok(Place {
            agent,
            agent_revision,
            version,
            group,
            subnet,
            groups,
            address,
        })
    }

    /// Checks that the groups and the certificate that are named are those that there are.
    fn check_groups(&self, version: &Version, agent: &AgentRecord) -> Result<(), RdsFault> {
        let family = version.family();
        if let Some(name) = &self.parameter_group
            && *name != default_parameter_group(&family)
        {
            let name = name.clone();
            return Err(RdsFault::DbParameterGroupNotFound { name });
        }
        if let Some(name) = &self.option_group
            && *name != default_option_group(&family)
        {
            let message = format!("Specified OptionGroupName: {name} not found.");
            return Err(RdsFault::InvalidParameterValue(message));
        }
        if let Some(name) = &self.certificate
            && *name != certificates::name_of(&agent.id)
        {
            let name = name.clone();
            return Err(RdsFault::CertificateNotFound { name });
        }
        Ok(())
    }

    /// The subnet, and the lowest address of it that is free.
    async fn subnet(
        &self,
        group: &SubnetGroup,
        cx: &Cx<'_>,
    ) -> Result<(Subnet, Ipv4Addr), RdsFault> {
        let in_zone = |subnet: &&Subnet| self.zone.as_ref().is_none_or(|zone| subnet.zone == *zone);
        let subnets: Vec<&Subnet> = group.subnets.iter().filter(in_zone).collect();
        if subnets.is_empty() {
            let zone = self.zone.clone().unwrap_or_default();
            let name = &group.record.name;
            return Err(RdsFault::InvalidParameterValue(format!(
                "The DB subnet group '{name}' has no subnet in the Availability Zone '{zone}'."
            )));
        }
        let used = addresses::used(cx).await?;
        for subnet in subnets {
            let mut free = subnet.addresses().filter(|address| !used.contains(address));
            if let Some(address) = free.next() {
                return Ok((subnet.clone(), address));
            }
        }
        let name = &group.record.name;
        let message = format!("The DB subnet group '{name}' has no subnet with a free address.");
        Err(RdsFault::InsufficientDbInstanceCapacity(message))
    }

    fn security_groups(&self, subnet: &Subnet, cx: &Cx<'_>) -> Result<Vec<String>, RdsFault> {
        let vpcs = &cx.state().vpcs;
        if self.groups.is_empty() {
            return Ok(vec![vpcs.default_group(&subnet.vpc).to_owned()]);
        }
        check_security_groups(&self.groups, &subnet.vpc, cx)?;
        Ok(self.groups.clone())
    }
}

impl Cx<'_> {
    /// The agent that stores a snapshot, and its newest version of the snapshot's engine that can use the same files.
    ///
    /// # Errors
    /// If it has none, or makes no copies.
    pub async fn place_of_snapshot(
        &self,
        snapshot: &Snapshot,
    ) -> Result<(AgentRecord, Revision, Version), RdsFault> {
        let (agent, revision) = self.copying_agent(&snapshot.volume).await?;
        let wanted = Version::parse(&snapshot.record.instance.engine_version);
        let wanted = wanted.map(|version| version.major());
        let fits = |version: &Version| Some(version.major()) == wanted;
        let Some(version) = of_agent(&agent).filter(fits).max() else {
            return Err(RdsFault::InsufficientDbInstanceCapacity(format!(
                "Agent {} stores the DB snapshot {}, and its machine does not have {ENGINE} {}.",
                agent.id,
                snapshot.record.name,
                wanted.unwrap_or_default()
            )));
        };
        Ok((agent, revision, version))
    }
}
