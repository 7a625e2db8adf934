//! `GenerateDataKey`: a data key in plaintext and under a KMS key.
//!
//! <https://docs.aws.amazon.com/kms/latest/APIReference/API_GenerateDataKey.html>

use keyward_crypto::secret::SecretBytes;
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
    recipient,
    resolved::ResolvedKey,
};

/// The input.
#[derive(Debug)]
pub struct GenerateDataKey {
    key_id: String,
    encryption_context: EncryptionContext,
    length: DataKeyLength,
    grant_tokens: Vec<String>,
    dry_run: bool,
}

/// The output.
#[derive(Debug)]
pub struct DataKeyGenerated {
    ciphertext_blob: Vec<u8>,
    plaintext: SecretBytes,
    key: KeyArn,
    material_id: MaterialId,
}

impl Operation for GenerateDataKey {
    const NAME: &'static str = "GenerateDataKey";
    const READ_ONLY: bool = true;
    const PARAMETERS: &'static [Parameter] = &[
        text("KeyId"),
        map("EncryptionContext"),
        integer("NumberOfBytes"),
        text("KeySpec"),
        secret("GrantTokens"),
        secret("Recipient"),
        boolean("DryRun"),
    ];
    type Api = Kms;
    type Output = DataKeyGenerated;
    type Fault = KmsFault;
    type Resolved = ResolvedKey;
    type Permits = Permit<action::GenerateDataKey>;

    fn parse(body: &Object<'_>) -> Result<Self, KmsFault> {
        let mut m = Members::of(body);
        let key_id = members::key_id(&mut m, "KeyId");
        let context = members::encryption_context(&mut m, "EncryptionContext");
        let length = DataKeyLength::of(&mut m);
        let grant_tokens = members::grant_tokens(&mut m);
        let dry_run = m.boolean("DryRun").optional().unwrap_or(false);
        let recipient = recipient::is_given(&mut m);
        m.finish()?;
        recipient::refuse(recipient)?;
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
        let act = Act::Use(GrantOperation::GenerateDataKey, &self.encryption_context);
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
    ) -> Result<Done<DataKeyGenerated>, KmsFault> {
        let length = self.length.bytes()?;
        let key = key.unit()?;
        let generated = cx
            .state()
            .ring()
            .generate_data_key(permit, key.key(), length, &self.encryption_context)
            .await?;
        if self.dry_run {
            return Err(KmsFault::DryRunOperation);
        }
        let output = DataKeyGenerated {
            ciphertext_blob: generated.ciphertext_blob,
            plaintext: generated.plaintext,
            key: key.arn().clone(),
            material_id: generated.material_id,
        };
        Ok(Done::used(output, key.arn()))
    }
}

impl Output<Kms> for DataKeyGenerated {
    fn render(&self, out: &mut Writer<'_>) {
        out.blob("CiphertextBlob", &self.ciphertext_blob);
        out.blob("Plaintext", self.plaintext.expose());
        out.string("KeyId", self.key.as_str());
        out.hexadecimal("KeyMaterialId", self.material_id.as_bytes());
    }

    fn additional_event_data(&self, data: &mut Writer<'_>) {
        data.hexadecimal("keyMaterialId", self.material_id.as_bytes());
    }
}
