//! Any bytes are parameters or are refused, and members of any type can be asked of them.
#![no_main]

use keyward_wire::{
    fault::Fault,
    query::{Form, Limits, Params},
    xml::About,
};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &[u8]| {
    let Ok(params) = Params::parse(text, &Limits::AWS) else {
        return;
    };
    params.action();
    let mut m = params.members();
    m.string("a").length(1, 8).optional();
    m.integer("a").range(1, 9).optional();
    m.boolean("a").optional();
    m.timestamp("a").optional();
    m.strings("a").count(1, 2).each_length(1, 3).optional();
    m.structures("b", |inner| inner.string("c").length(1, 2).required())
        .count(0, 1)
        .optional();
    if let Err(rejected) = m.finish() {
        let fault = Fault::from(&rejected);
        for form in [Form::Xml, Form::Json] {
            let about = About {
                form,
                namespace: "urn:x",
                request_id: "id",
            };
            std::str::from_utf8(&fault.query(&about)).expect("answers are UTF-8");
        }
    }
});
