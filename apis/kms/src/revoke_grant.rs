//! `RevokeGrant`: ends a grant, on the key owner's side.
//!
//! <https://docs.aws.amazon.com/kms/latest/APIReference/API_RevokeGrant.html>

use keyward_engine::{
    audit::parameters::{Parameter, boolean, text},
    gate::{Denied, Gate},
    operation::{Done, KeyChanged, Operation},
    policy::permit::Permit,
};
use keyward_types::grant::GrantId;
use keyward_wire::json::{Members, Object};

use crate::{
    Cx, Kms, condition_keys, fault::KmsFault, grant_members, grants::lookup::StoredGrant, members,
    resolved::ResolvedKey,
};

/// The input.
#[derive(Debug)]
pub struct RevokeGrant {
    key_id: String,
    grant_id: GrantId,
    dry_run: bool,
}

/// The key and, if there is one of that id, the grant.
#[derive(Debug)]
pub struct GrantOfKey {
    key: ResolvedKey,
    grant: Option<StoredGrant>,
}

keyward_types::action!("kms": RevokeGrant = "kms:RevokeGrant");

impl Operation for RevokeGrant {
    const NAME: &'static str = "RevokeGrant";
    const READ_ONLY: bool = false;
    const PARAMETERS: &'static [Parameter] = &[text("KeyId"), text("GrantId"), boolean("DryRun")];
    type Api = Kms;
    type Output = KeyChanged;
    type Fault = KmsFault;
    type Resolved = GrantOfKey;
    type Permits = Permit<Self>;

    fn parse(body: &Object<'_>) -> Result<Self, KmsFault> {
        let mut m = Members::of(body);
        let dry_run = m.boolean("DryRun").optional().unwrap_or(false);
        let key_id = members::key_id(&mut m, "KeyId");
        let grant_id = m.string("GrantId").length(1, 128).required();
        m.finish()?;
        Ok(Self {
            key_id,
            grant_id: grant_members::checked_id(grant_id)?,
            dry_run,
        })
    }

    async fn resolve(&self, cx: &Cx<'_>) -> Result<GrantOfKey, KmsFault> {
        let key = cx.key_to_manage(&self.key_id).await?;
        let grant = cx.state().grants().grant(key.arn(), &self.grant_id).await?;
        Ok(GrantOfKey { key, grant })
    }

    fn authorize(&self, found: &GrantOfKey, gate: &Gate<'_>) -> Result<Self::Permits, Denied> {
        gate.permit(&found.key, |supply| {
            supply.boolean(
                condition_keys::GRANT_IS_FOR_AWS_RESOURCE,
                gate.is_forwarded(),
            );
        })
    }

    async fn call(
        &self,
        _permit: &Self::Permits,
        found: &GrantOfKey,
        cx: &Cx<'_>,
    ) -> Result<Done<KeyChanged>, KmsFault> {
        let key = found.key.unit()?.arn();
        let Some(grant) = &found.grant else {
            return Err(KmsFault::grant_not_found(&self.grant_id));
        };
        if self.dry_run {
            return Err(KmsFault::DryRunOperation);
        }
        cx.end_grant(KeyChanged(key.clone()), (key, grant))
    }

    async fn committed(&self, KeyChanged(key): &KeyChanged, cx: &Cx<'_>) {
        cx.state().grant_counts().ended(key);
    }
}
