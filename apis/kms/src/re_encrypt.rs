//! `ReEncrypt`: from one key or context to another, the plaintext never leaving the server.
//!
//! <https://docs.aws.amazon.com/kms/latest/APIReference/API_ReEncrypt.html>

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
    Cx, Kms, condition_keys, fault::KmsFault, grants::terms::Act, identifier::Forms, members,
    resolved::ResolvedKey,
};

/// The input.
#[derive(Debug)]
pub struct ReEncrypt {
    ciphertext_blob: Option<Vec<u8>>,
    source_key_id: Option<String>,
    source_context: EncryptionContext,
    source_algorithm: EncryptionAlgorithm,
    destination_key_id: String,
    destination_context: EncryptionContext,
    destination_algorithm: EncryptionAlgorithm,
    grant_tokens: Vec<String>,
    dry_run: bool,
}

/// The output.
#[derive(Debug)]
pub struct ReEncrypted {
    ciphertext_blob: Vec<u8>,
    source: KeyArn,
    source_algorithm: EncryptionAlgorithm,
    source_material_id: MaterialId,
    destination: KeyArn,
    destination_algorithm: EncryptionAlgorithm,
    destination_material_id: MaterialId,
}

/// The two keys.
#[derive(Debug)]
pub struct FromTo {
    source: ResolvedKey,
    destination: ResolvedKey,
}

impl FromTo {
    fn same_key(&self) -> &'static str {
        if self.source.arn() == self.destination.arn() {
            "true"
        } else {
            "false"
        }
    }
}

impl Operation for ReEncrypt {
    const NAME: &'static str = "ReEncrypt";
    const READ_ONLY: bool = true;
    const PARAMETERS: &'static [Parameter] = &[
        secret("CiphertextBlob"),
        map("SourceEncryptionContext"),
        text("SourceKeyId"),
        text("DestinationKeyId"),
        map("DestinationEncryptionContext"),
        text_or("SourceEncryptionAlgorithm", "SYMMETRIC_DEFAULT"),
        text_or("DestinationEncryptionAlgorithm", "SYMMETRIC_DEFAULT"),
        secret("GrantTokens"),
        boolean("DryRun"),
        texts("DryRunModifiers"),
    ];
    type Api = Kms;
    type Output = ReEncrypted;
    type Fault = KmsFault;
    type Resolved = FromTo;
    type Permits = (Permit<action::ReEncryptFrom>, Permit<action::ReEncryptTo>);

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
        let source_context = members::encryption_context(&mut m, "SourceEncryptionContext");
        let source_key_id = members::optional_key_id(&mut m, "SourceKeyId");
        let destination_key_id = members::key_id(&mut m, "DestinationKeyId");
        let destination_context =
            members::encryption_context(&mut m, "DestinationEncryptionContext");
        let source_algorithm = members::encryption_algorithm(&mut m, "SourceEncryptionAlgorithm");
        let destination_algorithm =
            members::encryption_algorithm(&mut m, "DestinationEncryptionAlgorithm");
        let grant_tokens = members::grant_tokens(&mut m);
        m.finish()?;
        members::check_ignore(ignore, dry_run, source_key_id.is_some(), "SourceKeyId")?;
        Ok(Self {
            ciphertext_blob: ciphertext_blob.filter(|_| !ignore),
            source_key_id,
            source_context: members::checked_context(source_context)?,
            source_algorithm,
            destination_key_id,
            destination_context: members::checked_context(destination_context)?,
            destination_algorithm,
            grant_tokens,
            dry_run,
        })
    }

    async fn resolve(&self, cx: &Cx<'_>) -> Result<FromTo, KmsFault> {
        let source = cx
            .key_of_ciphertext(
                self.ciphertext_blob.as_deref(),
                self.source_key_id.as_deref(),
                self.source_algorithm,
                &self.grant_tokens,
                Act::Use(GrantOperation::ReEncryptFrom, &self.source_context),
            )
            .await?;
        let destination = cx
            .key_to_use(
                &self.destination_key_id,
                Forms::All,
                &self.grant_tokens,
                Act::Use(GrantOperation::ReEncryptTo, &self.destination_context),
            )
            .await?;
        Ok(FromTo {
            source,
            destination,
        })
    }

    fn authorize(&self, keys: &FromTo, gate: &Gate<'_>) -> Result<Self::Permits, Denied> {
        let from = gate.permit(&keys.source, |supply| {
            supply.encryption_context(&self.source_context);
            supply.one(
                condition_keys::ENCRYPTION_ALGORITHM,
                self.source_algorithm.as_str(),
            );
            supply.one(condition_keys::RE_ENCRYPT_ON_SAME_KEY, keys.same_key());
        })?;
        let to = gate.permit(&keys.destination, |supply| {
            supply.encryption_context(&self.destination_context);
            supply.one(
                condition_keys::ENCRYPTION_ALGORITHM,
                self.destination_algorithm.as_str(),
            );
            supply.one(condition_keys::RE_ENCRYPT_ON_SAME_KEY, keys.same_key());
        })?;
        Ok((from, to))
    }

    async fn call(
        &self,
        (from, to): &Self::Permits,
        keys: &FromTo,
        cx: &Cx<'_>,
    ) -> Result<Done<ReEncrypted>, KmsFault> {
        keys.source.refuse_other_key()?;
        let (source, destination) = (keys.source.unit()?, keys.destination.unit()?);
        let Some(bytes) = &self.ciphertext_blob else {
            cx.state().ring().check_re_encrypt(
                (from, to),
                (source.key(), self.source_algorithm),
                (destination.key(), self.destination_algorithm),
            )?;
            return Err(KmsFault::DryRunOperation);
        };
        let blob = source
            .key()
            .parse_blob(bytes)
            .map_err(|_| KmsFault::InvalidCiphertext)?;
        let done = cx.state().ring().re_encrypt(
            (from, to),
            (
                source.key(),
                self.source_algorithm,
                &blob,
                &self.source_context,
            ),
            (
                destination.key(),
                self.destination_algorithm,
                &self.destination_context,
            ),
        );
        let done = done.await?;
        if self.dry_run {
            return Err(KmsFault::DryRunOperation);
        }
        let output = ReEncrypted {
            ciphertext_blob: done.ciphertext_blob,
            source: source.arn().clone(),
            source_algorithm: self.source_algorithm,
            source_material_id: done.source_material_id,
            destination: destination.arn().clone(),
            destination_algorithm: self.destination_algorithm,
            destination_material_id: done.destination_material_id,
        };
        let mut done = Done::used(output, source.arn());
        if source.arn() != destination.arn() {
            done.used.push(destination.arn().clone());
        }
        Ok(done)
    }
}

impl Output<Kms> for ReEncrypted {
    fn render(&self, out: &mut Writer<'_>) {
        out.blob("CiphertextBlob", &self.ciphertext_blob);
        out.string("SourceKeyId", self.source.as_str());
        out.string("KeyId", self.destination.as_str());
        out.string("SourceEncryptionAlgorithm", self.source_algorithm.as_str());
        out.string(
            "DestinationEncryptionAlgorithm",
            self.destination_algorithm.as_str(),
        );
        out.string("SourceKeyMaterialId", &self.source_material_id.to_string());
        out.string(
            "DestinationKeyMaterialId",
            &self.destination_material_id.to_string(),
        );
    }

    fn additional_event_data(&self, data: &mut Writer<'_>) {
        data.string("sourceKeyMaterialId", &self.source_material_id.to_string());
        data.string(
            "destinationKeyMaterialId",
            &self.destination_material_id.to_string(),
        );
    }
}
