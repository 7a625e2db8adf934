//! `DecodeAuthorizationMessage`: decodes the encoded message of a denial. Denials of Keyward have
//! none, since each shows its reason openly, so no message can be decoded.
//!
//! <https://docs.aws.amazon.com/STS/latest/APIReference/API_DecodeAuthorizationMessage.html>

use keyward_engine::{
    audit::parameters::{Parameter, omitted},
    gate::{Denied, Gate},
    operation::{Done, Empty, Operation},
    policy::permit::Permit,
};
use keyward_wire::query::Params;

use crate::{Cx, Sts, fault::StsFault};

/// The input.
#[derive(Debug)]
pub struct DecodeAuthorizationMessage;

keyward_types::action!("sts": DecodeAuthorizationMessage = "sts:DecodeAuthorizationMessage");

impl Operation for DecodeAuthorizationMessage {
    const NAME: &'static str = "DecodeAuthorizationMessage";
    const READ_ONLY: bool = true;
    const PARAMETERS: &'static [Parameter] = &[omitted("EncodedMessage")];
    type Api = Sts;
    type Output = Empty;
    type Fault = StsFault;
    type Resolved = ();
    type Permits = Permit<Self>;

    fn parse(params: &Params<'_>) -> Result<Self, StsFault> {
        let mut m = params.members_with_values();
        m.string("EncodedMessage").length(1, 10_240).required();
        m.finish()?;
        Ok(Self)
    }

    async fn resolve(&self, _cx: &Cx<'_>) -> Result<(), StsFault> {
        Ok(())
    }

    fn authorize(&self, (): &(), gate: &Gate<'_>) -> Result<Self::Permits, Denied> {
        gate.account(|_| ())
    }

    async fn call(
        &self,
        _permit: &Self::Permits,
        (): &(),
        _cx: &Cx<'_>,
    ) -> Result<Done<Empty>, StsFault> {
        Err(StsFault::InvalidAuthorizationMessage)
    }
}
