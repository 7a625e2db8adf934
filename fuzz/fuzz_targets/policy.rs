//! Policy text as a stranger sends it: reading never panics, what is accepted can be compiled,
//! asked and shown, and what is shown is accepted again and decides alike.
#![no_main]

use std::borrow::Cow;

use keyward_policy::{
    attributes::{Attributes, Values},
    document::{Document, PolicyKind},
    evaluate::evaluate,
    policy::Policy,
    principal::Bindings,
    render::for_display,
    request::{Attached, Name, Policies, Question, Resource},
};
use keyward_types::{account::AccountId, partition::Partition, principal::Principal};
use libfuzzer_sys::fuzz_target;

const KINDS: [PolicyKind; 9] = [
    PolicyKind::Key,
    PolicyKind::Identity,
    PolicyKind::ManagedIdentity,
    PolicyKind::Boundary,
    PolicyKind::Session,
    PolicyKind::Trust,
    PolicyKind::Scp,
    PolicyKind::Rcp,
    PolicyKind::Endpoint,
];

/// Answers by the key's name, so that every operator family meets values of its type.
struct Context;

impl Attributes for Context {
    fn values(&self, key: &str) -> Values<'_> {
        match key.len() % 8 {
            0 => Values::Absent,
            1 => Values::one("203.0.113.7"),
            2 => Values::one("2026-01-01T00:00:00Z"),
            3 => Values::one("arn:aws:iam::111122223333:user/alice"),
            4 => Values::one("30"),
            5 => Values::many(["a", "ab*", "é"]),
            6 => Values::Clash(
                [Cow::Borrowed("true"), Cow::Borrowed("false")]
                    .into_iter()
                    .collect(),
            ),
            _ => Values::one("aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaab"),
        }
    }
}

fuzz_target!(|text: &str| {
    let Ok(account) = AccountId::parse("111122223333") else {
        return;
    };
    let caller = Principal::root(Partition::Aws, account);
    let arn = "arn:aws:kms:us-east-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab";
    for kind in KINDS {
        let Ok(document) = Document::parse(text, kind) else {
            continue;
        };
        let bindings = Bindings::new();
        let decide = |document: &Document| {
            let policy = Policy::compile(document, &bindings);
            let name = Name::Inline("p");
            let attached = [Attached {
                policy: &policy,
                name,
            }];
            ["kms:Encrypt", "sts:AssumeRole"].map(|action| {
                evaluate(&Question {
                    caller: &caller,
                    action,
                    resource: Resource::guarded(arn, Partition::Aws, account, Some(&policy)),
                    context: &Context,
                    policies: Policies {
                        identity: &attached,
                        ..Policies::default()
                    },
                })
            })
        };
        let decisions = decide(&document);
        assert_eq!(document.principals().count(), document.principals().count());
        let shown = for_display(&document, &bindings, Partition::Aws, &|_| None);
        // White space may put it over the limit; otherwise it is the same policy.
        if let Ok(again) = Document::parse(&shown, kind) {
            assert_eq!(decide(&again), decisions);
        } else {
            assert!(shown.len() > 2048, "{shown}");
        }
    }
});
