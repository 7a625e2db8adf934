//! `getCredentialPrerequisites`: the external ID of the account, and what the role of a credential must be allowed.
//!
//! Cloudera's answer also has the ID of its own account, which roles are to trust. Here they trust a service,
//! `cdp.cloudera.com`, so that there is none.

use keyward_engine::{
    audit::parameters::{Parameter, text},
    operation::{Done, Output},
};
use keyward_wire::json::{Members, Writer};

use crate::{
    Cx, Environments, ask::Ask, environments::prerequisites::role_policy, fault::CdeFault,
};

/// The input.
#[derive(Debug)]
pub struct GetCredentialPrerequisites {
    platform: &'static str,
}

/// The output.
#[derive(Debug)]
pub struct Prerequisites {
    external_id: String,
    policy: String,
}

keyward_types::action!("environments": GetCredentialPrerequisites = "environments:getCredentialPrerequisites");

impl Ask for GetCredentialPrerequisites {
    const READ_ONLY: bool = true;
    const PARAMETERS: &'static [Parameter] = &[text("cloudPlatform")];
    type Of = Environments;
    type Output = Prerequisites;

    fn read(m: &mut Members<'_>) -> Self {
        Self {
            platform: m.enumeration("cloudPlatform", &["AWS", "AZURE"]).required(),
        }
    }

    fn checked(self) -> Result<Self, CdeFault> {
        match self.platform {
            "AWS" => Ok(self),
            _ => Err(CdeFault::Invalid(
                "Keyward has the cloud platform AWS alone.".to_owned(),
            )),
        }
    }

    fn resource(&self) -> Option<String> {
        None
    }

    async fn answer(&self, cx: &Cx<'_>) -> Result<Done<Prerequisites>, CdeFault> {
        Ok(Done::unchanged(Prerequisites {
            external_id: cx.external_id(),
            policy: role_policy().to_string(),
        }))
    }
}

impl Output<Environments> for Prerequisites {
    fn render(&self, out: &mut Writer<'_>) {
        out.string("cloudPlatform", "AWS");
        out.object("aws", |aws| {
            aws.string("externalId", &self.external_id);
            // Cloudera writes the policy in base64.
            aws.blob("policyJson", self.policy.as_bytes());
        });
    }
}
