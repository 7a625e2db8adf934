//! A JSON Web Token taken apart: three parts of base64, two of them JSON. Nothing here is
//! believed yet.
//!
//! <https://www.rfc-editor.org/rfc/rfc7519>, <https://www.rfc-editor.org/rfc/rfc8725>

use std::fmt;

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use keyward_crypto::verify::SignatureAlgorithm;
use serde::Deserialize;

use crate::{claims::Claims, error::TokenError};

/// The longest token: AWS's bound on `WebIdentityToken`.
pub const MAX_TOKEN_BYTES: usize = 20_000;
/// The longest key id.
const MAX_KEY_ID: usize = 1024;

/// A well-formed token whose signature nobody has looked at.
#[derive(Clone)]
pub struct UnverifiedToken {
    pub(crate) algorithm: SignatureAlgorithm,
    pub(crate) key_id: Option<String>,
    pub(crate) claims: Claims,
    pub(crate) signed: Box<[u8]>,
    pub(crate) signature: Box<[u8]>,
}

/// The header. `alg` decides nothing but which of the issuer's keys may fit.
#[derive(Deserialize)]
struct Header {
    alg: String,
    kid: Option<String>,
    /// Extensions that must be understood; none is.
    crit: Option<serde::de::IgnoredAny>,
}

impl UnverifiedToken {
    /// Takes a token's text apart.
    ///
    /// # Errors
    /// [`TokenError::Malformed`] if it is none, or signed in a way that is not accepted;
    /// [`TokenError::MissingClaim`] and [`TokenError::InvalidClaim`] for its claims.
    pub fn parse(text: &str) -> Result<Self, TokenError> {
        if text.len() > MAX_TOKEN_BYTES {
            return Err(TokenError::Malformed);
        }
        let (signed, signature) = text.rsplit_once('.').ok_or(TokenError::Malformed)?;
        let (header, claims) = signed.split_once('.').ok_or(TokenError::Malformed)?;
        if claims.contains('.') {
            return Err(TokenError::Malformed);
        }
        let decode = |part: &str| {
            URL_SAFE_NO_PAD
                .decode(part)
                .map_err(|_| TokenError::Malformed)
        };
        let header: Header =
            serde_json::from_slice(&decode(header)?).map_err(|_| TokenError::Malformed)?;
        let long = |id: &String| id.is_empty() || id.len() > MAX_KEY_ID;
        if header.crit.is_some() || header.kid.as_ref().is_some_and(long) {
            return Err(TokenError::Malformed);
        }
        Ok(Self {
            algorithm: algorithm(&header.alg).ok_or(TokenError::Malformed)?,
            key_id: header.kid,
            claims: Claims::parse(&decode(claims)?)?,
            signed: signed.as_bytes().into(),
            signature: decode(signature)?.into(),
        })
    }

    /// The issuer that the token claims to be of.
    pub fn issuer(&self) -> &str {
        self.claims.issuer()
    }
}

/// The algorithms that are accepted: signatures by keys whose secret half the issuer alone has.
pub(crate) fn algorithm(name: &str) -> Option<SignatureAlgorithm> {
    Some(match name {
        "RS256" => SignatureAlgorithm::RsaPkcs1Sha256,
        "RS384" => SignatureAlgorithm::RsaPkcs1Sha384,
        "RS512" => SignatureAlgorithm::RsaPkcs1Sha512,
        "ES256" => SignatureAlgorithm::EcdsaP256Sha256,
        "ES384" => SignatureAlgorithm::EcdsaP384Sha384,
        "ES512" => SignatureAlgorithm::EcdsaP521Sha512,
        _ => return None,
    })
}

impl fmt::Debug for UnverifiedToken {
    // A token is a credential until it expires.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UnverifiedToken")
            .field("algorithm", &self.algorithm)
            .field("key_id", &self.key_id)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use keyward_types::tag::Tag;

    use super::*;

    fn encoded(text: &str) -> String {
        URL_SAFE_NO_PAD.encode(text)
    }

    fn token(header: &str, claims: &str) -> String {
        format!("{}.{}.{}", encoded(header), encoded(claims), encoded("s"))
    }

    const HEADER: &str = r#"{"alg":"RS256","kid":"k"}"#;
    const CLAIMS: &str =
        r#"{"iss":"https://a.example","sub":"s","aud":"c","exp":20,"iat":10.9,"nbf":9}"#;

    fn claims(text: &str) -> Result<Claims, TokenError> {
        UnverifiedToken::parse(&token(HEADER, text)).map(|token| token.claims)
    }

    /// The valid claims with one replaced or added.
    fn with(member: &str) -> Result<Claims, TokenError> {
        let (name, _) = member.split_once(':').unwrap();
        let kept: Vec<&str> = CLAIMS
            .trim_matches(['{', '}'])
            .split(',')
            .filter(|kept| !kept.starts_with(name))
            .chain([member])
            .collect();
        claims(&format!("{{{}}}", kept.join(",")))
    }

    #[test]
    fn a_token_falls_into_its_parts() {
        let text = token(HEADER, CLAIMS);
        let token = UnverifiedToken::parse(&text).unwrap();
        assert_eq!(token.issuer(), "https://a.example");
        assert_eq!(token.algorithm, SignatureAlgorithm::RsaPkcs1Sha256);
        assert_eq!(token.key_id.as_deref(), Some("k"));
        assert_eq!((token.claims.expires, token.claims.issued), (20, 10));
        assert_eq!(token.claims.not_before, Some(9));
        assert_eq!(token.claims.audiences, ["c"]);
        assert_eq!(&*token.signature, b"s");
        assert!(text.as_bytes().starts_with(&token.signed));
        assert!(!format!("{token:?}").contains("a.example"));
    }

    #[test]
    fn what_is_no_signed_token_is_malformed() {
        let valid = token(HEADER, CLAIMS);
        let long = token(
            HEADER,
            &format!(r#"{{"x":"{}"}}"#, "y".repeat(MAX_TOKEN_BYTES)),
        );
        let deep = format!(r#"{{"x":{}}}"#, "[".repeat(5000));
        for text in [
            "",
            ".",
            "..",
            "a.b",
            "a.b.c",
            &format!("{valid}.x"),
            &format!("{valid}="),
            &format!(" {valid}"),
            &valid.replace('.', ""),
            &token("{}", CLAIMS),
            &token("[]", CLAIMS),
            &token(r#"{"alg":1}"#, CLAIMS),
            &token(r#"{"alg":"RS256","alg":"RS256"}"#, CLAIMS),
            &token(r#"{"alg":"RS256","kid":""}"#, CLAIMS),
            &token(r#"{"alg":"RS256","crit":["b64"],"b64":false}"#, CLAIMS),
            &token(HEADER, "not JSON"),
            &token(HEADER, r#""text""#),
            &token(HEADER, &deep),
            &long,
        ] {
            let refused = UnverifiedToken::parse(text).map(|_| ());
            assert_eq!(refused, Err(TokenError::Malformed), "{text:.60}");
        }
    }

    #[test]
    fn only_public_key_signatures_are_accepted() {
        for name in ["RS256", "RS384", "RS512", "ES256", "ES384", "ES512"] {
            assert!(algorithm(name).is_some(), "{name}");
        }
        for name in [
            "none", "None", "", "HS256", "HS512", "PS256", "EdDSA", "ES256K", "rs256",
        ] {
            let text = token(&format!(r#"{{"alg":"{name}"}}"#), CLAIMS);
            let refused = UnverifiedToken::parse(&text).map(|_| ());
            assert_eq!(refused, Err(TokenError::Malformed), "{name}");
        }
    }

    #[test]
    fn claims_that_decide_must_be_there() {
        for name in ["iss", "sub", "aud", "exp", "iat"] {
            let member = format!("\"{name}\":null");
            assert_eq!(with(&member), Err(TokenError::MissingClaim(name)));
        }
    }

    #[test]
    fn claims_have_types_and_bounds() {
        for member in [
            "\"iss\":1",
            "\"sub\":[\"s\"]",
            "\"aud\":[1]",
            "\"aud\":{}",
            "\"exp\":\"20\"",
            "\"exp\":-1",
            "\"exp\":1e300",
            "\"exp\":true",
            "\"sub\":\"s\",\"sub\":\"t\"",
        ] {
            assert_eq!(with(member), Err(TokenError::Malformed), "{member}");
        }
        let many = format!("\"aud\":[{}]", ["\"c\""; 9].join(","));
        let long = "x".repeat(256);
        for (member, name) in [
            ("\"sub\":\"\"".to_owned(), "sub"),
            (format!("\"sub\":\"{long}\""), "sub"),
            ("\"sub\":\"a\\u0000\"".to_owned(), "sub"),
            (format!("\"iss\":\"{long}\""), "iss"),
            ("\"aud\":[]".to_owned(), "aud"),
            ("\"aud\":[\"c\",\"\"]".to_owned(), "aud"),
            (many, "aud"),
            ("\"azp\":\"\"".to_owned(), "azp"),
            (format!("\"amr\":[\"{long}\"]"), "amr"),
        ] {
            assert_eq!(
                with(&member),
                Err(TokenError::InvalidClaim(name)),
                "{member:.40}"
            );
        }
        assert_eq!(with("\"aud\":[\"c\",\"d\"]").unwrap().audiences, ["c", "d"]);
        assert_eq!(
            with("\"amr\":\"mfa\"").unwrap().authentication_methods,
            ["mfa"]
        );
    }

    #[test]
    fn the_issuer_may_set_session_tags_and_a_source_identity() {
        let tagged = with(
            r#""https://aws.amazon.com/tags":{"principal_tags":{"Team":["red"],"Cost":["7"]},"transitive_tag_keys":["Team"]}"#,
        );
        let claims = tagged.unwrap();
        let tag = |key: &str, value: &str| Tag {
            key: key.to_owned(),
            value: value.to_owned(),
        };
        assert_eq!(claims.tags, [tag("Team", "red"), tag("Cost", "7")]);
        assert_eq!(claims.transitive_tag_keys, ["Team"]);
        let claims = with(r#""https://aws.amazon.com/source_identity":"ada""#).unwrap();
        assert_eq!(claims.source_identity.as_deref(), Some("ada"));

        let tags = "https://aws.amazon.com/tags";
        for value in [
            r#"{"principal_tags":{"Team":["red","blue"]}}"#,
            r#"{"principal_tags":{"Team":[]}}"#,
            r#"{"principal_tags":{"Team":["red"],"team":["blue"]}}"#,
            r#"{"principal_tags":{"":["red"]}}"#,
            r#"{"principal_tags":{"aws:x":["red"]}}"#,
            r#"{"principal_tags":{"Team":["<"]}}"#,
            r#"{"principal_tags":{"Team":["red"]},"transitive_tag_keys":["Other"]}"#,
        ] {
            let refused = with(&format!("\"{tags}\":{value}"));
            assert_eq!(refused, Err(TokenError::InvalidClaim(tags)), "{value}");
        }
        let source = "https://aws.amazon.com/source_identity";
        for value in ["a", "with space", "aws:x", &"x".repeat(257)] {
            let refused = with(&format!("\"{source}\":\"{value}\""));
            assert_eq!(refused, Err(TokenError::InvalidClaim(source)), "{value}");
        }
    }
}
