//! Resources whose policy lets in whom identity policies do not, such as file systems: within the account either
//! is enough, across accounts both are needed, and both can deny.

use keyward_policy::{
    attributes::NoAttributes,
    document::{Document, PolicyKind},
    evaluate::evaluate,
    policy::Policy,
    principal::Bindings,
    request::{Attached, Name, Policies, Question, Resource},
};
use keyward_types::{
    account::AccountId,
    partition::Partition,
    principal::Principal,
    unique_id::{UniqueId, UniqueIdKind},
};

const OWN: &str = "111122223333";
const OTHER: &str = "444455556666";
const ARN: &str = "arn:aws:elasticfilesystem:us-east-1:111122223333:file-system/fs-01234567";
const MOUNT: &str = "elasticfilesystem:ClientMount";
const DESCRIBE: &str = "elasticfilesystem:DescribeFileSystems";

fn account(text: &str) -> AccountId {
    AccountId::parse(text).unwrap()
}

fn id() -> UniqueId {
    UniqueId::from_random(UniqueIdKind::User, [1; 17])
}

fn user(of: &str) -> Principal {
    Principal::user(Partition::Aws, account(of), "/", "ada", id())
}

fn compiled(statement: &str, kind: PolicyKind) -> Policy {
    let text = format!(r#"{{"Version":"2012-10-17","Statement":[{statement}]}}"#);
    let document = Document::parse(&text, kind).unwrap();
    let mut bindings = Bindings::default();
    for of in [OWN, OTHER] {
        bindings.bind(&format!("arn:aws:iam::{of}:user/ada"), id());
    }
    Policy::compile(&document, &bindings)
}

/// Whether a caller may, with a statement of the resource's policy for a principal and one of an identity policy,
/// each an effect or nothing.
fn may(
    caller: &Principal,
    action: &str,
    (effect, principal): (&str, &str),
    identity: &str,
) -> bool {
    let own = format!(
        r#"{{"Effect":"{effect}","Principal":{{"AWS":"{principal}"}},"Action":"{action}"}}"#
    );
    let own = compiled(&own, PolicyKind::FileSystem);
    let identity = (!identity.is_empty()).then(|| {
        let statement = format!(r#"{{"Effect":"{identity}","Action":"*","Resource":"{ARN}"}}"#);
        compiled(&statement, PolicyKind::Identity)
    });
    let name = Name::Inline("p");
    let attached: Vec<Attached<'_>> = identity
        .iter()
        .map(|policy| Attached { policy, name })
        .collect();
    let decision = evaluate(&Question {
        caller,
        action,
        resource: Resource::shared(ARN, Partition::Aws, account(OWN), &own),
        context: &NoAttributes,
        policies: Policies {
            identity: &attached,
            ..Policies::default()
        },
    });
    decision.is_allow()
}

const ADA: &str = "arn:aws:iam::111122223333:user/ada";
const FOREIGN_ADA: &str = "arn:aws:iam::444455556666:user/ada";
const BOB: &str = "arn:aws:iam::111122223333:root";

#[test]
fn within_the_account_either_lets_in_and_both_deny() {
    let ada = user(OWN);
    for (own, identity, expect) in [
        (("Allow", "*"), "", true),
        (("Allow", ADA), "", true),
        // The account's own policies are to decide, and there is none.
        (("Allow", BOB), "", false),
        (("Allow", BOB), "Allow", true),
        (("Allow", OTHER), "", false),
        (("Allow", OTHER), "Allow", true),
        (("Allow", "*"), "Deny", false),
        (("Deny", ADA), "Allow", false),
        (("Deny", "*"), "Allow", false),
        (("Deny", OTHER), "Allow", true),
    ] {
        assert_eq!(
            may(&ada, MOUNT, own, identity),
            expect,
            "{own:?} {identity}"
        );
        assert_eq!(
            may(&ada, DESCRIBE, own, identity),
            expect,
            "{own:?} {identity}"
        );
    }
    let root = Principal::root(Partition::Aws, account(OWN));
    assert!(may(&root, DESCRIBE, ("Allow", OTHER), ""));
    assert!(!may(&root, DESCRIBE, ("Deny", OWN), ""));
}

#[test]
fn across_accounts_both_must_let_in_and_clients_alone_come() {
    let ada = user(OTHER);
    for (own, identity, expect) in [
        (("Allow", "*"), "", false),
        (("Allow", "*"), "Allow", true),
        (("Allow", FOREIGN_ADA), "Allow", true),
        (("Allow", OTHER), "Allow", true),
        (("Allow", OTHER), "", false),
        (("Allow", OWN), "Allow", false),
        (("Deny", OTHER), "Allow", false),
    ] {
        assert_eq!(
            may(&ada, MOUNT, own, identity),
            expect,
            "{own:?} {identity}"
        );
    }
    assert!(!may(&ada, DESCRIBE, ("Allow", "*"), "Allow"));
}

#[test]
fn who_is_not_known_is_let_in_by_a_statement_for_everybody_alone() {
    let nobody = Principal::anonymous(Partition::Aws);
    for (own, expect) in [
        (("Allow", "*"), true),
        (("Allow", ADA), false),
        (("Allow", OWN), false),
        (("Deny", "*"), false),
    ] {
        assert_eq!(may(&nobody, MOUNT, own, ""), expect, "{own:?}");
    }
    let elsewhere = Principal::anonymous(Partition::AwsCn);
    assert!(!may(&elsewhere, MOUNT, ("Allow", "*"), ""));
}

#[test]
fn a_statement_without_resource_is_about_the_file_system() {
    let text = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":"*","Action":"elasticfilesystem:ClientMount"}]}"#;
    assert!(Document::parse(text, PolicyKind::FileSystem).is_ok());
    assert!(
        Document::parse_stored(text, PolicyKind::FileSystem)
            .is_ok_and(|found| found.faults().is_empty())
    );
    assert!(Document::parse(text, PolicyKind::Endpoint).is_err());
}
