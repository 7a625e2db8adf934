//! Decisions as tables that a stranger can read, and the text of every denial.

use std::fmt::Write;

use expect_test::expect_file;
use keyward_policy::{
    attributes::{Attributes, NoAttributes, Values, is_key},
    decision::{Decision, Evidence, Reason},
    document::{Document, PolicyKind},
    evaluate::evaluate,
    permit::{Authority, Denied},
    policy::Policy,
    principal::{Bindings, Class, Grantee, PrincipalRef},
    request::{Attached, GrantMatch, Name, Policies, Question, Resource},
};
use keyward_types::{
    account::AccountId,
    action,
    key_id::{KeyArn, KeyId},
    partition::Partition,
    principal::Principal,
    region::Region,
    unique_id::UniqueId,
};

const OWN: &str = "111122223333";
const OTHER: &str = "444455556666";

fn account(text: &str) -> AccountId {
    AccountId::parse(text).unwrap()
}

fn id(text: &str) -> UniqueId {
    UniqueId::parse(text).unwrap()
}

fn alice() -> Principal {
    Principal::user(
        Partition::Aws,
        account(OWN),
        "/",
        "alice",
        id("AIDAALICEALICEALICEAL"),
    )
}

fn admin() -> Principal {
    let role = ("/ops/", "admin", id("AROAOPSOPSOPSOPSOPSOP"));
    Principal::role_session(Partition::Aws, account(OWN), role, "s1")
}

fn federated() -> Principal {
    let maker = Some(id("AIDAALICEALICEALICEAL"));
    Principal::federated_user(Partition::Aws, account(OWN), "fed", maker)
}

fn root(of: &str) -> Principal {
    Principal::root(Partition::Aws, account(of))
}

fn carol() -> Principal {
    Principal::user(
        Partition::Aws,
        account(OTHER),
        "/",
        "carol",
        id("AIDACAROLCAROLCAROLCA"),
    )
}

fn logs() -> Principal {
    Principal::service(Partition::Aws, "logs.us-east-1.amazonaws.com")
}

fn bindings() -> Bindings {
    [
        (
            "arn:aws:iam::111122223333:user/alice",
            "AIDAALICEALICEALICEAL",
        ),
        (
            "arn:aws:iam::111122223333:role/ops/admin",
            "AROAOPSOPSOPSOPSOPSOP",
        ),
        (
            "arn:aws:iam::444455556666:user/carol",
            "AIDACAROLCAROLCAROLCA",
        ),
        (
            "arn:aws:iam::111122223333:user/reborn",
            "AIDAGONEGONEGONEGONEG",
        ),
    ]
    .map(|(arn, text)| (arn.to_owned(), id(text)))
    .into_iter()
    .collect()
}

fn compile(text: &str, kind: PolicyKind) -> Policy {
    Policy::compile(&Document::parse(text, kind).unwrap(), &bindings())
}

/// A key policy that allows everything of KMS to the principals.
fn key_policy(principal: &str) -> Policy {
    let text = format!(
        r#"{{"Version": "2012-10-17", "Statement": {{"Sid": "S", "Effect": "Allow",
            "Principal": {principal}, "Action": "kms:*", "Resource": "*"}}}}"#
    );
    compile(&text, PolicyKind::Key)
}

fn identity_policy(effect: &str, action: &str) -> Policy {
    let text = format!(
        r#"{{"Version": "2012-10-17", "Statement":
            {{"Effect": "{effect}", "Action": "{action}", "Resource": "*"}}}}"#
    );
    compile(&text, PolicyKind::Identity)
}

fn inline(policy: &Policy) -> Attached<'_> {
    let name = Name::Inline("inline");
    Attached { policy, name }
}

fn key_arn() -> KeyArn {
    let id = KeyId::parse("1234abcd-12ab-34cd-56ef-1234567890ab").unwrap();
    KeyArn::new(Region::parse("us-east-1").unwrap(), account(OWN), id)
}

fn word(decision: &Decision) -> String {
    match decision {
        Decision::Allow(Evidence::Statement(s)) => {
            format!("yes, {}", format!("{:?}", s.layer).to_lowercase())
        }
        Decision::Allow(Evidence::Grant(_)) => "yes, grant".into(),
        Decision::Allow(Evidence::RootUser) => "yes, root user".into(),
        Decision::Deny(denial) => match &denial.reason {
            Reason::Explicit(s) => format!("NO, {:?} denies", s.layer).to_lowercase(),
            Reason::Missing(layer) => format!("no {}", format!("{layer:?}").to_lowercase()),
            Reason::OwnAccountOnly => "own account only".into(),
            Reason::OverBudget => "over budget".into(),
        },
    }
}

#[test]
fn what_alone_suffices() {
    let principals = [
        (
            "the account",
            r#"{"AWS": "arn:aws:iam::111122223333:root"}"#,
        ),
        ("the account's bare id", r#"{"AWS": "111122223333"}"#),
        (
            "user alice",
            r#"{"AWS": "arn:aws:iam::111122223333:user/alice"}"#,
        ),
        (
            "role admin",
            r#"{"AWS": "arn:aws:iam::111122223333:role/ops/admin"}"#,
        ),
        (
            "session admin/s1",
            r#"{"AWS": "arn:aws:sts::111122223333:assumed-role/admin/s1"}"#,
        ),
        (
            "session of fed",
            r#"{"AWS": "arn:aws:sts::111122223333:federated-user/fed"}"#,
        ),
        ("everybody", r#""*""#),
        (
            "the other account",
            r#"{"AWS": "arn:aws:iam::444455556666:root"}"#,
        ),
        (
            "user carol there",
            r#"{"AWS": "arn:aws:iam::444455556666:user/carol"}"#,
        ),
        ("service logs", r#"{"Service": "logs.amazonaws.com"}"#),
        (
            "a user made anew",
            r#"{"AWS": "arn:aws:iam::111122223333:user/reborn"}"#,
        ),
    ];
    let allow = identity_policy("Allow", "kms:*");
    let deny = identity_policy("Deny", "kms:*");
    let other = identity_policy("Allow", "s3:*");
    let situations = [
        ("with no policies of its own", None, None, None),
        ("whose identity policy allows", Some(&allow), None, None),
        ("whose identity policy denies", Some(&deny), None, None),
        (
            "whose boundary does not allow",
            Some(&allow),
            Some(&other),
            None,
        ),
        (
            "whose session policy does not allow",
            Some(&allow),
            None,
            Some(&other),
        ),
        (
            "whose session policy allows",
            Some(&allow),
            None,
            Some(&allow),
        ),
    ];
    let callers = [
        ("alice", alice()),
        ("admin/s1", admin()),
        ("fed, by alice", federated()),
        ("root", root(OWN)),
        ("carol, other account", carol()),
        ("root, other account", root(OTHER)),
        ("service logs", logs()),
    ];
    let arn = key_arn();
    let mut table = String::from(
        "May the caller encrypt with a key of account 111122223333, whose key policy allows it to …?\n",
    );
    for (situation, identity, boundary, session) in situations {
        writeln!(table, "\nA caller {situation}\n").unwrap();
        write!(table, "{:<24}", "key policy names").unwrap();
        for (name, _) in &callers {
            write!(table, "{name:<22}").unwrap();
        }
        table.push('\n');
        for (named, principal) in principals {
            let key = key_policy(principal);
            write!(table, "{named:<24}").unwrap();
            for (_, caller) in &callers {
                let identity: Vec<_> = identity.into_iter().map(inline).collect();
                let session: Option<Vec<_>> = session.map(|policy| vec![inline(policy)]);
                let question = Question {
                    caller,
                    action: "kms:Encrypt",
                    resource: Resource::key(&arn, &key),
                    context: &NoAttributes,
                    policies: Policies {
                        identity: &identity,
                        boundary: boundary.map(inline),
                        session: session.as_deref(),
                        ..Policies::default()
                    },
                };
                write!(table, "{:<22}", word(&evaluate(&question))).unwrap();
            }
            table.push('\n');
        }
    }
    let table: String = table
        .lines()
        .map(|line| format!("{}\n", line.trim_end()))
        .collect();
    expect_file!["../golden/decisions.txt"].assert_eq(&table);
}

struct One(&'static str, &'static str);

impl Attributes for One {
    fn values(&self, key: &str) -> Values<'_> {
        if is_key(self.0, key) {
            Values::one(self.1)
        } else {
            Values::Absent
        }
    }
}

#[test]
fn every_denial_has_the_text_of_aws() {
    let arn = key_arn();
    let allow = identity_policy("Allow", "*");
    let deny = identity_policy("Deny", "*");
    let other = identity_policy("Allow", "s3:*");
    let account_root = key_policy(r#"{"AWS": ["111122223333", "444455556666"]}"#);
    let nobody = key_policy(r#"{"AWS": "arn:aws:iam::111122223333:user/reborn"}"#);
    let deny_all = compile(
        r#"{"Statement": [{"Effect": "Deny", "Principal": "*", "Action": "*", "Resource": "*"},
            {"Effect": "Allow", "Principal": "*", "Action": "*", "Resource": "*"}]}"#,
        PolicyKind::Key,
    );
    let rcp = compile(
        r#"{"Version": "2012-10-17", "Statement":
            {"Effect": "Deny", "Principal": "*", "Action": "kms:*", "Resource": "*"}}"#,
        PolicyKind::Rcp,
    );
    let endpoint = compile(
        r#"{"Statement": {"Effect": "Allow", "Principal": "*", "Action": "s3:*", "Resource": "*"}}"#,
        PolicyKind::Endpoint,
    );
    let managed = |policy| Attached {
        policy,
        name: Name::Arn("arn:aws:iam::111122223333:policy/Name"),
    };
    let (alice, carol) = (alice(), carol());
    let with = |identity| Policies {
        identity,
        ..Policies::default()
    };
    let allowing = [inline(&allow)];
    let denying = [inline(&deny)];
    let denying_managed = [managed(&deny)];
    let not_allowing = [inline(&other)];
    let rcps = [managed(&rcp)];
    let (level, levels) = ([managed(&allow)], [managed(&other)]);
    let scps: [&[_]; 2] = [&level, &levels];
    let scps_denying: [&[_]; 1] = [&denying_managed];
    let own = Resource::key(&arn, &account_root);
    let all = "arn:aws:kms:us-east-1:111122223333:*";
    let wide = Resource::account_wide(all, Partition::Aws, account(OWN));
    let absent = Resource::absent_key(arn.as_str(), Partition::Aws, account(OWN));
    let cases = [
        (&alice, "kms:Encrypt", own, with(&[])),
        (
            &alice,
            "kms:Encrypt",
            Resource::key(&arn, &nobody),
            with(&allowing),
        ),
        (&alice, "kms:CreateKey", wide, with(&[])),
        (
            &alice,
            "kms:Encrypt",
            own,
            Policies {
                boundary: Some(inline(&other)),
                ..with(&allowing)
            },
        ),
        (
            &alice,
            "kms:Encrypt",
            own,
            Policies {
                session: Some(&not_allowing),
                ..with(&allowing)
            },
        ),
        (
            &alice,
            "kms:Encrypt",
            own,
            Policies {
                scps: &scps,
                ..with(&allowing)
            },
        ),
        (
            &alice,
            "kms:Encrypt",
            own,
            Policies {
                endpoint: Some(inline(&endpoint)),
                ..with(&allowing)
            },
        ),
        (
            &alice,
            "kms:Encrypt",
            Resource::key(&arn, &deny_all),
            with(&allowing),
        ),
        (&alice, "kms:Encrypt", own, with(&denying)),
        (&alice, "kms:Encrypt", own, with(&denying_managed)),
        (
            &alice,
            "kms:Encrypt",
            own,
            Policies {
                boundary: Some(managed(&deny)),
                ..with(&allowing)
            },
        ),
        (
            &alice,
            "kms:Encrypt",
            own,
            Policies {
                session: Some(&denying),
                ..with(&allowing)
            },
        ),
        (
            &alice,
            "kms:Encrypt",
            own,
            Policies {
                scps: &scps_denying,
                ..with(&allowing)
            },
        ),
        (
            &alice,
            "kms:Encrypt",
            own,
            Policies {
                rcps: &rcps,
                ..with(&allowing)
            },
        ),
        (
            &carol,
            "kms:Encrypt",
            Resource::key(&arn, &nobody),
            with(&allowing),
        ),
        (&carol, "kms:Encrypt", absent, with(&denying)),
        (
            &carol,
            "kms:Encrypt",
            Resource::key(&arn, &deny_all),
            with(&allowing),
        ),
        (
            &carol,
            "kms:Decrypt",
            absent.found_in_ciphertext(),
            with(&allowing),
        ),
        (&carol, "kms:PutKeyPolicy", own, with(&allowing)),
        (
            &carol,
            "kms:Encrypt",
            own,
            Policies {
                rcps: &rcps,
                ..with(&allowing)
            },
        ),
        (&carol, "kms:Encrypt", own, with(&[])),
        (&carol, "kms:Decrypt", own.found_in_ciphertext(), with(&[])),
        (&carol, "kms:Encrypt", own, with(&denying_managed)),
        (
            &carol,
            "kms:Encrypt",
            own,
            Policies {
                boundary: Some(inline(&other)),
                ..with(&allowing)
            },
        ),
        (
            &carol,
            "kms:Encrypt",
            own,
            Policies {
                session: Some(&not_allowing),
                ..with(&allowing)
            },
        ),
        (
            &carol,
            "kms:Encrypt",
            own,
            Policies {
                scps: &scps,
                ..with(&allowing)
            },
        ),
    ];
    let mut texts = String::new();
    for (caller, action, resource, policies) in cases {
        let question = Question {
            caller,
            action,
            resource,
            context: &NoAttributes,
            policies,
        };
        let Decision::Deny(denial) = evaluate(&question) else {
            panic!("{question:?}");
        };
        writeln!(texts, "{}", Denied::new(&question, denial)).unwrap();
    }
    expect_file!["../golden/denials.txt"].assert_eq(&texts);
}

#[test]
fn a_permit_is_for_the_action_and_resource_that_were_asked() {
    let (arn, key) = (key_arn(), key_policy(r#""*""#));
    let caller = alice();
    let question = Question {
        caller: &caller,
        action: "kms:DescribeKey",
        resource: Resource::key(&arn, &key),
        context: &NoAttributes,
        policies: Policies::default(),
    };
    let authority = Authority::dangerous_new();
    let permit = authority.permit::<action::Encrypt>(&question).unwrap();
    assert_eq!(permit.caller(), "arn:aws:iam::111122223333:user/alice");
    assert_eq!(permit.account(), Some(account(OWN)));
    assert_eq!(permit.resource(), arn.as_str());
    let Evidence::Statement(statement) = permit.evidence() else {
        panic!("{permit:?}");
    };
    assert_eq!(
        (statement.index, statement.sid.as_ref().unwrap().as_str()),
        (0, "S")
    );

    // The marker's action is asked, not the question's.
    let only_describe = compile(
        r#"{"Statement": {"Effect": "Allow", "Principal": "*", "Action": "kms:DescribeKey",
            "Resource": "*"}}"#,
        PolicyKind::Key,
    );
    let question = Question {
        resource: Resource::key(&arn, &only_describe),
        ..question
    };
    assert!(authority.permit::<action::DescribeKey>(&question).is_ok());
    let denied = authority.permit::<action::Encrypt>(&question).unwrap_err();
    assert_eq!(denied.action, "kms:Encrypt");
}

#[test]
fn grants_let_in_whom_the_key_policy_does_not_name() {
    let (arn, key) = (key_arn(), key_policy(r#"{"AWS": "111122223333"}"#));
    let ask = |caller: &Principal, class, policies: Policies<'_>| {
        let grants = [GrantMatch { id: "g1", class }];
        let resource = Resource::key(&arn, &key).with_grants(&grants);
        let context = &NoAttributes;
        let action = "kms:Decrypt";
        word(&evaluate(&Question {
            caller,
            action,
            resource,
            context,
            policies,
        }))
    };
    let none = Policies::default();
    let other = identity_policy("Allow", "s3:*");
    let bounded = Policies {
        boundary: Some(inline(&other)),
        ..none
    };
    assert_eq!(ask(&alice(), Class::Exact, none), "yes, grant");
    assert_eq!(ask(&alice(), Class::Exact, bounded), "yes, grant");
    assert_eq!(ask(&admin(), Class::Base, none), "yes, grant");
    assert_eq!(ask(&admin(), Class::Base, bounded), "no boundary");
    assert_eq!(ask(&carol(), Class::Exact, none), "yes, grant");
    assert_eq!(ask(&carol(), Class::Exact, bounded), "no boundary");
    assert_eq!(ask(&carol(), Class::Account, none), "no identity");
    assert_eq!(ask(&logs(), Class::Exact, none), "yes, grant");

    let grantee = |text| {
        let principal = PrincipalRef::parse_aws(text).unwrap();
        Grantee::compile(&principal, &bindings())
    };
    let role = grantee("arn:aws:iam::111122223333:role/ops/admin");
    assert_eq!(role.reaches(&admin()), Some(Class::Base));
    assert_eq!(role.reaches(&alice()), None);
    let user = grantee("arn:aws:iam::111122223333:user/alice");
    assert_eq!(user.reaches(&alice()), Some(Class::Exact));
    assert_eq!(user.reaches(&federated()), Some(Class::Base));
}

#[test]
fn a_user_made_anew_is_a_stranger_to_stored_policies() {
    let (arn, key) = (
        key_arn(),
        key_policy(r#"{"AWS": "arn:aws:iam::111122223333:user/reborn"}"#),
    );
    let ask = |text| {
        let caller = Principal::user(Partition::Aws, account(OWN), "/", "reborn", id(text));
        let question = Question {
            caller: &caller,
            action: "kms:Encrypt",
            resource: Resource::key(&arn, &key),
            context: &NoAttributes,
            policies: Policies::default(),
        };
        word(&evaluate(&question))
    };
    assert_eq!(ask("AIDAGONEGONEGONEGONEG"), "yes, resource");
    assert_eq!(ask("AIDANEWNEWNEWNEWNEWNE"), "no resource");
}

#[test]
fn a_decision_that_takes_too_much_work_denies() {
    // Segments longer than the bit-parallel search takes, searched in a long value.
    let hostile = format!("*?{}b*", "a".repeat(4000));
    let text = format!(
        r#"{{"Statement": [{{"Effect": "Allow", "Principal": "*", "Action": "*", "Resource": "*"}},
            {{"Effect": "Allow", "Principal": "*", "Action": "kms:*", "Resource": "*",
            "Condition": {{"StringNotLike": {{"kms:EncryptionContext:A": "{hostile}"}}}}}}]}}"#
    );
    let long: &'static str = "a".repeat(8000).leak();
    let (arn, key) = (key_arn(), compile(&text, PolicyKind::Key));
    let context = One("kms:EncryptionContext:a", long);
    let ask = |caller: &Principal| {
        let question = Question {
            caller,
            action: "kms:Encrypt",
            resource: Resource::key(&arn, &key),
            context: &context,
            policies: Policies::default(),
        };
        let Decision::Deny(denial) = evaluate(&question) else {
            return "allow".to_owned();
        };
        Denied::new(&question, denial).message()
    };
    // The first statement allows before the second is looked at.
    assert_eq!(ask(&alice()), "allow");
    let text =
        text.replacen("Allow", "Deny", 1)
            .replacen("\"Action\": \"*\"", "\"Action\": \"s3:*\"", 1);
    let key = compile(&text, PolicyKind::Key);
    let caller = alice();
    let question = Question {
        caller: &caller,
        action: "kms:Encrypt",
        resource: Resource::key(&arn, &key),
        context: &context,
        policies: Policies::default(),
    };
    let decision = evaluate(&question);
    assert_eq!(word(&decision), "over budget");
    let Decision::Deny(denial) = decision else {
        panic!("{decision:?}");
    };
    assert_eq!(
        Denied::new(&question, denial).message(),
        "User: arn:aws:iam::111122223333:user/alice is not authorized to perform: kms:Encrypt on \
         resource: arn:aws:kms:us-east-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab \
         because evaluating the policies exceeds the limit"
    );
}

#[test]
fn the_lockout_check_is_the_decision_with_the_new_policy() {
    let arn = key_arn();
    let ask = |key: &Policy, identity: &[Attached<'_>]| {
        evaluate(&Question {
            caller: &alice(),
            action: "kms:PutKeyPolicy",
            resource: Resource::key(&arn, key),
            context: &One("kms:PolicyName", "default"),
            policies: Policies {
                identity,
                ..Policies::default()
            },
        })
        .is_allow()
    };
    let allow = identity_policy("Allow", "kms:PutKeyPolicy");
    let delegating = key_policy(r#"{"AWS": "111122223333"}"#);
    assert!(ask(&delegating, &[inline(&allow)]));
    assert!(!ask(&delegating, &[]));
    assert!(ask(
        &key_policy(r#"{"AWS": "arn:aws:iam::111122223333:user/alice"}"#),
        &[]
    ));
    assert!(!ask(
        &key_policy(r#"{"AWS": "arn:aws:iam::111122223333:role/ops/admin"}"#),
        &[inline(&allow)]
    ));
}
