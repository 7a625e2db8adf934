//! `Recipient`: answers for attested enclaves, which this version does not support.
//!
//! A request that asks for one is refused: answering with the bare plaintext instead would tell
//! the caller's host what only its enclave may know.

use keyward_wire::json::Members;

use crate::fault::KmsFault;

/// Whether the request has a `Recipient`; its members are checked as AWS does.
pub fn is_given(m: &mut Members<'_>) -> bool {
    let recipient = m.structure("Recipient", |r| {
        r.enumeration("KeyEncryptionAlgorithm", &["RSAES_OAEP_SHA_256"])
            .optional();
        r.blob("AttestationDocument").length(1, 262_144).optional();
    });
    recipient.optional().is_some()
}

/// The refusal.
///
/// # Errors
/// Whenever a recipient was given.
pub fn refuse(given: bool) -> Result<(), KmsFault> {
    if !given {
        return Ok(());
    }
    Err(KmsFault::unsupported("Recipient"))
}
