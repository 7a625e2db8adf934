//! `DeleteAlias`: deletes an alias; its key stays as it is.
//!
//! <https://docs.aws.amazon.com/kms/latest/APIReference/API_DeleteAlias.html>

use std::sync::Arc;

use keyward_engine::{
    audit::parameters::{Parameter, text},
    gate::{Denied, Gate, protected::IdentityOnly},
    operation::{Done, KeyChanged, Operation},
    policy::permit::Permit,
};
use keyward_types::{action, alias::AliasName, key_id::KeyArn};
use keyward_wire::json::{Members, Object};

use crate::{Cx, Kms, aliases, fault::KmsFault, members, resolved::ResolvedKey, units::AliasUnit};

/// The input.
#[derive(Debug)]
pub struct DeleteAlias {
    alias: AliasName,
}

/// The alias and its key.
#[derive(Debug)]
pub struct OldAlias {
    arn: String,
    alias: Arc<AliasUnit>,
    key: ResolvedKey,
}

impl Operation for DeleteAlias {
    const NAME: &'static str = "DeleteAlias";
    const READ_ONLY: bool = false;
    const PARAMETERS: &'static [Parameter] = &[text("AliasName")];
    type Api = Kms;
    type Output = KeyChanged;
    type Fault = KmsFault;
    type Resolved = OldAlias;
    type Permits = (Permit<action::DeleteAlias>, Permit<action::DeleteAlias>);

    fn parse(body: &Object<'_>) -> Result<Self, KmsFault> {
        let mut m = Members::of(body);
        let name = members::alias_name(&mut m);
        m.finish()?;
        Ok(Self {
            alias: members::checked_alias(&name)?,
        })
    }

    async fn resolve(&self, cx: &Cx<'_>) -> Result<OldAlias, KmsFault> {
        let arn = self.alias.arn(cx.region, cx.account());
        let alias = cx
            .state()
            .alias(cx.region, cx.account(), &self.alias)
            .await?;
        let alias = alias.ok_or_else(|| KmsFault::AliasNotFound { alias: arn.clone() })?;
        let key = KeyArn::new(cx.region, cx.account(), alias.record.target.clone());
        let key = cx.state().key(&key).await?;
        let key = key.ok_or_else(|| KmsFault::AliasNotFound { alias: arn.clone() })?;
        Ok(OldAlias {
            arn,
            alias,
            key: ResolvedKey::found(key),
        })
    }

    fn authorize(&self, old: &OldAlias, gate: &Gate<'_>) -> Result<Self::Permits, Denied> {
        Ok((
            gate.permit(&IdentityOnly::new(&old.arn), |_| ())?,
            gate.permit(&old.key, |_| ())?,
        ))
    }

    async fn call(
        &self,
        (_, permit): &Self::Permits,
        old: &OldAlias,
        cx: &Cx<'_>,
    ) -> Result<Done<KeyChanged>, KmsFault> {
        let key = old.key.unit()?;
        let record = cx
            .state()
            .ring()
            .remove_alias(permit, key.key(), &self.alias)?;
        let mut batch = cx.change_key(key, &record)?;
        aliases::delete_alias(cx, &mut batch, &old.alias)?;
        Ok(Done::changed(KeyChanged(key.arn().clone()), batch))
    }
}
