//! `GetKeyLastUsage`: the last successful cryptographic use of a key.
//!
//! <https://docs.aws.amazon.com/kms/latest/APIReference/API_GetKeyLastUsage.html>

use keyward_engine::{
    audit::parameters::{Parameter, text},
    directory::records::LastUseRecord,
    gate::{Denied, Gate},
    operation::{Done, Operation, Output},
    policy::permit::Permit,
};
use keyward_types::{key_id::KeyArn, time::Timestamp};
use keyward_wire::json::{Members, Object, Writer};

use crate::{Cx, Kms, fault::KmsFault, members, resolved::ResolvedKey};

/// The input.
#[derive(Debug)]
pub struct GetKeyLastUsage {
    key_id: String,
}

/// The output.
#[derive(Debug)]
pub struct LastUsage {
    key: KeyArn,
    created: Timestamp,
    usage: Option<LastUseRecord>,
}

keyward_types::action!("kms": GetKeyLastUsage = "kms:GetKeyLastUsage");

impl Operation for GetKeyLastUsage {
    const NAME: &'static str = "GetKeyLastUsage";
    const READ_ONLY: bool = true;
    const PARAMETERS: &'static [Parameter] = &[text("KeyId")];
    type Api = Kms;
    type Output = LastUsage;
    type Fault = KmsFault;
    type Resolved = ResolvedKey;
    type Permits = Permit<Self>;

    fn parse(body: &Object<'_>) -> Result<Self, KmsFault> {
        let mut m = Members::of(body);
        let key_id = members::key_id(&mut m, "KeyId");
        m.finish()?;
        Ok(Self { key_id })
    }

    async fn resolve(&self, cx: &Cx<'_>) -> Result<ResolvedKey, KmsFault> {
        cx.key_to_manage(&self.key_id).await
    }

    fn authorize(&self, key: &ResolvedKey, gate: &Gate<'_>) -> Result<Self::Permits, Denied> {
        gate.permit(key, |_| ())
    }

    async fn call(
        &self,
        _permit: &Self::Permits,
        key: &ResolvedKey,
        cx: &Cx<'_>,
    ) -> Result<Done<LastUsage>, KmsFault> {
        let key = key.unit()?;
        let usage = cx.last_use(key.arn()).await?;
        let (key, created) = (key.arn().clone(), key.record().created);
        Ok(Done::unchanged(LastUsage {
            key,
            created,
            usage,
        }))
    }
}

impl Output<Kms> for LastUsage {
    fn render(&self, out: &mut Writer<'_>) {
        out.string("KeyId", self.key.as_str());
        out.object("KeyLastUsage", |usage| {
            if let Some(last) = &self.usage {
                usage.string("Operation", &last.operation);
                usage.timestamp("Timestamp", last.at);
                usage.string("CloudTrailEventId", &last.event_id);
                usage.string("KmsRequestId", &last.request_id);
            }
        });
        out.timestamp("TrackingStartDate", self.created);
        out.timestamp("KeyCreationDate", self.created);
    }
}
