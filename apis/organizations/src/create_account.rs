//! `CreateAccount`: a new account, with a role that the management account may assume. The work is
//! done at once, but reported as at AWS, later.
//!
//! <https://docs.aws.amazon.com/organizations/latest/APIReference/API_CreateAccount.html>

use std::collections::BTreeMap;

use keyward_crypto::random;
use keyward_engine::{
    audit::parameters::{Parameter, masked, structures, text},
    directory::{
        accounts, aws_policies,
        identities::{Home, NameKind},
        purpose,
        records::{
            self, AccountRecord, V1,
            identity::{self, NameRecord, PrincipalIdRecord, RoleRecord},
            organization::{EmailRecord, InOrganization, MemberRecord},
        },
        reserved,
        units::organization::OrganizationUnit,
    },
    gate::{Denied, Gate},
    operation::{Done, Operation, Output},
    policy::{permit::Permit, record::PolicyRecord},
};
use keyward_store::{batch::Precondition, sealed::SealedBatch};
use keyward_types::{
    account::AccountId,
    organization::{CreateAccountRequestId, Parent},
    tag::Tag,
    unique_id::{UniqueId, UniqueIdKind},
};
use keyward_wire::json::{Members, Object, Writer};

use crate::{
    Cx, Organizations,
    change::{OrganizationChange, check_room},
    create_account_status::status,
    fault::{Because, OrganizationsFault},
    managed::TagResource,
    members, paths,
    records::CreateAccountRecord,
    standing::Standing,
};

/// The role of a new account if the request names none.
const DEFAULT_ROLE: &str = "OrganizationAccountAccessRole";

/// `CreateAccount`
#[derive(Debug)]
pub struct CreateAccount {
    email: String,
    name: String,
    role: String,
    tags: Vec<Tag>,
}

/// The output of CreateAccount: the work is in progress, as at AWS.
#[derive(Debug)]
pub struct AccountRequested(CreateAccountRecord);

keyward_types::action!("organizations": CreateAccount = "organizations:CreateAccount");

impl Operation for CreateAccount {
    const NAME: &'static str = "CreateAccount";
    const READ_ONLY: bool = false;
    const PARAMETERS: &'static [Parameter] = &[
        masked("Email"),
        masked("AccountName"),
        text("RoleName"),
        text("IamUserAccessToBilling"),
        structures("Tags", members::SHOWN_TAG),
    ];
    type Api = Organizations;
    type Output = AccountRequested;
    type Fault = OrganizationsFault;
    type Resolved = ();
    type Permits = (Permit<Self>, Option<Permit<TagResource>>);

    fn parse(body: &Object<'_>) -> Result<Self, OrganizationsFault> {
        let mut m = Members::of(body);
        let email = m
            .string("Email")
            .length(6, 64)
            .pattern("[^\\s@]+@[^\\s@]+\\.[^\\s@]+", is_email)
            .sensitive()
            .required();
        let name = m
            .string("AccountName")
            .length(1, 50)
            .pattern("[\\u0020-\\u007E]+", is_account_name)
            .sensitive()
            .required();
        let role = m
            .string("RoleName")
            .length(0, 64)
            .pattern("[\\w+=,.@-]{1,64}", is_role_name)
            .optional();
        // Nothing is billed, so either word is as good.
        m.enumeration("IamUserAccessToBilling", &["ALLOW", "DENY"])
            .optional();
        let made = Self {
            email: email.to_owned(),
            name: name.to_owned(),
            role: role.unwrap_or(DEFAULT_ROLE).to_owned(),
            tags: members::tags(&mut m),
        };
        m.finish()?;
        members::check_tags(&made.tags)?;
        // A role that only AWS may make is not an account's first.
        if reserved::is_name(&made.role) {
            let message = format!("You cannot use {} as the name of a role.", made.role);
            return Err(OrganizationsFault::InvalidInput {
                reason: "INVALID_ROLE_NAME",
                message,
            });
        }
        Ok(made)
    }

    async fn resolve(&self, _cx: &Cx<'_>) -> Result<(), OrganizationsFault> {
        Ok(())
    }

    fn authorize(&self, (): &(), gate: &Gate<'_>) -> Result<Self::Permits, Denied> {
        let create = gate.account(|supply| supply.request_tags(&self.tags))?;
        let tagging = if self.tags.is_empty() {
            None
        } else {
            Some(gate.account(|supply| supply.request_tags(&self.tags))?)
        };
        Ok((create, tagging))
    }

    async fn call(
        &self,
        _permit: &Self::Permits,
        (): &(),
        cx: &Cx<'_>,
    ) -> Result<Done<AccountRequested>, OrganizationsFault> {
        let standing = Standing::of(cx).await?;
        let organization = standing.managed()?;
        let taken = cx
            .directory()
            .account_of_email(cx.partition(), &self.email)
            .await?;
        let full = Because(
            "ACCOUNT_NUMBER_LIMIT_EXCEEDED",
            "You have exceeded the allowed number of AWS accounts.",
        );
        check_room(organization, full)?;
        let account = taken
            .is_none()
            .then(|| AccountId::from_random(random::array()));
        let request = CreateAccountRecord {
            version: V1,
            id: CreateAccountRequestId::from_random(random::array()),
            organization: organization.record().id.clone(),
            account_name: self.name.clone(),
            at: cx.now,
            account,
        };
        let mut batch = match account {
            Some(account) => self.make(cx, organization, account)?,
            None => cx.batch(),
        };
        let path = paths::create_account(cx.partition(), cx.account(), &request.id);
        let bytes = records::encode(&request)?;
        let absent = Precondition::Absent;
        batch.put(path, purpose::CREATE_ACCOUNT, &bytes, absent)?;
        Ok(Done::changed(AccountRequested(request), batch))
    }
}

impl CreateAccount {
    /// The batch that creates the account, in the organization and with its role.
    fn make(
        &self,
        cx: &Cx<'_>,
        organization: &OrganizationUnit,
        account: AccountId,
    ) -> Result<SealedBatch, OrganizationsFault> {
        let management = organization.record().management;
        let home = (organization.partition(), account);
        let absent = Precondition::Absent;
        let mut change = OrganizationChange::of(organization, cx)?;
        change.put_account(&MemberRecord {
            version: V1,
            account,
            name: self.name.clone(),
            email: Some(self.email.clone()),
            parent: Parent::Root(organization.record().root.clone()),
            created_here: true,
            joined: cx.now,
            tags: self.tags.clone(),
        })?;
        let batch = change.batch();
        let record = AccountRecord {
            version: V1,
            account,
            partition: home.0,
            created: cx.now,
            root_access_keys: Vec::new(),
            inactive_root_access_keys: Vec::new(),
            root_replaced: None,
            name: Some(self.name.clone()),
            email: Some(self.email.clone()),
        };
        let joined = InOrganization {
            id: organization.record().id.clone(),
            management,
        };
        accounts::put(batch, &record, Some(joined), cx.shared().of_accounts())
            .map_err(OrganizationsFault::Internal)?;
        let email = EmailRecord {
            version: V1,
            account,
        };
        let hash = cx.directory().email_hash(home.0, &self.email);
        let path = paths::account_email(home.0, &hash);
        let bytes = records::encode(&email)?;
        batch.put(path, purpose::ACCOUNT_EMAIL, &bytes, absent)?;
        self.put_role(cx, batch, home, management)?;
        Ok(change.into_batch())
    }

    /// The role that the management account may assume, with all permissions.
    fn put_role(
        &self,
        cx: &Cx<'_>,
        batch: &mut SealedBatch,
        home: Home,
        management: AccountId,
    ) -> Result<(), OrganizationsFault> {
        let (partition, account) = home;
        let absent = Precondition::Absent;
        let administrator = format!("arn:{partition}:iam::aws:policy/AdministratorAccess");
        let policy = aws_policies::find(&administrator);
        let missing = || OrganizationsFault::internal("there is no AdministratorAccess");
        let policy = policy.ok_or_else(missing)?.reference();
        let trust = format!(
            r#"{{"Version":"2012-10-17","Statement":[{{"Effect":"Allow","Principal":{{"AWS":"arn:{partition}:iam::{management}:root"}},"Action":"sts:AssumeRole"}}]}}"#
        );
        let role = RoleRecord {
            version: V1,
            id: UniqueId::from_random(UniqueIdKind::Role, random::array()),
            name: self.role.clone(),
            path: "/".to_owned(),
            description: None,
            created: cx.now,
            max_session_seconds: 3600,
            // It names an account, which cannot be replaced by another under the same name.
            trust: PolicyRecord::unbound(trust),
            tags: Vec::new(),
            inline_policies: BTreeMap::new(),
            attached_policies: vec![policy.clone()],
            boundary: None,
            linked_service: None,
        };
        let leads = NameRecord {
            version: V1,
            id: role.id.clone(),
            name: role.name.clone(),
        };
        let path = cx.directory().name_path(NameKind::Role, home, &role.name);
        batch.put(path, purpose::ROLE_NAME, &records::encode(&leads)?, absent)?;
        let lives = PrincipalIdRecord {
            version: V1,
            partition,
            account,
        };
        let path = paths::principal_id(&role.id);
        let bytes = records::encode(&lives)?;
        batch.put(path, purpose::PRINCIPAL_ID, &bytes, absent)?;
        let path = paths::policy_attachment(partition, account, (&policy.id, &role.id));
        let entry = records::encode(&identity::MembershipRecord { version: V1 })?;
        batch.put(path, purpose::MEMBERSHIP, &entry, absent)?;
        let path = paths::role(partition, account, &role.id);
        batch.put(path, purpose::ROLE, &records::encode(&role)?, absent)?;
        Ok(())
    }
}

/// Whether the text has the shape of an e-mail address: one `@`, a dot behind it, no white space.
pub fn is_email(text: &str) -> bool {
    let Some((local, domain)) = text.split_once('@') else {
        return false;
    };
    let dotted = domain.match_indices('.');
    let mut dotted = dotted.filter(|(at, _)| *at > 0 && at + 1 < domain.len());
    !local.is_empty()
        && !domain.contains('@')
        && !text.contains(char::is_whitespace)
        && dotted.next().is_some()
}

/// Whether the text can be an account's name: visible ASCII and spaces.
pub fn is_account_name(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| (0x20..=0x7e).contains(&byte))
}

fn is_role_name(text: &str) -> bool {
    let legal = |c: char| c.is_ascii_alphanumeric() || "_+=,.@-".contains(c);
    (1..=64).contains(&text.len()) && text.chars().all(legal)
}

impl Output<Organizations> for AccountRequested {
    fn render(&self, out: &mut Writer<'_>) {
        out.object("CreateAccountStatus", |entry| status(&self.0, false, entry));
    }

    fn response_elements(&self, elements: &mut Writer<'_>) {
        elements.object("createAccountStatus", |entry| {
            entry.string("id", self.0.id.as_str());
            entry.string("accountName", "****");
            entry.string("state", "IN_PROGRESS");
            entry.string("requestedTimestamp", &self.0.at.iso8601());
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_has_one_at_and_a_dot_behind_it() {
        for good in ["a@b.c", "first.last@mail.example.com"] {
            assert!(is_email(good), "{good}");
        }
        for bad in ["", "a@b", "@b.c", "a@.c", "a@b.", "a b@c.d", "a@b@c.d"] {
            assert!(!is_email(bad), "{bad}");
        }
    }
}
