//! Query parameters: how they make trees, and what members of them say.

use keyward_types::time::Timestamp;
use keyward_wire::{
    fault::Fault,
    json::Members,
    query::{Limits, Params, ParamsError},
};

fn parse(text: &str) -> Result<Params<'_>, ParamsError> {
    Params::parse(text.as_bytes(), &Limits::AWS)
}

fn check(text: &str, read: impl FnOnce(&mut Members<'_>), code: &str, message: &str) {
    let params = parse(text).unwrap();
    let mut members = params.members();
    read(&mut members);
    let fault = Fault::from(&members.finish().unwrap_err());
    assert_eq!((fault.code.as_ref(), fault.status), (code, 400));
    assert_eq!(fault.message.as_deref(), Some(message));
}

#[test]
fn parameters_are_decoded_as_forms_are() {
    let params = parse("Action=CreateUser&UserName=a%2Bb+c%C3%A9&Empty=&Bare&&x=1=2").unwrap();
    assert_eq!(params.action(), Some("CreateUser"));
    assert_eq!(params.get("UserName"), Some("a+b cé"));
    assert_eq!(params.get("Empty"), Some(""));
    assert_eq!(params.get("Bare"), Some(""));
    assert_eq!(params.get("x"), Some("1=2"));
    assert_eq!(params.get("Other"), None);
    assert_eq!(parse("").unwrap().action(), None);
}

#[test]
fn lists_and_structures_come_from_dotted_names() {
    let text = "Tags.member.2.Key=c&Tags.member.1.Key=a&Tags.member.1.Value=b&\
                Tags.member.10.Key=e&Tags.member.2.Value=d&Tags.member.10.Value=f&\
                TagKeys.member.1=x&TagKeys.member.2=y&Empty=&Limit=7&On=true&At=2026-01-01T00%3A00%3A00Z";
    let params = parse(text).unwrap();
    let mut m = params.members();
    let tags = m
        .structures("Tags", |tag| {
            (
                tag.string("Key").length(1, 128).required(),
                tag.string("Value").required(),
            )
        })
        .required();
    assert_eq!(tags, [("a", "b"), ("c", "d"), ("e", "f")]);
    assert_eq!(m.strings("TagKeys").required(), ["x", "y"]);
    assert!(m.strings("Empty").required().is_empty());
    assert!(m.structures("Empty", |_| ()).required().is_empty());
    assert_eq!(m.integer("Limit").range(1, 1000).required(), 7);
    assert!(m.boolean("On").required());
    assert_eq!(
        m.timestamp("At").required(),
        Timestamp::from_seconds(1_767_225_600)
    );
    assert_eq!(m.finish(), Ok(()));
}

#[test]
fn messages_leave_values_out() {
    check(
        "Action=CreateUser&UserName=&Tags.member.1.Key=&MaxItems=0",
        |m| {
            m.string("UserName").length(1, 64).required();
            m.string("PolicyName").required();
            m.structures("Tags", |tag| tag.string("Key").length(1, 128).required())
                .optional();
            m.integer("MaxItems").range(1, 1000).optional();
        },
        "ValidationError",
        "4 validation errors detected: \
         Value at 'userName' failed to satisfy constraint: Member must have length greater than or \
         equal to 1; \
         Value at 'policyName' failed to satisfy constraint: Member must not be null; \
         Value at 'tags.1.member.key' failed to satisfy constraint: Member must have length \
         greater than or equal to 1; \
         Value at 'maxItems' failed to satisfy constraint: Member must have value greater than or \
         equal to 1",
    );
    check(
        "UserName=a%2Fb",
        |m| {
            m.string("UserName")
                .pattern(r"[\w+=,.@-]+", |name| !name.contains('/'))
                .required();
        },
        "ValidationError",
        r"1 validation error detected: Value at 'userName' failed to satisfy constraint: Member must satisfy regular expression pattern: [\w+=,.@-]+",
    );
}

#[test]
fn a_services_own_rule_is_told_alone_and_after_the_models_constraints() {
    fn read(m: &mut Members<'_>) {
        let told = |name: &'static str| move || format!("{name} is wrong.");
        let right = |text: &str| text == "right";
        m.string("A").rule(right, told("A")).required();
        m.structures("List", |m| {
            m.string("B").length(1, 5).rule(right, told("B")).optional();
        })
        .optional();
        m.string("C").length(1, 5).rule(right, told("C")).optional();
    }
    let rule = "ValidationError";
    check("A=x&List.member.1.B=y&C=z", read, rule, "A is wrong.");
    check("A=right&List.member.1.B=y&C=z", read, rule, "B is wrong.");
    check("A=right&C=z", read, rule, "C is wrong.");
    check(
        "A=x&C=longer",
        read,
        rule,
        "1 validation error detected: Value at 'c' failed to satisfy constraint: Member must have \
         length less than or equal to 5",
    );
    check(
        "A=right&K.member.1=",
        |m| {
            m.strings("K").each_length(1, 5).each_not_null().required();
        },
        rule,
        "1 validation error detected: Value at 'k' failed to satisfy constraint: Member must \
         satisfy constraint: [Member must have length less than or equal to 5, Member must have \
         length greater than or equal to 1, Member must not be null]",
    );
}

#[test]
fn text_of_another_type_is_malformed_input() {
    check(
        "MaxItems=ten",
        |m| {
            m.integer("MaxItems").optional();
        },
        "MalformedInput",
        "STRING_VALUE can not be converted to an Integer",
    );
    check(
        "Tags=x",
        |m| {
            m.strings("Tags").optional();
        },
        "MalformedInput",
        "Expected list or null",
    );
    check(
        "UserName.member.1=x",
        |m| {
            m.string("UserName").required();
        },
        "MalformedInput",
        "Start of list found where not expected",
    );
}

#[test]
fn contradictions_and_repetitions_are_refused() {
    for (text, reason) in [
        ("a=1&a=1", ParamsError::Duplicate),
        ("a=1&%61=2", ParamsError::Duplicate),
        ("a.member.1=1&a.member.1=2", ParamsError::Duplicate),
        ("a=1&a.b=2", ParamsError::Contradiction),
        ("a.member=1", ParamsError::Contradiction),
        ("a.member=1&a.member.1=1", ParamsError::Contradiction),
        ("a.member.x=1", ParamsError::Contradiction),
        ("a.member.0=1", ParamsError::Contradiction),
        ("a.member.01=1", ParamsError::Contradiction),
        ("a.member.%2B1=1", ParamsError::Contradiction),
        ("a.member.99999999999=1", ParamsError::Contradiction),
        ("a=%ff", ParamsError::NotUtf8),
        ("%ff=a+b", ParamsError::NotUtf8),
        ("a=+%ff", ParamsError::NotUtf8),
        ("a.b.c.d.e.f.g.h.i.j.k=1", ParamsError::TooMany),
    ] {
        assert_eq!(parse(text).map(|_| ()), Err(reason), "{text}");
        assert_eq!(Fault::from(reason).code, "MalformedQueryString");
        assert_eq!(Fault::from(reason).status, 400);
    }
}

#[test]
fn every_limit_holds() {
    let many = |count: usize| {
        let pairs: Vec<String> = (0..count).map(|at| format!("p{at}=")).collect();
        pairs.join("&")
    };
    assert!(parse(&many(2048)).is_ok());
    assert_eq!(parse(&many(2049)).map(|_| ()), Err(ParamsError::TooMany));
    let small = Limits {
        bytes: 3,
        ..Limits::AWS
    };
    assert!(Params::parse(b"a=1", &small).is_ok());
    assert_eq!(
        Params::parse(b"a=12", &small).map(|_| ()),
        Err(ParamsError::TooLarge)
    );
    assert_eq!(Fault::from(ParamsError::TooLarge).status, 413);
}

#[test]
fn items_of_lists_have_the_names_that_an_api_gives_them() {
    let text = "Tags.Tag.2.Key=b&Tags.Tag.1.Key=a&Filters.Filter.1.Values.Value.1=x&\
                Filters.Filter.1.Name=n&Keys.member.1=k&Other.Thing.1=t";
    let names = ["Filter", "Tag", "Value"];
    let params = parse(text).unwrap().with_items(&names).unwrap();
    let mut m = params.members();
    let tags = m.structures("Tags", |tag| tag.string("Key").required().to_owned());
    assert_eq!(tags.required(), ["a", "b"]);
    let filters = m.structures("Filters", |filter| {
        let values = filter.strings("Values").required().join(",");
        (filter.string("Name").required().to_owned(), values)
    });
    let filters = filters.required();
    assert_eq!(filters, [("n".to_owned(), "x".to_owned())]);
    assert_eq!(m.strings("Keys").required(), ["k"]);
    m.strings("Other").optional();
    assert_eq!(m.finish().unwrap_err().to_string(), "Expected list or null");
    // Of an API that does not name them so, they are structures.
    let params = parse(text).unwrap();
    let mut m = params.members();
    m.strings("Tags").optional();
    assert!(m.finish().is_err());
    for text in ["Tags.Tag.0=a", "Tags.Tag.01=a", "Tags.Tag.x=a"] {
        let params = parse(text).unwrap();
        let error = params.with_items(&names).unwrap_err();
        assert_eq!(error, ParamsError::Contradiction, "{text}");
    }
}
