//! Material in this process's memory, wrapped in the key's record.

use keyward_crypto::{random, secret::SecretBytes};
use keyward_types::{
    encryption_context::EncryptionContext, key_spec::KeySpec, material_id::MaterialId,
};

use crate::{
    backend::{Answer, Backend, BackendError, NewMaterial},
    ciphertext_blob::{self, BlobError, CiphertextBlob},
    hierarchy::WrappedText,
    key::{Key, MaterialError, material_subject},
    record::MaterialRecord,
};

/// The backend that is always there.
#[derive(Clone, Copy, Debug)]
pub struct Software;

impl Backend for Software {
    fn serves(&self, spec: KeySpec) -> bool {
        material_bytes(spec).is_some()
    }

    fn generate<'a>(&'a self, new: NewMaterial<'a>) -> Answer<'a, MaterialRecord> {
        Answer::ready(generate(new))
    }

    fn encrypt<'a>(
        &'a self,
        key: &'a Key,
        plaintext: &'a [u8],
        context: &'a EncryptionContext,
    ) -> Answer<'a, (Vec<u8>, MaterialId)> {
        Answer::ready(encrypt(key, plaintext, context))
    }

    fn decrypt<'a>(
        &'a self,
        key: &'a Key,
        blob: &'a CiphertextBlob<'a>,
        context: &'a EncryptionContext,
    ) -> Answer<'a, SecretBytes> {
        Answer::ready(decrypt(key, blob, context))
    }
}

/// How long the material of a spec is; `None` for what is not served yet.
fn material_bytes(spec: KeySpec) -> Option<usize> {
    match spec {
        KeySpec::SymmetricDefault => Some(32),
        KeySpec::Rsa2048
        | KeySpec::Rsa3072
        | KeySpec::Rsa4096
        | KeySpec::EccNistP256
        | KeySpec::EccNistP384
        | KeySpec::EccNistP521
        | KeySpec::EccSecgP256k1
        | KeySpec::EccNistEdwards25519
        | KeySpec::Hmac224
        | KeySpec::Hmac256
        | KeySpec::Hmac384
        | KeySpec::Hmac512
        | KeySpec::Sm2
        | KeySpec::MlDsa44
        | KeySpec::MlDsa65
        | KeySpec::MlDsa87
        | KeySpec::MlKem512
        | KeySpec::MlKem768
        | KeySpec::MlKem1024 => None,
    }
}

/// Random bits, wrapped for this key.
fn generate(new: NewMaterial<'_>) -> Result<MaterialRecord, BackendError> {
    let NewMaterial { arn, domain, .. } = new;
    let length = material_bytes(new.spec).ok_or(MaterialError::Absent)?;
    let material = random::secret(length);
    let id = MaterialId::from_bytes(domain.material_id(arn.id().as_str(), &material));
    let wrapped = domain
        .wrap(&material_subject(arn, id), &material)
        .ok_or(MaterialError::Damaged)?;
    Ok(MaterialRecord {
        id,
        wrapped: WrappedText(wrapped),
        since: new.since,
        rotation: new.rotation,
    })
}

fn encrypt(
    key: &Key,
    plaintext: &[u8],
    context: &EncryptionContext,
) -> Result<(Vec<u8>, MaterialId), BackendError> {
    let made_by = (key.arn(), key.identity()?);
    let (blob, id) = key.with_current(|id, material| {
        let blob = ciphertext_blob::seal(made_by, material, plaintext, context);
        (blob, id)
    })?;
    Ok((blob?, id))
}

fn decrypt(
    key: &Key,
    blob: &CiphertextBlob<'_>,
    context: &EncryptionContext,
) -> Result<SecretBytes, BackendError> {
    if blob.key() != key.arn() {
        return Err(BlobError.into());
    }
    Ok(key.with_material(blob.material_id(), |material| blob.open(material, context))??)
}
