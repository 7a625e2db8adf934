//! REST-JSON: how a request names its operation, and where its members stand.

use expect_test::expect;
use keyward_wire::{
    fault::Fault,
    json::{Limits, Members},
    rest::{QueryMember, RestError, Route, find},
    sigv4::{AuthError, Presigned},
};

use crate::request::Parts;

const ROUTES: &[Route] = &[
    Route {
        operation: "ListThings",
        method: "GET",
        path: "/v1/things",
        query: &[
            QueryMember::integer("MaxItems"),
            QueryMember::text("Marker"),
        ],
        status: 200,
    },
    Route {
        operation: "MakeThing",
        method: "POST",
        path: "/v1/things",
        query: &[],
        status: 201,
    },
    Route {
        operation: "ListAllParts",
        method: "GET",
        path: "/v1/things/all-parts",
        query: &[],
        status: 200,
    },
    Route {
        operation: "UntagThing",
        method: "DELETE",
        path: "/v1/tags/{ThingId}/",
        query: &[QueryMember::texts("tagKeys", "TagKeys")],
        status: 200,
    },
    Route {
        operation: "GetPart",
        method: "GET",
        path: "/v1/things/{ThingId}/parts/{PartId}",
        query: &[],
        status: 200,
    },
];

fn operation(method: &str, path: &str) -> Option<&'static str> {
    let found = find(ROUTES, method, (path, ""), b"").unwrap();
    found.map(|routed| routed.route().operation)
}

#[test]
fn method_and_path_name_the_operation() {
    for (method, path, expected) in [
        ("GET", "/v1/things", Some("ListThings")),
        ("GET", "/v1/things/", Some("ListThings")),
        ("POST", "/v1/things", Some("MakeThing")),
        ("GET", "/v1/things/all-parts", Some("ListAllParts")),
        ("DELETE", "/v1/tags/t-1", Some("UntagThing")),
        ("DELETE", "/v1/tags/t-1/", Some("UntagThing")),
        ("GET", "/v1/things/t-1/parts/p-1", Some("GetPart")),
        // Another method, or in other letters.
        ("PUT", "/v1/things", None),
        ("get", "/v1/things", None),
        ("GET", "/v1/Things", None),
        // More, less, and nothing in the place of a member.
        ("GET", "/v1/things/t-1/parts", None),
        ("GET", "/v1/things/t-1/parts/p-1/x", None),
        ("GET", "/v1/things//parts/p-1", None),
        ("DELETE", "/v1/tags/", None),
        ("GET", "", None),
        ("GET", "/", None),
        // A literal segment is written one way, and a path is not tidied up.
        ("GET", "/v1/%74hings", None),
        ("GET", "//v1/things", None),
        ("GET", "/v1/./things", None),
        ("GET", "/v1/x/../things", None),
        ("GET", "/v1/things/../parts/p-1", None),
        ("GET", "/v1/things/t-1/parts/..", None),
    ] {
        assert_eq!(operation(method, path), expected, "{method} {path}");
    }
}

/// The members as they were found: name and how they are read.
fn read(method: &str, path: &str, query: &str, body: &str) -> Result<String, RestError> {
    let routed = find(ROUTES, method, (path, query), body.as_bytes())?.unwrap();
    let object = routed.read(&Limits::KMS)?;
    let names: Vec<String> = object.members().map(|(name, _)| name.to_owned()).collect();
    let mut m = Members::of(&object);
    let thing = m.string("ThingId").optional();
    let part = m.string("PartId").optional();
    let marker = m.string("Marker").optional();
    let most = m.integer("MaxItems").range(1, 100).optional();
    let rate = m.double("Rate").at_least(1).optional();
    let keys = m.strings("TagKeys").optional();
    if let Err(rejected) = m.finish() {
        return Ok(rejected.to_string());
    }
    Ok(format!(
        "{names:?} {thing:?} {part:?} {marker:?} {most:?} {rate:?} {keys:?}"
    ))
}

#[test]
fn members_stand_in_path_query_and_body() {
    expect![[
        r#"["ThingId", "PartId"] Some("arn:aws:x:::thing/t é") Some("p+1") None None None None"#
    ]]
    .assert_eq(
        &read(
            "GET",
            "/v1/things/arn%3aaws%3Ax:::thing%2Ft%20%c3%A9/parts/p+1",
            "",
            "",
        )
        .unwrap(),
    );
    expect![[r#"["MaxItems", "Marker"] None None Some("a b+c") Some(7) None None"#]].assert_eq(
        &read(
            "GET",
            "/v1/things",
            "Unknown=1&MaxItems=7&Marker=a+b%2Bc",
            "",
        )
        .unwrap(),
    );
    expect![[r#"["ThingId", "TagKeys"] Some("t-1") None None None None Some(["b", "a", "a&"])"#]]
        .assert_eq(
            &read(
                "DELETE",
                "/v1/tags/t-1",
                "tagKeys=b&tagKeys=a&tagKeys=a%26",
                "",
            )
            .unwrap(),
        );
    expect![[r#"["Rate", "Marker"] None None Some("in the body") None Some(1.5) None"#]].assert_eq(
        &read(
            "POST",
            "/v1/things",
            "Marker=x",
            r#"{"Rate":1.5,"Marker":"in the body"}"#,
        )
        .unwrap(),
    );
    expect![[r#"["Marker"] None None Some("") None None None"#]]
        .assert_eq(&read("GET", "/v1/things", "&Marker&&", "{}").unwrap());
}

#[test]
fn a_member_has_one_place() {
    let body = r#"{"ThingId":"another","TagKeys":["x"],"Rate":2}"#;
    expect![[r#"["ThingId", "TagKeys", "Rate"] Some("t-1") None None None Some(2.0) Some(["a"])"#]]
        .assert_eq(&read("DELETE", "/v1/tags/t-1", "tagKeys=a&ThingId=t-2", body).unwrap());
    expect![[r#"["ThingId", "Rate"] Some("t-1") None None None Some(2.0) None"#]]
        .assert_eq(&read("DELETE", "/v1/tags/t-1", "", body).unwrap());
}

#[test]
fn what_breaks_the_model_is_told_as_in_a_body() {
    let told = |query: &str, body: &str| {
        let method = if body.is_empty() { "GET" } else { "POST" };
        read(method, "/v1/things", query, body).unwrap()
    };
    expect!["STRING_VALUE can not be converted to an Integer"]
        .assert_eq(&told("MaxItems=many", ""));
    expect!["STRING_VALUE can not be converted to an Integer"].assert_eq(&told("MaxItems=", ""));
    expect!["1 validation error detected: Value '0' at 'maxItems' failed to satisfy constraint: Member must have value greater than or equal to 1"]
        .assert_eq(&told("MaxItems=0", ""));
    expect!["1 validation error detected: Value '0.5' at 'rate' failed to satisfy constraint: Member must have value greater than or equal to 1"]
        .assert_eq(&told("", r#"{"Rate":0.5}"#));
    expect!["STRING_VALUE can not be converted to a Double"]
        .assert_eq(&told("", r#"{"Rate":"1"}"#));
}

#[test]
fn what_is_malformed_is_refused() {
    let refused = |path: &str, query: &str| read("GET", path, query, "").unwrap_err();
    for escape in ["%", "%4", "%zz", "%+1", "%ff", "%e2%82"] {
        let path = format!("/v1/things/t{escape}/parts/p");
        assert_eq!(refused(&path, ""), RestError::Escape, "{escape}");
        let query = format!("Marker={escape}");
        assert_eq!(refused("/v1/things", &query), RestError::Escape, "{escape}");
        let query = format!("{escape}=1");
        assert_eq!(refused("/v1/things", &query), RestError::Escape, "{escape}");
    }
    let twice = "Marker=a&MaxItems=1&Marker=a";
    assert_eq!(refused("/v1/things", twice), RestError::Repeated);
    let long = format!("/v1/things/{}/parts/p", "x".repeat(9000));
    assert_eq!(refused(&long, ""), RestError::TooLong);
    let long = format!("Marker={}", "x".repeat(40_000));
    assert_eq!(refused("/v1/things", &long), RestError::TooLong);
    let many = "x=1&".repeat(257);
    assert_eq!(refused("/v1/things", &many), RestError::TooLong);
    let deep = "/x".repeat(5000);
    assert_eq!(
        find(ROUTES, "GET", (&deep, ""), b"").unwrap_err(),
        RestError::TooLong
    );
    assert!(operation("GET", &"/x".repeat(4000)).is_none());
}

#[test]
fn a_fault_says_its_code_outside_of_the_body() {
    let body = |fault: &Fault| String::from_utf8(fault.rest()).unwrap();
    let fault = Fault::from(RestError::Escape);
    assert_eq!(
        (&*fault.code, fault.status),
        ("MalformedHttpRequestException", 400)
    );
    expect![[r#"{"message":"The path or the query string of the request is malformed."}"#]]
        .assert_eq(&body(&fault));
    let routed = find(ROUTES, "POST", ("/v1/things", ""), b"[1]")
        .unwrap()
        .unwrap();
    let fault = Fault::from(routed.read(&Limits::KMS).unwrap_err());
    assert_eq!(
        (&*fault.code, fault.status),
        ("SerializationException", 400)
    );
    expect![[r#"{"message":"The request body must be a JSON object."}"#]].assert_eq(&body(&fault));
    let fault = AuthError::UnknownAccessKey.rest();
    assert_eq!(
        (&*fault.code, fault.status),
        ("UnrecognizedClientException", 403)
    );
    expect![[r#"{"message":"The security token included in the request is invalid."}"#]]
        .assert_eq(&body(&fault));
    let fault = Fault::new("AccessDeniedException", 403).with_message("no");
    expect![[r#"{"Message":"no"}"#]].assert_eq(&body(&fault));
    expect!["{}"].assert_eq(&body(&Fault::new("UnknownOperationException", 404)));
}

/// As botocore signs it: what the path has encoded is encoded twice, and parameters are sorted.
#[test]
fn a_signature_covers_method_path_and_query() {
    let signed = Parts::parse(include_str!("rest-untag-resource.sreq"));
    assert_eq!(
        signed.verify("elasticfilesystem", Presigned::Refused),
        Ok(())
    );
    let mismatch = Err(AuthError::SignatureMismatch);
    for (from, to) in [
        ("%2Ffs-", "/fs-"),
        ("%3A", ":"),
        ("fs-0", "fs-1"),
        ("%3A", "%3a"),
    ] {
        let mut parts = Parts::parse(include_str!("rest-untag-resource.sreq"));
        parts.path = parts.path.replacen(from, to, 1);
        assert_ne!(parts.path, signed.path);
        assert_eq!(
            parts.verify("elasticfilesystem", Presigned::Refused),
            mismatch,
            "{to}"
        );
    }
    let mut parts = Parts::parse(include_str!("rest-untag-resource.sreq"));
    parts.query = parts.query.replacen("tagKeys=a", "tagKeys=c", 1);
    assert_eq!(
        parts.verify("elasticfilesystem", Presigned::Refused),
        mismatch
    );
    let mut parts = Parts::parse(include_str!("rest-untag-resource.sreq"));
    parts.method = "GET".into();
    assert_eq!(
        parts.verify("elasticfilesystem", Presigned::Refused),
        mismatch
    );
}
