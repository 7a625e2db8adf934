//! `Decrypt`: the plaintext of a ciphertext blob; the blob names its key.
//!
//! <https://docs.aws.amazon.com/kms/latest/APIReference/API_Decrypt.html>
//!
//! With `DryRun` and `IGNORE_CIPHERTEXT` only the permission on `KeyId` is asked for.

use keyward_crypto::secret::SecretBytes;
use keyward_engine::{
    audit::parameters::{Parameter, boolean, map, secret, text, text_or, texts},
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
    Cx, Kms, condition_keys, fault::KmsFault, grants::terms::Act, members, recipient,
    resolved::ResolvedKey,
};

/// The input.
#[derive(Debug)]
pub struct Decrypt {
    ciphertext_blob: Option<Vec<u8>>,
    key_id: Option<String>,
    encryption_context: EncryptionContext,
    encryption_algorithm: EncryptionAlgorithm,
    grant_tokens: Vec<String>,
    dry_run: bool,
}

/// The output.
#[derive(Debug)]
pub struct Decrypted {
    plaintext: SecretBytes,
    key: KeyArn,
    encryption_algorithm: EncryptionAlgorithm,
    material_id: MaterialId,
}

impl Operation for Decrypt {
    const NAME: &'static str = "Decrypt";
    const READ_ONLY: bool = true;
    const PARAMETERS: &'static [Parameter] = &[
        secret("CiphertextBlob"),
        map("EncryptionContext"),
        secret("GrantTokens"),
        text("KeyId"),
        text_or("EncryptionAlgorithm", "SYMMETRIC_DEFAULT"),
        secret("Recipient"),
        boolean("DryRun"),
        texts("DryRunModifiers"),
    ];
    type Api = Kms;
    type Output = Decrypted;
    type Fault = KmsFault;
    type Resolved = ResolvedKey;
    type Permits = Permit<action::Decrypt>;

    fn parse(body: &Object<'_>) -> Result<Self, KmsFault> {
        let mut m = Members::of(body);
        let dry_run = m.boolean("DryRun").optional().unwrap_or(false);
        let ignore = members::ignores_ciphertext(&mut m);
        let blob = m.blob("CiphertextBlob").length(1, 6144);
        let ciphertext_blob = if ignore && dry_run {
            blob.optional()
        } else {
            Some(blob.required())
        };
        let key_id = members::optional_key_id(&mut m, "KeyId");
        let context = members::encryption_context(&mut m, "EncryptionContext");
        let encryption_algorithm = members::encryption_algorithm(&mut m, "EncryptionAlgorithm");
        let grant_tokens = members::grant_tokens(&mut m);
        let recipient = recipient::is_given(&mut m);
        m.finish()?;
        members::check_ignore(ignore, dry_run, key_id.is_some(), "KeyId")?;
        recipient::refuse(recipient)?;
        Ok(Self {
            ciphertext_blob: ciphertext_blob.filter(|_| !ignore),
            key_id,
            encryption_context: members::checked_context(context)?,
            encryption_algorithm,
            grant_tokens,
            dry_run,
        })
    }

    async fn resolve(&self, cx: &Cx<'_>) -> Result<ResolvedKey, KmsFault> {
        cx.key_of_ciphertext(
            self.ciphertext_blob.as_deref(),
            self.key_id.as_deref(),
            self.encryption_algorithm,
            &self.grant_tokens,
            Act::Use(GrantOperation::Decrypt, &self.encryption_context),
        )
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
    ) -> Result<Done<Decrypted>, KmsFault> {
        key.refuse_other_key()?;
        let unit = key.unit()?;
        let Some(bytes) = &self.ciphertext_blob else {
            cx.state()
                .ring()
                .check_decrypt(permit, unit.key(), self.encryption_algorithm)?;
            return Err(KmsFault::DryRunOperation);
        };
        let key = unit.key();
        let blob = key
            .parse_blob(bytes)
            .map_err(|_| KmsFault::InvalidCiphertext)?;
        let decrypted = cx.state().ring().decrypt(
            permit,
            key,
            self.encryption_algorithm,
            &blob,
            &self.encryption_context,
        );
        let (plaintext, material_id) = decrypted.await?;
        if self.dry_run {
            return Err(KmsFault::DryRunOperation);
        }
        let output = Decrypted {
            plaintext,
            key: unit.arn().clone(),
            encryption_algorithm: self.encryption_algorithm,
            material_id,
        };
        Ok(Done::used(output, unit.arn()))
    }
}

impl Output<Kms> for Decrypted {
    fn render(&self, out: &mut Writer<'_>) {
        out.string("KeyId", self.key.as_str());
        out.blob("Plaintext", self.plaintext.expose());
        out.string("EncryptionAlgorithm", self.encryption_algorithm.as_str());
        out.hexadecimal("KeyMaterialId", self.material_id.as_bytes());
    }

    fn additional_event_data(&self, data: &mut Writer<'_>) {
        data.hexadecimal("keyMaterialId", self.material_id.as_bytes());
    }
}
