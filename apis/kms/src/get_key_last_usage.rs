//! `GetKeyLastUsage`: the last successful cryptographic use of a key.
//!
//! <https://docs.aws.amazon.com/kms/latest/APIReference/API_GetKeyLastUsage.html>

use keyward_engine::{
    audit::parameters::{Parameter, text},
    directory::records::LastUseRecord,
    operation::{Done, Output},
    policy::permit::Permit,
};
use keyward_types::{key_id::KeyArn, time::Timestamp};
use keyward_wire::json::{Members, Writer};

use crate::{Cx, Kms, fault::KmsFault, on_key::OnKey, units::KeyUnit};

/// The input.
#[derive(Debug)]
pub struct GetKeyLastUsage;

/// The output.
#[derive(Debug)]
pub struct LastUsage {
    key: KeyArn,
    created: Timestamp,
    usage: Option<LastUseRecord>,
}

keyward_types::action!("kms": GetKeyLastUsage = "kms:GetKeyLastUsage");

impl OnKey for GetKeyLastUsage {
    const NAME: &'static str = "GetKeyLastUsage";
    const READ_ONLY: bool = true;
    const PARAMETERS: &'static [Parameter] = &[text("KeyId")];
    type Action = Self;
    type Output = LastUsage;

    fn read(_m: &mut Members<'_>) -> Result<Self, KmsFault> {
        Ok(Self)
    }

    async fn answer(
        &self,
        _permit: &Permit<Self::Action>,
        key: &KeyUnit,
        cx: &Cx<'_>,
    ) -> Result<Done<LastUsage>, KmsFault> {
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
