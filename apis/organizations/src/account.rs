//! The accounts of an organization.
//!
//! <https://docs.aws.amazon.com/organizations/latest/APIReference/API_DescribeAccount.html>

use std::sync::Arc;

use keyward_engine::{
    audit::parameters::{Parameter, integer, text},
    directory::{
        records::organization::MemberRecord,
        units::organization::{Member, OrganizationUnit},
    },
    operation::{Done, Empty, Output},
};
use keyward_types::{
    account::AccountId,
    organization::{Parent, PolicyTarget},
};
use keyward_wire::json::{Members, Writer};

use crate::{
    Cx, Organizations,
    change::OrganizationChange,
    fault::OrganizationsFault,
    managed::Ask,
    members,
    page::{Paged, Pagination},
    render,
    standing::Thing,
};

/// An account with the organization that it is shown in.
#[derive(Debug)]
pub struct ShownAccount {
    organization: Arc<OrganizationUnit>,
    member: Arc<Member>,
}

impl ShownAccount {
    /// The account's id.
    pub fn id(&self) -> &str {
        self.member.record().account.as_str()
    }

    /// The accounts of an organization that are below `parent`, or all of them.
    pub fn all<'o>(
        organization: &'o Arc<OrganizationUnit>,
        parent: Option<&'o Parent>,
    ) -> impl Iterator<Item = Self> + 'o {
        let below = move |member: &&Arc<Member>| {
            parent.is_none_or(|parent| member.record().parent == *parent)
        };
        let members = organization.accounts().values().filter(below);
        members.map(|member| Self {
            organization: Arc::clone(organization),
            member: Arc::clone(member),
        })
    }
}

/// A page of accounts.
#[derive(Debug)]
pub struct AccountsListed(pub Paged<ShownAccount>);

impl Output<Organizations> for AccountsListed {
    fn render(&self, out: &mut Writer<'_>) {
        self.0.render(out, "Accounts", |shown, entry| {
            render::account(&shown.organization, &shown.member, entry);
        });
    }
}

/// `DescribeAccount`
#[derive(Debug)]
pub struct DescribeAccount {
    account: AccountId,
}

/// The output of DescribeAccount.
#[derive(Debug)]
pub struct AccountDescribed(ShownAccount);

keyward_types::action!("organizations": DescribeAccount = "organizations:DescribeAccount");

impl Ask for DescribeAccount {
    const NAME: &'static str = "DescribeAccount";
    const READ_ONLY: bool = true;
    const PARAMETERS: &'static [Parameter] = &[text("AccountId")];
    type Action = Self;
    type Output = AccountDescribed;

    fn read(m: &mut Members<'_>) -> Option<Self> {
        let account = members::account(m, "AccountId");
        Some(Self { account: account? })
    }

    fn things(&self) -> Vec<Thing> {
        vec![Thing::PolicyTarget(PolicyTarget::Account(self.account))]
    }

    fn answer(
        &self,
        organization: &Arc<OrganizationUnit>,
        _cx: &Cx<'_>,
    ) -> Result<Done<AccountDescribed>, OrganizationsFault> {
        let member = organization.accounts().get(&self.account);
        let member = member.ok_or(OrganizationsFault::AccountNotFound)?;
        Ok(Done::unchanged(AccountDescribed(ShownAccount {
            organization: Arc::clone(organization),
            member: Arc::clone(member),
        })))
    }
}

impl Output<Organizations> for AccountDescribed {
    fn render(&self, out: &mut Writer<'_>) {
        let Self(shown) = self;
        out.object("Account", |entry| {
            render::account(&shown.organization, &shown.member, entry);
        });
    }
}

/// `ListAccounts`
#[derive(Debug)]
pub struct ListAccounts {
    page: Pagination,
}

keyward_types::action!("organizations": ListAccounts = "organizations:ListAccounts");

impl Ask for ListAccounts {
    const NAME: &'static str = "ListAccounts";
    const READ_ONLY: bool = true;
    const PARAMETERS: &'static [Parameter] = &[text("NextToken"), integer("MaxResults")];
    type Action = Self;
    type Output = AccountsListed;

    fn read(m: &mut Members<'_>) -> Option<Self> {
        let page = Pagination::read(m);
        Some(Self { page })
    }

    fn answer(
        &self,
        organization: &Arc<OrganizationUnit>,
        cx: &Cx<'_>,
    ) -> Result<Done<AccountsListed>, OrganizationsFault> {
        let all = ShownAccount::all(organization, None);
        let page = self.page.cut(cx, (Self::NAME, ""), all, ShownAccount::id)?;
        Ok(Done::unchanged(AccountsListed(page)))
    }
}

/// `MoveAccount`
#[derive(Debug)]
pub struct MoveAccount {
    account: AccountId,
    from: Parent,
    to: Parent,
}

keyward_types::action!("organizations": MoveAccount = "organizations:MoveAccount");

impl Ask for MoveAccount {
    const NAME: &'static str = "MoveAccount";
    const READ_ONLY: bool = false;
    const PARAMETERS: &'static [Parameter] = &[
        text("AccountId"),
        text("SourceParentId"),
        text("DestinationParentId"),
    ];
    type Action = Self;
    type Output = Empty;

    fn read(m: &mut Members<'_>) -> Option<Self> {
        let account = members::account(m, "AccountId");
        let from = members::parent(m, "SourceParentId");
        let to = members::parent(m, "DestinationParentId");
        Some(Self {
            account: account?,
            from: from?,
            to: to?,
        })
    }

    fn things(&self) -> Vec<Thing> {
        vec![
            Thing::PolicyTarget(PolicyTarget::Account(self.account)),
            Thing::PolicyTarget(self.from.clone().into()),
            Thing::PolicyTarget(self.to.clone().into()),
        ]
    }

    fn answer(
        &self,
        organization: &Arc<OrganizationUnit>,
        cx: &Cx<'_>,
    ) -> Result<Done<Empty>, OrganizationsFault> {
        let member = organization.accounts().get(&self.account);
        let member = member.ok_or(OrganizationsFault::AccountNotFound)?;
        if member.record().parent != self.from {
            return Err(OrganizationsFault::SourceParentNotFound);
        }
        if !organization.has(&self.to.clone().into()) {
            return Err(OrganizationsFault::DestinationParentNotFound);
        }
        if self.from == self.to {
            return Err(OrganizationsFault::DuplicateAccount);
        }
        let mut change = OrganizationChange::of(organization, cx)?;
        change.put_account(&MemberRecord {
            parent: self.to.clone(),
            ..member.record().clone()
        })?;
        Ok(Done::changed(Empty, change.into_batch()))
    }
}
