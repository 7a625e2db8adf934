//! `CreateAlias`: another name for a key of the same account and Region.
//!
//! <https://docs.aws.amazon.com/kms/latest/APIReference/API_CreateAlias.html>

use keyward_engine::{
    audit::parameters::{Parameter, text},
    gate::{Denied, Gate, protected::IdentityOnly},
    operation::{Done, KeyChanged, Operation},
    policy::permit::Permit,
};
use keyward_types::{action, alias::AliasName};
use keyward_wire::json::{Members, Object};

use crate::{
    Cx, Kms,
    aliases::{new_alias, put_alias, refuse_alias_as_target},
    fault::KmsFault,
    members,
    resolved::ResolvedKey,
};

/// The input.
#[derive(Debug)]
pub struct CreateAlias {
    alias: AliasName,
    target_key_id: String,
}

/// The alias's ARN, whether it exists, and the key.
#[derive(Debug)]
pub struct NewAlias {
    arn: String,
    exists: bool,
    key: ResolvedKey,
}

impl Operation for CreateAlias {
    const NAME: &'static str = "CreateAlias";
    const READ_ONLY: bool = false;
    const PARAMETERS: &'static [Parameter] = &[text("AliasName"), text("TargetKeyId")];
    type Api = Kms;
    type Output = KeyChanged;
    type Fault = KmsFault;
    type Resolved = NewAlias;
    type Permits = (Permit<action::CreateAlias>, Permit<action::CreateAlias>);

    fn parse(body: &Object<'_>) -> Result<Self, KmsFault> {
        let mut m = Members::of(body);
        let name = members::alias_name(&mut m);
        let target_key_id = members::key_id(&mut m, "TargetKeyId");
        m.finish()?;
        refuse_alias_as_target(&target_key_id)?;
        Ok(Self {
            alias: members::checked_alias(&name)?,
            target_key_id,
        })
    }

    async fn resolve(&self, cx: &Cx<'_>) -> Result<NewAlias, KmsFault> {
        let key = cx.key_to_manage(&self.target_key_id).await?;
        let exists = cx
            .state()
            .alias(cx.region, cx.account(), &self.alias)
            .await?
            .is_some();
        Ok(NewAlias {
            arn: self.alias.arn(cx.region, cx.account()),
            exists,
            key,
        })
    }

    fn authorize(&self, new: &NewAlias, gate: &Gate<'_>) -> Result<Self::Permits, Denied> {
        Ok((
            gate.permit(&IdentityOnly::new(&new.arn), |_| ())?,
            gate.permit(&new.key, |_| ())?,
        ))
    }

    async fn call(
        &self,
        (_, permit): &Self::Permits,
        new: &NewAlias,
        cx: &Cx<'_>,
    ) -> Result<Done<KeyChanged>, KmsFault> {
        if new.exists {
            return Err(KmsFault::AliasExists {
                alias: new.arn.clone(),
            });
        }
        let key = new.key.unit()?;
        let record = cx
            .state()
            .ring()
            .add_alias(permit, key.key(), &self.alias)?;
        let most = cx.shared().quotas().aliases_per_key;
        if record.aliases.len() > most {
            let message = format!(
                "Cannot exceed quota of {most} aliases for key {}",
                key.arn()
            );
            return Err(KmsFault::LimitExceeded { message });
        }
        let mut batch = cx.change_key(key, &record)?;
        put_alias(
            cx,
            &mut batch,
            None,
            &new_alias(&self.alias, &record.id, cx.now),
        )?;
        Ok(Done::changed(KeyChanged(key.arn().clone()), batch))
    }
}
