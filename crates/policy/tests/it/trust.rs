//! Trust policies: whom an identity provider vouches for, and nobody else by its name.

use keyward_policy::{
    attributes::NoAttributes,
    decision::Evidence,
    document::{Document, PolicyKind},
    evaluate::evaluate,
    policy::Policy,
    principal::Bindings,
    request::{Policies, Question, Resource},
};
use keyward_types::{account::AccountId, partition::Partition, principal::Principal};

const ACCOUNT: &str = "111122223333";
const ROLE: &str = "arn:aws:iam::111122223333:role/deploy";
const PROVIDER: &str = "arn:aws:iam::111122223333:oidc-provider/idp.example/realm";
const ACTION: &str = "sts:AssumeRoleWithWebIdentity";

fn account() -> AccountId {
    AccountId::parse(ACCOUNT).unwrap()
}

fn vouched_for(provider: &str) -> Principal {
    Principal::web_identity(Partition::Aws, account(), (provider, "client", "repo:main"))
}

fn allows(principal: &str, action: &str, caller: &Principal) -> bool {
    let text = format!(
        r#"{{"Version":"2012-10-17","Statement":{{"Effect":"Allow","Principal":{principal},"Action":"{action}"}}}}"#
    );
    let document = Document::parse(&text, PolicyKind::Trust).unwrap();
    let policy = Policy::compile(&document, &Bindings::default());
    let decision = evaluate(&Question {
        caller,
        action: ACTION,
        resource: Resource::guarded(ROLE, Partition::Aws, account(), Some(&policy)),
        context: &NoAttributes,
        policies: Policies::default(),
    });
    decision.is_allow()
}

#[test]
fn a_trust_policy_names_a_provider_and_means_whom_it_vouches_for() {
    let named = format!(r#"{{"Federated":"{PROVIDER}"}}"#);
    let caller = vouched_for(PROVIDER);
    assert!(allows(&named, ACTION, &caller));
    assert!(!allows(&named, "sts:AssumeRole", &caller));
    assert!(!allows(
        &named,
        ACTION,
        &vouched_for(&format!("{PROVIDER}/other"))
    ));
    // Nobody else is meant by the provider's name.
    let root = Principal::root(Partition::Aws, account());
    assert!(!allows(&named, ACTION, &root));
    let service = Principal::service(Partition::Aws, "ec2.amazonaws.com");
    assert!(!allows(&named, ACTION, &service));
}

#[test]
fn whom_a_provider_vouches_for_is_none_of_the_accounts_principals() {
    let caller = vouched_for(PROVIDER);
    for (principal, reached) in [
        (r#"{"AWS":"111122223333"}"#, false),
        (r#"{"AWS":"arn:aws:iam::111122223333:root"}"#, false),
        (r#"{"Service":"ec2.amazonaws.com"}"#, false),
        (
            r#"{"AWS":"arn:aws:sts::111122223333:federated-user/repo:main"}"#,
            false,
        ),
        (r#""*""#, true),
    ] {
        assert_eq!(allows(principal, ACTION, &caller), reached, "{principal}");
    }
}

#[test]
fn without_a_policy_of_the_resource_nothing_speaks_for_a_web_identity() {
    let caller = vouched_for(PROVIDER);
    for resource in [
        Resource::guarded(ROLE, Partition::Aws, account(), None),
        Resource::identity_only(ROLE, Partition::Aws, account()),
    ] {
        let decision = evaluate(&Question {
            caller: &caller,
            action: ACTION,
            resource,
            context: &NoAttributes,
            policies: Policies::default(),
        });
        assert!(!decision.is_allow());
    }
}

#[test]
fn the_statement_that_trusts_is_the_evidence() {
    let text = format!(
        r#"{{"Version":"2012-10-17","Statement":[{{"Sid":"ci","Effect":"Allow","Principal":{{"Federated":"{PROVIDER}"}},"Action":"{ACTION}"}}]}}"#
    );
    let document = Document::parse(&text, PolicyKind::Trust).unwrap();
    let policy = Policy::compile(&document, &Bindings::default());
    let decision = evaluate(&Question {
        caller: &vouched_for(PROVIDER),
        action: ACTION,
        resource: Resource::guarded(ROLE, Partition::Aws, account(), Some(&policy)),
        context: &NoAttributes,
        policies: Policies::default(),
    });
    let keyward_policy::decision::Decision::Allow(Evidence::Statement(statement)) = decision else {
        panic!("{decision:?}");
    };
    assert_eq!(statement.sid.unwrap().as_str(), "ci");
}
