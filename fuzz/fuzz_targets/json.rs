//! Any bytes are a request body or are refused, and members of any type can be asked of it.
#![no_main]

use keyward_wire::{
    fault::Fault,
    json::{Limits, Members, Object, Value, Writer},
};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|body: &[u8]| {
    let Ok(object) = Object::parse(body, &Limits::KMS) else {
        return;
    };

    let mut m = Members::of(&object);
    m.string("a").length(1, 8).ascii().optional();
    m.blob("a").length(1, 8).optional();
    m.blob("b").sensitive().optional();
    m.integer("a").range(1, 9).optional();
    m.boolean("a").required();
    m.timestamp("a").optional();
    m.enumeration("a", &["x", "y"]).optional();
    m.string_map("a").optional();
    m.strings("a").count(1, 2).each_length(1, 3).optional();
    m.structures("a", |inner| inner.string("b").length(1, 2).required())
        .count(0, 1)
        .optional();
    m.structure("b", |inner| inner.strings("a").required())
        .optional();
    if let Err(rejected) = m.finish() {
        assert!(!Fault::from(&rejected).json().is_empty());
    }

    // What was read and written again reads as the same.
    let mut again = Writer::render(body.len(), |writer| write_members(writer, &object));
    let second = Object::parse(&again, &Limits::KMS).expect("what the writer wrote");
    let third = Writer::render(0, |writer| write_members(writer, &second));
    assert_eq!(again, third);
    // And nothing may follow it.
    again.push(b'0');
    assert!(
        Object::parse(
            &again,
            &Limits {
                bytes: usize::MAX,
                ..Limits::KMS
            }
        )
        .is_err()
    );
});

/// Every value as text, so that names and texts of anybody's choice are written.
fn write_members(writer: &mut Writer<'_>, object: &Object<'_>) {
    for (name, value) in object.members() {
        match value {
            Value::Null => {}
            Value::Boolean(value) => writer.named_string(name, &value.to_string()),
            Value::Number(number) => {
                writer.named_string(name, &number.as_integer().unwrap_or(0).to_string());
            }
            Value::Text(text) => writer.named_string(name, text),
            Value::List(list) => writer.named_string(name, &list.len().to_string()),
            Value::Object(inner) => {
                let inner = Writer::render(0, |writer| write_members(writer, inner));
                writer.named_string(name, std::str::from_utf8(&inner).expect("JSON is text"));
            }
        }
    }
}
