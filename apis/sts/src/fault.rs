//! The faults of STS: AWS's own list, each with its code, HTTP status and message.
//!
//! <https://docs.aws.amazon.com/STS/latest/APIReference/CommonErrors.html>

use keyward_engine::{
    directory::{ReadError, records::RecordError},
    fault::{Fault, Internal},
    gate::Denied,
    policy::document::PolicyError,
};
use keyward_oidc::error::TokenError;
use keyward_wire::json::Rejected;

/// A fault as STS names it.
#[derive(Debug)]
pub enum StsFault {
    /// A policy does not allow the request, or a policy denies it.
    AccessDenied(Denied),
    /// No policy could allow the request.
    NeverAllowed {
        /// AWS's text.
        message: String,
    },
    /// Something failed on our side.
    Internal(Internal),
    /// An encoded message was not made here.
    InvalidAuthorizationMessage,
    /// A parameter is not valid.
    InvalidParameterValue {
        /// AWS's text.
        message: String,
    },
    /// A session policy is malformed.
    MalformedPolicyDocument {
        /// AWS's text.
        message: String,
    },
    /// Session policies and tags are too large for a token.
    PackedPolicyTooLarge {
        /// AWS's text.
        message: String,
    },
    /// An identity provider's token is not believed.
    Token(TokenError),
    /// A parameter fails the model's constraints, or does not fit the role.
    Validation {
        /// AWS's text.
        message: String,
    },
}

impl StsFault {
    /// The refusal of a parameter that this version does not serve.
    pub fn unserved(member: &str) -> Self {
        Self::InvalidParameterValue {
            message: format!("{member} is not supported by this version of Keyward."),
        }
    }
}

impl From<Denied> for StsFault {
    fn from(denied: Denied) -> Self {
        Self::AccessDenied(denied)
    }
}

impl From<TokenError> for StsFault {
    fn from(error: TokenError) -> Self {
        Self::Token(error)
    }
}

impl From<ReadError> for StsFault {
    fn from(error: ReadError) -> Self {
        Self::Internal(Internal::new(error))
    }
}

impl From<RecordError> for StsFault {
    fn from(error: RecordError) -> Self {
        Self::Internal(Internal::new(error))
    }
}

impl From<Rejected> for StsFault {
    fn from(rejected: Rejected) -> Self {
        Self::Validation {
            message: rejected.to_string(),
        }
    }
}

impl From<PolicyError> for StsFault {
    fn from(error: PolicyError) -> Self {
        let message = error.to_string();
        match error {
            PolicyError::Malformed(_) => Self::MalformedPolicyDocument { message },
            PolicyError::TooLong(_) => Self::PackedPolicyTooLarge { message },
            PolicyError::Characters => Self::Validation { message },
        }
    }
}

impl From<StsFault> for Fault {
    fn from(fault: StsFault) -> Self {
        use StsFault as F;
        let (code, status, message) = match fault {
            F::AccessDenied(denied) => return denied.into_fault("AccessDenied", 403),
            F::NeverAllowed { message } => ("AccessDenied", 403, message),
            F::Internal(internal) => return Self::internal("ServiceFailure", internal),
            F::InvalidAuthorizationMessage => {
                let message = "Message is not valid".to_owned();
                ("InvalidAuthorizationMessageException", 400, message)
            }
            F::InvalidParameterValue { message } => ("InvalidParameterValue", 400, message),
            F::MalformedPolicyDocument { message } => ("MalformedPolicyDocument", 400, message),
            F::PackedPolicyTooLarge { message } => ("PackedPolicyTooLarge", 400, message),
            F::Token(error) => {
                let (code, status) = match &error {
                    TokenError::Expired { .. } => ("ExpiredTokenException", 400),
                    TokenError::Unreachable(_) => ("IDPCommunicationError", 400),
                    TokenError::InvalidClaim(_) | TokenError::NotYetValid { .. } => {
                        ("IDPRejectedClaim", 403)
                    }
                    TokenError::Malformed
                    | TokenError::MissingClaim(_)
                    | TokenError::UnknownIssuer(_)
                    | TokenError::WrongAudience
                    | TokenError::WrongSignature
                    | TokenError::NoKey(_) => ("InvalidIdentityToken", 400),
                };
                (code, status, token_message(&error))
            }
            F::Validation { message } => ("ValidationError", 400, message),
        };
        Self::new(code, Some(message)).status(status)
    }
}

/// What a caller hears of a token that is not believed: AWS's text where one is known.
fn token_message(error: &TokenError) -> String {
    let fixed = match error {
        TokenError::MissingClaim(claim) => return format!("Missing a required claim: {claim}"),
        TokenError::InvalidClaim(claim) => return format!("The claim {claim} is not valid."),
        TokenError::UnknownIssuer(issuer) => {
            return format!("No OpenIDConnect provider found in your account for {issuer}");
        }
        TokenError::Expired { now, expires } => {
            return format!(
                "Token expired: current date/time {now} must be before the expiration date/time{expires}"
            );
        }
        TokenError::NotYetValid { now, from } => {
            return format!(
                "The token is not valid yet: the current date/time {now} must not be before {from}"
            );
        }
        TokenError::Malformed => {
            "The ID Token provided is not a valid JWT. (You may see this error if you sent an Access Token)"
        }
        TokenError::WrongAudience => "Incorrect token audience",
        TokenError::WrongSignature => "The signature of the token is not valid.",
        TokenError::NoKey(_) => {
            "Couldn't retrieve verification key from your identity provider,  please reference AssumeRoleWithWebIdentity documentation for requirements"
        }
        TokenError::Unreachable(_) => {
            "The identity provider could not be reached to verify the token."
        }
    };
    fixed.to_owned()
}

#[cfg(test)]
mod tests {
    use keyward_oidc::{error::NoKey, fetch::FetchError};

    use super::*;

    #[test]
    fn a_token_that_is_not_believed_is_refused_in_awss_words() {
        for (error, message) in [
            (
                TokenError::MissingClaim("aud"),
                "Missing a required claim: aud",
            ),
            (
                TokenError::InvalidClaim("iss"),
                "The claim iss is not valid.",
            ),
            (
                TokenError::UnknownIssuer("https://a.example".to_owned()),
                "No OpenIDConnect provider found in your account for https://a.example",
            ),
            (
                TokenError::Expired {
                    now: 5000,
                    expires: 4600,
                },
                "Token expired: current date/time 5000 must be before the expiration date/time4600",
            ),
            (
                TokenError::NotYetValid {
                    now: 900,
                    from: 1000,
                },
                "The token is not valid yet: the current date/time 900 must not be before 1000",
            ),
            (TokenError::WrongAudience, "Incorrect token audience"),
            (
                TokenError::NoKey(NoKey::Unknown),
                "Couldn't retrieve verification key from your identity provider,  please reference \
                 AssumeRoleWithWebIdentity documentation for requirements",
            ),
            (
                TokenError::Unreachable(FetchError::Connection),
                "The identity provider could not be reached to verify the token.",
            ),
        ] {
            assert_eq!(token_message(&error), message);
        }
    }
}
