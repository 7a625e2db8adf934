//! What can go wrong, and what to do about it.

use std::sync::Arc;

use keyward_client::{
    answer::Failure,
    words::{self, shown},
};

use crate::{context::Context, names};

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
    #[error("{}", said(.0))]
    Kms(Arc<Failure>),
    /// The plugin's own limit on calls of KMS. It says nothing about the key.
    #[error(
        "the rate limit left no time to call KMS: raise --qps-limit and --burst-limit, or leave them out"
    )]
    Limited,
    /// All places for calls are taken. It says nothing about the key.
    #[error("the plugin is busy with {0} other calls")]
    Busy(usize),
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
    /// A key that nobody has named to this plugin. The name is from etcd, where anybody may have written it.
    #[error("{}", other_key(.0))]
    OtherKey(String),
    /// An encryption context that nobody has named to this plugin. It is from etcd as well.
    #[error("{}", other_context(.0))]
    OtherContext(Context),
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
        "KMS used a different key from `{0}`: check --kms-endpoint, and restart the plugin if an alias now belongs to another key"
    )]
    AnotherKey(String),
    /// What was encrypted is not what comes out.
    #[error("KMS does not decrypt what it has just encrypted: check --kms-endpoint")]
    Useless,
}

impl Fault {
    /// What it is about.
    pub fn kind(&self) -> Kind {
        match self {
            Self::Kms(failure) => kind(failure),
            Self::Limited | Self::Busy(_) => Kind::Throttled,
            _ => Kind::Other,
        }
    }

    /// Whether it says something about the key or KMS, and not only about this plugin's own limits.
    pub fn is_of_kms(&self) -> bool {
        !matches!(self, Self::Limited | Self::Busy(_))
    }

    /// Whether another encryption context may be the right one: a policy may allow only some of them.
    pub fn may_be_of_context(&self) -> bool {
        match self {
            Self::Kms(failure) => {
                kind(failure) == Kind::Corruption || code(failure) == Some("AccessDeniedException")
            }
            _ => false,
        }
    }
}

impl From<Failure> for Fault {
    fn from(failure: Failure) -> Self {
        Self::Kms(Arc::new(failure))
    }
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

fn code(failure: &Failure) -> Option<&str> {
    match failure {
        Failure::Refused { code, .. } => Some(code),
        Failure::NoAnswer(_) => None,
    }
}

/// A failure of KMS in its own words, and what to do about it.
fn said(failure: &Failure) -> String {
    let words = failure.to_string();
    let words = words.trim_end_matches('.');
    match advice(failure) {
        Some(advice) => format!("{words}: {advice}"),
        None => words.to_owned(),
    }
}

fn advice(failure: &Failure) -> Option<&'static str> {
    Some(match code(failure)? {
        "DisabledException" => "enable the key (aws kms enable-key)",
        "KMSInvalidStateException" => {
            "look at the key's state (aws kms describe-key); cancel its deletion if it is pending"
        }
        "NotFoundException" => "check --key, --region and --kms-endpoint",
        "AccessDeniedException" => {
            "allow the plugin's credentials kms:Encrypt and kms:Decrypt on the key"
        }
        "UnrecognizedClientException"
        | "InvalidSignatureException"
        | "ExpiredTokenException"
        | "InvalidClientTokenId" => "check the credentials of the plugin",
        "InvalidCiphertextException" => {
            "the object is damaged, or was encrypted with another --encryption-context"
        }
        "IncorrectKeyException" => {
            "the object was encrypted under a different key from the one in its key id"
        }
        _ => return None,
    })
}

/// The flag is offered only for what can be typed as it is.
fn other_key(named: &str) -> String {
    if names::is_well_formed(named) {
        format!(
            "the object was encrypted under `{named}`, which is not the key of this plugin: if you trust it, also start the plugin with --decrypt-key {named}"
        )
    } else {
        format!(
            "the object's key id `{}` is not that of a KMS key: another plugin wrote the object, or it was edited in etcd",
            shown(named)
        )
    }
}

fn other_context(context: &Context) -> String {
    let pairs: Vec<String> = context
        .iter()
        .map(|(name, value)| format!("{name}={value}"))
        .collect();
    let pairs = pairs.join(",");
    let flag = context
        .iter()
        .all(|(name, value)| names::is_plain(name) && names::is_plain(value));
    if flag && pairs.len() <= words::MAX {
        format!(
            "the object was encrypted with another encryption context: if you trust it, also start the plugin with --decrypt-encryption-context {pairs}"
        )
    } else {
        format!(
            "the object was encrypted with another encryption context, `{}`",
            shown(&pairs)
        )
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
        let said = |code, message| Fault::from(refused(400, code, message)).to_string();
        assert_eq!(
            said("DisabledException", "k is disabled."),
            "DisabledException: k is disabled: enable the key (aws kms enable-key)"
        );
        assert_eq!(said("Other", "No."), "Other: No");
    }

    #[test]
    fn a_flag_is_offered_only_for_what_can_be_typed() {
        let key = |named: &str| Fault::OtherKey(named.to_owned()).to_string();
        let arn = "arn:aws:kms:eu-west-1:111122223333:alias/secrets";
        assert_eq!(
            key(arn),
            format!(
                "the object was encrypted under `{arn}`, which is not the key of this plugin: if you trust it, also start the plugin with --decrypt-key {arn}"
            )
        );
        for (named, expected) in [
            ("k; rm -rf /", "k; rm -rf /"),
            ("k\n\u{1b}[2J", r"k\n\u{1b}[2J"),
            ("--key", "--key"),
            (&*"k".repeat(1024), &*"k".repeat(300)),
        ] {
            assert_eq!(
                key(named),
                format!(
                    "the object's key id `{expected}` is not that of a KMS key: another plugin wrote the object, or it was edited in etcd"
                )
            );
        }
        let context = |name: &str, value: &str| {
            let pair = (name.to_owned(), value.to_owned());
            Fault::OtherContext([pair].into()).to_string()
        };
        assert_eq!(
            context("cluster", "c-1"),
            "the object was encrypted with another encryption context: if you trust it, also start the plugin with --decrypt-encryption-context cluster=c-1"
        );
        for (name, value, expected) in [
            ("a", "$(reboot)", "a=$(reboot)".to_owned()),
            ("a", "b,c=d", "a=b,c=d".to_owned()),
            ("a\r", "b", r"a\r=b".to_owned()),
            ("a", "", "a=".to_owned()),
            ("a", &"b".repeat(9000), format!("a={}", "b".repeat(298))),
        ] {
            assert_eq!(
                context(name, value),
                format!("the object was encrypted with another encryption context, `{expected}`")
            );
        }
    }

    #[test]
    fn limits_of_the_plugin_say_nothing_about_the_key() {
        for fault in [Fault::Limited, Fault::Busy(64)] {
            assert_eq!((fault.kind(), fault.is_of_kms()), (Kind::Throttled, false));
        }
    }
}
