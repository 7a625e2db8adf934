//! The cases of the published suite, and shapes that clients are known to send.

use std::{fs, path::PathBuf};

use keyward_wire::sigv4::{AuthError, Claim, Presigned, Request, SigningKey};

use crate::request::{NOW, Parts, SECRET};

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../testdata/aws-sigv4-suite")
}

fn read(case: &str, extension: &str) -> String {
    fs::read_to_string(root().join(case).join(format!("{case}.{extension}"))).unwrap()
}

fn cases() -> Vec<String> {
    let mut names: Vec<String> = fs::read_dir(root())
        .unwrap()
        .map(|entry| entry.unwrap())
        .filter(|entry| entry.file_type().unwrap().is_dir())
        .map(|entry| entry.file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

fn service_of(case: &str) -> &str {
    match case.split('-').next().unwrap() {
        service @ ("kms" | "sts" | "iam") => service,
        _ => "service",
    }
}

#[test]
fn every_case_of_the_suite_is_verified() {
    let names = cases();
    assert_eq!(names.len(), 41);
    for case in names {
        let parts = Parts::parse(&read(&case, "sreq"));
        let presigned = parts.query.contains("X-Amz-Signature");
        assert_eq!(presigned, case.contains("presigned"), "{case}");
        let verdict = parts.verify(service_of(&case), Presigned::Accepted);
        if case == "post-sts-header-after" {
            // AWS took tokens that were not signed; here they must be.
            assert_eq!(verdict, Err(AuthError::NotSigned("X-Amz-Security-Token")));
        } else {
            assert_eq!(verdict, Ok(()), "{case}");
        }
    }
}

#[test]
fn a_case_with_the_body_or_method_of_another_is_refused() {
    for case in cases()
        .iter()
        .filter(|case| *case != "post-sts-header-after")
    {
        let mut parts = Parts::parse(&read(case, "sreq"));
        parts.body.push(b'x');
        let verdict = parts.verify(service_of(case), Presigned::Accepted);
        assert_eq!(verdict, Err(AuthError::SignatureMismatch), "{case}");

        let mut parts = Parts::parse(&read(case, "sreq"));
        parts.method = "PUT".into();
        let verdict = parts.verify(service_of(case), Presigned::Accepted);
        assert_eq!(verdict, Err(AuthError::SignatureMismatch), "{case}");
    }
}

#[test]
fn the_files_hold_the_signatures_that_aws_published() {
    for (case, signature) in [
        (
            "get-vanilla",
            "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31",
        ),
        (
            "get-vanilla-query-order-key-case",
            "b97d918cfa904a5beff61c982a1b6f458b799221646efd99d3219ec94cdf2500",
        ),
        (
            "post-vanilla",
            "5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b",
        ),
        (
            "iam-list-users",
            "5d672d79c15b13162d9279b0855cfba6789a8edb4c82c400e06b5924a6f2b5d7",
        ),
    ] {
        let authorization = read(case, "authz");
        assert!(
            authorization.ends_with(&format!("Signature={signature}")),
            "{case}"
        );
    }
}

#[test]
fn the_signing_key_is_the_one_of_the_documentation() {
    let key = SigningKey::derive(SECRET.as_bytes(), "20150830", "us-east-1", "iam");
    assert_eq!(
        hex::encode(key.into_secret().expose()),
        "c4afb1cc5771d871763a393e44b703571b55cc28424d1a5e86da6ed3c154a4b9"
    );
}

#[test]
fn a_claim_tells_who_and_when_before_it_is_proven() {
    let parts = Parts::parse(&read("post-sts-header-before", "sreq"));
    let request = parts.request().unwrap();
    let claim = Claim::parse(&request, Presigned::Refused).unwrap();
    assert_eq!(claim.access_key_id(), "AKIDEXAMPLE");
    assert_eq!(claim.credential().region(), "us-east-1");
    assert_eq!(claim.credential().service(), "service");
    assert_eq!(claim.credential().date(), "20150830");
    assert_eq!(claim.time(), NOW);
    assert!(claim.session_token().unwrap().starts_with("AQoDYXdzEPT"));
    assert!(!claim.is_presigned());
    assert_eq!(
        format!("{request:?}"),
        r#"Request { method: "POST", path: "/", .. }"#
    );
}

#[test]
fn a_presigned_query_carries_its_token() {
    let parts = Parts::parse(&read("sts-get-caller-identity-presigned-token", "sreq"));
    let request = parts.request().unwrap();
    let claim = Claim::parse(&request, Presigned::Accepted).unwrap();
    assert!(claim.session_token().unwrap().ends_with("BA=="));
    assert!(claim.is_presigned());
}

#[test]
fn the_parts_of_the_field_may_be_separated_in_any_known_way() {
    let signed = "content-type;host;x-amz-date;x-amz-target";
    for separator in [", ", ",", ",  ", " ", " , ", ",\t"] {
        let mut parts = Parts::kms(signed);
        let value = parts.get("authorization").replace(", ", separator);
        parts.set("authorization", format!("{value} "));
        assert_eq!(
            parts.verify("kms", Presigned::Refused),
            Ok(()),
            "{separator:?}"
        );
    }
    // The order is free too.
    let mut parts = Parts::kms(signed);
    let value = parts.get("authorization").to_owned();
    let mut words: Vec<&str> = value
        .strip_prefix("AWS4-HMAC-SHA256 ")
        .unwrap()
        .split(", ")
        .collect();
    words.reverse();
    parts.set(
        "authorization",
        format!("AWS4-HMAC-SHA256 {}", words.join(", ")),
    );
    assert_eq!(parts.verify("kms", Presigned::Refused), Ok(()));
}

#[test]
fn fields_that_newer_clients_sign_as_well_are_verified() {
    let mut parts = Parts::kms("host;x-amz-date;x-amz-target");
    let hash = "44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a";
    parts.body = b"{}".to_vec();
    for (name, value) in [
        (
            "amz-sdk-invocation-id",
            "f8c2a5a4-1b1d-4c11-8c7c-7b4c1d2e3f40",
        ),
        ("amz-sdk-request", "attempt=1; max=3"),
        ("content-length", "2"),
        ("x-amz-content-sha256", hash),
        (
            "x-amzn-trace-id",
            "Root=1-5759e988-bd862e3fe1be46a994272793",
        ),
    ] {
        parts.set(name, value);
    }
    parts.sign(
        "amz-sdk-invocation-id;amz-sdk-request;content-length;content-type;host;\
         x-amz-content-sha256;x-amz-date;x-amz-target;x-amzn-trace-id",
    );
    assert_eq!(parts.verify("kms", Presigned::Refused), Ok(()));
}

#[test]
fn the_authority_of_http_2_stands_for_the_host() {
    let signed = "content-type;host;x-amz-date;x-amz-target";
    let mut parts = Parts::kms(signed);
    parts.remove("host");
    let verify = |authority: Option<&str>| {
        let headers = parts
            .headers
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_slice()));
        let request =
            Request::new(&parts.method, "/", None, authority, headers, &parts.body).unwrap();
        let claim = Claim::parse(&request, Presigned::Refused).unwrap();
        let key = SigningKey::derive(SECRET.as_bytes(), "20150830", "us-east-1", "kms");
        claim.verify(key.borrow()).map(|_| ())
    };
    assert_eq!(verify(Some("127.0.0.1:5670")), Ok(()));
    assert_eq!(
        verify(Some("127.0.0.1:5671")),
        Err(AuthError::SignatureMismatch)
    );
    assert_eq!(verify(None), Err(AuthError::SignatureMismatch));
}

#[test]
fn a_date_field_will_do_where_no_x_amz_date_is() {
    for date in ["20150830T123600Z", "Sun, 30 Aug 2015 12:36:00 GMT"] {
        let mut parts = Parts::kms("host;x-amz-date;x-amz-target");
        parts.remove("x-amz-date");
        parts.set("date", date);
        parts.sign("date;host;x-amz-target");
        assert_eq!(parts.verify("kms", Presigned::Refused), Ok(()), "{date}");
    }
}
