//! `UpdateAlias`: gives an alias to another key.
//!
//! <https://docs.aws.amazon.com/kms/latest/APIReference/API_UpdateAlias.html>

use std::sync::Arc;

use keyward_engine::{
    audit::parameters::{Parameter, text},
    gate::{Denied, Gate, protected::IdentityOnly},
    operation::{Done, KeyChanged, Operation},
    policy::permit::Permit,
};
use keyward_types::{action, alias::AliasName, key_id::KeyArn};
use keyward_wire::json::{Members, Object};

use crate::{
    Cx, Kms,
    aliases::{put_alias, refuse_alias_as_target},
    fault::KmsFault,
    lookup::put_key,
    members,
    records::AliasRecord,
    resolved::ResolvedKey,
    units::AliasUnit,
};

/// The input.
#[derive(Debug)]
pub struct UpdateAlias {
    alias: AliasName,
    target_key_id: String,
}

/// The alias, its key and the one it goes to.
#[derive(Debug)]
pub struct MovedAlias {
    arn: String,
    alias: Arc<AliasUnit>,
    from: ResolvedKey,
    to: ResolvedKey,
}

impl Operation for UpdateAlias {
    const NAME: &'static str = "UpdateAlias";
    const READ_ONLY: bool = false;
    const PARAMETERS: &'static [Parameter] = &[text("AliasName"), text("TargetKeyId")];
    type Api = Kms;
    type Output = KeyChanged;
    type Fault = KmsFault;
    type Resolved = MovedAlias;
    type Permits = (
        Permit<action::UpdateAlias>,
        Permit<action::UpdateAlias>,
        Permit<action::UpdateAlias>,
    );

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

    async fn resolve(&self, cx: &Cx<'_>) -> Result<MovedAlias, KmsFault> {
        let arn = self.alias.arn(cx.region, cx.account());
        let alias = cx
            .state()
            .alias(cx.region, cx.account(), &self.alias)
            .await?;
        let alias = alias.ok_or_else(|| KmsFault::AliasNotFound { alias: arn.clone() })?;
        let from = KeyArn::new(cx.region, cx.account(), alias.record.target.clone());
        let from = cx.state().key(&from).await?;
        let from = from.ok_or_else(|| KmsFault::AliasNotFound { alias: arn.clone() })?;
        let to = cx.key_to_manage(&self.target_key_id).await?;
        Ok(MovedAlias {
            arn,
            alias,
            from: ResolvedKey::found(from),
            to,
        })
    }

    fn authorize(&self, moved: &MovedAlias, gate: &Gate<'_>) -> Result<Self::Permits, Denied> {
        let alias = gate.permit(&IdentityOnly::new(&moved.arn), |_| ())?;
        Ok((
            alias,
            gate.permit(&moved.from, |_| ())?,
            gate.permit(&moved.to, |_| ())?,
        ))
    }

    async fn call(
        &self,
        (_, from_permit, to_permit): &Self::Permits,
        moved: &MovedAlias,
        cx: &Cx<'_>,
    ) -> Result<Done<KeyChanged>, KmsFault> {
        let (from, to) = (moved.from.unit()?, moved.to.unit()?);
        let (old, new) = cx.state().ring().move_alias(
            (from_permit, from.key()),
            (to_permit, to.key()),
            &self.alias,
        )?;
        let most = cx.shared().quotas().aliases_per_key;
        if new.aliases.len() > most {
            let message = format!("Cannot exceed quota of {most} aliases for key {}", to.arn());
            return Err(KmsFault::LimitExceeded { message });
        }
        let mut batch = cx.batch();
        if from.arn() != to.arn() {
            put_key(&mut batch, from, &old)?;
            put_key(&mut batch, to, &new)?;
        }
        let alias = AliasRecord {
            target: to.record().id.clone(),
            updated: cx.now,
            ..moved.alias.record.clone()
        };
        put_alias(cx, &mut batch, Some(&moved.alias), &alias)?;
        Ok(Done::changed(KeyChanged(to.arn().clone()), batch))
    }
}
