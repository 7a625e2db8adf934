//! Ways in which a denied call is allowed to requests that have what the question does not say.

use keyward_policy::{
    case::{Way, explain, ways},
    explain::exceptions,
};
use serde_json::{Value, json};

const KEY: &str = "arn:aws:kms:us-east-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab";
const ALICE: &str = "arn:aws:iam::111122223333:user/alice";
const DEPT: &str = "kms:EncryptionContext:dept";

fn settled(key: &str) -> bool {
    key.starts_with("aws:principal")
}

fn document(statements: &[Value]) -> Value {
    json!({"Version": "2012-10-17", "Statement": statements})
}

/// A statement of a key policy that allows Alice.
fn allow(condition: &Value) -> Value {
    json!({"Effect": "Allow", "Principal": {"AWS": ALICE}, "Action": "kms:Decrypt",
           "Resource": "*", "Condition": condition})
}

fn deny(condition: &Value) -> Value {
    json!({"Effect": "Deny", "Principal": "*", "Action": "kms:*", "Resource": "*",
           "Condition": condition})
}

fn case(key_policy: &[Value], context: &Value) -> Value {
    json!({"principal": ALICE, "action": "kms:Decrypt", "resource": KEY,
           "keyPolicy": document(key_policy), "context": context})
}

fn asked(case: &Value) -> Vec<Way> {
    ways(case.to_string().as_bytes(), settled).unwrap()
}

/// Conditions and exceptions of every way.
fn clauses(case: &Value) -> Vec<(Vec<String>, Vec<String>)> {
    let ways = asked(case).into_iter();
    ways.map(|way| (way.conditions, way.exceptions)).collect()
}

fn of(conditions: &[&str], exceptions: &[&str]) -> (Vec<String>, Vec<String>) {
    let own = |list: &[&str]| list.iter().map(|text| (*text).to_owned()).collect();
    (own(conditions), own(exceptions))
}

#[test]
fn a_condition_on_what_the_question_does_not_say_is_a_way() {
    let statement = allow(&json!({"StringEquals": {DEPT: "hr"}}));
    let found = asked(&case(&[statement], &json!({})));
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].conditions, ["kms:EncryptionContext:dept = hr"]);
    let by = found[0].by.as_ref().unwrap();
    assert_eq!((by.policy.as_str(), by.statement), ("keyPolicy", Some(0)));
}

#[test]
fn what_the_question_says_or_what_follows_from_the_caller_is_settled() {
    let statement = allow(&json!({"StringEquals": {DEPT: "hr"}}));
    assert_eq!(asked(&case(&[statement], &json!({DEPT: "it"}))), []);
    let statement = allow(&json!({"StringEquals": {"aws:PrincipalTag/team": "blue"}}));
    assert_eq!(asked(&case(&[statement], &json!({}))), []);
}

#[test]
fn a_call_that_is_allowed_or_that_nothing_allows_has_no_ways() {
    let statement = allow(&json!({}));
    assert_eq!(asked(&case(&[statement], &json!({}))), []);
    assert_eq!(asked(&case(&[], &json!({}))), []);
    let other = json!({"Effect": "Allow", "Principal": {"AWS": ALICE}, "Action": "kms:Encrypt",
                       "Resource": "*", "Condition": {"StringEquals": {DEPT: "hr"}}});
    assert_eq!(asked(&case(&[other], &json!({}))), []);
}

#[test]
fn every_statement_that_suffices_is_a_way_of_its_own() {
    let statements = [
        allow(&json!({"StringEquals": {DEPT: "hr"}})),
        allow(
            &json!({"IpAddress": {"aws:SourceIp": "10.0.0.0/8"}, "Bool": {"aws:SecureTransport": "true"}}),
        ),
    ];
    assert_eq!(
        clauses(&case(&statements, &json!({}))),
        [
            of(&["kms:EncryptionContext:dept = hr"], &[]),
            of(
                &[
                    "aws:SecureTransport = true",
                    "aws:SourceIp is in 10.0.0.0/8"
                ],
                &[]
            ),
        ]
    );
}

#[test]
fn a_way_through_several_policies_has_the_conditions_of_each() {
    let delegation = json!({"Effect": "Allow", "Principal": {"AWS": "arn:aws:iam::111122223333:root"},
        "Action": "kms:*", "Resource": "*", "Condition": {"StringEquals": {"kms:ViaService": "s3.us-east-1.amazonaws.com"}}});
    let mut case = case(&[delegation], &json!({}));
    case["identityPolicies"] = json!([document(&[json!({
        "Effect": "Allow", "Action": "kms:Decrypt", "Resource": "*",
        "Condition": {"StringEquals": {DEPT: "hr"}}})])]);
    assert_eq!(
        clauses(&case),
        [of(
            &[
                "kms:ViaService = s3.us-east-1.amazonaws.com",
                "kms:EncryptionContext:dept = hr"
            ],
            &[]
        )]
    );
}

#[test]
fn what_a_deny_asks_for_is_a_condition_and_what_it_forbids_an_exception() {
    let statements = [
        allow(&json!({})),
        deny(&json!({"StringNotEquals": {DEPT: "hr"}})),
        deny(&json!({"StringEquals": {"kms:EncryptionContext:stage": "test"}})),
    ];
    assert_eq!(
        clauses(&case(&statements, &json!({}))),
        [of(
            &["kms:EncryptionContext:dept = hr"],
            &["kms:EncryptionContext:stage = test"]
        )]
    );
    // Two conditions of one deny: either may fail.
    let statements = [
        allow(&json!({})),
        deny(&json!({"StringNotEquals": {DEPT: "hr"}, "Null": {"kms:ViaService": "true"}})),
    ];
    assert_eq!(
        clauses(&case(&statements, &json!({}))),
        [of(
            &[],
            &["kms:ViaService is absent and kms:EncryptionContext:dept is not hr"]
        )]
    );
}

#[test]
fn a_grants_constraint_is_a_condition() {
    let mut case = case(&[], &json!({}));
    case["grants"] = json!([{"grantee": ALICE, "operations": ["Decrypt"],
        "encryptionContextSubset": {"dept": "hr"}}]);
    let found = asked(&case);
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].conditions, ["kms:EncryptionContext:dept = hr"]);
    assert_eq!(found[0].by.as_ref().unwrap().policy, "grants[0]");
    case["context"] = json!({DEPT: "it"});
    assert_eq!(asked(&case), []);
    case["grants"] = json!([{"grantee": ALICE, "operations": ["Decrypt"],
        "encryptionContextEquals": {"dept": "hr"}}]);
    case["context"] = json!({});
    assert_eq!(
        clauses(&case),
        [of(
            &[
                "kms:EncryptionContext:dept = hr",
                "the encryption context has nothing else"
            ],
            &[]
        )]
    );
}

#[test]
fn an_allow_has_exceptions_too() {
    let statements = [
        allow(&json!({})),
        deny(&json!({"StringEquals": {DEPT: "secret"}})),
        deny(&json!({"StringEquals": {"aws:PrincipalTag/team": "red"}})),
    ];
    let case = case(&statements, &json!({}));
    let explanation = explain(case.to_string().as_bytes()).unwrap();
    assert!(explanation.decision.is_allow());
    assert_eq!(
        exceptions(&explanation.layers, settled),
        ["kms:EncryptionContext:dept = secret"]
    );
}
