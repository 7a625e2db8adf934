//! What an API cannot do, because it does not compile: make a permit, commit a batch, make a caller or
//! temporary credentials without its state, write to the trail, reach the key core. STS stands for
//! every API: it depends on what each of them may depend on.

#[test]
fn the_engine_is_closed_to_apis() {
    trybuild::TestCases::new().compile_fail("tests/fail/*.rs");
}
