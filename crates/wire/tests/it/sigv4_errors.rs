//! Every way to fail authentication, with the exact codes, statuses and texts of both protocols.

use keyward_types::time::Timestamp;
use keyward_wire::sigv4::{AuthError, Claim, Presigned, Skew};

use crate::request::{NOW, Parts};

const SIGNED: &str = "content-type;host;x-amz-date;x-amz-target";

fn check(parts: &Parts, json: &str, query: (&str, u16), text: &str) {
    let error = parts.verify("kms", Presigned::Refused).unwrap_err();
    check_error(&error, json, query, text);
}

fn check_error(error: &AuthError, json: &str, query: (&str, u16), text: &str) {
    let fault = error.json();
    assert_eq!((fault.code.as_ref(), fault.status), (json, 400));
    assert_eq!(fault.message.as_deref(), Some(text));
    let fault = error.query();
    assert_eq!((fault.code.as_ref(), fault.status), query);
    assert_eq!(fault.message.as_deref(), Some(text));
}

const INCOMPLETE: (&str, u16) = ("IncompleteSignature", 400);
const MISMATCH: (&str, u16) = ("SignatureDoesNotMatch", 403);

#[test]
fn no_authorization_is_a_missing_token() {
    let mut parts = Parts::kms(SIGNED);
    parts.remove("authorization");
    check(
        &parts,
        "MissingAuthenticationTokenException",
        ("MissingAuthenticationToken", 403),
        "Missing Authentication Token",
    );
    // Nor is a presigned query credentials where it may not stand.
    parts.query = "X-Amz-Algorithm=AWS4-HMAC-SHA256".into();
    assert_eq!(
        parts.verify("kms", Presigned::Refused),
        Err(AuthError::MissingAuthenticationToken)
    );
}

#[test]
fn another_scheme_lacks_every_part() {
    let mut parts = Parts::kms(SIGNED);
    parts.set("authorization", "Bearer abc.def");
    parts.remove("x-amz-date");
    check(
        &parts,
        "IncompleteSignatureException",
        INCOMPLETE,
        "Authorization header requires 'Credential' parameter. \
         Authorization header requires 'Signature' parameter. \
         Authorization header requires 'SignedHeaders' parameter. \
         Authorization header requires existence of either a 'X-Amz-Date' or a 'Date' header. \
         Authorization=Bearer abc.def",
    );
}

#[test]
fn each_missing_part_is_named() {
    let mut parts = Parts::kms(SIGNED);
    parts.set("authorization", "AWS4-HMAC-SHA256 Credential=ABCDEF");
    check(
        &parts,
        "IncompleteSignatureException",
        INCOMPLETE,
        "Authorization header requires 'Signature' parameter. \
         Authorization header requires 'SignedHeaders' parameter. \
         Authorization=AWS4-HMAC-SHA256 Credential=ABCDEF",
    );
}

#[test]
fn a_word_without_equal_sign_is_quoted() {
    let mut parts = Parts::kms(SIGNED);
    parts.set(
        "authorization",
        "AWS4-HMAC-SHA256 Credential=A /20150830/x, Signature=b",
    );
    check(
        &parts,
        "IncompleteSignatureException",
        INCOMPLETE,
        "'/20150830/x' not a valid key=value pair (missing equal-sign) in Authorization header: \
         'AWS4-HMAC-SHA256 Credential=A /20150830/x, Signature=b'.",
    );
}

#[test]
fn a_credential_has_five_elements() {
    for credential in [
        "AKIDEXAMPLE/20150830/us-east-1/kms",
        "a/b/c/d/e/f",
        "a//c/d/e",
        "a",
    ] {
        let mut parts = Parts::kms(SIGNED);
        parts.edit(
            "AKIDEXAMPLE/20150830/us-east-1/kms/aws4_request",
            credential,
        );
        check(
            &parts,
            "IncompleteSignatureException",
            INCOMPLETE,
            &format!(
                "Credential must have exactly 5 slash-delimited elements, e.g. \
                 keyid/date/region/service/term, got '{credential}'"
            ),
        );
    }
}

#[test]
fn a_date_must_be_in_basic_format() {
    for date in [
        "2015-08-30T12:36:00Z",
        "20150830T123600",
        "20151330T123600Z",
        "20150830T126100Z",
    ] {
        let mut parts = Parts::kms(SIGNED);
        parts.set("x-amz-date", date);
        check(
            &parts,
            "IncompleteSignatureException",
            INCOMPLETE,
            &format!(
                "Date must be in ISO-8601 'basic format'. Got '{date}'. See \
                 http://en.wikipedia.org/wiki/ISO_8601"
            ),
        );
    }
}

#[test]
fn a_scope_for_something_else_says_everything_that_is_wrong() {
    let scope = "20150830/us-east-1/kms/aws4_request";
    for (found, text) in [
        (
            "20150830/eu-west-9/kms/aws4_request",
            "Credential should be scoped to a valid region, not 'eu-west-9'.",
        ),
        (
            "20150830/us-east-1/s3/aws4_request",
            "Credential should be scoped to correct service: 'kms'.",
        ),
        (
            "20150830/us-east-1/kms/aws5_request",
            "Credential should be scoped with a valid terminator: 'aws4_request', not \
             'aws5_request'.",
        ),
        (
            "20150831/us-east-1/kms/aws4_request",
            "Date in Credential scope does not match YYYYMMDD from ISO-8601 version of date from \
             HTTP: '20150831' != '20150830', from '20150830T123600Z'.",
        ),
        (
            "1/x/y/z",
            "Credential should be scoped to a valid region, not 'x'. \
             Credential should be scoped to correct service: 'kms'. \
             Credential should be scoped with a valid terminator: 'aws4_request', not 'z'. \
             Date in Credential scope does not match YYYYMMDD from ISO-8601 version of date from \
             HTTP: '1' != '20150830', from '20150830T123600Z'.",
        ),
    ] {
        let mut parts = Parts::kms(SIGNED);
        parts.edit(scope, found);
        check(&parts, "InvalidSignatureException", MISMATCH, text);
    }
}

#[test]
fn the_host_must_be_signed() {
    check(
        &Parts::kms("content-type;x-amz-date;x-amz-target"),
        "InvalidSignatureException",
        MISMATCH,
        "'Host' or ':authority' must be a 'SignedHeader' in the AWS Authorization.",
    );
}

#[test]
fn fields_that_change_the_meaning_must_be_signed() {
    for (name, shown) in [
        ("x-amz-target", "X-Amz-Target"),
        ("x-amz-security-token", "X-Amz-Security-Token"),
        ("x-amz-content-sha256", "X-Amz-Content-Sha256"),
        ("x-amz-date", "X-Amz-Date"),
        ("date", "Date"),
    ] {
        let all = ["host", "x-amz-date", "x-amz-target"];
        let signed: Vec<&str> = all.into_iter().filter(|field| *field != name).collect();
        let mut parts = Parts::kms(&signed.join(";"));
        match name {
            "date" => {
                parts.remove("x-amz-date");
                parts.set("date", "20150830T123600Z");
            }
            "x-amz-date" | "x-amz-target" => {}
            _ => parts.set(name, "x"),
        }
        check(
            &parts,
            "InvalidSignatureException",
            MISMATCH,
            &format!("'{shown}' must be a 'SignedHeader' in the AWS Authorization."),
        );
    }
}

#[test]
fn a_field_that_decides_may_stand_once() {
    for (name, shown) in [
        ("authorization", "Authorization"),
        ("host", "Host"),
        ("x-amz-date", "X-Amz-Date"),
        ("x-amz-target", "X-Amz-Target"),
    ] {
        let mut parts = Parts::kms(SIGNED);
        let value = parts.get(name).as_bytes().to_vec();
        parts.headers.push((name.to_uppercase(), value));
        check(
            &parts,
            "IncompleteSignatureException",
            INCOMPLETE,
            &format!("Authorization requires exactly one '{shown}'."),
        );
    }
    let mut parts = Parts::kms(SIGNED);
    parts.edit(
        "SignedHeaders=content-type",
        "SignedHeaders=host;content-type",
    );
    assert_eq!(
        parts.verify("kms", Presigned::Refused),
        Err(AuthError::Repeated("SignedHeaders"))
    );
    let mut parts = Parts::kms(SIGNED);
    parts.edit(", Signature=", ", Signature=00, Signature=");
    assert_eq!(
        parts.verify("kms", Presigned::Refused),
        Err(AuthError::Repeated("Authorization"))
    );
}

#[test]
fn signed_headers_are_names() {
    for list in ["host;;x-amz-date", "host;x:y", "", "host;\u{e9}"] {
        let mut parts = Parts::kms(SIGNED);
        parts.edit(SIGNED, list);
        check(
            &parts,
            "IncompleteSignatureException",
            INCOMPLETE,
            "SignedHeaders must be names of header fields between semicolons.",
        );
    }
}

#[test]
fn more_than_a_client_sends_is_refused_at_once() {
    let text = "The header fields of the request are too large.";
    let mut parts = Parts::kms(SIGNED);
    parts.set("x-long", vec![b'a'; 64 * 1024]);
    check(&parts, "IncompleteSignatureException", INCOMPLETE, text);

    let mut parts = Parts::kms(SIGNED);
    parts
        .headers
        .extend((0..128).map(|at| (format!("x-{at}"), Vec::new())));
    check(&parts, "IncompleteSignatureException", INCOMPLETE, text);

    let mut parts = Parts::kms(SIGNED);
    parts.query = "a".repeat(32 * 1024 + 1);
    check(&parts, "IncompleteSignatureException", INCOMPLETE, text);

    let mut parts = Parts::kms(SIGNED);
    let many: String = (0..64).map(|at| format!(";x-{at}")).collect();
    parts.edit(SIGNED, &format!("{SIGNED}{many}"));
    check(&parts, "IncompleteSignatureException", INCOMPLETE, text);
}

fn clock(now: Timestamp, skew: Skew) -> Result<(), AuthError> {
    let parts = Parts::kms(SIGNED);
    let request = parts.request().unwrap();
    Claim::parse(&request, Presigned::Refused)
        .unwrap()
        .check_clock(now, skew)
}

#[test]
fn a_request_older_than_the_window_is_expired() {
    assert_eq!(
        clock(NOW.plus_millis(5 * 60_000 + 999), Skew::FiveMinutes),
        Ok(())
    );
    check_error(
        &clock(NOW.plus_millis(5 * 60_000 + 1000), Skew::FiveMinutes).unwrap_err(),
        "InvalidSignatureException",
        MISMATCH,
        "Signature expired: 20150830T123600Z is now earlier than 20150830T123601Z \
         (20150830T124101Z - 5 min.)",
    );
    assert_eq!(
        clock(NOW.plus_millis(15 * 60_000), Skew::FifteenMinutes),
        Ok(())
    );
    check_error(
        &clock(NOW.plus_millis(15 * 60_000 + 1000), Skew::FifteenMinutes).unwrap_err(),
        "InvalidSignatureException",
        MISMATCH,
        "Signature expired: 20150830T123600Z is now earlier than 20150830T123601Z \
         (20150830T125101Z - 15 min.)",
    );
}

#[test]
fn a_request_of_the_future_is_not_yet_current() {
    assert_eq!(
        clock(NOW.plus_millis(-5 * 60_000), Skew::FiveMinutes),
        Ok(())
    );
    check_error(
        &clock(NOW.plus_millis(-5 * 60_000 - 1), Skew::FiveMinutes).unwrap_err(),
        "InvalidSignatureException",
        MISMATCH,
        "Signature not yet current: 20150830T123600Z is still later than 20150830T123559Z \
         (20150830T123059Z + 5 min.)",
    );
    assert_eq!(
        clock(NOW.plus_millis(-15 * 60_000), Skew::FifteenMinutes),
        Ok(())
    );
    check_error(
        &clock(NOW.plus_millis(-15 * 60_000 - 1000), Skew::FifteenMinutes).unwrap_err(),
        "InvalidSignatureException",
        MISMATCH,
        "Signature not yet current: 20150830T123600Z is still later than 20150830T123559Z \
         (20150830T122059Z + 15 min.)",
    );
}

#[test]
fn any_clock_is_answered_without_overflow() {
    for now in [i64::MIN, i64::MAX, 0] {
        assert!(clock(Timestamp::from_millis(now), Skew::FiveMinutes).is_err());
    }
}

#[test]
fn what_the_key_lookup_finds_has_its_texts() {
    check_error(
        &AuthError::UnknownAccessKey,
        "UnrecognizedClientException",
        ("InvalidClientTokenId", 403),
        "The security token included in the request is invalid.",
    );
    check_error(
        &AuthError::ExpiredToken,
        "ExpiredTokenException",
        ("ExpiredToken", 403),
        "The security token included in the request is expired",
    );
}

#[test]
fn a_wrong_signature_and_a_wrong_body_hash_read_alike() {
    let text = "The request signature we calculated does not match the signature you provided. \
                Check your AWS Secret Access Key and signing method. Consult the service \
                documentation for details.";
    let mut parts = Parts::kms(SIGNED);
    parts.body.push(b' ');
    check(&parts, "InvalidSignatureException", MISMATCH, text);

    for hash in [
        "UNSIGNED-PAYLOAD",
        "STREAMING-AWS4-HMAC-SHA256-PAYLOAD",
        "",
        "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    ] {
        let mut parts = Parts::kms(SIGNED);
        parts.set("x-amz-content-sha256", hash);
        parts.sign("host;x-amz-content-sha256;x-amz-date;x-amz-target");
        check(&parts, "InvalidSignatureException", MISMATCH, text);
    }

    for signature in [
        "",
        "00",
        "zz",
        &"A".repeat(64),
        &"0".repeat(64),
        &"0".repeat(66),
    ] {
        let mut parts = Parts::kms(SIGNED);
        let value = parts.get("authorization").to_owned();
        let (head, _) = value.rsplit_once('=').unwrap();
        parts.set("authorization", format!("{head}={signature}"));
        check(&parts, "InvalidSignatureException", MISMATCH, text);
    }
}

fn presigned(query: &str) -> AuthError {
    let mut parts = Parts::kms(SIGNED);
    parts.remove("authorization");
    parts.query = query.into();
    parts.verify("sts", Presigned::Accepted).unwrap_err()
}

#[test]
fn each_missing_parameter_of_a_presigned_query_is_named() {
    assert_eq!(
        presigned("Action=GetCallerIdentity"),
        AuthError::MissingAuthenticationToken
    );
    check_error(
        &presigned("X-Amz-Credential=a"),
        "IncompleteSignatureException",
        INCOMPLETE,
        "AWS query-string parameters must include 'X-Amz-Algorithm'. \
         AWS query-string parameters must include 'X-Amz-Signature'. \
         AWS query-string parameters must include 'X-Amz-SignedHeaders'. \
         AWS query-string parameters must include 'X-Amz-Date'. \
         Re-examine the query-string parameters.",
    );
    check_error(
        &presigned("X-Amz-Algorithm=AWS4-HMAC-SHA1"),
        "IncompleteSignatureException",
        INCOMPLETE,
        "AWS query-string parameters must include 'X-Amz-Algorithm'. \
         AWS query-string parameters must include 'X-Amz-Credential'. \
         AWS query-string parameters must include 'X-Amz-Signature'. \
         AWS query-string parameters must include 'X-Amz-SignedHeaders'. \
         AWS query-string parameters must include 'X-Amz-Date'. \
         Re-examine the query-string parameters.",
    );
    for expires in ["x", "-1", "604801", ""] {
        check_error(
            &presigned(&format!("X-Amz-Credential=a&X-Amz-Expires={expires}")),
            "IncompleteSignatureException",
            INCOMPLETE,
            "X-Amz-Expires must be a number of seconds between 0 and 604800. Re-examine the \
             query-string parameters.",
        );
    }
    assert_eq!(
        presigned("X-Amz-Credential=a&X-Amz-Credential=b"),
        AuthError::Repeated("X-Amz-Credential")
    );
}

#[test]
fn a_presigned_query_lives_fifteen_minutes_whatever_it_says() {
    let text = include_str!(
        "../../../../testdata/aws-sigv4-suite/sts-get-caller-identity-presigned/\
         sts-get-caller-identity-presigned.sreq"
    );
    let parts = Parts::parse(text);
    assert!(parts.query.contains("X-Amz-Expires=60&"));
    let request = parts.request().unwrap();
    let claim = Claim::parse(&request, Presigned::Accepted).unwrap();
    assert_eq!(
        claim.check_clock(NOW.plus_millis(15 * 60_000), Skew::FifteenMinutes),
        Ok(())
    );
    assert!(
        claim
            .check_clock(NOW.plus_millis(15 * 60_000 + 1000), Skew::FifteenMinutes)
            .is_err()
    );
}

#[test]
fn a_client_of_a_resource_is_believed_until_its_signature_expires() {
    let text = include_str!(
        "../../../../testdata/aws-sigv4-suite/sts-get-caller-identity-presigned/\
         sts-get-caller-identity-presigned.sreq"
    );
    let parts = Parts::parse(text);
    let request = parts.request().unwrap();
    let claim = Claim::parse(&request, Presigned::UntilItExpires).unwrap();
    let check = |millis| claim.check_expiry(NOW.plus_millis(millis), Skew::FifteenMinutes);
    // It says 60 seconds.
    assert_eq!(check(60_000), Ok(()));
    assert_eq!(
        check(61_000).unwrap_err().json().message.unwrap(),
        "Signature expired: 20150830T123600Z is now earlier than 20150830T123601Z (20150830T123701Z - 1 min.)"
    );
    assert_eq!(check(-15 * 60_000), Ok(()));
    assert!(check(-15 * 60_000 - 1000).is_err());
}

/// The layout of the canonical request is that of `test_create_canonical_request_without_token` of
/// <https://github.com/aws/efs-utils>; the signature of it was computed by Python's hmac.
#[test]
fn what_efs_utils_signs_has_no_empty_line_after_the_headers() {
    let mut parts = Parts::parse("GET / HTTP/1.1\nhost:fs-0123456789abcdef8");
    let hash = "ab".repeat(20);
    parts.query = format!(
        "Action=Connect&PublicKeyHash={hash}&X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=AKIDEXAMPLE%2F20150830%2F\
         us-east-1%2Felasticfilesystem%2Faws4_request&X-Amz-Date=20150830T123600Z&X-Amz-Expires=86400&\
         X-Amz-SignedHeaders=host&X-Amz-Signature=03e72490bdd8210071cfe6251dfcfa40209f44f121a682a677e26e82e4edbea6"
    );
    let verify = |presigned| parts.verify("elasticfilesystem", presigned);
    assert_eq!(verify(Presigned::UntilItExpires), Ok(()));
    // Every other canonical request has it.
    assert_eq!(
        verify(Presigned::Accepted),
        Err(AuthError::SignatureMismatch)
    );
}
