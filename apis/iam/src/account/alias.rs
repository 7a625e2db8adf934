//! What an account is called besides its number: at most one alias, which no other account of the
//! partition has.
//!
//! <https://docs.aws.amazon.com/IAM/latest/APIReference/API_CreateAccountAlias.html>

use keyward_engine::{
    audit::parameters::{Parameter, integer, text},
    directory::{
        purpose,
        records::{self, V1},
    },
    operation::{Done, Empty, Output},
};
use keyward_store::{batch::Precondition, path::Path, revision::Revision};
use keyward_wire::{json::Members, xml};

use crate::{
    Cx, Iam,
    fault::IamFault,
    names,
    on_one::{OnOne, WholeAccount},
    page::{Page, Paging},
    paths,
    records::AccountAliasRecord,
};

/// The alias that the caller's account has, and when it was written.
type Own = Option<(AccountAliasRecord, Revision)>;

impl Cx<'_> {
    async fn own_alias(&self) -> Result<Own, IamFault> {
        let path = paths::alias_of_account(self.partition(), self.account());
        Ok(self.directory().rare(&path, purpose::ACCOUNT_ALIAS).await?)
    }

    fn alias_path(&self, alias: &str) -> Path {
        let reader = self.directory().reader();
        let hash = reader.name_hash(self.partition().as_str(), "account alias", alias);
        paths::account_alias(self.partition(), &hash)
    }
}

/// `CreateAccountAlias`
#[derive(Debug)]
pub struct CreateAccountAlias(String);

keyward_types::action!("iam": CreateAccountAlias = "iam:CreateAccountAlias");

impl OnOne for CreateAccountAlias {
    const READ_ONLY: bool = false;
    const PARAMETERS: &'static [Parameter] = &[text("AccountAlias")];
    type Action = Self;
    type Operand = WholeAccount;
    type Output = Empty;

    fn read(m: &mut Members<'_>) -> Self {
        Self(names::account_alias(m))
    }

    fn operand(&self) -> &WholeAccount {
        &WholeAccount
    }

    async fn answer(&self, (): &(), cx: &Cx<'_>) -> Result<Done<Empty>, IamFault> {
        let own = cx.own_alias().await?;
        let path = cx.alias_path(&self.0);
        let taken: Own = cx.directory().rare(&path, purpose::ACCOUNT_ALIAS).await?;
        if taken.is_some() {
            let message = format!("The account alias {} already exists.", self.0);
            return Err(IamFault::EntityAlreadyExists { message });
        }
        let record = AccountAliasRecord {
            version: V1,
            account: cx.account(),
            alias: self.0.clone(),
        };
        let bytes = records::encode(&record)?;
        let mut batch = cx.batch();
        batch.put(path, purpose::ACCOUNT_ALIAS, &bytes, Precondition::Absent)?;
        // A new alias takes the place of the old one.
        let mut read = Precondition::Absent;
        if let Some((old, revision)) = own {
            read = Precondition::At(revision);
            batch.delete(cx.alias_path(&old.alias), Precondition::Any)?;
        }
        let path = paths::alias_of_account(cx.partition(), cx.account());
        batch.put(path, purpose::ACCOUNT_ALIAS, &bytes, read)?;
        Ok(Done::changed(Empty, batch))
    }
}

/// `DeleteAccountAlias`
#[derive(Debug)]
pub struct DeleteAccountAlias(String);

keyward_types::action!("iam": DeleteAccountAlias = "iam:DeleteAccountAlias");

impl OnOne for DeleteAccountAlias {
    const READ_ONLY: bool = false;
    const PARAMETERS: &'static [Parameter] = &[text("AccountAlias")];
    type Action = Self;
    type Operand = WholeAccount;
    type Output = Empty;

    fn read(m: &mut Members<'_>) -> Self {
        Self(names::account_alias(m))
    }

    fn operand(&self) -> &WholeAccount {
        &WholeAccount
    }

    async fn answer(&self, (): &(), cx: &Cx<'_>) -> Result<Done<Empty>, IamFault> {
        let own = cx.own_alias().await?;
        let Some((_, revision)) = own.as_ref().filter(|(own, _)| own.alias == self.0) else {
            let message = format!("The account alias {} cannot be found.", self.0);
            return Err(IamFault::missing(message));
        };
        let mut batch = cx.batch();
        let path = paths::alias_of_account(cx.partition(), cx.account());
        batch.delete(path, Precondition::At(*revision))?;
        batch.delete(cx.alias_path(&self.0), Precondition::Any)?;
        Ok(Done::changed(Empty, batch))
    }
}

/// `ListAccountAliases`
#[derive(Debug)]
pub struct ListAccountAliases(Paging);

/// A page of aliases, of which there is at most one.
#[derive(Debug)]
pub struct Aliases(Page<String>);

keyward_types::action!("iam": ListAccountAliases = "iam:ListAccountAliases");

impl OnOne for ListAccountAliases {
    const READ_ONLY: bool = true;
    const PARAMETERS: &'static [Parameter] = &[text("Marker"), integer("MaxItems")];
    type Action = Self;
    type Operand = WholeAccount;
    type Output = Aliases;

    fn read(m: &mut Members<'_>) -> Self {
        Self(Paging::read(m))
    }

    fn operand(&self) -> &WholeAccount {
        &WholeAccount
    }

    async fn answer(&self, (): &(), cx: &Cx<'_>) -> Result<Done<Aliases>, IamFault> {
        let own = cx.own_alias().await?;
        let aliases = own.iter().map(|(own, _)| own.alias.clone()).collect();
        let page = self.0.cut(cx, (Self::NAME, ""), aliases, String::clone)?;
        Ok(Done::unchanged(Aliases(page)))
    }
}

impl Output<Iam> for Aliases {
    fn render(&self, out: &mut xml::Writer<'_>) {
        out.texts("AccountAliases", &self.0.items);
        self.0.render_end(out);
    }
}
