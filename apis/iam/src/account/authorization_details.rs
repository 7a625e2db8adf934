//! Everything that decides in an account, at once.
//!
//! <https://docs.aws.amazon.com/IAM/latest/APIReference/API_GetAccountAuthorizationDetails.html>

use std::collections::BTreeMap;

use keyward_engine::{
    audit::parameters::{Parameter, integer, text, texts},
    directory::records::{
        UserRecord,
        identity::{GroupRecord, ManagedPolicyRef, RoleRecord},
    },
    gate::{Denied, Gate},
    operation::{Done, Operation, Output},
    policy::permit::Permit,
};
use keyward_wire::{query::Params, xml};

use crate::{
    Cx, Iam,
    entity::{Record, every},
    fault::IamFault,
    instance_profile,
    managed_policy::{list, shown::ShownPolicy},
    page::{Page, Paging},
    role::{last_use, show},
    shape::{self, ShownProfile, ShownRole},
};

const KINDS: &[&str] = &[
    "User",
    "Role",
    "Group",
    "LocalManagedPolicy",
    "AWSManagedPolicy",
];

/// `GetAccountAuthorizationDetails`
#[derive(Debug)]
pub struct GetAccountAuthorizationDetails {
    filter: Vec<String>,
    paging: Paging,
}

/// One thing of the account.
#[derive(Debug)]
enum Detail {
    User {
        arn: String,
        record: Box<UserRecord>,
        groups: Vec<String>,
    },
    Group {
        arn: String,
        record: Box<GroupRecord>,
    },
    Role {
        role: Box<ShownRole>,
        profiles: Vec<ShownProfile>,
    },
    Policy(Box<ShownPolicy>),
}

/// A page of everything.
#[derive(Debug)]
pub struct Details(Page<Detail>);

impl Detail {
    /// Where it is in the order: users, groups, roles, then policies.
    fn key(&self) -> String {
        match self {
            Self::User { record, .. } => format!("1/{}", record.name),
            Self::Group { record, .. } => format!("2/{}", record.name),
            Self::Role { role, .. } => format!("3/{}", role.record.name),
            Self::Policy(policy) => {
                format!("4/{}/{}", policy.record.name, policy.record.id)
            }
        }
    }
}

impl GetAccountAuthorizationDetails {
    fn wants(&self, kind: &str) -> bool {
        self.filter.is_empty() || self.filter.iter().any(|wanted| wanted == kind)
    }

    async fn users(&self, cx: &Cx<'_>) -> Result<Vec<Detail>, IamFault> {
        let home = cx.caller.home();
        let mut found = Vec::new();
        for record in every::<UserRecord>(cx).await? {
            let mut groups = Vec::new();
            for id in &record.groups {
                let group = cx.directory().group_of_user(home, id).await?;
                groups.push(group.record().name.clone());
            }
            groups.sort();
            found.push(Detail::User {
                arn: record.arn_in(home),
                record: Box::new(record),
                groups,
            });
        }
        Ok(found)
    }

    async fn groups(&self, cx: &Cx<'_>) -> Result<Vec<Detail>, IamFault> {
        let home = cx.caller.home();
        let groups = every::<GroupRecord>(cx).await?;
        let detail = |record: GroupRecord| Detail::Group {
            arn: record.arn_in(home),
            record: Box::new(record),
        };
        Ok(groups.into_iter().map(detail).collect())
    }

    async fn roles(&self, cx: &Cx<'_>) -> Result<Vec<Detail>, IamFault> {
        let home = cx.caller.home();
        let mut found = Vec::new();
        for record in every::<RoleRecord>(cx).await? {
            let used = last_use(cx, &record.id).await?;
            let shown = show(cx, (&record.arn_in(home), &record), used).await?;
            let profiles = instance_profile::of_role(cx, &record.id).await?;
            let role = Box::new(shown);
            found.push(Detail::Role { role, profiles });
        }
        Ok(found)
    }
}

keyward_types::action!("iam": GetAccountAuthorizationDetails = "iam:GetAccountAuthorizationDetails");

impl Operation for GetAccountAuthorizationDetails {
    const NAME: &'static str = "GetAccountAuthorizationDetails";
    const READ_ONLY: bool = true;
    const PARAMETERS: &'static [Parameter] =
        &[texts("Filter"), integer("MaxItems"), text("Marker")];
    type Api = Iam;
    type Output = Details;
    type Fault = IamFault;
    type Resolved = ();
    type Permits = Permit<Self>;

    fn parse(params: &Params<'_>) -> Result<Self, IamFault> {
        let mut m = params.members();
        let filter = m
            .enumerations("Filter", KINDS)
            .optional()
            .unwrap_or_default();
        let filter = filter.into_iter().map(str::to_owned).collect();
        let paging = Paging::read(&mut m);
        m.finish()?;
        Ok(Self { filter, paging })
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
    ) -> Result<Done<Details>, IamFault> {
        let mut found = Vec::new();
        if self.wants("User") {
            found.extend(self.users(cx).await?);
        }
        if self.wants("Group") {
            found.extend(self.groups(cx).await?);
        }
        if self.wants("Role") {
            found.extend(self.roles(cx).await?);
        }
        let mut policies = Vec::new();
        if self.wants("LocalManagedPolicy") {
            policies.extend(list::local(cx).await?);
        }
        if self.wants("AWSManagedPolicy") {
            policies.extend(list::aws_in_use(cx).await?);
        }
        found.extend(
            policies
                .into_iter()
                .map(|policy| Detail::Policy(Box::new(policy))),
        );
        let filter = self.filter.join(" ");
        let page = self
            .paging
            .cut(cx, (Self::NAME, &filter), found, Detail::key)?;
        Ok(Done::unchanged(Details(page)))
    }
}

fn inline(out: &mut xml::Writer<'_>, name: &str, policies: &BTreeMap<String, String>) {
    out.list(name, policies, |out, (name, document)| {
        out.text("PolicyName", name);
        out.url_encoded("PolicyDocument", document);
    });
}

fn attached(out: &mut xml::Writer<'_>, policies: &[ManagedPolicyRef]) {
    out.list("AttachedManagedPolicies", policies, shape::attached_policy);
}

impl Output<Iam> for Details {
    fn render(&self, out: &mut xml::Writer<'_>) {
        let items = || self.0.items.iter();
        let users = items().filter_map(|detail| match detail {
            Detail::User {
                arn,
                record,
                groups,
            } => Some((arn, record, groups)),
            Detail::Group { .. } | Detail::Role { .. } | Detail::Policy(_) => None,
        });
        out.list("UserDetailList", users, |out, (arn, user, groups)| {
            shape::user_in_list(out, (arn, user));
            inline(out, "UserPolicyList", &user.inline_policies);
            out.texts("GroupList", groups);
            attached(out, &user.attached_policies);
            shape::boundary(out, user.boundary.as_ref());
            shape::tags(out, &user.tags);
        });
        let groups = items().filter_map(|detail| match detail {
            Detail::Group { arn, record } => Some((arn, record)),
            Detail::User { .. } | Detail::Role { .. } | Detail::Policy(_) => None,
        });
        out.list("GroupDetailList", groups, |out, (arn, group)| {
            shape::group(out, (arn, group));
            inline(out, "GroupPolicyList", &group.inline_policies);
            attached(out, &group.attached_policies);
        });
        let roles = items().filter_map(|detail| match detail {
            Detail::Role { role, profiles } => Some((role, profiles)),
            Detail::User { .. } | Detail::Group { .. } | Detail::Policy(_) => None,
        });
        out.list("RoleDetailList", roles, |out, (role, profiles)| {
            let record = &role.record;
            out.text("Path", &record.path);
            out.text("RoleName", &record.name);
            out.text("RoleId", record.id.as_str());
            out.text("Arn", &role.arn);
            out.timestamp("CreateDate", record.created);
            out.url_encoded("AssumeRolePolicyDocument", &role.trust);
            out.list("InstanceProfileList", profiles, shape::profile_in_list);
            inline(out, "RolePolicyList", &record.inline_policies);
            attached(out, &record.attached_policies);
            shape::boundary(out, record.boundary.as_ref());
            shape::tags(out, &record.tags);
            shape::role_last_used(out, role.last_used.as_ref());
        });
        let policies = items().filter_map(|detail| match detail {
            Detail::Policy(policy) => Some(policy),
            Detail::User { .. } | Detail::Group { .. } | Detail::Role { .. } => None,
        });
        out.list("Policies", policies, |out, policy| {
            policy.render_in_list(out);
            let record = &policy.record;
            if let Some(description) = &record.description {
                out.text("Description", description);
            }
            out.list("PolicyVersionList", &record.versions, |out, version| {
                shape::version(out, (version, record.default_version, true));
            });
        });
        self.0.render_end(out);
    }
}
