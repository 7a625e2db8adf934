//! Which services may act in all accounts of an organization.
//!
//! What they may do there is up to the services; Keyward stores which services have access, and
//! since when.
//!
//! <https://docs.aws.amazon.com/organizations/latest/APIReference/API_EnableAWSServiceAccess.html>

use std::sync::Arc;

use keyward_engine::{
    audit::parameters::{Parameter, integer, text},
    directory::{records::organization::OrganizationRecord, units::organization::OrganizationUnit},
    gate::supply::Supply,
    operation::{Done, Empty, Output},
};
use keyward_types::time::Timestamp;
use keyward_wire::json::{Members, Writer};

use crate::{
    Cx, Organizations,
    change::OrganizationChange,
    condition_keys::SERVICE_PRINCIPAL,
    fault::{OrganizationsFault, UNRECOGNIZED_SERVICE},
    managed::Ask,
    members,
    page::{Paged, Pagination},
};

/// The most services of an organization: AWS has not even half as many.
const MOST: usize = 200;

/// Whether the name is shaped like a service's: `sso.amazonaws.com`, or with more before it.
fn is_service(name: &str) -> bool {
    let label = |label: &str| {
        let legal = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
        !label.is_empty() && label.bytes().all(legal)
    };
    let own = name.strip_suffix(".amazonaws.com");
    let own = own.or_else(|| name.strip_suffix(".amazonaws.com.cn"));
    own.is_some_and(|own| own.split('.').all(label))
}

/// The organization with this record.
fn change(
    organization: &OrganizationUnit,
    record: &OrganizationRecord,
    cx: &Cx<'_>,
) -> Result<Done<Empty>, OrganizationsFault> {
    let change = OrganizationChange::with_head(organization, record, cx)?;
    Ok(Done::changed(Empty, change.into_batch()))
}

/// `EnableAWSServiceAccess`
#[derive(Debug)]
pub struct EnableAWSServiceAccess(String);

keyward_types::action!("organizations": EnableAWSServiceAccess = "organizations:EnableAWSServiceAccess");

impl Ask for EnableAWSServiceAccess {
    const NAME: &'static str = "EnableAWSServiceAccess";
    const READ_ONLY: bool = false;
    const PARAMETERS: &'static [Parameter] = &[text("ServicePrincipal")];
    type Action = Self;
    type Output = Empty;

    fn read(m: &mut Members<'_>) -> Option<Self> {
        members::service_principal(m).map(Self)
    }

    fn check(&self) -> Result<(), OrganizationsFault> {
        if is_service(&self.0) {
            Ok(())
        } else {
            Err(OrganizationsFault::invalid(UNRECOGNIZED_SERVICE))
        }
    }

    fn supply(&self, supply: &mut Supply) {
        supply.text(SERVICE_PRINCIPAL, &self.0);
    }

    fn answer(
        &self,
        organization: &Arc<OrganizationUnit>,
        cx: &Cx<'_>,
    ) -> Result<Done<Empty>, OrganizationsFault> {
        let mut record = organization.record().clone();
        if record.service_access.contains_key(&self.0) {
            return Ok(Done::unchanged(Empty));
        }
        // So many cannot all be services.
        if record.service_access.len() >= MOST {
            return Err(OrganizationsFault::invalid(UNRECOGNIZED_SERVICE));
        }
        record.service_access.insert(self.0.clone(), cx.now);
        change(organization, &record, cx)
    }
}

/// `DisableAWSServiceAccess`. A service that has no access may be named.
#[derive(Debug)]
pub struct DisableAWSServiceAccess(String);

keyward_types::action!("organizations": DisableAWSServiceAccess = "organizations:DisableAWSServiceAccess");

impl Ask for DisableAWSServiceAccess {
    const NAME: &'static str = "DisableAWSServiceAccess";
    const READ_ONLY: bool = false;
    const PARAMETERS: &'static [Parameter] = &[text("ServicePrincipal")];
    type Action = Self;
    type Output = Empty;

    fn read(m: &mut Members<'_>) -> Option<Self> {
        members::service_principal(m).map(Self)
    }

    fn check(&self) -> Result<(), OrganizationsFault> {
        if is_service(&self.0) {
            Ok(())
        } else {
            Err(OrganizationsFault::invalid(UNRECOGNIZED_SERVICE))
        }
    }

    fn supply(&self, supply: &mut Supply) {
        supply.text(SERVICE_PRINCIPAL, &self.0);
    }

    fn answer(
        &self,
        organization: &Arc<OrganizationUnit>,
        cx: &Cx<'_>,
    ) -> Result<Done<Empty>, OrganizationsFault> {
        let mut record = organization.record().clone();
        match record.service_access.remove(&self.0) {
            Some(_) => change(organization, &record, cx),
            None => Ok(Done::unchanged(Empty)),
        }
    }
}

/// `ListAWSServiceAccessForOrganization`
#[derive(Debug)]
pub struct ListAWSServiceAccessForOrganization(Pagination);

/// A page of services, each since when.
#[derive(Debug)]
pub struct ServicesListed(Paged<(String, Timestamp)>);

keyward_types::action!("organizations": ListAWSServiceAccessForOrganization = "organizations:ListAWSServiceAccessForOrganization");

impl Ask for ListAWSServiceAccessForOrganization {
    const NAME: &'static str = "ListAWSServiceAccessForOrganization";
    const READ_ONLY: bool = true;
    const PARAMETERS: &'static [Parameter] = &[text("NextToken"), integer("MaxResults")];
    type Action = Self;
    type Output = ServicesListed;

    fn read(m: &mut Members<'_>) -> Option<Self> {
        Some(Self(Pagination::read(m)))
    }

    fn answer(
        &self,
        organization: &Arc<OrganizationUnit>,
        cx: &Cx<'_>,
    ) -> Result<Done<ServicesListed>, OrganizationsFault> {
        let all = organization.record().service_access.iter();
        let all = all.map(|(service, since)| (service.clone(), *since));
        let page = self.0.cut(cx, (Self::NAME, ""), all, |(name, _)| name)?;
        Ok(Done::unchanged(ServicesListed(page)))
    }
}

impl Output<Organizations> for ServicesListed {
    fn render(&self, out: &mut Writer<'_>) {
        self.0.render(
            out,
            "EnabledServicePrincipals",
            |(service, since), entry| {
                entry.string("ServicePrincipal", service);
                entry.timestamp("DateEnabled", *since);
            },
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_service_has_labels_before_the_domain_of_its_partition() {
        for name in [
            "sso.amazonaws.com",
            "member.org.stacksets.cloudformation.amazonaws.com",
            "config-multiaccountsetup.amazonaws.com",
            "ec2.amazonaws.com.cn",
        ] {
            assert!(is_service(name), "{name}");
        }
        for name in [
            "",
            "amazonaws.com",
            ".amazonaws.com",
            "sso..amazonaws.com",
            "SSO.amazonaws.com",
            "sso.amazonaws.com.evil",
            "sso.example.com",
            "sso",
        ] {
            assert!(!is_service(name), "{name}");
        }
    }
}
