//! The claim of a presigned URL: the parts of the `Authorization` field as query parameters.
//!
//! <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html#create-canonical-request>

use std::borrow::Cow;

use percent_encoding::percent_decode_str;

use super::{
    ALGORITHM, Claim, Request, SignedHeaders,
    clock::RequestTime,
    credential_scope::Credential,
    error::AuthError,
    incomplete::{Incomplete, Missing},
    signature,
};

/// The greatest `X-Amz-Expires`: a week. It is checked, but the clock's skew ends the claim.
const MAX_EXPIRES_SECONDS: u32 = 604_800;

/// Reads the claim. A query without any of the parameters is one without credentials.
pub(super) fn claim<'r>(request: &'r Request<'r>) -> Result<Claim<'r>, AuthError> {
    let mut algorithm = None;
    let mut credential = None;
    let mut date = None;
    let mut expires = None;
    let mut signed_headers = None;
    let mut signature = None;
    let mut token = None;
    for pair in request.query.split('&') {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        let (slot, shown) = match name {
            "X-Amz-Algorithm" => (&mut algorithm, "X-Amz-Algorithm"),
            "X-Amz-Credential" => (&mut credential, "X-Amz-Credential"),
            "X-Amz-Date" => (&mut date, "X-Amz-Date"),
            "X-Amz-Expires" => (&mut expires, "X-Amz-Expires"),
            "X-Amz-SignedHeaders" => (&mut signed_headers, "X-Amz-SignedHeaders"),
            "X-Amz-Signature" => (&mut signature, "X-Amz-Signature"),
            "X-Amz-Security-Token" => (&mut token, "X-Amz-Security-Token"),
            _ => continue,
        };
        let value = percent_decode_str(value)
            .decode_utf8()
            .map_err(|_| AuthError::UnknownAccessKey)?;
        if slot.replace(value).is_some() {
            return Err(AuthError::Repeated(shown));
        }
    }
    if algorithm.is_none() && credential.is_none() && signature.is_none() {
        return Err(AuthError::MissingAuthenticationToken);
    }
    let expires = match expires {
        None => None,
        Some(seconds) => {
            let seconds: Cow<'_, str> = seconds;
            let seconds = seconds.parse::<u32>().ok();
            let seconds = seconds.filter(|seconds| *seconds <= MAX_EXPIRES_SECONDS);
            let seconds = seconds.ok_or(Incomplete::Expires)?;
            u16::try_from(seconds / 60).ok()
        }
    };
    let missing = Missing {
        credential: credential.is_none(),
        signature: signature.is_none(),
        signed_headers: signed_headers.is_none(),
        date: date.is_none(),
    };
    let algorithm_is_ours = algorithm.as_deref() == Some(ALGORITHM);
    let (Some(credential), Some(signature), Some(signed_headers), Some(date), true) = (
        credential,
        signature,
        signed_headers,
        date,
        algorithm_is_ours,
    ) else {
        return Err(Incomplete::Query {
            missing,
            algorithm: !algorithm_is_ours,
        }
        .into());
    };
    Ok(Claim {
        request,
        credential: Credential::parse(credential)?,
        signed_headers: SignedHeaders::new(signed_headers),
        signature: signature::parse(&signature),
        time: RequestTime::parse(date.as_bytes())?,
        session_token: token,
        presigned: true,
        empty_line: true,
        expires,
    })
}
