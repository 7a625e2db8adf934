//! What must not compile.

#[test]
fn a_permit_is_not_forged_nor_used_for_another_action() {
    trybuild::TestCases::new().compile_fail("tests/fail/*.rs");
}
