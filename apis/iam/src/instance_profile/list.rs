//! The instance profiles of an account, and of a role.
//!
//! <https://docs.aws.amazon.com/IAM/latest/APIReference/API_ListInstanceProfiles.html>

use keyward_engine::{directory::units::identity::RoleUnit, operation::Output};
use keyward_wire::xml;

use crate::{
    Cx, Iam,
    by_path::ListAction,
    entity::{EntityName, Lookup, entity_actions},
    fault::IamFault,
    instance_profile::show,
    names,
    nouns::instance_profile::InstanceProfileUnit,
    on_one::Listing,
    page::Page,
    records::InstanceProfileRecord,
    shape::{self, ShownProfile},
};

/// A page of instance profiles.
#[derive(Debug)]
pub struct Profiles(Page<ShownProfile>);

impl Profiles {
    async fn show(cx: &Cx<'_>, page: Page<InstanceProfileRecord>) -> Result<Self, IamFault> {
        let mut items = Vec::with_capacity(page.items.len());
        for record in &page.items {
            items.push(show(cx, record).await?);
        }
        let marker = page.marker;
        Ok(Self(Page { items, marker }))
    }
}

impl Output<Iam> for Profiles {
    fn render(&self, out: &mut xml::Writer<'_>) {
        self.0
            .render(out, "InstanceProfiles", shape::profile_in_list);
    }
}

keyward_types::actions! { "iam": ListInstanceProfiles = "iam:ListInstanceProfiles", }

impl ListAction for ListInstanceProfiles {
    type Record = InstanceProfileRecord;
    type Output = Profiles;

    async fn answer(page: Page<InstanceProfileRecord>, cx: &Cx<'_>) -> Result<Profiles, IamFault> {
        Profiles::show(cx, page).await
    }
}

entity_actions! {
    RoleUnit, names::ROLE => ListInstanceProfilesForRole = "iam:ListInstanceProfilesForRole",;
}

impl Listing for ListInstanceProfilesForRole {
    type Action = Self;
    type Operand = EntityName<Self>;
    type Item = InstanceProfileRecord;
    type Output = Profiles;

    async fn items(
        role: &Lookup<RoleUnit>,
        cx: &Cx<'_>,
    ) -> Result<Vec<InstanceProfileRecord>, IamFault> {
        let found = InstanceProfileUnit::of_role(cx, &role.get()?.record().id).await?;
        let records = found.iter().map(|profile| profile.record().clone());
        Ok(records.collect())
    }

    fn key(profile: &InstanceProfileRecord) -> String {
        profile.name.clone()
    }

    async fn answer(
        _role: &Lookup<RoleUnit>,
        page: Page<InstanceProfileRecord>,
        cx: &Cx<'_>,
    ) -> Result<Profiles, IamFault> {
        Profiles::show(cx, page).await
    }
}
