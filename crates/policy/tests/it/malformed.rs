//! What is refused as a policy, with AWS's messages.

use expect_test::expect_file;
use keyward_policy::{
    document::{Document, PolicyError, PolicyKind},
    principal::PrincipalRef,
};

fn refusal(text: &str, kind: PolicyKind) -> String {
    match Document::parse(text, kind) {
        Ok(_) => "accepted".into(),
        Err(error) => error.to_string(),
    }
}

/// A key policy of one statement with these members beside `Effect`.
fn key(members: &str) -> String {
    format!(r#"{{"Version":"2012-10-17","Statement":[{{"Effect":"Allow",{members}}}]}}"#)
}

const REST: &str = r#""Action":"kms:*","Resource":"*""#;

#[test]
fn key_policies_are_refused_as_kms_refuses_them() {
    let everyone = format!(r#""Principal":"*",{REST}"#);
    let with = |more: &str| key(&format!("{everyone},{more}"));
    let principal = |value: &str| key(&format!(r#""Principal":{value},{REST}"#));
    let cases = [
        key(&everyone),
        String::new(),
        "[]".into(),
        "{}".into(),
        "not json".into(),
        key(&everyone) + "x",
        r#"{"Version":"2012-10-17","Statement":[]}"#.into(),
        key(&everyone).replace("2012-10-17", "2008-10-17"),
        key(&everyone).replace("2012-10-17", "2015-10-17"),
        key(&everyone).replace("\"Version\":\"2012-10-17\",", ""),
        key(&everyone).replace("\"Version\":\"2012-10-17\",", "\"Id\":\"any text\","),
        key(&everyone).replace("\"Version\"", "\"version\""),
        key(&everyone).replace("Allow", "allow"),
        key(&everyone).replace("\"Effect\":\"Allow\",", ""),
        with(r#""Comment":"x""#),
        with(r#""Effect":"Allow""#),
        with(r#""NotAction":"kms:Encrypt""#),
        with(r#""NotPrincipal":"*""#),
        with(r#""Sid":"Allow access, for all!""#),
        with(r#""Sid":1"#),
        key(REST),
        principal("{}"),
        principal(r#"{"AWS":[]}"#),
        principal(r#""me""#),
        principal(r#"{"aws":"*"}"#),
        principal(r#"{"AWS":"111122223333"}"#),
        principal(r#"{"AWS":"11112222333"}"#),
        principal(r#"{"AWS":"arn:aws:iam::111122223333:user/team/*"}"#),
        principal(r#"{"AWS":"arn:aws:iam::111122223333:group/admins"}"#),
        principal(r#"{"AWS":"arn:aws:iam::111122223333:instance-profile/x"}"#),
        principal(r#"{"AWS":"arn:aws:sts::111122223333:assumed-role/admin"}"#),
        principal(r#"{"AWS":"arn:aws:sts::111122223333:assumed-role/admin/s1"}"#),
        principal(r#"{"AWS":"AIDAALICEALICEALICEAL"}"#),
        principal(r#"{"AWS":"AGPAALICEALICEALICEAL"}"#),
        principal(r#"{"Service":"logs.us-west-2.amazonaws.com"}"#),
        principal(r#"{"Service":"logs"}"#),
        principal(r#"{"Service":"*"}"#),
        key(r#""NotPrincipal":{"AWS":"111122223333"},"Action":"kms:*","Resource":"*""#),
        key(r#""Principal":"*","Resource":"*""#),
        key(r#""Principal":"*","Action":[],"Resource":"*""#),
        key(r#""Principal":"*","Action":"kms:*""#),
        key(r#""Principal":"*","Action":"kms:*","NotResource":"*""#),
        key(
            r#""Principal":"*","Action":"kms:*","Resource":"arn:aws:kms:us-east-1:111122223333:key/x""#,
        ),
        key(r#""Principal":"*","Action":"encrypt","Resource":"*""#),
        key(r#""Principal":"*","Action":"*","Resource":"*""#),
        with(r#""Condition":{"StringSame":{"a:b":"c"}}"#),
        with(r#""Condition":{"StringEquals":{"a:b":null}}"#),
        with(r#""Condition":{"StringEquals":{"a:b":[["c"]]}}"#),
        with(r#""Condition":{"StringEquals":"a:b"}"#),
        with(r#""Condition":{"stringequals":{"a:b":["c",1,true]}}"#),
        with(r#""Condition":{"Null":{"a:b":true}}"#),
        with(r#""Condition":{"ForAllValues:Null":{"a:b":true}}"#),
        with(r#""Condition":{"StringEquals":{"a:b":"${aws:username"}}"#),
        with(r#""Condition":{"NumericEquals":{"a:b":"${aws:username"}}"#),
        with(r#""Condition":{"ForAllValues:StringEquals":{"kms:EncryptionContext:App":"x"}}"#),
        with(r#""Condition":{"ForAllValues:StringEquals":{"aws:RequestTag/Team":"x"}}"#),
        with(r#""Condition":{"ForAllValues:StringEquals":{"kms:EncryptionContextKeys":"x"}}"#),
        with(r#""Condition":{"ForAllValues:StringEquals":{"kms:EncryptionContext:App":"x"}}"#)
            .replace("Allow", "Deny"),
    ];
    let mut golden = String::new();
    for text in cases {
        golden += &format!("{text}\n    {}\n", refusal(&text, PolicyKind::Key));
    }
    expect_file!["../golden/malformed_key.txt"].assert_eq(&golden);
}

#[test]
fn identity_policies_are_refused_as_iam_refuses_them() {
    let one = |members: &str| {
        format!(r#"{{"Version":"2012-10-17","Statement":{{"Effect":"Allow",{members}}}}}"#)
    };
    let action = |value: &str| one(&format!(r#""Action":{value},"Resource":"*""#));
    let resource = |value: &str| one(&format!(r#""Action":"kms:*","Resource":{value}"#));
    let cases = [
        action(r#""kms:*""#),
        "{".into(),
        action(r#""kms:*""#).replace("\"Version\":\"2012-10-17\",", ""),
        action(r#""kms:*""#).replace("2012", "2008"),
        action(r#""kms:*""#).replace("Allow", "ALLOW"),
        action(r#""kms:*""#).replace("Allow", "Permit"),
        one(r#""Principal":"*","Action":"kms:*","Resource":"*""#),
        one(r#""Resource":"*""#),
        one(r#""Action":"kms:*""#),
        one(r#""Action":"kms:*","Resource":[]"#),
        action("[]"),
        action(r#""Encrypt""#),
        action(r#""kms:Encrypt:now""#),
        action(r#""k ms:Encrypt""#),
        action(r#""*:Encrypt""#),
        resource(r#""mykey""#),
        resource(r#""arn:nowhere:kms:us-east-1:111122223333:key/x""#),
        resource(r#""arn:aws*:kms:*:*:key/*""#),
        resource(r#""arn:aws:k*:us-east-1:111122223333:key/x""#),
        resource(r#""arn:aws""#),
        resource(r#""arn:aws:s3::bucket""#),
        resource(r#""arn:aws:kms:*:*:key/${aws:username}""#),
        resource(r#""arn:aws:kms:*:*:key/${aws:username""#),
        r#"{"Version":"2012-10-17","Statement":[
            {"Sid":"A","Effect":"Allow","Action":"kms:*","Resource":"*"},
            {"Sid":"A","Effect":"Deny","Action":"kms:*","Resource":"*"}]}"#
            .into(),
        one(r#""Sid":"not plain","Action":"kms:*","Resource":"*""#),
        one(
            r#""Action":"kms:*","Resource":"*","Condition":{"DateLessThan":{"aws:CurrentTime":"soon"}}"#,
        ),
        one(r#""Action":"kms:*","Resource":"*","Condition":{"Bool":{"SecureTransport":"true"}}"#),
    ];
    let mut golden = String::new();
    for text in cases {
        golden += &format!("{text}\n    {}\n", refusal(&text, PolicyKind::Identity));
    }
    expect_file!["../golden/malformed_identity.txt"].assert_eq(&golden);
}

#[test]
fn trust_and_resource_control_policies_have_rules_of_their_own() {
    let trust = |members: &str| format!(r#"{{"Statement":{{"Effect":"Allow",{members}}}}}"#);
    let good = trust(r#""Principal":{"AWS":"111122223333"},"Action":"sts:AssumeRole""#);
    for (text, expected) in [
        (good.clone(), "accepted"),
        ("{".into(), "This policy contains invalid Json"),
        (
            trust(r#""Principal":"*","Action":"sts:*","Resource":"*""#),
            "Has prohibited field Resource",
        ),
        (
            trust(r#""NotPrincipal":"*","Action":"sts:*""#),
            "Has prohibited field NotPrincipal",
        ),
        (
            trust(r#""Action":"sts:*""#),
            "Missing required field Principal",
        ),
        (trust(r#""Principal":"*""#), "Missing required field Action"),
        (
            trust(r#""Principal":"*","Action":"kms:*""#),
            "AssumeRole policy may only specify STS AssumeRole actions.",
        ),
        (
            trust(r#""Principal":{"AWS":"arn:aws:iam::1:user/x"},"Action":"sts:*""#),
            r#"Invalid principal in policy: "AWS":"arn:aws:iam::1:user/x""#,
        ),
        (
            trust(r#""Principal":{"Service":"x"},"Action":"sts:*""#),
            r#"Invalid principal in policy: "SERVICE":"x""#,
        ),
    ] {
        assert_eq!(refusal(&text, PolicyKind::Trust), expected, "{text}");
    }

    let rcp = r#"{"Version":"2012-10-17","Statement":
        {"Effect":"Deny","Principal":"*","Action":"kms:*","Resource":"*"}}"#;
    let type_error =
        "The provided policy document does not meet the requirements of the specified policy type.";
    assert_eq!(refusal(rcp, PolicyKind::Rcp), "accepted");
    for (from, to) in [
        ("Deny", "Allow"),
        (
            "\"Principal\":\"*\"",
            "\"Principal\":{\"AWS\":\"111122223333\"}",
        ),
        ("\"Principal\"", "\"NotPrincipal\""),
        ("\"Action\"", "\"NotAction\""),
        ("\"kms:*\"", "\"*\""),
        ("\"kms:*\"", "[\"kms:*\",\"*\"]"),
    ] {
        assert_eq!(
            refusal(&rcp.replace(from, to), PolicyKind::Rcp),
            type_error,
            "{to}"
        );
    }
    assert_eq!(
        refusal(&rcp.replace("\"kms:*\"", "\"**\""), PolicyKind::Rcp),
        "Actions/Conditions must be prefaced by a vendor, e.g., iam, sdb, ec2, etc.",
    );
}

#[test]
fn length_and_characters_are_bounded() {
    let padded = |to: usize| {
        let text = key(&format!(r#""Principal":"*",{REST}"#));
        let padding = to - text.len();
        text + &" ".repeat(padding)
    };
    assert_eq!(refusal(&padded(32_768), PolicyKind::Key), "accepted");
    let error = Document::parse(&padded(32_769), PolicyKind::Key).unwrap_err();
    assert!(matches!(error, PolicyError::TooLong(long) if long.limit == 32_768));

    let sized = |count: usize| {
        let text = r#"{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"kms:a","Resource":"*"}}"#;
        let more = "a".repeat(count - text.len());
        text.replace("kms:a", &format!("kms:a{more}"))
            .replace(':', " : ")
            .replace("kms : a", "kms:a")
    };
    // White space does not count in IAM's policies.
    assert_eq!(
        refusal(&sized(6144), PolicyKind::ManagedIdentity),
        "accepted"
    );
    assert_eq!(
        refusal(&sized(6145), PolicyKind::ManagedIdentity),
        "Cannot exceed quota for PolicySize: 6144"
    );
    // And does count in what is given for a session.
    assert!(refusal(&sized(2048), PolicyKind::Session).starts_with("Cannot exceed"));
    // As in those of organizations and of endpoints.
    let resource = |count: usize| {
        let text = r#"{"Version":"2012-10-17","Statement":{"Effect":"Deny","Principal":"*","Action":"kms:*","Resource":"*"}}"#;
        format!("{text}{}", " ".repeat(count - text.len()))
    };
    let service = |count: usize| {
        let text = resource(count + r#""Principal":"*","#.len());
        text.replace(r#""Principal":"*","#, "")
    };
    for (text, kind, limit) in [
        (
            &service as &dyn Fn(usize) -> String,
            PolicyKind::Scp,
            10_240,
        ),
        (&resource, PolicyKind::Rcp, 5120),
        (&resource, PolicyKind::Endpoint, 20_480),
    ] {
        assert_eq!(refusal(&text(limit), kind), "accepted", "{kind:?}");
        assert_eq!(
            refusal(&text(limit + 1), kind),
            format!("Cannot exceed quota for PolicySize: {limit}")
        );
    }

    let euro = key(&format!(r#""Sid":"€","Principal":"*",{REST}"#));
    assert_eq!(
        Document::parse(&euro, PolicyKind::Key).unwrap_err(),
        PolicyError::Characters
    );
    let latin = key(&format!(r#""Sid":"é","Principal":"*",{REST}"#));
    assert_eq!(refusal(&latin, PolicyKind::Key), "accepted");
}

#[test]
fn principals_are_listed_for_resolution_and_named_when_unknown() {
    let text = key(&format!(
        r#""Principal":{{"AWS":["111122223333","arn:aws:iam::111122223333:user/a/bob",
            "arn:aws:sts::111122223333:assumed-role/admin/s1","AIDAALICEALICEALICEAL"],
            "Service":"logs.amazonaws.com"}},{REST}"#
    ));
    let document = Document::parse(&text, PolicyKind::Key).unwrap();
    let principals: Vec<_> = document.principals().collect();
    assert_eq!(principals.len(), 5);
    assert_eq!(
        principals[1],
        PrincipalRef::User("arn:aws:iam::111122223333:user/a/bob")
    );
    assert!(matches!(
        &principals[2],
        PrincipalRef::Session { role: "admin", .. }
    ));
    assert!(matches!(&principals[3], PrincipalRef::Unique(id) if id.as_str().starts_with("AIDA")));
    assert_eq!(
        document.unknown_principal(&principals[1]).to_string(),
        "Policy contains a statement with one or more invalid principals."
    );
}

#[test]
fn an_unknown_account_is_named_as_it_was_written() {
    for written in ["111122223333", "arn:aws:iam::111122223333:root"] {
        let text = format!(
            r#"{{"Version":"2012-10-17","Statement":{{"Effect":"Allow","Principal":{{"AWS":"{written}"}},"Action":"sts:AssumeRole"}}}}"#
        );
        let document = Document::parse(&text, PolicyKind::Trust).unwrap();
        let account = document.principals().next().unwrap();
        assert_eq!(
            document.unknown_principal(&account).to_string(),
            format!(r#"Invalid principal in policy: "AWS":"{written}""#)
        );
    }
}

/// Each as IAM was recorded to answer it.
#[test]
fn resources_of_identity_policies_are_refused_as_recorded() {
    let check = |resource: &str, expect: &str| {
        let text = format!(
            r#"{{"Version":"2012-10-17","Statement":{{"Effect":"Allow","Action":"s3:ListBucket","Resource":{resource}}}}}"#
        );
        assert_eq!(
            refusal(&text, PolicyKind::ManagedIdentity),
            expect,
            "{resource}"
        );
    };
    let partition = |partition: &str, resource: &str| {
        format!(r#"Partition "{partition}" is not valid for resource "{resource}"."#)
    };
    let legacy = "The policy failed legacy parsing";
    let path = "IAM resource path must either be \"*\", root, or start with user/, federated-user/, \
                role/, group/, instance-profile/, mfa/, server-certificate/, policy/, sms-mfa/, \
                saml-provider/, oidc-provider/, report/, access-report/.";
    check(r#""a:bcd""#, &partition("bcd", "arn:bcd:*:*:*:*"));
    check(r#""a:b:cd""#, &partition("b", "arn:b:cd:*:*:*"));
    check(r#""a:b:c:d:e:f:g""#, &partition("b", "arn:b:c:d:e:f:g"));
    check(
        r#""aws:s3:::bucket""#,
        &partition("s3", "arn:s3:::bucket:*"),
    );
    check(
        r#"["arn:error:s3:::bucket","arn:error:s3::bucket"]"#,
        &partition("error", "arn:error:s3:::bucket"),
    );
    check(r#""arn:aws:s3::bucket""#, legacy);
    check(r#""arn:aws::::bucket""#, legacy);
    check(r#""arn:aws::bucket""#, legacy);
    check(r#""arn:aws:iam:::bucket""#, path);
    check(r#""arn:aws:iam::111122223333:rolex""#, path);
    check(
        r#""arn:aws:iam:us-east-1::bucket""#,
        "IAM resource arn:aws:iam:us-east-1::bucket cannot contain region information.",
    );
    check(
        r#""arn:aws:s3:us-east-1::bucket""#,
        "Resource arn:aws:s3:us-east-1::bucket can not contain region information.",
    );
    for accepted in [
        r#""arn:aws:iam:::user/x""#,
        r#""arn:aws:iam::*:role/*""#,
        r#""arn:aws:iam::111122223333:*""#,
        r#""arn:aws:iam::111122223333:root""#,
        r#""arn:aws:iam::${aws:PrincipalAccount}:role/x""#,
        r#""arn:aws:s3:us-west-2:111122223333:accesspoint/x""#,
        r#""arn:aws:ec2:us-east-1::x""#,
        r#""arn:aws:word""#,
    ] {
        check(accepted, "accepted");
    }
}

#[test]
fn identity_policies_are_accepted_as_recorded() {
    for members in [
        r#""Id":"any text","Statement":{"Effect":"Allow","Action":"s3:*","Resource":"*"}"#,
        r#""Statement":{"Effect":"Allow","Action":"s3:*","Resource":"*","Condition":{"StringEquals":{"a":"b"}}}"#,
        r#""Statement":{"Effect":"Allow","Action":"s3:*","Resource":"*","Condition":{"x":{},"y":{}}}"#,
        r#""Statement":{"Effect":"Allow","Action":"s3:*","Resource":"*","Condition":{"DateEquals":{"a":[]}}}"#,
    ] {
        let text = format!(r#"{{"Version":"2012-10-17",{members}}}"#);
        assert_eq!(
            refusal(&text, PolicyKind::ManagedIdentity),
            "accepted",
            "{members}"
        );
        assert_eq!(
            refusal(&text, PolicyKind::Identity),
            "accepted",
            "{members}"
        );
    }
}
