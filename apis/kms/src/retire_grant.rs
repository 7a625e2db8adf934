//! `RetireGrant`: ends a grant on behalf of those whom it was created for.
//!
//! <https://docs.aws.amazon.com/kms/latest/APIReference/API_RetireGrant.html>
//!
//! The grant itself says who may: its retiring principal, its grantee if RetireGrant is among its
//! operations, and the account that made it. Key policies have no effect; identity policies allow
//! the users of an account what the account may do, and can deny it.

use keyward_engine::{
    audit::parameters::{Parameter, omitted, secret},
    gate::{Denied, Gate},
    operation::{Done, Operation, Output},
    policy::{permit::Permit, principal::Class},
};
use keyward_types::{
    grant::{GrantId, GrantOperation},
    key_id::KeyArn,
};
use keyward_wire::json::{Members, Object, Writer};

use crate::{
    Cx, Kms,
    fault::KmsFault,
    grant_members,
    grants::{
        lookup::{FoundGrant, StoredGrant},
        record::GrantRecord,
        token::TokenOf,
    },
    members,
    resolved::ResolvedKey,
};

/// The input.
#[derive(Debug)]
pub struct RetireGrant {
    meant: Meant,
    dry_run: bool,
}

/// How the grant is named.
#[derive(Debug)]
enum Meant {
    Token(String),
    Ids { key_id: String, grant_id: GrantId },
}

/// The output: only what the trail shows.
#[derive(Debug)]
pub struct GrantRetired {
    key: KeyArn,
    grant: GrantId,
}

/// The key and the grant.
#[derive(Debug)]
pub struct Ending {
    key: ResolvedKey,
    grant_id: GrantId,
    grant: Option<StoredGrant>,
}

keyward_types::action!("kms": RetireGrant = "kms:RetireGrant");

impl Operation for RetireGrant {
    const NAME: &'static str = "RetireGrant";
    const READ_ONLY: bool = false;
    const PARAMETERS: &'static [Parameter] = &[
        secret("GrantToken"),
        omitted("KeyId"),
        omitted("GrantId"),
        omitted("DryRun"),
    ];
    type Api = Kms;
    type Output = GrantRetired;
    type Fault = KmsFault;
    type Resolved = Ending;
    type Permits = Permit<Self>;

    fn parse(body: &Object<'_>) -> Result<Self, KmsFault> {
        let mut m = Members::of(body);
        let dry_run = m.boolean("DryRun").optional().unwrap_or(false);
        let token = m.string("GrantToken").sensitive();
        let token = token.length(1, 8192).optional();
        let key_id = members::optional_key_id(&mut m, "KeyId");
        let grant_id = grant_members::id(&mut m);
        m.finish()?;
        let meant = match (token, key_id, grant_id) {
            (Some(token), None, None) => Meant::Token(token.to_owned()),
            (None, Some(key_id), Some(grant_id)) => Meant::Ids {
                key_id,
                grant_id: grant_members::checked_id(&grant_id)?,
            },
            (_, _, _) => {
                return Err(KmsFault::validation(
                    "Specify either GrantToken, or KeyId and GrantId.",
                ));
            }
        };
        Ok(Self { meant, dry_run })
    }

    async fn resolve(&self, cx: &Cx<'_>) -> Result<Ending, KmsFault> {
        let (key, grant_id) = match &self.meant {
            Meant::Token(token) => {
                let TokenOf { key, grant } = cx.open_grant_token(token)?;
                (cx.key_to_manage(key.as_str()).await?, grant)
            }
            Meant::Ids { key_id, grant_id } => (cx.key_to_manage(key_id).await?, grant_id.clone()),
        };
        let grant = cx.state().grants().grant(key.arn(), &grant_id).await?;
        let grant = grant.filter(|_| key.found_unit().is_some());
        let standing = grant.as_ref().and_then(|grant| standing(&grant.record, cx));
        if grant.is_none() && cx.caller.principal().account() == Some(key.arn().account()) {
            return Err(KmsFault::grant_not_found(&grant_id));
        }
        Ok(Ending {
            key: key.granted(standing),
            grant_id,
            grant,
        })
    }

    fn authorize(&self, ending: &Ending, gate: &Gate<'_>) -> Result<Self::Permits, Denied> {
        gate.permit(&ending.key.by_grant_alone(), |supply| {
            if let Some(grant) = &ending.grant {
                grant_members::supply_constraint(supply, &grant.record.terms.constraint);
            }
        })
    }

    async fn call(
        &self,
        _permit: &Self::Permits,
        ending: &Ending,
        cx: &Cx<'_>,
    ) -> Result<Done<GrantRetired>, KmsFault> {
        let key = ending.key.unit()?.arn();
        let Some(grant) = &ending.grant else {
            return Err(KmsFault::grant_not_found(&ending.grant_id));
        };
        if self.dry_run {
            return Err(KmsFault::DryRunOperation);
        }
        let output = GrantRetired {
            key: key.clone(),
            grant: grant.record.id.clone(),
        };
        cx.end_grant(output, (key, grant))
    }

    async fn committed(&self, retired: &GrantRetired, cx: &Cx<'_>) {
        cx.state().grant_counts().ended(&retired.key);
    }
}

/// How strongly the grant lets the caller retire it, if it does.
fn standing(grant: &GrantRecord, cx: &Cx<'_>) -> Option<FoundGrant> {
    let caller = cx.caller.principal();
    let retiring = grant.retiring.as_ref().and_then(|p| p.reaches(caller));
    let may = grant.terms.operations.contains(GrantOperation::RetireGrant);
    let grantee = may.then(|| grant.grantee.reaches(caller)).flatten();
    let issued = caller.account() == Some(grant.issuing_account);
    let issuer = issued.then_some(Class::Account);
    let class = retiring.max(grantee).max(issuer)?;
    Some(FoundGrant {
        id: grant.id.clone(),
        class,
        revision: None,
    })
}

impl Output<Kms> for GrantRetired {
    fn render(&self, _out: &mut Writer<'_>) {}

    fn is_empty(&self) -> bool {
        true
    }

    fn response_elements(&self, elements: &mut Writer<'_>) {
        elements.string("keyId", self.key.as_str());
    }

    fn additional_event_data(&self, data: &mut Writer<'_>) {
        data.string("grantId", self.grant.as_str());
    }
}
