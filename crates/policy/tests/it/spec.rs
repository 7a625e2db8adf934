//! The engine against a slow evaluator written clause by clause from AWS's documentation, on
//! random policies and requests.

pub mod case;
mod reference;
pub mod scenario;

use std::{borrow::Cow, collections::BTreeMap, sync::Mutex};

use keyward_policy::{
    attributes::{Attributes, Values, is_key},
    decision::{Decision, Evidence, PolicyName, Reason, Whose},
    document::{Document, PolicyKind},
    evaluate::evaluate,
    policy::Policy,
    principal::{Bindings, Class},
    request::{Attached, GrantMatch, Name, Policies, Question, Resource},
};
use keyward_types::{account::AccountId, partition::Partition, unique_id::UniqueId};
use proptest::{
    prelude::*,
    test_runner::{FileFailurePersistence, TestError, TestRunner},
};
use scenario::{Kind, Scenario, Target};
use serde_json::Value;

/// How many cases run unless `PROPTEST_CASES` says otherwise.
const CASES: u32 = 20_000;

#[test]
fn the_engine_decides_as_the_reference_does() {
    let mut config = ProptestConfig::default();
    if config.cases == 256 {
        config.cases = CASES;
    }
    config.failure_persistence = Some(Box::new(FileFailurePersistence::Direct(
        "tests/it/spec/regressions.txt",
    )));
    let cases = config.cases;
    let seen: Mutex<BTreeMap<String, u32>> = Mutex::default();
    let mut runner = TestRunner::new(config);
    let dice = proptest::collection::vec(any::<u16>(), 0..400);
    let result = runner.run(&dice, |dice| {
        let scenario = Scenario::roll(&dice);
        let expected = reference::decide(&scenario);
        let decided = decide(&scenario);
        prop_assert_eq!(&decided, &expected, "{:#?}", scenario);
        *seen.lock().unwrap().entry(decided).or_default() += 1;
        Ok(())
    });
    match result {
        Ok(()) => {}
        // The dice say nothing to a reader; the scenario they made is in the reason.
        Err(TestError::Fail(reason, _)) => panic!("{reason}"),
        Err(TestError::Abort(reason)) => panic!("{reason}"),
    }

    // A generator that only made denials would prove little: every kind of answer must occur.
    let seen = seen.into_inner().unwrap();
    let share = |prefix: &str| {
        let count: u32 = seen
            .iter()
            .filter(|(outcome, _)| outcome.starts_with(prefix))
            .map(|(_, count)| count)
            .sum();
        f64::from(count) / f64::from(cases)
    };
    if cases >= CASES {
        for (outcome, least) in [
            // About 0.204: as much less as chance makes of it.
            ("allow", 0.19),
            ("allow by resource", 0.08),
            ("allow by identity", 0.03),
            ("allow by grant", 0.005),
            ("allow by root user", 0.003),
            ("explicit deny", 0.10),
            ("explicit deny in resource", 0.02),
            ("explicit deny in identity", 0.02),
            ("explicit deny in boundary", 0.001),
            ("explicit deny in session", 0.001),
            ("explicit deny in scp", 0.001),
            ("explicit deny in rcp", 0.001),
            ("missing resource", 0.05),
            ("missing identity", 0.02),
            ("missing boundary", 0.003),
            ("missing session", 0.003),
            ("missing scp", 0.003),
            ("missing endpoint", 0.001),
            ("own account only", 0.003),
        ] {
            assert!(share(outcome) >= least, "too few `{outcome}`: {seen:#?}");
        }
    }
}

#[test]
fn shared_resources_are_decided_as_the_reference_does() {
    let mut config = ProptestConfig::default();
    if config.cases == 256 {
        config.cases = CASES / 2;
    }
    config.failure_persistence = None;
    let enough = config.cases >= CASES / 2;
    let seen: Mutex<BTreeMap<String, u32>> = Mutex::default();
    let mut runner = TestRunner::new(config);
    let dice = proptest::collection::vec(any::<u16>(), 0..400);
    let result = runner.run(&(dice, 0..4_u8), |(dice, anonymous)| {
        let scenario = Scenario::roll(&dice);
        if scenario.target != Target::Key {
            return Ok(());
        }
        let scenario = scenario.shared(anonymous == 0);
        let expected = reference::decide(&scenario);
        let decided = decide(&scenario);
        prop_assert_eq!(&decided, &expected, "{:#?}", scenario);
        let who = if anonymous == 0 { "anonymous" } else { "known" };
        *seen
            .lock()
            .unwrap()
            .entry(format!("{who}: {decided}"))
            .or_default() += 1;
        Ok(())
    });
    match result {
        Ok(()) => {}
        Err(TestError::Fail(reason, _)) => panic!("{reason}"),
        Err(TestError::Abort(reason)) => panic!("{reason}"),
    }
    let seen = seen.into_inner().unwrap();
    for outcome in [
        "known: allow by resource",
        "known: allow by identity",
        "known: allow by root user",
        "known: explicit deny in resource",
        "known: explicit deny in identity",
        "known: missing identity",
        "known: missing boundary",
        "known: missing session",
        "known: missing resource",
        "anonymous: allow by resource",
        "anonymous: explicit deny in resource",
        "anonymous: missing resource",
    ] {
        let times: u32 = seen
            .iter()
            .filter(|(line, _)| line.starts_with(outcome))
            .map(|(_, times)| times)
            .sum();
        assert!(!enough || times >= 10, "too few `{outcome}`: {seen:#?}");
    }
}

/// The engine's answer as a line of text.
fn decide(scenario: &Scenario) -> String {
    let bindings: Bindings = scenario
        .bindings
        .iter()
        .map(|(arn, id)| (arn.clone(), UniqueId::parse(id).unwrap()))
        .collect();
    let compile = |value: &Value, kind| {
        let text = value.to_string();
        let document = Document::parse(&text, kind).unwrap_or_else(|e| panic!("{e}: {text}"));
        Policy::compile(&document, &bindings)
    };
    let all = |values: &[Value], kind| -> Vec<Policy> {
        values.iter().map(|value| compile(value, kind)).collect()
    };
    let identity = all(&scenario.identity, PolicyKind::Identity);
    let boundary = scenario
        .boundary
        .as_ref()
        .map(|value| compile(value, PolicyKind::Boundary));
    let session = scenario
        .session
        .as_ref()
        .map(|values| all(values, PolicyKind::Session));
    let scps: Vec<Vec<Policy>> = scenario
        .scps
        .iter()
        .map(|level| all(level, PolicyKind::Scp))
        .collect();
    let rcps = all(&scenario.rcps, PolicyKind::Rcp);
    let endpoint = scenario
        .endpoint
        .as_ref()
        .map(|value| compile(value, PolicyKind::Endpoint));
    let kind = match scenario.target {
        Target::Role => PolicyKind::Trust,
        Target::Key | Target::Alias | Target::Account => PolicyKind::Key,
    };
    let own = scenario
        .resource_policy
        .as_ref()
        .map(|value| compile(value, kind));

    let identity: Vec<Attached<'_>> = identity.iter().map(named).collect();
    let session: Option<Vec<Attached<'_>>> = session
        .as_ref()
        .map(|list| list.iter().map(named).collect());
    let scps: Vec<Vec<Attached<'_>>> = scps
        .iter()
        .map(|level| level.iter().map(named).collect())
        .collect();
    let scps: Vec<&[Attached<'_>]> = scps.iter().map(Vec::as_slice).collect();
    let rcps: Vec<Attached<'_>> = rcps.iter().map(named).collect();
    let grants: Vec<GrantMatch<'_>> = scenario
        .grants
        .iter()
        .map(|class| GrantMatch {
            id: "grant",
            class: match class {
                1 => Class::Account,
                2 => Class::Base,
                _ => Class::Exact,
            },
        })
        .collect();

    let partition = Partition::parse(scenario.partition).unwrap();
    let account = AccountId::parse(scenario.account).unwrap();
    let arn = scenario.arn.as_str();
    let resource = match scenario.target {
        _ if scenario.shared => Resource::shared(arn, partition, account, own.as_ref().unwrap()),
        Target::Key | Target::Role => {
            Resource::guarded(arn, partition, account, own.as_ref()).with_grants(&grants)
        }
        Target::Alias => Resource::identity_only(arn, partition, account),
        Target::Account => Resource::account_wide(arn, partition, account),
    };
    let question = Question {
        caller: &scenario.caller.principal(),
        action: scenario.action,
        resource,
        context: &Context(&scenario.context),
        policies: Policies {
            identity: &identity,
            boundary: boundary.as_ref().map(named),
            session: session.as_deref(),
            scps: &scps,
            rcps: &rcps,
            endpoint: endpoint.as_ref().map(named),
        },
    };
    line(&evaluate(&question))
}

fn named(policy: &Policy) -> Attached<'_> {
    let name = Name::Inline("p");
    Attached { policy, name }
}

fn line(decision: &Decision) -> String {
    match decision {
        Decision::Allow(Evidence::RootUser) => "allow by root user".into(),
        Decision::Allow(Evidence::Grant(id)) => {
            assert_eq!(id.as_str(), "grant");
            "allow by grant".into()
        }
        Decision::Allow(Evidence::Statement(statement)) => {
            format!("allow by {} #{}", layer(statement), statement.index)
        }
        Decision::Deny(denial) => {
            let place = match denial.place {
                Whose::Own => "own",
                Whose::Other(_) => "other",
                Whose::Hidden(_) => "hidden",
            };
            match &denial.reason {
                Reason::Explicit(statement) => format!(
                    "explicit deny in {} #{} ({place})",
                    layer(statement),
                    statement.index
                ),
                Reason::Missing(layer) => {
                    format!("missing {} ({place})", format!("{layer:?}").to_lowercase())
                }
                Reason::OwnAccountOnly => format!("own account only ({place})"),
                Reason::OverBudget => "over budget".into(),
            }
        }
    }
}

fn layer(statement: &keyward_policy::decision::StatementRef) -> String {
    let named = matches!(&statement.policy, Some(PolicyName::Inline(name)) if name.as_str() == "p");
    let layer = format!("{:?}", statement.layer).to_lowercase();
    assert_eq!(named, layer != "resource");
    layer
}

struct Context<'a>(&'a [(String, Kind, Vec<String>)]);

impl Attributes for Context<'_> {
    fn values(&self, key: &str) -> Values<'_> {
        let entries = self.0.iter().filter(|(name, _, _)| is_key(name, key));
        let mut single = Vec::new();
        for (_, kind, values) in entries {
            match kind {
                Kind::Many => return Values::many(values.iter().map(String::as_str)),
                Kind::One => single.extend(values.iter().map(|v| Cow::Borrowed(v.as_str()))),
            }
        }
        Values::found(single)
    }
}
