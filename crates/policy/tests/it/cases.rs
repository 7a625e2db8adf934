//! Cases: the documented ones in `testdata/policy-cases`, and random ones compared with the slow
//! evaluator.

use std::{
    fs,
    path::{Path, PathBuf},
};

use keyward_policy::case::Decider;
use proptest::{
    prelude::*,
    test_runner::{TestError, TestRunner},
};
use serde_json::Value;

use crate::spec::{
    case::{expected, line, sayable},
    scenario::Scenario,
};

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../testdata/policy-cases")
}

fn answer(decider: &mut Decider, case: &str) -> Value {
    let mut out = String::new();
    decider.answer(case.as_bytes()).write(&mut out);
    serde_json::from_str(&out).unwrap_or_else(|error| panic!("{error}: {out}"))
}

/// What the slow evaluator says, compared with an answer; what differs.
fn difference(scenario: &Scenario, answer: &Value) -> Option<String> {
    let (decision, by, blocked) = expected(scenario);
    let policy = answer["by"]["policy"].as_str().unwrap_or_default();
    // The slow evaluator tells which kind of policy, not which of several.
    let kind = match policy.split('[').next().unwrap_or_default() {
        "identityPolicies" => "identityPolicy",
        "scps" => "scp",
        "rcps" => "rcp",
        other => other,
    };
    let same_by = match &by {
        Some((layer, index)) => kind == layer && answer["by"]["statement"] == *index,
        None => answer["by"]["statement"].is_null(),
    };
    let same = answer["decision"] == decision
        && answer["errors"].is_null()
        && answer["blockedBy"] == blocked.map_or(Value::Null, Value::from)
        && same_by;
    (!same).then(|| format!("{answer} but {decision} by {by:?} blocked by {blocked:?}"))
}

#[test]
fn random_cases_are_answered_as_the_slow_evaluator_answers() {
    let mut config = ProptestConfig::default();
    if config.cases == 256 {
        config.cases = 4000;
    }
    config.failure_persistence = None;
    let mut runner = TestRunner::new(config);
    let dice = proptest::collection::vec(any::<u16>(), 0..400);
    // One decider for all, so that what it keeps is tried too.
    let decider = std::cell::RefCell::new(Decider::new());
    let result = runner.run(&dice, |dice| {
        let scenario = sayable(Scenario::roll(&dice));
        let case = line(&scenario, "random").to_string();
        let answer = answer(&mut decider.borrow_mut(), &case);
        let difference = difference(&scenario, &answer);
        prop_assert!(difference.is_none(), "{}\n{case}", difference.unwrap());
        Ok(())
    });
    match result {
        Ok(()) => {}
        Err(TestError::Fail(reason, _)) => panic!("{reason}"),
        Err(TestError::Abort(reason)) => panic!("{reason}"),
    }
}

/// How many cases `generated.jsonl` has.
const GENERATED: u64 = 3000;

/// Dice that are the same on every machine (SplitMix64).
pub fn dice(seed: u64) -> Vec<u16> {
    let mut state = seed;
    let mut next = || {
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = state;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    };
    (0..400).map(|_| (next() >> 48) as u16).collect()
}

/// The generated cases with what the slow evaluator expects. To write them anew:
/// `UPDATE_EXPECT=1 cargo test -p keyward-policy generated`.
#[test]
fn the_generated_cases_are_those_of_the_slow_evaluator() {
    let mut text = String::new();
    for seed in 0..GENERATED {
        let scenario = sayable(Scenario::roll(&dice(seed)));
        let mut case = line(&scenario, &format!("generated-{seed}"));
        case["expect"] = expected(&scenario).0.into();
        text.push_str(&case.to_string());
        text.push('\n');
    }
    let path = folder().join("generated.jsonl");
    if std::env::var_os("UPDATE_EXPECT").is_some() {
        fs::write(&path, &text).unwrap();
    }
    assert!(
        fs::read_to_string(path).unwrap() == text,
        "generated.jsonl is not what its generator makes"
    );
}

/// Every case of every file comes out as it expects; malformed ones as their answers say.
#[test]
fn the_documented_cases_come_out_as_they_expect() {
    let mut decider = Decider::new();
    let mut count = 0;
    for entry in fs::read_dir(folder()).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        if !name.ends_with(".jsonl") || name.starts_with("malformed") {
            continue;
        }
        let text = fs::read_to_string(&path).unwrap();
        for (index, case) in text.lines().enumerate() {
            let answer = answer(&mut decider, case);
            let wanted: Value = serde_json::from_str(case).unwrap();
            let place = format!("{name}:{}", index + 1);
            assert!(wanted["expect"].is_string(), "{place} expects nothing");
            assert_eq!(answer["decision"], wanted["expect"], "{place}: {answer}");
            assert_eq!(answer["id"], wanted["id"], "{place}");
            assert!(answer["errors"].is_null(), "{place}: {answer}");
            count += 1;
        }
    }
    assert!(count > 3000, "{count}");
}

#[test]
fn malformed_cases_have_their_answers() {
    let cases = fs::read_to_string(folder().join("malformed.jsonl")).unwrap();
    let mut decider = Decider::new();
    let mut answers = String::new();
    for case in cases.lines() {
        decider.answer(case.as_bytes()).write(&mut answers);
        answers.push('\n');
    }
    expect_test::expect_file![folder().join("malformed.answers")].assert_eq(&answers);
    for answer in answers.lines() {
        let answer: Value = serde_json::from_str(answer).unwrap();
        assert!(!answer["errors"].as_array().unwrap().is_empty(), "{answer}");
        // What cannot be created sense of never lets anybody in.
        assert_ne!(answer["decision"], "Allow", "{answer}");
    }
}

/// Lines cut short, with a byte lost, doubled or changed: each has an answer, and what is no case
/// any more has no decision.
#[test]
fn damaged_lines_are_answered() {
    let mut decider = Decider::new();
    for name in ["grants.jsonl", "sessions.jsonl", "organizations.jsonl"] {
        let text = fs::read_to_string(folder().join(name)).unwrap();
        for (seed, case) in text.lines().enumerate() {
            let mut dice = dice(seed as u64).into_iter().map(usize::from);
            for _ in 0..40 {
                let mut bytes = case.as_bytes().to_vec();
                let place = dice.next().unwrap() % bytes.len();
                match dice.next().unwrap() % 4 {
                    0 => bytes.truncate(place),
                    1 => drop(bytes.remove(place)),
                    2 => bytes.insert(place, bytes[place]),
                    _ => bytes[place] = (dice.next().unwrap() & 0xff) as u8,
                }
                let mut out = String::new();
                let answer = decider.answer(&bytes);
                answer.write(&mut out);
                assert!(
                    answer.decision.is_some() || !answer.errors.is_empty(),
                    "{out}"
                );
                let whole = serde_json::from_slice::<Value>(&bytes).is_ok();
                assert!(whole || answer.decision.is_none(), "{out}");
                serde_json::from_str::<Value>(&out).unwrap();
            }
        }
    }
}
