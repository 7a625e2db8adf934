//! GetKeyPolicy's text.

use expect_test::expect;
use keyward_policy::{
    document::{Document, PolicyKind},
    principal::Bindings,
    render::for_display,
};
use keyward_types::{partition::Partition, unique_id::UniqueId};

fn show(text: &str) -> String {
    let document = Document::parse(text, PolicyKind::Key).unwrap();
    let mut bindings = Bindings::new();
    let id = |text| UniqueId::parse(text).unwrap();
    bindings.bind(
        "arn:aws:iam::111122223333:user/alice",
        id("AIDAALICEALICEALICEAL"),
    );
    bindings.bind(
        "arn:aws:iam::111122223333:user/gone",
        id("AIDAGONEGONEGONEGONEG"),
    );
    let arn_of = |id: &UniqueId| {
        let moved = "arn:aws:iam::111122223333:user/team/alice";
        (id.as_str() == "AIDAALICEALICEALICEAL").then(|| moved.to_owned())
    };
    for_display(&document, &bindings, Partition::Aws, &arn_of)
}

#[test]
fn the_default_policy_is_laid_out_as_aws_does() {
    let text = r#"{"Version":"2012-10-17","Id":"key-default-1","Statement":[{"Sid":"Enable IAM User Permissions","Effect":"Allow","Principal":{"AWS":"arn:aws:iam::111122223333:root"},"Action":"kms:*","Resource":"*"}]}"#;
    expect![[r#"
        {
          "Version" : "2012-10-17",
          "Id" : "key-default-1",
          "Statement" : [ {
            "Sid" : "Enable IAM User Permissions",
            "Effect" : "Allow",
            "Principal" : {
              "AWS" : "arn:aws:iam::111122223333:root"
            },
            "Action" : "kms:*",
            "Resource" : "*"
          } ]
        }"#]]
    .assert_eq(&show(text));
}

#[test]
fn principals_show_as_they_are_now_and_gone_ones_as_ids() {
    let text = r#"{"Statement":{"Effect":"Allow","Principal":{"AWS":["111122223333",
        "arn:aws:iam::111122223333:user/alice","arn:aws:iam::111122223333:user/gone",
        "AIDAALICEALICEALICEAL"],"Service":"logs.amazonaws.com"},"Action":["kms:Encrypt",
        "kms:Decrypt"],"Resource":"*","Condition":{"ArnEquals":{"aws:PrincipalArn":
        "arn:aws:iam::111122223333:user/alice"},"NumericEquals":{"a:b":[1.50,true]},"Bool":{}}}}"#;
    expect![[r#"
        {
          "Statement" : [ {
            "Effect" : "Allow",
            "Principal" : {
              "AWS" : [ "arn:aws:iam::111122223333:root", "arn:aws:iam::111122223333:user/team/alice", "AIDAGONEGONEGONEGONEG", "arn:aws:iam::111122223333:user/team/alice" ],
              "Service" : "logs.amazonaws.com"
            },
            "Action" : [ "kms:Encrypt", "kms:Decrypt" ],
            "Resource" : "*",
            "Condition" : {
              "ArnEquals" : {
                "aws:PrincipalArn" : "arn:aws:iam::111122223333:user/alice"
              },
              "NumericEquals" : {
                "a:b" : [ 1.50, true ]
              },
              "Bool" : { }
            }
          } ]
        }"#]]
    .assert_eq(&show(text));
}

#[test]
fn what_is_shown_can_be_stored_again() {
    let text = r#"{"Statement":{"Sid":"é \" \\ \u0001 \ud83d\ude00","Effect":"Allow","Principal":"*",
        "Action":"kms:*","Resource":"*"}}"#;
    let shown = show(text);
    assert!(
        shown.contains(r#""é \" \\ \u0001 \ud83d\ude00""#),
        "{shown}"
    );
    assert_eq!(show(&shown), shown);
}

#[test]
fn the_compact_text_has_no_white_space_outside_strings() {
    let text = "{ \"Version\": \"2012-10-17\", \"Statement\": { \"Effect\": \"Allow\", \
                \"Principal\": {\"AWS\": [\"111122223333\"]}, \"Action\": \"sts:AssumeRole\" } }";
    let document = Document::parse(text, PolicyKind::Trust).unwrap();
    let shown =
        keyward_policy::render::compact(&document, &Bindings::default(), Partition::Aws, &|_| None);
    assert_eq!(
        shown,
        "{\"Version\":\"2012-10-17\",\"Statement\":[{\"Effect\":\"Allow\",\"Principal\":{\"AWS\":\
         [\"arn:aws:iam::111122223333:root\"]},\"Action\":\"sts:AssumeRole\"}]}"
    );
}

#[test]
fn a_document_tells_the_condition_keys_it_asks_for() {
    let text = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"kms:*",
        "Resource":"arn:aws:kms:*:*:key/${aws:PrincipalTag/team, 'x'}",
        "Condition":{"StringEquals":{"kms:ViaService":"${AWS:username}${*}"},
                     "Bool":{"aws:SecureTransport":"true"},"Null":{"kms:viaservice":"true"}}}]}"#;
    let document = Document::parse(text, PolicyKind::ManagedIdentity).unwrap();
    assert_eq!(
        document.context_keys(),
        [
            "kms:ViaService",
            "aws:SecureTransport",
            "aws:PrincipalTag/team",
            "AWS:username"
        ]
    );
}
