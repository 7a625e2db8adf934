//! The managed policies that an account has: its own, and AWS's.
//!
//! <https://docs.aws.amazon.com/IAM/latest/APIReference/API_ListPolicies.html>

use keyward_engine::{
    audit::parameters::{Parameter, boolean, integer, text},
    directory::{aws_policies, records::identity::ManagedPolicyRecord},
    gate::{Denied, Gate, protected::IdentityOnly},
    operation::{Done, Operation, Output},
    policy::permit::Permit,
};
use keyward_wire::{query::Params, xml};

use crate::{
    Cx, Iam,
    entity::every,
    fault::IamFault,
    managed_policy::shown::{ShownPolicy, show},
    names,
    page::{Page, Paging},
};

/// `ListPolicies`
#[derive(Debug)]
pub struct ListPolicies {
    scope: &'static str,
    only_attached: bool,
    path_prefix: String,
    usage: Option<&'static str>,
    paging: Paging,
}

/// A page of managed policies.
#[derive(Debug)]
pub struct Policies(Page<ShownPolicy>);

impl ListPolicies {
    fn wants(&self, policy: &ShownPolicy) -> bool {
        let record = &policy.record;
        let used = match self.usage {
            Some("PermissionsPolicy") => record.attachments > 0,
            Some(_) => record.boundaries > 0,
            None => record.attachments > 0 || record.boundaries > 0,
        };
        used || !self.filters_by_use()
    }

    fn filters_by_use(&self) -> bool {
        self.only_attached || self.usage.is_some()
    }
}

keyward_types::action!("iam": ListPolicies = "iam:ListPolicies");

impl Operation for ListPolicies {
    const NAME: &'static str = "ListPolicies";
    const READ_ONLY: bool = true;
    const PARAMETERS: &'static [Parameter] = &[
        text("Scope"),
        boolean("OnlyAttached"),
        text("PathPrefix"),
        text("PolicyUsageFilter"),
        text("Marker"),
        integer("MaxItems"),
    ];
    type Api = Iam;
    type Output = Policies;
    type Fault = IamFault;
    /// The resource of the list.
    type Resolved = String;
    type Permits = Permit<Self>;

    fn parse(params: &Params<'_>) -> Result<Self, IamFault> {
        let mut m = params.members();
        let scope = m.enumeration("Scope", &["All", "AWS", "Local"]).optional();
        let only_attached = m.boolean("OnlyAttached").optional().unwrap_or(false);
        let path_prefix = names::policy_path_prefix(&mut m);
        let filters = &["PermissionsPolicy", "PermissionsBoundary"];
        let usage = m.enumeration("PolicyUsageFilter", filters).optional();
        let paging = Paging::read(&mut m);
        m.finish()?;
        let scope = scope.unwrap_or("All");
        Ok(Self {
            scope,
            only_attached,
            path_prefix,
            usage,
            paging,
        })
    }

    async fn resolve(&self, cx: &Cx<'_>) -> Result<String, IamFault> {
        let (partition, account) = cx.caller.home();
        Ok(format!(
            "arn:{partition}:iam::{account}:policy{}",
            self.path_prefix
        ))
    }

    fn authorize(&self, arn: &String, gate: &Gate<'_>) -> Result<Self::Permits, Denied> {
        let shown = format!("policy path {}", self.path_prefix);
        gate.permit(&IdentityOnly::new(arn).shown_as(&shown), |_| ())
    }

    async fn call(
        &self,
        _permit: &Self::Permits,
        _arn: &String,
        cx: &Cx<'_>,
    ) -> Result<Done<Policies>, IamFault> {
        let mut found = Vec::new();
        if self.scope != "AWS" {
            found.extend(local(cx).await?);
        }
        if self.scope != "Local" {
            let aws = aws_policies::all().iter();
            found.extend(aws.map(|row| ShownPolicy::of_aws(cx, row)));
        }
        found.retain(|policy| policy.record.path.starts_with(&self.path_prefix));
        if self.filters_by_use() {
            count_uses(cx, &mut found).await?;
        }
        found.retain(|policy| self.wants(policy));
        let Self {
            scope,
            only_attached,
            path_prefix,
            usage,
            ..
        } = self;
        let filter = format!("{scope} {only_attached} {usage:?} {path_prefix}");
        // A customer's policy may have the name of one of AWS's.
        let mut page = self
            .paging
            .cut(cx, (Self::NAME, &filter), found, |policy| {
                let own = policy.record.id.as_str();
                format!("{} {own}", policy.record.name)
            })?;
        if !self.filters_by_use() {
            count_uses(cx, &mut page.items).await?;
        }
        Ok(Done::unchanged(Policies(page)))
    }
}

/// The account's own policies.
///
/// # Errors
/// When they cannot be read.
pub async fn local(cx: &Cx<'_>) -> Result<Vec<ShownPolicy>, IamFault> {
    let (partition, account) = cx.caller.home();
    let records: Vec<ManagedPolicyRecord> = every(cx).await?;
    let shown = records.into_iter().map(|record| ShownPolicy {
        arn: record.arn(partition, account),
        record,
    });
    Ok(shown.collect())
}

/// AWS's own policies that are in use in the account, with their documents.
///
/// # Errors
/// When their uses cannot be read.
pub async fn aws_in_use(cx: &Cx<'_>) -> Result<Vec<ShownPolicy>, IamFault> {
    let mut found = Vec::new();
    for row in aws_policies::all() {
        let mut shown = ShownPolicy::of_aws(cx, row);
        shown.count_uses(cx).await?;
        let used = shown.record.attachments > 0 || shown.record.boundaries > 0;
        if let Some(policy) = aws_policies::find(&shown.arn).filter(|_| used) {
            found.push(show(cx, &policy).await?);
        }
    }
    Ok(found)
}

/// Counts the uses of AWS's own among these.
async fn count_uses(cx: &Cx<'_>, policies: &mut [ShownPolicy]) -> Result<(), IamFault> {
    for policy in policies {
        // Only they are found in the table.
        if aws_policies::find_row(&policy.arn).is_some() {
            policy.count_uses(cx).await?;
        }
    }
    Ok(())
}

impl Output<Iam> for Policies {
    fn render(&self, out: &mut xml::Writer<'_>) {
        self.0
            .render(out, "Policies", |out, policy| policy.render_in_list(out));
    }
}
