//! `GenerateDataKeyWithoutPlaintext`: a data key under a KMS key, for later use.
//!
//! <https://docs.aws.amazon.com/kms/latest/APIReference/API_GenerateDataKeyWithoutPlaintext.html>

use keyward_engine::{
    audit::parameters::{Parameter, boolean, integer, map, secret, text},
    gate::{Denied, Gate},
    operation::{Done, Operation, Output},
    policy::permit::Permit,
};
use keyward_types::{
    action, encryption_context::EncryptionContext, grant::GrantOperation, key_id::KeyArn,
    key_spec::EncryptionAlgorithm, material_id::MaterialId,
};
use keyward_wire::json::{Members, Object, Writer};

use crate::{
    Cx, Kms, condition_keys,
    fault::KmsFault,
    grants::terms::Act,
    identifier::Forms,
    members::{self, DataKeyLength},
    resolved::ResolvedKey,
};

/// The input.
#[derive(Debug)]
pub struct GenerateDataKeyWithoutPlaintext {
    key_id: String,
    encryption_context: EncryptionContext,
    length: DataKeyLength,
    grant_tokens: Vec<String>,
    dry_run: bool,
}

/// The output.
#[derive(Debug)]
pub struct WrappedDataKeyGenerated {
    ciphertext_blob: Vec<u8>,
    key: KeyArn,
    material_id: MaterialId,
}

impl Operation for GenerateDataKeyWithoutPlaintext {
    const NAME: &'static str = "GenerateDataKeyWithoutPlaintext";
    const READ_ONLY: bool = true;
    const PARAMETERS: &'static [Parameter] = &[
        text("KeyId"),
        map("EncryptionContext"),
        text("KeySpec"),
        integer("NumberOfBytes"),
        secret("GrantTokens"),
        boolean("DryRun"),
    ];
    type Api = Kms;
    type Output = WrappedDataKeyGenerated;
    type Fault = KmsFault;
    type Resolved = ResolvedKey;
    type Permits = Permit<action::GenerateDataKeyWithoutPlaintext>;

    fn parse(body: &Object<'_>) -> Result<Self, KmsFault> {
        let mut m = Members::of(body);
        let key_id = members::key_id(&mut m, "KeyId");
        let context = members::encryption_context(&mut m, "EncryptionContext");
        let length = DataKeyLength::of(&mut m);
        let grant_tokens = members::grant_tokens(&mut m);
        let dry_run = m.boolean("DryRun").optional().unwrap_or(false);
        m.finish()?;
        let encryption_context = members::checked_context(context)?;
        Ok(Self {
            key_id,
            encryption_context,
            length,
            grant_tokens,
            dry_run,
        })
    }

    async fn resolve(&self, cx: &Cx<'_>) -> Result<ResolvedKey, KmsFault> {
        let act = Act::Use(
            GrantOperation::GenerateDataKeyWithoutPlaintext,
            &self.encryption_context,
        );
        cx.key_to_use(&self.key_id, Forms::All, &self.grant_tokens, act)
            .await
    }

    fn authorize(&self, key: &ResolvedKey, gate: &Gate<'_>) -> Result<Self::Permits, Denied> {
        gate.permit(key, |supply| {
            supply.encryption_context(&self.encryption_context);
            let algorithm = EncryptionAlgorithm::SymmetricDefault;
            supply.one(condition_keys::ENCRYPTION_ALGORITHM, algorithm.as_str());
        })
    }

    async fn call(
        &self,
        permit: &Self::Permits,
        key: &ResolvedKey,
        cx: &Cx<'_>,
    ) -> Result<Done<WrappedDataKeyGenerated>, KmsFault> {
        let length = self.length.bytes()?;
        let key = key.unit()?;
        let generated = cx.state().ring().generate_data_key_without_plaintext(
            permit,
            key.key(),
            length,
            &self.encryption_context,
        );
        let (ciphertext_blob, material_id) = generated.await?;
        if self.dry_run {
            return Err(KmsFault::DryRunOperation);
        }
        let output = WrappedDataKeyGenerated {
            ciphertext_blob,
            key: key.arn().clone(),
            material_id,
        };
        Ok(Done::used(output, key.arn()))
    }
}

impl Output<Kms> for WrappedDataKeyGenerated {
    fn render(&self, out: &mut Writer<'_>) {
        out.blob("CiphertextBlob", &self.ciphertext_blob);
        out.string("KeyId", self.key.as_str());
        out.hexadecimal("KeyMaterialId", self.material_id.as_bytes());
    }

    fn additional_event_data(&self, data: &mut Writer<'_>) {
        data.hexadecimal("keyMaterialId", self.material_id.as_bytes());
    }
}
