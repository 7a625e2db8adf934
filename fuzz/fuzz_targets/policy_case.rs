//! Lines of cases: each is answered, none stops the reader, and what explains a decision decides
//! alike.
#![no_main]

use keyward_policy::{
    case::{Decider, explain},
    decision::DecisionType,
    explain::{json, text},
};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|line: &[u8]| {
    let answer = Decider::new().answer(line);
    let mut out = String::new();
    answer.write(&mut out);
    match explain(line) {
        Ok(explanation) => {
            assert_eq!(
                answer.decision,
                Some(DecisionType::of(&explanation.decision))
            );
            text::render(&explanation);
            json::render(&explanation);
        }
        Err(errors) => {
            assert_eq!(answer.decision, None);
            assert_eq!(answer.errors, errors);
        }
    }
});
