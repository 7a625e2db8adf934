//! The KMS keys of environments.

use keyward_engine::{fault::Internal, forward::role::AssumedRole};
use keyward_types::{
    arn::ArnParts,
    key_id::{KeyArn, KeyId},
    region::Region,
};
use keyward_wire::json::{Limits, Members, Object, Writer};

use crate::{Cx, fault::CdeFault, role::told};

/// A key that an environment may have.
///
/// # Errors
/// If it is none of the environment's account and Region.
pub fn checked_key(cx: &Cx<'_>, text: &str, region: Region) -> Result<String, CdeFault> {
    let parts = ArnParts::parse(text).filter(|parts| {
        parts.service == "kms"
            && parts.partition == region.partition().as_str()
            && parts.region == region.as_str()
            && parts.account == cx.account().as_str()
    });
    let id = parts.and_then(|parts| parts.resource.strip_prefix("key/"));
    let key = id.and_then(|id| KeyId::parse(id).ok());
    let key = key.map(|id| KeyArn::new(region, cx.account(), id));
    match key {
        Some(key) => Ok(key.to_string()),
        None => Err(CdeFault::Invalid(format!(
            "encryptionKeyArn must be the ARN of a KMS key of account {} in {region}, not of an alias.",
            cx.account()
        ))),
    }
}

/// Checks that a role may see a key, and that it is one for encryption.
///
/// # Errors
/// When it may not, in the words of KMS; or the key is another one or cannot be used.
pub async fn check_key_seen(cx: &Cx<'_>, role: &AssumedRole, key: &str) -> Result<(), CdeFault> {
    let body = Writer::render(256, |out| out.string("KeyId", key));
    let described = match role.call(cx, ("kms", "DescribeKey"), &body).await {
        Ok(described) => described,
        Err(not_done) => {
            let message = format!("The role cannot use the key {key}: {}", told(not_done)?);
            return Err(CdeFault::Precondition(message));
        }
    };
    let answer = Object::parse(&described, &Limits::KMS).map_err(Internal::new)?;
    let mut m = Members::of(&answer);
    let read = m.structure("KeyMetadata", |m| {
        let spec = m.string("KeySpec").required();
        let usage = m.string("KeyUsage").required();
        let state = m.string("KeyState").required().to_owned();
        let is_symmetric = spec == "SYMMETRIC_DEFAULT" && usage == "ENCRYPT_DECRYPT";
        (is_symmetric, state)
    });
    let (is_symmetric, state) = read.required();
    m.finish()?;
    if !is_symmetric {
        let message = format!("The key {key} must be a symmetric encryption key.");
        return Err(CdeFault::Precondition(message));
    }
    if state != "Enabled" {
        let message = format!("The key {key} cannot be used: its state is {state}.");
        return Err(CdeFault::Precondition(message));
    }
    Ok(())
}
