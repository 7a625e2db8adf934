//! Properties: whatever is signed cannot be changed, and what is written reads back.

use keyward_types::time::Timestamp;
use keyward_wire::{
    json::{Limits, Members, Object, Writer},
    query,
    query::Params,
    sigv4::Presigned,
};
use proptest::prelude::*;

use crate::request::Parts;

const SIGNED: &str = "content-type;host;x-amz-date;x-amz-target";

proptest! {
    #[test]
    fn a_flipped_bit_of_the_body_is_refused(at in 0_usize..44, bit in 0_u32..8) {
        let mut parts = Parts::kms(SIGNED);
        let at = at % parts.body.len();
        parts.body[at] ^= 1 << bit;
        prop_assert!(parts.verify("kms", Presigned::Refused).is_err());
    }

    #[test]
    fn a_flipped_bit_of_a_signed_field_is_refused(field in 0_usize..5, at: usize, bit in 0_u32..8) {
        let mut parts = Parts::kms(SIGNED);
        let value = &mut parts.headers[field].1;
        let at = at % value.len();
        value[at] ^= 1 << bit;
        let changed = value.clone();
        // Blanks and commas between the parts of the field are one another's equals.
        let original = Parts::kms(SIGNED);
        let words = |value: &[u8]| -> Vec<Vec<u8>> {
            value
                .split(|byte| b" ,\t".contains(byte))
                .filter(|word| !word.is_empty())
                .map(<[u8]>::to_vec)
                .collect()
        };
        let is_same = field == 4 && words(&changed) == words(&original.headers[field].1);
        prop_assert_eq!(parts.verify("kms", Presigned::Refused).is_ok(), is_same);
    }

    #[test]
    fn a_changed_method_path_or_query_is_refused(
        method in "[A-Z]{1,7}", path in "/[a-z]{1,5}", query in "[a-z]{1,5}(=[a-z]{0,5})?",
    ) {
        prop_assume!(method != "POST");
        let mut parts = Parts::kms(SIGNED);
        parts.method = method;
        prop_assert!(parts.verify("kms", Presigned::Refused).is_err());
        let mut parts = Parts::kms(SIGNED);
        parts.path = path;
        prop_assert!(parts.verify("kms", Presigned::Refused).is_err());
        let mut parts = Parts::kms(SIGNED);
        parts.query = query;
        prop_assert!(parts.verify("kms", Presigned::Refused).is_err());
    }

    #[test]
    fn an_unsigned_field_changes_nothing(name in "x-[a-z]{1,8}", value in "[ -~]{0,30}") {
        let mut parts = Parts::kms(SIGNED);
        parts.headers.push((name, value.into_bytes()));
        prop_assert_eq!(parts.verify("kms", Presigned::Refused), Ok(()));
    }

    #[test]
    fn any_text_for_credentials_is_refused_in_peace(value: Vec<u8>) {
        let mut parts = Parts::kms(SIGNED);
        parts.set("authorization", value);
        prop_assert!(parts.verify("kms", Presigned::Refused).is_err());
    }

    #[test]
    fn what_the_writer_writes_the_decoder_reads(
        text: String, blob: Vec<u8>, integer: i64, boolean: bool,
        millis in -62_000_000_000_000_i64..253_000_000_000_000, list: Vec<String>,
    ) {
        let body = Writer::render(0, |body| {
            body.string("Text", &text);
            body.blob("Blob", &blob);
            body.integer("Integer", integer);
            body.boolean("Boolean", boolean);
            body.timestamp("Time", Timestamp::from_millis(millis));
            body.strings("List", &list);
            body.object("Inner", |inner| inner.string("Text", &text));
        });
        let object = Object::parse(&body, &Limits::KMS).unwrap();
        let mut m = Members::of(&object);
        prop_assert_eq!(m.string("Text").required(), &text);
        prop_assert_eq!(m.blob("Blob").required(), blob);
        prop_assert_eq!(m.integer("Integer").required(), integer);
        prop_assert_eq!(m.boolean("Boolean").required(), boolean);
        prop_assert_eq!(m.timestamp("Time").required(), Timestamp::from_millis(millis));
        prop_assert_eq!(m.strings("List").required(), list);
        let inner = m.structure("Inner", |inner| inner.string("Text").required().to_owned());
        prop_assert_eq!(inner.required(), text);
        prop_assert_eq!(m.finish(), Ok(()));
    }

    #[test]
    fn the_decoder_agrees_with_serde_json_on_what_is_an_object(body in "[\\[\\]{}:,\"a0-9.e\\\\ ]{0,24}") {
        let ours = Object::parse(body.as_bytes(), &Limits::KMS);
        let theirs: Result<serde_json::Map<String, serde_json::Value>, _> =
            serde_json::from_str(&body);
        match ours {
            Ok(object) if body.is_empty() => prop_assert!(object.is_empty()),
            Ok(object) => prop_assert_eq!(object.len(), theirs.unwrap().len()),
            Err(keyward_wire::json::DecodeError::DuplicateName) => prop_assert!(theirs.is_ok()),
            Err(_) => prop_assert!(theirs.is_err()),
        }
    }

    #[test]
    fn parameters_read_back_as_they_were_encoded(
        pairs in prop::collection::btree_map("[a-zA-Z]{1,8}", ".{0,20}", 0..8),
    ) {
        use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
        let text: Vec<String> = pairs
            .iter()
            .map(|(name, value)| format!("{name}={}", utf8_percent_encode(value, NON_ALPHANUMERIC)))
            .collect();
        let text = text.join("&");
        let params = Params::parse(text.as_bytes(), &query::Limits::AWS).unwrap();
        for (name, value) in &pairs {
            prop_assert_eq!(params.get(name), Some(value.as_str()));
        }
    }

    #[test]
    fn any_bytes_are_parameters_or_refused(text: Vec<u8>) {
        let _ = Params::parse(&text, &query::Limits::AWS).map(|params| params.action().is_some());
    }
}
