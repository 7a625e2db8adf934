//! Any method, path, query string and body lead to an operation or are refused, and members of any
//! type can be asked of what was found.
#![no_main]

use keyward_wire::{
    fault::Fault,
    json::{Limits, Members},
    rest::{QueryMember, Route, find},
};
use libfuzzer_sys::fuzz_target;

const QUERY: &[QueryMember] = &[
    QueryMember::text("a"),
    QueryMember::integer("b"),
    QueryMember::texts("cs", "c"),
];
const ROUTES: &[Route] = &[
    Route {
        operation: "A",
        method: "GET",
        path: "/v/a",
        query: QUERY,
        status: 200,
    },
    Route {
        operation: "B",
        method: "PUT",
        path: "/v/a/{a}",
        query: QUERY,
        status: 201,
    },
    Route {
        operation: "C",
        method: "PUT",
        path: "/v/{d}/a/{a}/",
        query: QUERY,
        status: 204,
    },
];

// Method, path, query string and body, a line each.
fuzz_target!(|text: &[u8]| {
    let mut lines = text.splitn(4, |byte| *byte == b'\n');
    let mut line = || std::str::from_utf8(lines.next().unwrap_or_default()).unwrap_or_default();
    let (method, path, query, body) = (line(), line(), line(), line());
    let routed = match find(ROUTES, method, (path, query), body.as_bytes()) {
        Ok(Some(routed)) => routed,
        Ok(None) => return,
        Err(error) => return drop(Fault::from(error).rest()),
    };
    assert_eq!(routed.route().method, method);
    let object = match routed.read(&Limits::KMS) {
        Ok(object) => object,
        Err(error) => return drop(Fault::from(error).rest()),
    };
    let mut names: Vec<&str> = object.members().map(|(name, _)| name).collect();
    names.sort_unstable();
    assert!(
        names.windows(2).all(|pair| pair[0] != pair[1]),
        "a member has one value"
    );
    let mut m = Members::of(&object);
    m.string("a").length(1, 8).optional();
    m.integer("b").range(1, 9).optional();
    m.strings("c").count(1, 2).each_length(1, 3).optional();
    m.double("d").at_least(1).optional();
    if let Err(rejected) = m.finish() {
        std::str::from_utf8(&Fault::from(&rejected).rest()).expect("answers are UTF-8");
    }
});
