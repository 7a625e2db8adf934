//! What constraints hold for, that the index says the same, and that no child widens its parent.

use GrantOperation as Op;
use keyward_engine::policy::{
    grant::{Constraints, Grant, GrantUse, Party},
    principal::Bindings,
};
use keyward_types::{
    account::AccountId,
    partition::Partition,
    principal::{Principal, PrincipalKind},
    unique_id::{UniqueId, UniqueIdKind},
};
use proptest::{collection::vec, option, prelude::*, sample::select};

use super::*;

fn context(pairs: &[(&str, &str)]) -> EncryptionContext {
    let pairs = pairs.iter().map(|(n, v)| ((*n).into(), (*v).into()));
    EncryptionContext::new(pairs.collect()).unwrap()
}

fn terms(operations: &[Op], context: ContextConstraint) -> Terms {
    Terms {
        operations: GrantOperations::new(operations.iter().copied()),
        constraint: Constraint {
            context,
            source_arn: None,
        },
    }
}

fn uses<'a>(operation: Op, context: &'a EncryptionContext) -> GrantQuestion<'a> {
    GrantQuestion {
        act: Act::Use(operation, context),
        source_arn: None,
    }
}

fn makes(child: &Terms) -> GrantQuestion<'_> {
    GrantQuestion {
        act: Act::Child(child),
        source_arn: None,
    }
}

#[test]
fn equals_wants_the_whole_context_and_subset_its_pairs() {
    let one = context(&[("a", "1")]);
    let two = context(&[("a", "1"), ("b", "2")]);
    let other = context(&[("a", "1 "), ("b", "2")]);
    let equals = terms(&[Op::Decrypt], ContextConstraint::Equals(one.clone()));
    assert!(equals.allow(&uses(Op::Decrypt, &one)));
    assert!(!equals.allow(&uses(Op::Decrypt, &two)));
    assert!(!equals.allow(&uses(Op::Encrypt, &one)));
    let subset = terms(&[Op::Decrypt], ContextConstraint::Subset(one.clone()));
    assert!(subset.allow(&uses(Op::Decrypt, &one)));
    assert!(subset.allow(&uses(Op::Decrypt, &two)));
    assert!(!subset.allow(&uses(Op::Decrypt, &other)));
    assert!(!subset.allow(&uses(Op::Decrypt, &context(&[("A", "1")]))));
}

#[test]
fn describing_and_retiring_have_no_context() {
    let listed = [Op::Decrypt, Op::DescribeKey, Op::RetireGrant];
    let mut grant = terms(&listed, ContextConstraint::Equals(context(&[("a", "1")])));
    let none = EncryptionContext::default();
    assert!(!grant.allow(&uses(Op::Decrypt, &none)));
    assert!(grant.allow(&uses(Op::DescribeKey, &none)));
    assert!(grant.allow(&uses(Op::RetireGrant, &none)));
    grant.constraint.source_arn = Some("arn:aws:s3:::x".into());
    assert!(!grant.allow(&uses(Op::DescribeKey, &none)));
    assert!(grant.allow(&uses(Op::RetireGrant, &none)));
}

#[test]
fn only_a_call_with_that_source_passes_a_source_constraint() {
    let mut grant = terms(&[Op::Decrypt], ContextConstraint::None);
    grant.constraint.source_arn = Some("arn:aws:s3:::x".into());
    let none = EncryptionContext::default();
    let mut asked = uses(Op::Decrypt, &none);
    assert!(!grant.allow(&asked));
    asked.source_arn = Some("arn:aws:s3:::y");
    assert!(!grant.allow(&asked));
    asked.source_arn = Some("arn:aws:s3:::x");
    assert!(grant.allow(&asked));
}

#[test]
fn a_child_has_some_of_the_operations_and_the_same_constraint_or_a_stricter_one() {
    let (one, two) = (context(&[("a", "1")]), context(&[("a", "1"), ("b", "2")]));
    let operations = [Op::Decrypt, Op::CreateGrant];
    let free = terms(&operations, ContextConstraint::None);
    let equals = terms(&operations, ContextConstraint::Equals(one.clone()));
    let subset = terms(&operations, ContextConstraint::Subset(one.clone()));
    let check = |parent: &Terms, operations: &[Op], context: ContextConstraint, expect: bool| {
        let child = terms(operations, context);
        assert_eq!(parent.allow(&makes(&child)), expect, "{parent:?} {child:?}");
    };
    use ContextConstraint::{Equals, None, Subset};
    check(&free, &[Op::Decrypt], None, true);
    check(&free, &[Op::Decrypt, Op::Encrypt], None, false);
    check(&terms(&[Op::Decrypt], None), &[Op::Decrypt], None, false);
    check(&equals, &[Op::Decrypt], Equals(one.clone()), true);
    check(&equals, &[Op::Decrypt], Equals(two.clone()), false);
    check(&equals, &[Op::Decrypt], Subset(one.clone()), false);
    check(&equals, &[Op::Decrypt], None, false);
    check(&subset, &[Op::Decrypt], Equals(two.clone()), true);
    check(&subset, &[Op::Decrypt], Subset(two), true);
    check(&subset, &[Op::Decrypt], Subset(one), true);
    check(&subset, &[Op::Decrypt], None, false);
}

fn any_context() -> impl Strategy<Value = EncryptionContext> {
    let pair = (select(vec!["a", "b", "ab"]), select(vec!["", "1", "1b"]));
    vec(pair, 0..4).prop_map(|mut pairs| {
        pairs.sort_unstable();
        pairs.dedup_by_key(|(name, _)| *name);
        context(&pairs)
    })
}

fn any_source() -> impl Strategy<Value = Option<String>> {
    option::of(select(vec![
        "arn:aws:s3:::x".into(),
        "arn:aws:s3:::y".into(),
    ]))
}

fn service() -> Principal {
    Principal::service(Partition::Aws, "logs.us-east-1.amazonaws.com")
}

fn user() -> Principal {
    let account = AccountId::parse("111122223333").unwrap();
    let id = UniqueId::stand_in(UniqueIdKind::User, 1);
    Principal::user(Partition::Aws, account, "/", "alice", id)
}

/// The same grant to that caller, as the policy crate has it.
fn explained(terms: &Terms, to: &Principal) -> Grant {
    let id = match to.kind() {
        PrincipalKind::User { id, .. } => Some((to.arn().to_owned(), id.clone())),
        _ => None,
    };
    let bindings: Bindings = id.into_iter().collect();
    let pairs = |context: &EncryptionContext| context.pairs().to_vec();
    let (equals, subset) = match &terms.constraint.context {
        ContextConstraint::None => (None, None),
        ContextConstraint::Equals(context) => (Some(pairs(context)), None),
        ContextConstraint::Subset(context) => (None, Some(pairs(context))),
    };
    let operations = terms.operations.iter();
    Grant {
        id: "g".to_owned(),
        grantee: Party::parse(to.arn(), &bindings).unwrap(),
        operations: operations
            .map(|listed| listed.as_str().to_owned())
            .collect(),
        constraints: Constraints {
            equals,
            subset,
            source_arn: terms.constraint.source_arn.clone(),
        },
        retiring: None,
        issuer: None,
    }
}

fn any_terms() -> impl Strategy<Value = Terms> {
    let operations = vec(
        select(vec![
            Op::Decrypt,
            Op::Encrypt,
            Op::DescribeKey,
            Op::CreateGrant,
            Op::CreateGrant,
        ]),
        1..5,
    );
    let context = prop_oneof![
        Just(ContextConstraint::None),
        any_context().prop_map(ContextConstraint::Equals),
        any_context().prop_map(ContextConstraint::Subset),
    ];
    (operations, context, any_source()).prop_map(|(operations, context, source_arn)| Terms {
        operations: GrantOperations::new(operations),
        constraint: Constraint {
            context,
            source_arn,
        },
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4096))]

    /// The index finds a grant exactly when its terms allow the request.
    #[test]
    fn the_bucket_of_a_request_is_the_grants_exactly_when_its_constraint_holds(
        grant in any_terms(),
        child in any_terms(),
        context in any_context(),
        source in any_source(),
    ) {
        let acts = grant
            .operations
            .iter()
            .map(|operation| match operation {
                Op::CreateGrant => Act::Child(&child),
                other => Act::Use(other, &context),
            });
        for act in acts {
            let asked = GrantQuestion { act, source_arn: source.as_deref() };
            let operation = act.operation();
            let found = grant.constraint.shape(operation).bucket(&asked);
            let hit = found == Some(grant.constraint.bucket(operation));
            prop_assert_eq!(hit, grant.constraint.holds(&asked));
        }
    }

    /// What explanations and cases say of a grant is what the server does with it.
    #[test]
    fn the_policy_crate_reads_constraints_alike(
        grant in any_terms(),
        child in any_terms(),
        context in any_context(),
        source in any_source(),
        by_service in any::<bool>(),
    ) {
        let (caller, source) = match by_service {
            true => (service(), source),
            // Only calls of services have a source.
            false => (user(), None),
        };
        let explained = explained(&grant, &caller);
        for operation in [Op::Decrypt, Op::Encrypt, Op::DescribeKey] {
            let asked = GrantQuestion {
                act: Act::Use(operation, &context),
                source_arn: source.as_deref(),
            };
            let usage = GrantUse {
                pairs: context.pairs(),
                source_arn: source.as_deref(),
                ..GrantUse::default()
            };
            let action = format!("kms:{}", operation.as_str());
            let allowed = explained.check(&caller, &action, &usage).is_ok();
            prop_assert_eq!(allowed, grant.allow(&asked));
        }
        // And of what may be made by virtue of it.
        let operations: Vec<String> = child
            .operations
            .iter()
            .map(|operation| operation.as_str().to_owned())
            .collect();
        let usage = GrantUse {
            pairs: child.constraint.pairs(),
            source_arn: source.as_deref(),
            new_operations: Some(&operations),
            new_constraint: match child.constraint.context {
                ContextConstraint::None => None,
                ContextConstraint::Equals(_) => Some("EncryptionContextEquals"),
                ContextConstraint::Subset(_) => Some("EncryptionContextSubset"),
            },
            new_source_arn: child.constraint.source_arn.as_deref(),
        };
        let asked = GrantQuestion {
            act: Act::Child(&child),
            source_arn: source.as_deref(),
        };
        let allowed = explained.check(&caller, "kms:CreateGrant", &usage).is_ok();
        prop_assert_eq!(allowed, grant.allow(&asked));
    }

    /// However long the chain of children, the last allows nothing that its first ancestor, or
    /// any between, does not.
    #[test]
    fn no_chain_of_children_widens_its_ancestor(
        chain in vec((any_terms(), any_source()), 2..6),
        context in any_context(),
        source in any_source(),
    ) {
        let mut ancestors: Vec<&Terms> = Vec::new();
        for (terms, caller_source) in &chain {
            if let Some(parent) = ancestors.last() {
                let asked = GrantQuestion { act: Act::Child(terms), source_arn: caller_source.as_deref() };
                if !parent.allow(&asked) {
                    continue;
                }
            }
            ancestors.push(terms);
        }
        let last = ancestors.last().unwrap();
        for operation in [Op::Decrypt, Op::Encrypt, Op::DescribeKey] {
            let asked = GrantQuestion {
                act: Act::Use(operation, &context),
                source_arn: source.as_deref(),
            };
            if last.allow(&asked) {
                prop_assert!(ancestors.iter().all(|ancestor| ancestor.allow(&asked)));
            }
        }
        // What the last may hand on, its ancestors may too.
        for (child, caller_source) in &chain {
            let asked = GrantQuestion { act: Act::Child(child), source_arn: caller_source.as_deref() };
            if last.allow(&asked) {
                prop_assert!(ancestors.iter().all(|ancestor| ancestor.allow(&asked)));
            }
        }
    }

    /// Shapes and buckets are texts that mean one thing.
    #[test]
    fn texts_are_equal_exactly_when_what_they_say_is(one in any_terms(), other in any_terms()) {
        let (a, b) = (one.constraint.shape(Op::Decrypt), other.constraint.shape(Op::Decrypt));
        prop_assert_eq!(a.text() == b.text(), a == b);
        if a == b {
            let (x, y) = (one.constraint.bucket(Op::Decrypt), other.constraint.bucket(Op::Decrypt));
            prop_assert_eq!(x == y, one.constraint == other.constraint);
        }
    }
}
