//! What the writer writes, byte for byte, and what it escapes.

use super::{values::needs_escape, *};

#[test]
fn a_byte_that_needs_an_escape_is_found_wherever_it_stands() {
    for length in 0..40 {
        for byte in 0..=255 {
            for place in 0..length {
                let mut bytes = vec![b'a'; length];
                bytes[place] = byte;
                assert_eq!(
                    any_needs_escape(&bytes),
                    needs_escape(byte),
                    "{byte} {place}"
                );
            }
        }
    }
    assert!(!any_needs_escape(
        "ä\u{7f}\u{80}ÿ€𝄞 the rest of a text".as_bytes()
    ));
}

#[test]
fn what_follows_a_secret_leaves_no_copy_of_it_behind() {
    Writer::render(16, |out| {
        out.string("KeyId", "before");
        out.blob("Plaintext", &[7; 4096]);
        let place = out.out.as_ptr();
        out.string("EncryptionAlgorithm", &"a".repeat(400));
        assert_eq!(out.out.as_ptr(), place, "the answer was moved");
    });
}

#[test]
fn a_fragment_stands_as_its_members_would() {
    let none = Fragment::of(|_| ());
    let some = Fragment::of(|out| {
        out.string("b", "\"");
        out.null("c");
    });
    let written = Writer::render(16, |out| {
        out.fragment(&none);
        out.fragment(&some);
        out.fragment(&none);
        out.boolean("d", true);
        out.object("e", |inner| inner.fragment(&some));
    });
    assert_eq!(
        String::from_utf8(written).unwrap(),
        r#"{"b":"\"","c":null,"d":true,"e":{"b":"\"","c":null}}"#
    );
}

#[test]
fn a_name_of_aws_is_written_with_a_small_first_letter() {
    const KEY_ID: Name = Name::lower_camel("KeyId");
    const SERVICE: Name = Name::lower_camel("AWSServiceName");
    let written = Writer::render(16, |out| {
        out.member(&KEY_ID).string("\"");
        let mark = out.mark();
        out.member(&SERVICE).integer(1);
        assert_eq!(out.since(mark), b",\"aWSServiceName\":1");
        out.rewind(mark);
        out.member(&SERVICE)
            .array(|list| list.object(|one| one.member(&KEY_ID).boolean(true)));
    });
    assert_eq!(
        written,
        br#"{"keyId":"\"","aWSServiceName":[{"keyId":true}]}"#
    );
    assert_eq!(format!("{SERVICE:?}"), "aWSServiceName");
}

#[test]
fn names_stand_whole_whatever_their_length() {
    let written = Writer::render(16, |out| {
        out.integer("", 1);
        out.integer("kms:BypassPolicyLockoutSafetyCheck-and-more-of-it", 2);
        out.integer("kms:ScheduleKeyDeletionPendingWindowInDays12", 3);
        out.integer("kms:ScheduleKeyDeletionPendingWindowInDays123", 4);
    });
    assert_eq!(
        String::from_utf8(written).unwrap(),
        r#"{"":1,"kms:BypassPolicyLockoutSafetyCheck-and-more-of-it":2,"kms:ScheduleKeyDeletionPendingWindowInDays12":3,"kms:ScheduleKeyDeletionPendingWindowInDays123":4}"#
    );
}

#[test]
fn hexadecimal_digits_are_in_lower_case() {
    let written = Writer::render(64, |out| {
        out.hexadecimal("id", &[0x00, 0x9f, 0xab]);
        out.prefixed_string(("a:", "\"b"), "c");
    });
    assert_eq!(written, br#"{"id":"009fab","a:\"b":"c"}"#);
}
