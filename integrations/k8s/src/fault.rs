//! What can go wrong, and what to do about it.

use std::sync::Arc;

use keyward_client::answer::Failure;

/// What a failure of KMS is about. The names are those that aws-encryption-provider has in its metrics and health checks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Somebody has taken the key away, and can give it back.
    UserInduced,
    /// KMS was asked too often.
    Throttled,
    /// The ciphertext is not one of this key and encryption context.
    Corruption,
    /// Anything else: whoever asks may not, or KMS cannot be reached.
    Other,
}

/// Why a call failed.
#[derive(Clone, Debug, thiserror::Error)]
pub enum Fault {
    /// KMS refused, or there is no answer.
    #[error("{0}{advice}", advice = advice(.0))]
    Kms(Arc<Failure>),
    /// Nothing, where there should be something.
    #[error("the {0} is empty")]
    Empty(&'static str),
    /// More than is taken.
    #[error("the {what} is too long: it has at most {most} bytes")]
    TooLong {
        /// What is too long.
        what: &'static str,
        /// The longest that is taken, in bytes.
        most: usize,
    },
    /// Another plugin has encrypted it, or it is damaged.
    #[error(
        "the ciphertext does not begin with `1`, as those of keyward and aws-encryption-provider do: it was encrypted by another plugin, or is damaged"
    )]
    NotOurs,
    /// A key that nobody has named to this plugin.
    #[error(
        "the object was encrypted under `{0}`, which is not the key of this plugin: if it may be used, start the plugin with --decrypt-key {0} in addition"
    )]
    OtherKey(String),
    /// An encryption context that nobody has named to this plugin.
    #[error(
        "the object was encrypted with another encryption context: if it may be used, start the plugin with --decrypt-encryption-context {0} in addition"
    )]
    OtherContext(String),
    /// Somebody has edited the annotation.
    #[error("the object's annotation {annotation} is not an encryption context", annotation = crate::context::ANNOTATION)]
    BadAnnotation,
    /// Somebody has edited the key id.
    #[error(
        "the object's key id does not name the material that it was encrypted with: it was edited in etcd; restore the object from a backup"
    )]
    OtherMaterial,
    /// The KMS has answered about another key than the one that was named.
    #[error(
        "KMS used another key than `{0}`: check --kms-endpoint, and start the plugin again if an alias now belongs to another key"
    )]
    AnotherKey(String),
    /// What was encrypted is not what comes out.
    #[error("KMS does not decrypt what it has just encrypted: check --kms-endpoint")]
    Useless,
}

/// What a failure is about.
pub fn kind(failure: &Failure) -> Kind {
    let (status, code, message) = match failure {
        Failure::NoAnswer(_) => return Kind::Other,
        Failure::Refused {
            status,
            code,
            message,
        } => (
            *status,
            code.as_str(),
            message.as_deref().unwrap_or_default(),
        ),
    };
    match code {
        "DisabledException"
        | "KMSInvalidStateException"
        | "KeyUnavailableException"
        | "NotFoundException"
        | "InvalidArnException"
        | "InvalidGrantIdException"
        | "InvalidGrantTokenException" => Kind::UserInduced,
        // A key that is gone, to whoever may not know that.
        "AccessDeniedException"
            if [
                "does not exist in this region",
                "master key that does not exist",
            ]
            .iter()
            .any(|words| message.contains(words)) =>
        {
            Kind::UserInduced
        }
        "InvalidCiphertextException" | "IncorrectKeyException" => Kind::Corruption,
        "ThrottlingException"
        | "Throttling"
        | "TooManyRequestsException"
        | "RequestLimitExceeded"
        | "LimitExceededException" => Kind::Throttled,
        _ if status == 429 => Kind::Throttled,
        _ => Kind::Other,
    }
}

/// Whether the same question may be answered a moment later.
pub fn passes(failure: &Failure) -> bool {
    match failure {
        Failure::NoAnswer(_) => true,
        Failure::Refused { status, code, .. } => {
            *status >= 500
                || kind(failure) == Kind::Throttled
                // New credentials are obtained for the next attempt.
                || code == "ExpiredTokenException"
        }
    }
}

/// What to do about a failure of KMS.
fn advice(failure: &Failure) -> &'static str {
    let Failure::Refused { code, .. } = failure else {
        return "";
    };
    match code.as_str() {
        "DisabledException" => ": enable the key (aws kms enable-key)",
        "KMSInvalidStateException" => {
            ": look at the key's state (aws kms describe-key); cancel its deletion if it is pending"
        }
        "NotFoundException" => ": check --key, --region and --kms-endpoint",
        "AccessDeniedException" => {
            ": allow kms:Encrypt and kms:Decrypt on the key to the credentials of the plugin"
        }
        "UnrecognizedClientException"
        | "InvalidSignatureException"
        | "ExpiredTokenException"
        | "InvalidClientTokenId" => ": check the credentials of the plugin",
        "InvalidCiphertextException" => {
            ": the object is damaged, or was encrypted with another --encryption-context"
        }
        "IncorrectKeyException" => {
            ": the object was encrypted under another key than its key id names"
        }
        _ => "",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(status: u16, code: &str, message: &str) -> Failure {
        Failure::Refused {
            status,
            code: code.to_owned(),
            message: Some(message.to_owned()),
        }
    }

    #[test]
    fn failures_are_told_apart_as_aws_encryption_provider_does() {
        for (status, code, message, expected) in [
            (400, "DisabledException", "", Kind::UserInduced),
            (400, "KMSInvalidStateException", "", Kind::UserInduced),
            (400, "NotFoundException", "", Kind::UserInduced),
            (400, "KeyUnavailableException", "", Kind::UserInduced),
            (400, "AccessDeniedException", "no", Kind::Other),
            (
                400,
                "AccessDeniedException",
                "The ciphertext refers to a customer master key that does not exist, does not exist in this region, or you are not allowed to access.",
                Kind::UserInduced,
            ),
            (400, "ThrottlingException", "", Kind::Throttled),
            (429, "Whatever", "", Kind::Throttled),
            (400, "InvalidCiphertextException", "", Kind::Corruption),
            (400, "IncorrectKeyException", "", Kind::Corruption),
            (500, "KMSInternalException", "", Kind::Other),
            (403, "UnrecognizedClientException", "", Kind::Other),
        ] {
            assert_eq!(kind(&refused(status, code, message)), expected, "{code}");
        }
        assert_eq!(kind(&Failure::NoAnswer(String::new())), Kind::Other);
    }

    #[test]
    fn only_what_passes_by_itself_is_asked_again() {
        for (status, code, expected) in [
            (400, "DisabledException", false),
            (400, "AccessDeniedException", false),
            (400, "InvalidCiphertextException", false),
            (403, "InvalidSignatureException", false),
            (400, "ThrottlingException", true),
            (400, "ExpiredTokenException", true),
            (500, "KMSInternalException", true),
            (503, "ServiceUnavailableException", true),
        ] {
            assert_eq!(passes(&refused(status, code, "")), expected, "{code}");
        }
        assert!(passes(&Failure::NoAnswer(String::new())));
    }

    #[test]
    fn a_failure_says_what_to_do() {
        let disabled = Arc::new(refused(400, "DisabledException", "k is disabled."));
        assert_eq!(
            Fault::Kms(disabled).to_string(),
            "DisabledException: k is disabled.: enable the key (aws kms enable-key)"
        );
    }
}
