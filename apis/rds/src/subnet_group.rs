//! DB subnet groups as requests see them. Their subnets are those that the operator configured. The group `default` is
//! there from the start, with every subnet of the first virtual private cloud.

use keyward_engine::{
    context::Context,
    directory::{
        paths, purpose,
        records::{self, V1},
    },
    fault::Internal,
};
use keyward_store::{
    batch::Precondition,
    path::{Path, Segment},
    revision::Revision,
    sealed::SealedBatch,
};
use keyward_types::{account::AccountId, region::Region, vpc::Subnet};
use keyward_wire::{
    json::{self, Members},
    xml,
};

use crate::{Cx, fault::RdsFault, protected::Named, records::DbSubnetGroupRecord};

/// The most subnets of a group.
const MAX_SUBNETS: usize = 20;
/// What stands in paths for DB subnet groups.
const KIND: Segment<'static> = Segment::word("db-subnet-group");
/// The group of those for whom none is named.
pub const DEFAULT: &str = "default";
/// A group with its subnets, as it is told.
#[derive(Clone, Debug)]
pub struct SubnetGroup {
    /// What is kept of it.
    pub record: DbSubnetGroupRecord,
    /// When that was last written.
    pub revision: Revision,
    /// Those of its subnets that are still there.
    pub subnets: Vec<Subnet>,
    /// Its ARN.
    pub arn: String,
}

/// Where the group's record stands that has a name in small letters.
pub fn path(cx: &Context<'_>, name: &str) -> Path {
    path_in(cx, (cx.region, cx.account()), name)
}

/// The same in whatever account and Region.
pub fn path_in(cx: &Context<'_>, (region, account): (Region, AccountId), name: &str) -> Path {
    let home = paths::regional_name_home(region, account);
    let reader = cx.directory().reader();
    let hash = reader.name_hash(home.as_str(), KIND.as_str(), name);
    paths::scoped(region, account, [KIND, (&hash).into()])
}

impl Cx<'_> {
    /// A subnet group of the caller's account and Region, by its name in small letters.
    ///
    /// # Errors
    /// When it cannot be read.
    pub async fn subnet_group(&self, name: &str) -> Result<Option<SubnetGroup>, RdsFault> {
        if name == DEFAULT {
            return Ok(Some(self.default_group()));
        }
        let path = path(self, name);
        let directory = self.directory();
        let found = directory.rare::<DbSubnetGroupRecord>(&path, purpose::DB_SUBNET_GROUP);
        let found = found.await?;
        Ok(found.map(|(record, revision)| self.group_of(record, revision)))
    }

    /// Every subnet group of the caller's account and Region, by name.
    ///
    /// # Errors
    /// When one cannot be read.
    pub async fn subnet_groups(&self) -> Result<Vec<SubnetGroup>, RdsFault> {
        let prefix = paths::below_scoped(self.region, self.account(), [KIND]);
        let directory = self.directory();
        let found =
            directory.every_with_revision::<DbSubnetGroupRecord>(&prefix, purpose::DB_SUBNET_GROUP);
        let found = found.await?.into_iter();
        let found = found.map(|(record, revision)| self.group_of(record, revision));
        let mut groups: Vec<SubnetGroup> = found.chain([self.default_group()]).collect();
        groups.sort_by(|one, other| one.record.name.cmp(&other.record.name));
        Ok(groups)
    }

    /// A group with its subnets.
    pub fn group_of(&self, record: DbSubnetGroupRecord, revision: Revision) -> SubnetGroup {
        let vpcs = &self.state().vpcs;
        let subnets = record.subnets.iter();
        let subnets = subnets.filter_map(|id| vpcs.subnet(self.region, id));
        SubnetGroup {
            subnets: subnets.collect(),
            arn: Named::new(self, "subgrp", &record.name).arn().to_owned(),
            record,
            revision,
        }
    }

    fn default_group(&self) -> SubnetGroup {
        let mut subnets = self.state().vpcs.subnets(self.region);
        let vpc = subnets.first().map(|subnet| subnet.vpc.clone());
        let vpc = vpc.unwrap_or_default();
        subnets.retain(|subnet| subnet.vpc == vpc);
        let record = DbSubnetGroupRecord {
            version: V1,
            name: DEFAULT.to_owned(),
            description: "default".to_owned(),
            vpc,
            subnets: subnets.iter().map(|subnet| subnet.id.clone()).collect(),
            tags: Vec::new(),
        };
        SubnetGroup {
            arn: Named::new(self, "subgrp", DEFAULT).arn().to_owned(),
            record,
            revision: Revision::default(),
            subnets,
        }
    }
}

/// `SubnetIds`.
pub fn read_subnets(m: &mut Members<'_>) -> Vec<String> {
    let subnets = m.strings("SubnetIds").count(0, MAX_SUBNETS);
    let subnets = subnets.each_length(1, 255).optional().unwrap_or_default();
    subnets.into_iter().map(str::to_owned).collect()
}

/// Subnets of a group, each once.
///
/// # Errors
/// If there is none.
pub fn checked_subnets(mut subnets: Vec<String>) -> Result<Vec<String>, RdsFault> {
    if subnets.is_empty() {
        let message = "Subnet IDs are required.".to_owned();
        return Err(RdsFault::InvalidSubnet(message));
    }
    subnets.sort_unstable();
    subnets.dedup();
    Ok(subnets)
}

impl Cx<'_> {
    /// The virtual private cloud that the subnets of a group are in, if they may be those of one.
    ///
    /// # Errors
    /// If one is not there or in another cloud, or they are in too few Availability Zones.
    pub fn vpc_of(&self, ids: &[String]) -> Result<String, RdsFault> {
        let vpcs = &self.state().vpcs;
        let mut subnets: Vec<Subnet> = Vec::with_capacity(ids.len());
        for id in ids {
            let subnet = vpcs.subnet(self.region, id).ok_or_else(|| {
                RdsFault::InvalidSubnet(format!("The subnet ID '{id}' does not exist."))
            })?;
            if subnets.first().is_some_and(|first| first.vpc != subnet.vpc) {
                let message =
                    "The new Subnets are not in the same Vpc as the existing subnet group";
                return Err(RdsFault::InvalidSubnet(message.to_owned()));
            }
            subnets.push(subnet);
        }
        let vpc = subnets.first().map(|subnet| subnet.vpc.clone());
        let vpc = vpc.unwrap_or_default();
        let zones_of = |subnets: &[Subnet]| {
            let mut zones: Vec<String> = subnets.iter().map(|one| one.zone.clone()).collect();
            zones.sort_unstable();
            zones.dedup();
            zones
        };
        // AWS's Regions have several zones, an operator's may have one.
        let mut all = vpcs.subnets(self.region);
        all.retain(|subnet| subnet.vpc == vpc);
        let zones = zones_of(&subnets);
        if zones.len() < zones_of(&all).len().min(2) {
            let zones = zones.join(", ");
            return Err(RdsFault::DbSubnetGroupDoesNotCoverEnoughAzs { zones });
        }
        Ok(vpc)
    }
}

impl SubnetGroup {
    /// Writes it.
    pub fn write(&self, out: &mut xml::Writer<'_>) {
        out.text("DBSubnetGroupName", &self.record.name);
        out.text("DBSubnetGroupDescription", &self.record.description);
        out.text("VpcId", &self.record.vpc);
        out.text("SubnetGroupStatus", "Complete");
        out.list_of(("Subnets", "Subnet"), &self.subnets, |out, subnet| {
            out.text("SubnetIdentifier", &subnet.id);
            out.element("SubnetAvailabilityZone", |zone| {
                zone.text("Name", &subnet.zone);
            });
            out.element("SubnetOutpost", |_| ());
            out.text("SubnetStatus", "Active");
        });
        out.text("DBSubnetGroupArn", &self.arn);
        out.texts("SupportedNetworkTypes", ["IPV4"]);
    }

    /// Writes it into an event.
    pub fn elements(&self, out: &mut json::Writer<'_>) {
        out.string("dBSubnetGroupName", &self.record.name);
        out.string("dBSubnetGroupDescription", &self.record.description);
        out.string("vpcId", &self.record.vpc);
        out.string("subnetGroupStatus", "Complete");
        out.array("subnets", |list| {
            for subnet in &self.subnets {
                list.object(|out| {
                    out.string("subnetIdentifier", &subnet.id);
                    out.object("subnetAvailabilityZone", |zone| {
                        zone.string("name", &subnet.zone);
                    });
                    out.string("subnetStatus", "Active");
                });
            }
        });
        out.string("dBSubnetGroupArn", &self.arn);
    }
}

impl Cx<'_> {
    /// A batch after which a group has this record.
    ///
    /// # Errors
    /// When the record is too large.
    pub fn put_subnet_group(
        &self,
        batch: &mut SealedBatch,
        record: &DbSubnetGroupRecord,
        precondition: Precondition,
    ) -> Result<(), RdsFault> {
        let bytes = records::encode(record).map_err(Internal::new)?;
        let path = path(self, &record.name);
        batch.put(path, purpose::DB_SUBNET_GROUP, &bytes, precondition)?;
        Ok(())
    }

    /// What a permit is asked on for a group that a request names.
    ///
    /// # Errors
    /// When it cannot be read.
    pub async fn named_group(&self, name: &str) -> Result<(Named, Option<SubnetGroup>), RdsFault> {
        let found = self.subnet_group(name).await?;
        let tags = found.as_ref().map(|group| group.record.tags.as_slice());
        let named = Named::new(self, "subgrp", name).tagged(tags.unwrap_or_default());
        Ok((named, found))
    }
}
