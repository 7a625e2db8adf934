//! `Encrypt`: up to 4096 bytes of plaintext under a KMS key.
//!
//! <https://docs.aws.amazon.com/kms/latest/APIReference/API_Encrypt.html>

use keyward_crypto::secret::SecretBytes;
use keyward_engine::{
    audit::parameters::{Parameter, boolean, map, secret, text, text_or},
    gate::{Denied, Gate},
    operation::{Done, Operation, Output},
    policy::permit::Permit,
};
use keyward_types::{
    action, encryption_context::EncryptionContext, grant::GrantOperation, key_id::KeyArn,
    key_spec::EncryptionAlgorithm,
};
use keyward_wire::json::{Members, Object, Writer};

use crate::{
    Cx, Kms, condition_keys, fault::KmsFault, grants::terms::Act, identifier::Forms, members,
    resolved::ResolvedKey,
};

/// The input.
#[derive(Debug)]
pub struct Encrypt {
    key_id: String,
    plaintext: SecretBytes,
    encryption_context: EncryptionContext,
    encryption_algorithm: EncryptionAlgorithm,
    grant_tokens: Vec<String>,
    dry_run: bool,
}

/// The output.
#[derive(Debug)]
pub struct Encrypted {
    ciphertext_blob: Vec<u8>,
    key: KeyArn,
    encryption_algorithm: EncryptionAlgorithm,
    material_id: keyward_types::material_id::MaterialId,
}

impl Operation for Encrypt {
    const NAME: &'static str = "Encrypt";
    const READ_ONLY: bool = true;
    const PARAMETERS: &'static [Parameter] = &[
        text("KeyId"),
        secret("Plaintext"),
        map("EncryptionContext"),
        secret("GrantTokens"),
        text_or("EncryptionAlgorithm", "SYMMETRIC_DEFAULT"),
        boolean("DryRun"),
    ];
    type Api = Kms;
    type Output = Encrypted;
    type Fault = KmsFault;
    type Resolved = ResolvedKey;
    type Permits = Permit<action::Encrypt>;

    fn parse(body: &Object<'_>) -> Result<Self, KmsFault> {
        let mut m = Members::of(body);
        let key_id = members::key_id(&mut m, "KeyId");
        let plaintext = m.blob("Plaintext").length(1, 4096).required_secret();
        let context = members::encryption_context(&mut m, "EncryptionContext");
        let encryption_algorithm = members::encryption_algorithm(&mut m, "EncryptionAlgorithm");
        let grant_tokens = members::grant_tokens(&mut m);
        let dry_run = m.boolean("DryRun").optional().unwrap_or(false);
        m.finish()?;
        let encryption_context = members::checked_context(context)?;
        Ok(Self {
            key_id,
            plaintext,
            encryption_context,
            encryption_algorithm,
            grant_tokens,
            dry_run,
        })
    }

    async fn resolve(&self, cx: &Cx<'_>) -> Result<ResolvedKey, KmsFault> {
        let act = Act::Use(GrantOperation::Encrypt, &self.encryption_context);
        cx.key_to_use(&self.key_id, Forms::All, &self.grant_tokens, act)
            .await
    }

    fn authorize(&self, key: &ResolvedKey, gate: &Gate<'_>) -> Result<Self::Permits, Denied> {
        gate.permit(key, |supply| {
            supply.encryption_context(&self.encryption_context);
            supply.one(
                condition_keys::ENCRYPTION_ALGORITHM,
                self.encryption_algorithm.as_str(),
            );
        })
    }

    async fn call(
        &self,
        permit: &Self::Permits,
        key: &ResolvedKey,
        cx: &Cx<'_>,
    ) -> Result<Done<Encrypted>, KmsFault> {
        let key = key.unit()?;
        let encrypted = cx.state().ring().encrypt(
            permit,
            key.key(),
            self.encryption_algorithm,
            self.plaintext.expose(),
            &self.encryption_context,
        );
        let (ciphertext_blob, material_id) = encrypted.await?;
        if self.dry_run {
            return Err(KmsFault::DryRunOperation);
        }
        let output = Encrypted {
            ciphertext_blob,
            key: key.arn().clone(),
            encryption_algorithm: self.encryption_algorithm,
            material_id,
        };
        Ok(Done::used(output, key.arn()))
    }
}

impl Output<Kms> for Encrypted {
    fn render(&self, out: &mut Writer<'_>) {
        out.blob("CiphertextBlob", &self.ciphertext_blob);
        out.string("KeyId", self.key.as_str());
        out.string("EncryptionAlgorithm", self.encryption_algorithm.as_str());
    }

    fn additional_event_data(&self, data: &mut Writer<'_>) {
        data.hexadecimal("keyMaterialId", self.material_id.as_bytes());
    }
}
