//! What a policy may say and its author probably did not mean: stored, decided, and told.

use keyward_policy::{
    case::Decider,
    document::{Document, PolicyKind},
};
use serde_json::{Value, json};

const KEY: &str = "arn:aws:kms:us-east-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab";

fn warnings(kind: PolicyKind, statement: Value) -> Vec<String> {
    let text = json!({"Version": "2012-10-17", "Statement": [statement]}).to_string();
    Document::parse(&text, kind).unwrap().warnings()
}

fn key(more: Value) -> Value {
    let mut statement =
        json!({"Effect": "Allow", "Principal": "*", "Action": "kms:*", "Resource": "*"});
    let members = statement.as_object_mut().unwrap();
    for (name, value) in more.as_object().unwrap() {
        match value {
            Value::Null => members.remove(name),
            value => members.insert(name.clone(), value.clone()),
        };
    }
    statement
}

#[test]
fn a_list_without_a_set_operator_is_told_with_what_it_comes_to() {
    let bare = json!({"StringEquals": {"aws:TagKeys": "a"}});
    assert_eq!(
        warnings(PolicyKind::Key, key(json!({"Condition": bare}))),
        [
            "Statement[0]: StringEquals aws:TagKeys: the key has a list of values, which needs \
             ForAnyValue: or ForAllValues: before the operator; an Allow without it never applies \
             to a request that has the key"
        ]
    );
    assert_eq!(
        warnings(
            PolicyKind::Key,
            key(json!({"Effect": "Deny", "Condition": bare}))
        ),
        [
            "Statement[0]: StringEquals aws:TagKeys: the key has a list of values, which needs \
             ForAnyValue: or ForAllValues: before the operator; AWS does not document what a Deny \
             without it does; Keyward denies if any value of the request matches, as with \
             ForAnyValue:"
        ]
    );
    for plain in [
        json!({"ForAnyValue:StringEquals": {"aws:TagKeys": "a"}}),
        json!({"Null": {"aws:TagKeys": "true"}}),
        json!({"StringEquals": {"kms:ViaService": "a"}}),
    ] {
        let told = warnings(PolicyKind::Key, key(json!({"Condition": plain})));
        assert!(told.is_empty(), "{told:?}");
    }
}

#[test]
fn a_service_that_is_not_known_is_stored_and_told() {
    let service = |name: &str| key(json!({"Principal": {"Service": name}}));
    assert_eq!(
        warnings(PolicyKind::Key, service("lgos.us-east-1.amazonaws.com")),
        [
            "Statement[0]: \"lgos.us-east-1.amazonaws.com\" is not a known service: is it \
             misspelled?"
        ]
    );
    assert!(warnings(PolicyKind::Key, service("logs.us-east-1.amazonaws.com")).is_empty());
}

#[test]
fn a_statement_of_a_key_policy_without_effect_is_stored_and_told() {
    let no_key = "Statement[0]: its Resource does not match any key, so it has no effect: in a key \
                  policy, use \"*\" for the key itself";
    for (more, told) in [
        (
            json!({"Action": null}),
            "Statement[0]: no Action, so it has no effect",
        ),
        (
            json!({"Resource": null}),
            "Statement[0]: no Resource, so it has no effect",
        ),
        (json!({"Resource": "arn:aws:s3:::bucket"}), no_key),
        (
            json!({"Resource": "arn:aws:kms:us-east-1:111122223333:alias/a"}),
            no_key,
        ),
    ] {
        assert_eq!(warnings(PolicyKind::Key, key(more)), [told]);
    }
    for resource in [KEY, "arn:aws:kms:*:*:key/*", "arn:aws:kms:*:111122223333:*"] {
        let told = warnings(PolicyKind::Key, key(json!({"Resource": resource})));
        assert!(told.is_empty(), "{told:?}");
    }
}

#[test]
fn an_answer_has_the_warnings_of_its_policies_beside_the_decision() {
    let policy = |statement: Value| json!({"Version": "2012-10-17", "Statement": [statement]});
    let case = json!({
        "principal": "arn:aws:iam::111122223333:user/alice",
        "action": "kms:Decrypt",
        "resource": KEY,
        "keyPolicy": policy(key(json!({}))),
        "identityPolicies": [policy(json!({
            "Effect": "Deny", "Action": "*", "Resource": "*",
            "Condition": {"StringEquals": {"aws:CalledVia": "athena.amazonaws.com"}},
        }))],
        "context": {"aws:CalledVia": ["cloudformation.amazonaws.com", "athena.amazonaws.com"]},
    });
    let mut out = String::new();
    let answer = Decider::new().answer(case.to_string().as_bytes());
    answer.write(&mut out);
    let answer: Value = serde_json::from_str(&out).unwrap();
    assert_eq!(answer["decision"], "ExplicitDeny");
    assert!(answer["errors"].is_null());
    let told = answer["warnings"][0].as_str().unwrap();
    assert!(
        told.starts_with("identityPolicies[0]: Statement[0]: StringEquals aws:CalledVia: "),
        "{told}"
    );
}

#[test]
fn who_can_be_no_identity_provider_is_refused_in_awss_words() {
    let trust = |provider: &str| {
        let text = json!({"Version": "2012-10-17", "Statement": [{
            "Effect": "Allow", "Principal": {"Federated": provider},
            "Action": "sts:AssumeRoleWithWebIdentity",
        }]});
        let read = Document::parse(&text.to_string(), PolicyKind::Trust);
        read.err().map(|error| error.to_string())
    };
    for provider in [
        "accounts.google.com",
        "cognito-identity.amazonaws.com",
        "arn:aws:iam::111122223333:oidc-provider/idp.example.com/a/b",
        "arn:aws-cn:iam::111122223333:saml-provider/Corp",
    ] {
        assert_eq!(trust(provider), None, "{provider}");
    }
    for provider in [
        "",
        "*",
        "google",
        "https://accounts.google.com",
        "idp.example.com/path",
        "idp..example.com",
        "-idp.example.com",
        "arn:aws:iam::111122223333:oidc-provider/",
        "arn:aws:iam::111122223333:user/alice",
        "arn:aws:sts::111122223333:oidc-provider/idp.example.com",
        "arn:aws:iam::1111:saml-provider/Corp",
    ] {
        assert_eq!(
            trust(provider).as_deref(),
            Some("Federated principals must be valid domain names or SAML metadata ARNs"),
            "{provider}"
        );
    }
}

#[test]
fn what_is_not_shaped_like_a_service_is_refused() {
    let stored = |name: &str| {
        let text = json!({"Version": "2012-10-17", "Statement": [key(
            json!({"Principal": {"Service": name}}),
        )]});
        let read = Document::parse(&text.to_string(), PolicyKind::Key);
        read.err().map(|error| error.to_string())
    };
    for name in [
        "logs.amazonaws.com",
        "made-up.us-east-1.amazonaws.com",
        "a.b.c.amazonaws.com",
        "ec2.amazonaws.com.cn",
        "alexa-appkit.amazon.com",
    ] {
        assert_eq!(stored(name), None, "{name}");
    }
    for name in [
        "logs",
        "*",
        "*.amazonaws.com",
        "amazonaws.com",
        ".amazonaws.com",
        "logs..amazonaws.com",
        "-.amazonaws.com",
        "Logs.amazonaws.com",
        "logs.example.com",
        "a.b.c.d.e.f.g.amazonaws.com",
    ] {
        assert_eq!(
            stored(name).as_deref(),
            Some("Policy contains a statement with one or more invalid principals."),
            "{name}"
        );
    }
}
