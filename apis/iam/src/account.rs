//! The account: its alias, and how many resources it has.
//!
//! <https://docs.aws.amazon.com/IAM/latest/APIReference/API_GetAccountSummary.html>

pub mod alias;
pub mod authorization_details;

use keyward_engine::{
    audit::parameters::Parameter,
    directory::counting::count_prefix,
    operation::{Done, Output},
};
use keyward_store::path::Segment;
use keyward_wire::{json::Members, xml};

use crate::{
    Cx, Iam,
    fault::IamFault,
    on_one::{OnOne, WholeAccount},
    paths,
};

/// `GetAccountSummary`
#[derive(Debug)]
pub struct GetAccountSummary;

/// Numbers by AWS's names for them.
#[derive(Debug)]
pub struct Summary(Vec<(&'static str, u64)>);

keyward_types::action!("iam": GetAccountSummary = "iam:GetAccountSummary");

impl OnOne for GetAccountSummary {
    const READ_ONLY: bool = true;
    const PARAMETERS: &'static [Parameter] = &[];
    type Action = Self;
    type Operand = WholeAccount;
    type Output = Summary;

    fn read(_m: &mut Members<'_>) -> Self {
        Self
    }

    fn operand(&self) -> &WholeAccount {
        &WholeAccount
    }

    async fn answer(&self, (): &(), cx: &Cx<'_>) -> Result<Done<Summary>, IamFault> {
        let (partition, account) = cx.caller.home();
        let quotas = &cx.shared().quotas();
        let users = count(cx, paths::USER).await?;
        let groups = count(cx, paths::GROUP).await?;
        let roles = count(cx, paths::ROLE).await?;
        let policies = count(cx, paths::POLICY).await?;
        let profiles = count(cx, paths::INSTANCE_PROFILE).await?;
        let providers = count(cx, paths::OIDC_PROVIDER).await?;
        let own = cx.directory().account(partition, account).await?;
        let root_keys = own.is_some_and(|(record, _)| !record.root_access_keys.is_empty());
        let per_identity = u64::try_from(quotas.policies_per_identity).unwrap_or(u64::MAX);
        Ok(Done::unchanged(Summary(vec![
            ("AccessKeysPerUserQuota", 2),
            ("AccountAccessKeysPresent", u64::from(root_keys)),
            ("AccountMFAEnabled", 0),
            ("AccountPasswordPresent", 0),
            ("AccountSigningCertificatesPresent", 0),
            ("AssumeRolePolicySizeQuota", 8192),
            ("AttachedPoliciesPerGroupQuota", per_identity),
            ("AttachedPoliciesPerRoleQuota", per_identity),
            ("AttachedPoliciesPerUserQuota", per_identity),
            ("GroupPolicySizeQuota", 5120),
            ("Groups", groups),
            ("GroupsPerUserQuota", 10),
            ("GroupsQuota", quotas.groups),
            ("InstanceProfiles", profiles),
            ("InstanceProfilesQuota", quotas.instance_profiles),
            ("MFADevices", 0),
            ("MFADevicesInUse", 0),
            ("Policies", policies),
            ("PoliciesQuota", quotas.policies),
            ("PolicySizeQuota", 6144),
            ("Providers", providers),
            ("RolePolicySizeQuota", 10_240),
            ("Roles", roles),
            ("RolesQuota", quotas.roles),
            ("ServerCertificates", 0),
            ("SigningCertificatesPerUserQuota", 0),
            ("UserPolicySizeQuota", 2048),
            ("Users", users),
            ("UsersQuota", quotas.users),
            ("VersionsPerPolicyQuota", 5),
        ])))
    }
}

/// How many records of a kind the account has.
async fn count(cx: &Cx<'_>, kind: Segment<'static>) -> Result<u64, IamFault> {
    let all = paths::all_of_kind(cx.caller.home(), kind);
    Ok(count_prefix(cx.shared(), &all).await?)
}

impl Output<Iam> for Summary {
    fn render(&self, out: &mut xml::Writer<'_>) {
        let count = |(key, n): &(&'static str, u64)| (*key, i64::try_from(*n).unwrap_or(i64::MAX));
        out.integers("SummaryMap", self.0.iter().map(count));
    }
}
