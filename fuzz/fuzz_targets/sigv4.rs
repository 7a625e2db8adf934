//! Any credentials are refused in peace, whatever they look like.
//!
//! The input is text: a request line's target, the `Authorization` field, other fields, a body.
#![no_main]

use keyward_types::time::Timestamp;
use keyward_wire::{
    query::Form,
    sigv4::{Claim, Presigned, Request, SigningKeyRef, Skew},
    xml::About,
};
use libfuzzer_sys::fuzz_target;

const KEY: [u8; 32] = [7; 32];

fuzz_target!(|input: &[u8]| {
    let mut parts = input.splitn(3, |byte| *byte == b'\n');
    let (Some(target), Some(authorization), Some(rest)) =
        (parts.next(), parts.next(), parts.next())
    else {
        return;
    };
    let Ok(target) = std::str::from_utf8(target) else {
        return;
    };
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let mut headers: Vec<(&str, &[u8])> = Vec::new();
    if !authorization.is_empty() {
        headers.push(("authorization", authorization));
    }
    let mut lines = rest.split(|byte| *byte == b'\n');
    for line in lines.by_ref() {
        let Some(colon) = line.iter().position(|byte| *byte == b':') else {
            break;
        };
        let (name, value) = line.split_at(colon);
        let Ok(name) = std::str::from_utf8(name) else {
            return;
        };
        headers.push((name, &value[1..]));
    }
    let body = lines.next().unwrap_or_default();

    let Ok(request) = Request::new("POST", path, Some(query), Some("a"), headers, body) else {
        return;
    };
    for presigned in [Presigned::Accepted, Presigned::Refused] {
        let outcome = Claim::parse(&request, presigned).and_then(|claim| {
            claim.check_scope("kms", |region| region == "us-east-1")?;
            claim.check_clock(Timestamp::from_seconds(1_440_938_160), Skew::FiveMinutes)?;
            assert!(!claim.is_presigned() || presigned == Presigned::Accepted);
            // Nobody here knows the key.
            assert!(claim.verify(SigningKeyRef::from_bytes(&KEY)).is_err());
            Ok(())
        });
        if let Err(error) = outcome {
            assert_eq!(error.json().status, 400);
            for form in [Form::Xml, Form::Json] {
                let about = About {
                    form,
                    namespace: "urn:x",
                    request_id: "id",
                };
                let body = error.query().query(&about);
                std::str::from_utf8(&body).expect("answers are UTF-8");
            }
        }
    }
});
