//! `updateAwsDiskEncryptionParameters`: another key for what is created in the environment from now on. What there is
//! stays under its key.

use keyward_engine::{
    audit::parameters::{Parameter, text},
    operation::{Done, Output},
};
use keyward_store::batch::Precondition;
use keyward_wire::json::{Members, Writer};

use crate::{
    Cx, Environments,
    ask::Ask,
    environments::shown::ShownEnvironment,
    fault::CdeFault,
    keys::{check_key_seen, checked_key},
    members,
};

/// The input.
#[derive(Debug)]
pub struct UpdateAwsDiskEncryptionParameters {
    environment: String,
    key: String,
}

/// The output.
#[derive(Debug)]
pub struct Updated(ShownEnvironment);

keyward_types::action!("environments": UpdateAwsDiskEncryptionParameters = "environments:updateAwsDiskEncryptionParameters");

impl Ask for UpdateAwsDiskEncryptionParameters {
    const READ_ONLY: bool = false;
    const PARAMETERS: &'static [Parameter] = &[text("environment"), text("encryptionKeyArn")];
    type Of = Environments;
    type Output = Updated;

    fn read(m: &mut Members<'_>) -> Self {
        let environment = members::named(m, "environment");
        let key = m.string("encryptionKeyArn").length(1, 2048).required();
        Self {
            environment,
            key: key.to_owned(),
        }
    }

    fn resource(&self) -> Option<String> {
        Some(format!("environment/{}", self.environment))
    }

    async fn answer(&self, cx: &Cx<'_>) -> Result<Done<Updated>, CdeFault> {
        let (mut record, revision) = cx.environment(&self.environment).await?;
        let key = checked_key(cx, &self.key, record.region)?;
        let arn = cx.arn_of_environment(&record.name);
        let role = cx.assume_for::<Environments>(&record, &arn).await?;
        check_key_seen(cx, &role, &key).await?;
        record.key = Some(key);
        let mut batch = cx.batch();
        cx.put(&mut batch, &record, Precondition::At(revision))?;
        Ok(Done::changed(
            Updated(ShownEnvironment::new(record, cx)),
            batch,
        ))
    }
}

impl Updated {
    fn write(&self, out: &mut Writer<'_>) {
        out.object("environment", |out| self.0.write(out));
        out.object("awsDiskEncryptionParameters", |parameters| {
            if let Some(key) = self.0.key() {
                parameters.string("encryptionKeyArn", key);
            }
        });
    }
}

impl Output<Environments> for Updated {
    fn render(&self, out: &mut Writer<'_>) {
        self.write(out);
    }

    fn response_elements(&self, elements: &mut Writer<'_>) {
        self.write(elements);
    }
}
