//! How long one decision takes: the default key policy and one inline identity policy.
//!
//! `cargo run --release -p keyward-policy --example decide`

use std::hint::black_box;

use keyward_policy::document::{Document, PolicyError, PolicyKind};
use keyward_policy::evaluate::evaluate;
use keyward_policy::permit::Authority;
use keyward_policy::policy::Policy;
use keyward_policy::principal::Bindings;
use keyward_policy::request::{Attached, Name, NoAttributes, Policies, Question, Resource};
use keyward_types::account::AccountId;
use keyward_types::action;
use keyward_types::key_id::{KeyArn, KeyId};
use keyward_types::partition::Partition;
use keyward_types::principal::Principal;
use keyward_types::region::Region;
use keyward_types::unique_id::{UniqueId, UniqueIdKind};

const KEY: &str = r#"{ "Version": "2012-10-17", "Id": "key-default-1", "Statement": [
  { "Sid": "Enable IAM User Permissions", "Effect": "Allow",
    "Principal": { "AWS": "arn:aws:iam::111122223333:root" }, "Action": "kms:*", "Resource": "*" } ] }"#;

const IDENTITY: &str = r#"{ "Version": "2012-10-17", "Statement": [
  { "Sid": "Use", "Effect": "Allow", "Action": ["kms:Encrypt", "kms:Decrypt", "kms:GenerateDataKey"],
    "Resource": "arn:aws:kms:us-east-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab" } ] }"#;

const ROUNDS: u32 = 3_000_000;

#[expect(clippy::disallowed_methods, reason = "an example that measures time")]
#[expect(clippy::print_stdout, reason = "an example's result is what it prints")]
fn main() -> Result<(), Box<dyn std::error::Error>> {
    let compile = |text, kind| -> Result<Policy, PolicyError> {
        Ok(Policy::compile(
            &Document::parse(text, kind)?,
            &Bindings::new(),
        ))
    };
    let key = compile(KEY, PolicyKind::Key)?;
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
    let question = Question {
        caller: &caller,
        action: "kms:GenerateDataKey",
        resource: Resource::key(&arn, &key),
        context: &NoAttributes,
        policies: Policies {
            identity: &attached,
            ..Policies::default()
        },
    };
    let authority = Authority::dangerous_new();
    let start = std::time::Instant::now();
    for _ in 0..ROUNDS {
        black_box(evaluate(black_box(&question)));
    }
    println!("evaluate: {:?} a decision", start.elapsed() / ROUNDS);
    let start = std::time::Instant::now();
    for _ in 0..ROUNDS {
        black_box(
            authority
                .permit::<action::GenerateDataKey>(black_box(&question))
                .is_ok(),
        );
    }
    println!("permit: {:?} a decision", start.elapsed() / ROUNDS);
    Ok(())
}
