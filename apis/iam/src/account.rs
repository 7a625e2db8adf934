//! The account: its alias, and what it holds in numbers.
//!
//! <https://docs.aws.amazon.com/IAM/latest/APIReference/API_GetAccountSummary.html>

pub mod alias;
pub mod authorization_details;

use keyward_engine::{
    audit::parameters::Parameter,
    directory::{counting::count_prefix, paths},
    gate::{Denied, Gate},
    operation::{Done, Operation, Output},
    policy::permit::Permit,
};
use keyward_wire::{query::Params, xml};

use crate::{Cx, Iam, fault::IamFault};

/// `GetAccountSummary`
#[derive(Debug)]
pub struct GetAccountSummary;

/// Numbers by AWS's names for them.
#[derive(Debug)]
pub struct Summary(Vec<(&'static str, u64)>);

keyward_types::action!("iam": GetAccountSummary = "iam:GetAccountSummary");

impl Operation for GetAccountSummary {
    const NAME: &'static str = "GetAccountSummary";
    const READ_ONLY: bool = true;
    const PARAMETERS: &'static [Parameter] = &[];
    type Api = Iam;
    type Output = Summary;
    type Fault = IamFault;
    type Resolved = ();
    type Permits = Permit<Self>;

    fn parse(params: &Params<'_>) -> Result<Self, IamFault> {
        params.members().finish()?;
        Ok(Self)
    }

    async fn resolve(&self, _cx: &Cx<'_>) -> Result<(), IamFault> {
        Ok(())
    }

    fn authorize(&self, (): &(), gate: &Gate<'_>) -> Result<Self::Permits, Denied> {
        gate.global_account(|_| ())
    }

    async fn call(
        &self,
        _permit: &Self::Permits,
        (): &(),
        cx: &Cx<'_>,
    ) -> Result<Done<Summary>, IamFault> {
        let (partition, account) = cx.caller.home();
        let quotas = &cx.shared().quotas();
        let users = count_prefix(cx.shared(), &paths::users(partition, account)).await?;
        let groups = count_prefix(cx.shared(), &paths::groups(partition, account)).await?;
        let roles = count_prefix(cx.shared(), &paths::roles(partition, account)).await?;
        let policies = count_prefix(cx.shared(), &paths::policies(partition, account)).await?;
        let profiles = paths::instance_profiles(partition, account);
        let profiles = count_prefix(cx.shared(), &profiles).await?;
        let providers = paths::oidc_providers(partition, account);
        let providers = count_prefix(cx.shared(), &providers).await?;
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

impl Output<Iam> for Summary {
    fn render(&self, out: &mut xml::Writer<'_>) {
        let count = |(key, n): &(&'static str, u64)| (*key, i64::try_from(*n).unwrap_or(i64::MAX));
        out.integers("SummaryMap", self.0.iter().map(count));
    }
}
