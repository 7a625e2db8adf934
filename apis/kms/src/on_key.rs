//! What the operations on one KMS key do alike: the request names the key, by its id or ARN, and one permit on it is
//! all that is needed.

use std::future::Future;

use keyward_engine::{
    audit::parameters::Parameter,
    gate::{Denied, Gate, supply::Supply},
    operation::{Done, KeyChanged, Operation, Output},
    policy::permit::Permit,
};
use keyward_keys::record::KeyRecord;
use keyward_types::{action::Action, key_id::KeyArn};
use keyward_wire::json::{Members, Object, Writer};

use crate::{Cx, Kms, fault::KmsFault, members, resolved::ResolvedKey, units::KeyUnit};

/// An operation on one KMS key.
pub trait OnKey: Sized + Send + Sync + 'static {
    /// The operation's name on the wire.
    const NAME: &'static str;
    /// Whether the audit trail calls it read-only.
    const READ_ONLY: bool;
    /// Every member of its input, and what the audit trail shows of it.
    const PARAMETERS: &'static [Parameter];
    /// The action it needs a permit for.
    type Action: Action;
    /// What it answers.
    type Output: Output<Kms>;

    /// Reads the members other than `KeyId`.
    ///
    /// # Errors
    /// What the model does not say. It is told only if all members are as the model has them.
    fn read(m: &mut Members<'_>) -> Result<Self, KmsFault>;

    /// Supplies condition values.
    fn supply(&self, _supply: &mut Supply) {}

    /// Does the work.
    fn answer(
        &self,
        permit: &Permit<Self::Action>,
        key: &KeyUnit,
        cx: &Cx<'_>,
    ) -> impl Future<Output = Result<Done<Self::Output>, KmsFault>> + Send;
}

/// Such an operation, for the pipeline.
#[derive(Debug)]
pub struct OneKey<O> {
    key_id: String,
    asked: O,
}

impl<O: OnKey> Operation for OneKey<O> {
    const NAME: &'static str = O::NAME;
    const READ_ONLY: bool = O::READ_ONLY;
    const PARAMETERS: &'static [Parameter] = O::PARAMETERS;
    type Api = Kms;
    type Output = O::Output;
    type Fault = KmsFault;
    type Resolved = ResolvedKey;
    type Permits = Permit<O::Action>;

    fn parse(body: &Object<'_>) -> Result<Self, KmsFault> {
        let mut m = Members::of(body);
        let key_id = members::key_id(&mut m, "KeyId");
        let asked = O::read(&mut m);
        m.finish()?;
        let asked = asked?;
        Ok(Self { key_id, asked })
    }

    async fn resolve(&self, cx: &Cx<'_>) -> Result<ResolvedKey, KmsFault> {
        cx.key_to_manage(&self.key_id).await
    }

    fn authorize(&self, key: &ResolvedKey, gate: &Gate<'_>) -> Result<Self::Permits, Denied> {
        gate.permit(key, |supply| self.asked.supply(supply))
    }

    async fn call(
        &self,
        permit: &Self::Permits,
        key: &ResolvedKey,
        cx: &Cx<'_>,
    ) -> Result<Done<O::Output>, KmsFault> {
        self.asked.answer(permit, key.unit()?, cx).await
    }
}

/// An answer that names the key.
#[derive(Debug)]
pub struct KeyNamed(pub KeyArn);

impl Output<Kms> for KeyNamed {
    fn render(&self, out: &mut Writer<'_>) {
        out.string("KeyId", self.0.as_str());
    }

    fn response_elements(&self, elements: &mut Writer<'_>) {
        elements.string("keyId", self.0.as_str());
    }
}

impl Cx<'_> {
    /// A changed key, and an answer without members.
    ///
    /// # Errors
    /// As [`change_key`](Self::change_key).
    pub fn key_changed(
        &self,
        key: &KeyUnit,
        record: &KeyRecord,
    ) -> Result<Done<KeyChanged>, KmsFault> {
        let changes = self.change_key(key, record)?;
        Ok(Done::changed(KeyChanged(key.arn().clone()), changes))
    }
}
