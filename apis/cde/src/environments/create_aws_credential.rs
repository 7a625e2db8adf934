//! `createAWSCredential`: a role that CDP may assume for the account. It is assumed once, to see that it can be.

use keyward_altus::KeyId;
use keyward_crypto::random;
use keyward_engine::{
    audit::parameters::{Parameter, text},
    directory::records::V1,
    operation::{Done, Output},
};
use keyward_store::batch::Precondition;
use keyward_wire::json::{Members, Writer};

use crate::{
    Cx, Environments, ask::Ask, environments::shown::ShownCredential, fault::CdeFault, kept,
    members, records::CredentialRecord, role,
};

/// The most credentials of an account.
const MOST: usize = 100;

/// The input.
#[derive(Debug)]
pub struct CreateAWSCredential {
    name: String,
    role: String,
    description: Option<String>,
}

/// The output.
#[derive(Debug)]
pub struct Created(ShownCredential);

keyward_types::action!("environments": CreateAWSCredential = "environments:createAWSCredential");

impl Ask for CreateAWSCredential {
    const READ_ONLY: bool = false;
    const PARAMETERS: &'static [Parameter] =
        &[text("credentialName"), text("roleArn"), text("description")];
    type Of = Environments;
    type Output = Created;

    fn read(m: &mut Members<'_>) -> Self {
        Self {
            name: members::name(m, "credentialName"),
            role: m.string("roleArn").length(20, 2048).required().to_owned(),
            description: members::optional(m, "description", 1000),
        }
    }

    fn resource(&self) -> Option<String> {
        Some(format!("credential/{}", self.name))
    }

    // Otherwise whoever may create credentials may use each role that trusts CDP.
    fn passes_role(&self) -> Option<&str> {
        Some(&self.role)
    }

    async fn answer(&self, cx: &Cx<'_>) -> Result<Done<Created>, CdeFault> {
        if !role::is_role_of(cx, &self.role) {
            return Err(CdeFault::Invalid(format!(
                "roleArn must be the ARN of a role of account {}.",
                cx.account()
            )));
        }
        if kept::find::<CredentialRecord>(cx, &self.name)
            .await?
            .is_some()
        {
            return Err(CdeFault::Exists {
                what: "credential",
                name: self.name.clone(),
            });
        }
        if kept::every::<CredentialRecord>(cx).await?.len() >= MOST {
            return Err(CdeFault::Limit {
                most: MOST,
                what: "credentials",
            });
        }
        let arn = cx.arn_of("environments", &format!("credential/{}", self.name));
        cx.assume::<Environments>((&self.role, cx.region), &arn)
            .await?;
        let record = CredentialRecord {
            version: V1,
            name: self.name.clone(),
            id: KeyId::from_random(random::array()).to_string(),
            role: self.role.clone(),
            description: self.description.clone(),
            created: cx.now,
        };
        let mut batch = cx.batch();
        cx.put(&mut batch, &record, Precondition::Absent)?;
        Ok(Done::changed(
            Created(ShownCredential::new(record, cx)),
            batch,
        ))
    }
}

impl Output<Environments> for Created {
    fn render(&self, out: &mut Writer<'_>) {
        out.object("credential", |out| self.0.write(out));
    }

    fn response_elements(&self, elements: &mut Writer<'_>) {
        elements.object("credential", |out| self.0.write(out));
    }
}
