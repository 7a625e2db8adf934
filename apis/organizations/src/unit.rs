//! Organizational units.
//!
//! <https://docs.aws.amazon.com/organizations/latest/APIReference/API_CreateOrganizationalUnit.html>

use std::sync::Arc;

use keyward_crypto::random;
use keyward_engine::{
    audit::parameters::{Parameter, structures, text},
    directory::{
        records::{V1, organization::OrganizationalUnitRecord},
        units::organization::{MAX_DEPTH, OrganizationUnit},
    },
    gate::supply::Supply,
    operation::{Done, Empty, Output},
};
use keyward_types::{
    organization::{ControlPolicyType, OrganizationalUnitId, Parent, PolicyTarget},
    tag::Tag,
};
use keyward_wire::json::{Members, Writer};

use crate::{
    Cx, Organizations,
    change::{OrganizationChange, check_room},
    fault::{Because, OrganizationsFault},
    managed::Ask,
    members, render,
    standing::Thing,
};

/// An organizational unit, as the answers of its operations show it.
#[derive(Debug)]
pub struct UnitShown {
    organization: Arc<OrganizationUnit>,
    unit: OrganizationalUnitRecord,
}

impl Output<Organizations> for UnitShown {
    fn render(&self, out: &mut Writer<'_>) {
        out.object("OrganizationalUnit", |entry| {
            render::unit(&self.organization, &self.unit, entry);
        });
    }

    fn response_elements(&self, elements: &mut Writer<'_>) {
        elements.object("organizationalUnit", |entry| {
            entry.string("id", self.unit.id.as_str());
            entry.string("name", &self.unit.name);
        });
    }
}

/// Refuses a name that another one below the same parent has.
fn check_name(
    organization: &OrganizationUnit,
    parent: &Parent,
    (name, but): (&str, Option<&OrganizationalUnitId>),
) -> Result<(), OrganizationsFault> {
    let mut units = organization.units().values();
    let taken = units.any(|unit| {
        unit.parent == *parent && unit.name == name && but.is_none_or(|but| unit.id != *but)
    });
    if taken {
        Err(OrganizationsFault::DuplicateOrganizationalUnit)
    } else {
        Ok(())
    }
}

fn found<'o>(
    organization: &'o OrganizationUnit,
    id: &OrganizationalUnitId,
) -> Result<&'o OrganizationalUnitRecord, OrganizationsFault> {
    let unit = organization.units().get(id);
    unit.ok_or(OrganizationsFault::OrganizationalUnitNotFound)
}

/// `CreateOrganizationalUnit`
#[derive(Debug)]
pub struct CreateOrganizationalUnit {
    parent: Parent,
    name: String,
    tags: Vec<Tag>,
}

keyward_types::action!("organizations": CreateOrganizationalUnit = "organizations:CreateOrganizationalUnit");

impl Ask for CreateOrganizationalUnit {
    const NAME: &'static str = "CreateOrganizationalUnit";
    const READ_ONLY: bool = false;
    const PARAMETERS: &'static [Parameter] = &[
        text("ParentId"),
        text("Name"),
        structures("Tags", members::SHOWN_TAG),
    ];
    type Action = Self;
    type Output = UnitShown;

    fn read(m: &mut Members<'_>) -> Option<Self> {
        let parent = members::parent(m, "ParentId");
        let name = m.string("Name").length(1, 128).required().to_owned();
        let tags = members::tags(m);
        Some(Self {
            parent: parent?,
            name,
            tags,
        })
    }

    fn check(&self) -> Result<(), OrganizationsFault> {
        members::check_tags(&self.tags)
    }

    fn things(&self) -> Vec<Thing> {
        vec![Thing::PolicyTarget(self.parent.clone().into())]
    }

    fn created_with(&self) -> &[Tag] {
        &self.tags
    }

    fn supply(&self, supply: &mut Supply) {
        supply.request_tags(&self.tags);
    }

    fn answer(
        &self,
        organization: &Arc<OrganizationUnit>,
        cx: &Cx<'_>,
    ) -> Result<Done<UnitShown>, OrganizationsFault> {
        let line = organization.line(&self.parent);
        let line = line.ok_or(OrganizationsFault::ParentNotFound)?;
        check_name(organization, &self.parent, (&self.name, None))?;
        if line.len() > MAX_DEPTH {
            return Err(OrganizationsFault::Constraint(Because(
                "OU_DEPTH_LIMIT_EXCEEDED",
                "You have exceeded the maximum depth of organizational units.",
            )));
        }
        let full = Because(
            "OU_NUMBER_LIMIT_EXCEEDED",
            "You have exceeded the number of OUs that you can have in an organization.",
        );
        check_room(organization, full)?;
        let unit = OrganizationalUnitRecord {
            version: V1,
            id: OrganizationalUnitId::from_random(&organization.record().root, random::array()),
            name: self.name.clone(),
            parent: self.parent.clone(),
            tags: self.tags.clone(),
        };
        let mut change = OrganizationChange::of(organization, cx)?;
        change.put_unit(&unit)?;
        let output = UnitShown {
            organization: Arc::clone(organization),
            unit,
        };
        Ok(Done::changed(output, change.into_batch()))
    }
}

/// `DescribeOrganizationalUnit`
#[derive(Debug)]
pub struct DescribeOrganizationalUnit {
    unit: OrganizationalUnitId,
}

keyward_types::action!("organizations": DescribeOrganizationalUnit = "organizations:DescribeOrganizationalUnit");

impl Ask for DescribeOrganizationalUnit {
    const NAME: &'static str = "DescribeOrganizationalUnit";
    const READ_ONLY: bool = true;
    const PARAMETERS: &'static [Parameter] = &[text("OrganizationalUnitId")];
    type Action = Self;
    type Output = UnitShown;

    fn read(m: &mut Members<'_>) -> Option<Self> {
        let unit = members::unit(m, "OrganizationalUnitId");
        Some(Self { unit: unit? })
    }

    fn things(&self) -> Vec<Thing> {
        vec![Thing::PolicyTarget(PolicyTarget::Unit(self.unit.clone()))]
    }

    fn answer(
        &self,
        organization: &Arc<OrganizationUnit>,
        _cx: &Cx<'_>,
    ) -> Result<Done<UnitShown>, OrganizationsFault> {
        Ok(Done::unchanged(UnitShown {
            unit: found(organization, &self.unit)?.clone(),
            organization: Arc::clone(organization),
        }))
    }
}

/// `UpdateOrganizationalUnit`
#[derive(Debug)]
pub struct UpdateOrganizationalUnit {
    unit: OrganizationalUnitId,
    name: Option<String>,
}

keyward_types::action!("organizations": UpdateOrganizationalUnit = "organizations:UpdateOrganizationalUnit");

impl Ask for UpdateOrganizationalUnit {
    const NAME: &'static str = "UpdateOrganizationalUnit";
    const READ_ONLY: bool = false;
    const PARAMETERS: &'static [Parameter] = &[text("OrganizationalUnitId"), text("Name")];
    type Action = Self;
    type Output = UnitShown;

    fn read(m: &mut Members<'_>) -> Option<Self> {
        let unit = members::unit(m, "OrganizationalUnitId");
        let name = m.string("Name").length(1, 128).optional();
        let name = name.map(str::to_owned);
        Some(Self { unit: unit?, name })
    }

    fn things(&self) -> Vec<Thing> {
        vec![Thing::PolicyTarget(PolicyTarget::Unit(self.unit.clone()))]
    }

    fn answer(
        &self,
        organization: &Arc<OrganizationUnit>,
        cx: &Cx<'_>,
    ) -> Result<Done<UnitShown>, OrganizationsFault> {
        let mut unit = found(organization, &self.unit)?.clone();
        if let Some(name) = &self.name {
            check_name(organization, &unit.parent, (name, Some(&unit.id)))?;
            unit.name.clone_from(name);
        }
        let mut change = OrganizationChange::of(organization, cx)?;
        change.put_unit(&unit)?;
        let output = UnitShown {
            organization: Arc::clone(organization),
            unit,
        };
        Ok(Done::changed(output, change.into_batch()))
    }
}

/// `DeleteOrganizationalUnit`
#[derive(Debug)]
pub struct DeleteOrganizationalUnit {
    unit: OrganizationalUnitId,
}

keyward_types::action!("organizations": DeleteOrganizationalUnit = "organizations:DeleteOrganizationalUnit");

impl Ask for DeleteOrganizationalUnit {
    const NAME: &'static str = "DeleteOrganizationalUnit";
    const READ_ONLY: bool = false;
    const PARAMETERS: &'static [Parameter] = &[text("OrganizationalUnitId")];
    type Action = Self;
    type Output = Empty;

    fn read(m: &mut Members<'_>) -> Option<Self> {
        let unit = members::unit(m, "OrganizationalUnitId");
        Some(Self { unit: unit? })
    }

    fn things(&self) -> Vec<Thing> {
        vec![Thing::PolicyTarget(PolicyTarget::Unit(self.unit.clone()))]
    }

    fn answer(
        &self,
        organization: &Arc<OrganizationUnit>,
        cx: &Cx<'_>,
    ) -> Result<Done<Empty>, OrganizationsFault> {
        found(organization, &self.unit)?;
        let parent = Parent::Unit(self.unit.clone());
        let mut units = organization.units().values();
        let mut accounts = organization.accounts().values();
        if units.any(|unit| unit.parent == parent)
            || accounts.any(|member| member.record().parent == parent)
        {
            return Err(OrganizationsFault::OrganizationalUnitNotEmpty);
        }
        // What was attached to it goes with it.
        let mut record = organization.record().clone();
        let target = PolicyTarget::Unit(self.unit.clone());
        for kind in ControlPolicyType::ALL {
            if let Some(attachments) = record.attachments_mut(kind) {
                attachments.remove(&target);
            }
        }
        let mut change = OrganizationChange::with_head(organization, &record, cx)?;
        change.delete("unit", self.unit.as_str())?;
        Ok(Done::changed(Empty, change.into_batch()))
    }
}
