//! How long one decision takes: one inline identity policy, and a key policy that is the default
//! one, alone or with 19 or 199 statements more that all must be looked at: denials of the action
//! to everybody under a condition on the encryption context.
//!
//! `cargo run --release -p keyward-policy --example decide`

use std::hint::black_box;

use keyward_policy::{
    attributes::{Attributes, Values},
    document::{Document, PolicyError, PolicyKind},
    evaluate::evaluate,
    permit::Authority,
    policy::Policy,
    principal::Bindings,
    request::{Attached, Name, Policies, Question, Resource},
};
use keyward_types::{
    account::AccountId,
    action,
    key_id::{KeyArn, KeyId},
    partition::Partition,
    principal::Principal,
    region::Region,
    unique_id::{UniqueId, UniqueIdKind},
};

const DEFAULT: &str = r#"{ "Sid": "Enable IAM User Permissions", "Effect": "Allow",
    "Principal": { "AWS": "arn:aws:iam::111122223333:root" }, "Action": "kms:*", "Resource": "*" }"#;

const IDENTITY: &str = r#"{ "Version": "2012-10-17", "Statement": [
  { "Sid": "Use", "Effect": "Allow", "Action": ["kms:Encrypt", "kms:Decrypt", "kms:GenerateDataKey"],
    "Resource": "arn:aws:kms:us-east-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab" } ] }"#;

const ROUNDS: u32 = 300_000;

/// A key policy of so many statements.
fn key_policy(statements: usize) -> String {
    let mut text = format!(r#"{{ "Version": "2012-10-17", "Statement": [ {DEFAULT}"#);
    for number in 1..statements {
        text.push_str(&format!(
            r#", {{ "Effect": "Deny", "Principal": "*", "Action": "kms:GenerateDataKey",
                "Resource": "*", "Condition": {{ "StringEquals": {{
                "kms:EncryptionContext:tenant": "t{number:03}" }} }} }}"#
        ));
    }
    text + " ] }"
}

/// A request with an encryption context of one pair.
struct Tenant;

impl Attributes for Tenant {
    fn values(&self, key: &str) -> Values<'_> {
        match key {
            "kms:encryptioncontext:tenant" => Values::one("blue"),
            _ => Values::Absent,
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "an example that measures time")]
#[expect(clippy::print_stdout, reason = "an example's result is what it prints")]
fn main() -> Result<(), Box<dyn std::error::Error>> {
    let compile = |text: &str, kind| -> Result<Policy, PolicyError> {
        Ok(Policy::compile(
            &Document::parse(text, kind)?,
            &Bindings::new(),
        ))
    };
    let identity = compile(IDENTITY, PolicyKind::Identity)?;
    let account = AccountId::parse("111122223333")?;
    let id = KeyId::parse("1234abcd-12ab-34cd-56ef-1234567890ab")?;
    let arn = KeyArn::new(Region::parse("us-east-1")?, account, id);
    let user = UniqueId::from_random(UniqueIdKind::User, [7; 17]);
    let caller = Principal::user(Partition::Aws, account, "/", "alice", user);
    let name = Name::Inline("use-the-key");
    let attached = [Attached {
        policy: &identity,
        name,
    }];
    let authority = Authority::dangerous_new();
    println!("| statements in the key policy | evaluate | with a permit |");
    println!("|---|---|---|");
    for statements in [1, 20, 200] {
        let key = compile(&key_policy(statements), PolicyKind::Key)?;
        let question = Question {
            caller: &caller,
            action: "kms:GenerateDataKey",
            resource: Resource::key(&arn, &key),
            context: &Tenant,
            policies: Policies {
                identity: &attached,
                ..Policies::default()
            },
        };
        let start = std::time::Instant::now();
        for _ in 0..ROUNDS {
            black_box(evaluate(black_box(&question)));
        }
        let evaluated = start.elapsed() / ROUNDS;
        let start = std::time::Instant::now();
        for _ in 0..ROUNDS {
            let permit = authority.permit::<action::GenerateDataKey>(black_box(&question));
            assert!(black_box(permit).is_ok());
        }
        let permitted = start.elapsed() / ROUNDS;
        println!("| {statements} | {evaluated:?} | {permitted:?} |");
    }
    Ok(())
}
