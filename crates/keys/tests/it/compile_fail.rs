//! What must not compile: the ring without the right permit, and secrets printed or copied.

#[test]
fn misuse_of_keys_does_not_compile() {
    trybuild::TestCases::new().compile_fail("tests/fail/*.rs");
}
