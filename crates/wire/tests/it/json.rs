//! What the decoder takes and refuses, what members say, and what the writer writes.

use keyward_types::time::Timestamp;
use keyward_wire::{
    fault::Fault,
    json::{DecodeError, Limits, Members, Object, Rejected, Value, Writer},
    query::Form,
    xml::About,
};

const ALGORITHMS: &[&str] = &[
    "RSAES_OAEP_SHA_1",
    "RSAES_OAEP_SHA_256",
    "SM2PKE",
    "SYMMETRIC_DEFAULT",
];

fn parse(body: &str) -> Result<Object<'_>, DecodeError> {
    Object::parse(body.as_bytes(), &Limits::KMS)
}

/// Reads members of a body and answers what `finish` says.
fn finish(body: &str, read: impl FnOnce(&mut Members<'_>)) -> Result<(), Rejected> {
    let object = parse(body).unwrap();
    let mut members = Members::of(&object);
    read(&mut members);
    members.finish()
}

fn check(body: &str, read: impl FnOnce(&mut Members<'_>), code: &str, text: &str) {
    let fault = Fault::from(&finish(body, read).unwrap_err());
    assert_eq!((fault.code.as_ref(), fault.status), (code, 400));
    assert_eq!(fault.message.as_deref(), Some(text));
}

fn invalid(body: &str, read: impl FnOnce(&mut Members<'_>), text: &str) {
    check(body, read, "ValidationException", text);
}

fn mistyped(body: &str, read: impl FnOnce(&mut Members<'_>), text: &str) {
    check(body, read, "SerializationException", text);
}

#[test]
fn an_empty_body_is_an_empty_object() {
    assert!(parse("").unwrap().is_empty());
    assert!(parse(" {\n} ").unwrap().is_empty());
}

#[test]
fn text_without_escapes_is_borrowed() {
    let object = parse(r#"{"a":"plain","b":"caf\u00e9"}"#).unwrap();
    let Some(Value::Text(text)) = object.get("a") else {
        panic!()
    };
    assert!(matches!(text, std::borrow::Cow::Borrowed("plain")));
    let Some(Value::Text(text)) = object.get("b") else {
        panic!()
    };
    assert_eq!(text, "café");
}

#[test]
fn what_is_no_object_is_refused() {
    for (body, reason) in [
        ("[]", DecodeError::NotAnObject),
        ("null", DecodeError::NotAnObject),
        ("\"x\"", DecodeError::NotAnObject),
        ("1", DecodeError::NotAnObject),
        ("{", DecodeError::Syntax),
        (" ", DecodeError::Syntax),
        ("{}{}", DecodeError::Syntax),
        ("{} x", DecodeError::Syntax),
        ("{'a':1}", DecodeError::Syntax),
        ("{\"a\":1,}", DecodeError::Syntax),
        ("{\"a\":01}", DecodeError::Syntax),
        ("{\"a\":NaN}", DecodeError::Syntax),
        ("{\"a\":1e999}", DecodeError::Syntax),
        ("{\"a\":\"\\ud800\"}", DecodeError::Syntax),
        ("{\"a\":\"\t\"}", DecodeError::Syntax),
        ("\u{feff}{}", DecodeError::Syntax),
        ("{1:2}", DecodeError::Syntax),
    ] {
        assert_eq!(parse(body), Err(reason), "{body}");
    }
    assert_eq!(
        Object::parse(b"{\"a\":\"\xff\"}", &Limits::KMS),
        Err(DecodeError::Syntax)
    );
}

#[test]
fn a_name_may_stand_once_at_every_level() {
    for body in [
        r#"{"a":1,"a":1}"#,
        r#"{"a":{"b":1,"c":2,"b":3}}"#,
        r#"{"a":[{"b":1},{"b":1,"\u0062":2}]}"#,
        r#"{"a":null,"a":1}"#,
    ] {
        assert_eq!(parse(body), Err(DecodeError::DuplicateName), "{body}");
    }
    let many = |last: &str| {
        let members: Vec<String> = (0..100).map(|at| format!("\"m{at}\":{at}")).collect();
        format!("{{{},\"{last}\":0}}", members.join(","))
    };
    assert_eq!(parse(&many("m7")), Err(DecodeError::DuplicateName));
    assert_eq!(parse(&many("m100")).unwrap().len(), 101);
}

#[test]
fn every_limit_holds() {
    let nested = |depth: usize| format!("{{\"a\":{}{}}}", "[".repeat(depth), "]".repeat(depth));
    assert!(parse(&nested(15)).is_ok());
    assert_eq!(parse(&nested(16)), Err(DecodeError::TooDeep));
    assert_eq!(parse(&nested(100_000)), Err(DecodeError::TooDeep));

    let list = |count: usize| format!("{{\"a\":[{}]}}", vec!["0"; count].join(","));
    assert!(parse(&list(512)).is_ok());
    assert_eq!(parse(&list(513)), Err(DecodeError::TooMany));

    let members = |count: usize| {
        let members: Vec<String> = (0..count).map(|at| format!("\"{at}\":0")).collect();
        format!("{{{}}}", members.join(","))
    };
    assert!(parse(&members(512)).is_ok());
    assert_eq!(parse(&members(513)), Err(DecodeError::TooMany));

    let row = format!("[{}]", vec!["0"; 500].join(","));
    let rows = |count: usize| format!("{{\"a\":[{}]}}", vec![row.as_str(); count].join(","));
    assert!(parse(&rows(4)).is_ok());
    assert_eq!(parse(&rows(5)), Err(DecodeError::TooMany));

    let small = Limits {
        bytes: 7,
        ..Limits::KMS
    };
    assert!(Object::parse(b"{\"a\":1}", &small).is_ok());
    assert_eq!(
        Object::parse(b"{\"a\":12}", &small),
        Err(DecodeError::TooLarge)
    );
}

#[test]
fn refused_bodies_have_faults() {
    let fault = Fault::from(DecodeError::Syntax);
    assert_eq!(
        (fault.code.as_ref(), fault.status),
        ("SerializationException", 400)
    );
    assert_eq!(fault.message.as_deref(), Some("Unexpected token"));
    let fault = Fault::from(DecodeError::TooLarge);
    assert_eq!(
        (fault.code.as_ref(), fault.status),
        ("RequestEntityTooLargeException", 413)
    );
}

#[test]
fn bodies_are_never_printed() {
    let object = parse(r#"{"Plaintext":"aGVsbG8=","N":[1]}"#).unwrap();
    assert_eq!(format!("{object:?}"), r#"{"Plaintext", "N"}"#);
    assert_eq!(format!("{:?}", object.get("Plaintext")), "Some(Text)");
}

#[test]
fn null_is_absent_and_unknown_members_are_ignored() {
    let outcome = finish(r#"{"KeyId":null,"Other":[{}],"Limit":5}"#, |m| {
        assert!(!m.has("KeyId"));
        assert_eq!(m.string("KeyId").length(1, 10).optional(), None);
        assert_eq!(m.integer("Limit").range(1, 5).optional(), Some(5));
        assert_eq!(m.boolean("DryRun").optional(), None);
    });
    assert_eq!(outcome, Ok(()));
}

#[test]
fn an_empty_key_id_fails_twice() {
    invalid(
        r#"{"KeyId":""}"#,
        |m| {
            m.string("KeyId").length(1, 2048).ascii().required();
        },
        r"2 validation errors detected: Value '' at 'keyId' failed to satisfy constraint: Member must have length greater than or equal to 1; Value '' at 'keyId' failed to satisfy constraint: Member must satisfy regular expression pattern: ^\p{ASCII}+$",
    );
}

#[test]
fn missing_members_are_null_unless_they_are_sensitive() {
    invalid(
        "{}",
        |m| {
            assert_eq!(m.string("KeyId").required(), "");
            m.blob("Message").length(1, 4096).sensitive().required();
            m.blob("Signature").length(1, 6144).required();
            assert_eq!(
                m.enumeration("EncryptionAlgorithm", ALGORITHMS).required(),
                ALGORITHMS[0]
            );
            assert_eq!(m.integer("Limit").required(), 0);
            assert!(m.strings("TagKeys").required().is_empty());
            assert!(m.structures("Tags", |_| ()).required().is_empty());
            assert!(!m.boolean("DryRun").required());
            m.timestamp("ValidTo").required();
            m.string_map("EncryptionContext").required();
            m.structure("Constraints", |_| ()).required();
        },
        "11 validation errors detected: \
         Value null at 'keyId' failed to satisfy constraint: Member must not be null; \
         Value at 'message' failed to satisfy constraint: Member must not be null; \
         Value null at 'signature' failed to satisfy constraint: Member must not be null; \
         Value null at 'encryptionAlgorithm' failed to satisfy constraint: Member must not be null; \
         Value null at 'limit' failed to satisfy constraint: Member must not be null; \
         Value null at 'tagKeys' failed to satisfy constraint: Member must not be null; \
         Value null at 'tags' failed to satisfy constraint: Member must not be null; \
         Value null at 'dryRun' failed to satisfy constraint: Member must not be null; \
         Value null at 'validTo' failed to satisfy constraint: Member must not be null; \
         Value null at 'encryptionContext' failed to satisfy constraint: Member must not be null; \
         Value null at 'constraints' failed to satisfy constraint: Member must not be null",
    );
}

#[test]
fn secrets_and_blobs_are_left_out_of_messages() {
    let long = "A".repeat(5464); // 4098 bytes
    invalid(
        &format!(r#"{{"Plaintext":"{long}","Signature":"","Password":"x"}}"#),
        |m| {
            m.blob("Plaintext").length(1, 4096).sensitive().required();
            m.blob("Signature").length(1, 6144).required();
            m.string("Password").length(7, 32).sensitive().required();
        },
        "3 validation errors detected: \
         Value at 'plaintext' failed to satisfy constraint: Member must have length less than or \
         equal to 4096; \
         Value at 'signature' failed to satisfy constraint: Member must have length greater than \
         or equal to 1; \
         Value at 'password' failed to satisfy constraint: Member must have length greater than or \
         equal to 7",
    );
}

#[test]
fn blobs_are_base64_with_padding() {
    let outcome = finish(r#"{"Plaintext":"aGVsbG8="}"#, |m| {
        let secret = m.blob("Plaintext").length(1, 4096).required_secret();
        assert_eq!(secret.expose(), b"hello");
        assert_eq!(m.blob("Plaintext").optional(), Some(b"hello".to_vec()));
        assert!(m.blob("Other").optional_secret().is_none());
    });
    assert_eq!(outcome, Ok(()));
    for text in ["aGVsbG8", "aGVsbG9=", "aGVs bG8=", "-_==", "a"] {
        mistyped(
            &format!(r#"{{"Plaintext":"{text}"}}"#),
            |m| {
                m.blob("Plaintext").length(1, 4096).required();
            },
            "Blobs must be base64 with padding.",
        );
    }
}

#[test]
fn numbers_out_of_range_say_the_bound() {
    for (value, text) in [
        ("0", "greater than or equal to 1"),
        ("1025", "less than or equal to 1024"),
    ] {
        invalid(
            &format!(r#"{{"NumberOfBytes":{value}}}"#),
            |m| {
                m.integer("NumberOfBytes").range(1, 1024).optional();
            },
            &format!(
                "1 validation error detected: Value '{value}' at 'numberOfBytes' failed to \
                 satisfy constraint: Member must have value {text}"
            ),
        );
    }
}

#[test]
fn integers_may_be_written_with_an_empty_fraction() {
    let outcome = finish(r#"{"a":32.0,"b":3.2e1,"c":-0}"#, |m| {
        assert_eq!(m.integer("a").required(), 32);
        assert_eq!(m.integer("b").required(), 32);
        assert_eq!(m.integer("c").required(), 0);
    });
    assert_eq!(outcome, Ok(()));
    for value in ["32.5", "1e30", "18446744073709551615"] {
        mistyped(
            &format!("{{\"a\":{value}}}"),
            |m| {
                m.integer("a").optional();
            },
            "NUMBER_VALUE can not be converted to an Integer",
        );
    }
}

#[test]
fn enumerations_say_their_words_in_the_order_given() {
    invalid(
        r#"{"EncryptionAlgorithm":"AES"}"#,
        |m| {
            assert_eq!(
                m.enumeration("EncryptionAlgorithm", ALGORITHMS).optional(),
                None
            );
        },
        "1 validation error detected: Value 'AES' at 'encryptionAlgorithm' failed to satisfy \
         constraint: Member must satisfy enum value set: [RSAES_OAEP_SHA_1, RSAES_OAEP_SHA_256, \
         SM2PKE, SYMMETRIC_DEFAULT]",
    );
    let outcome = finish(r#"{"KeySpec":"AES_256"}"#, |m| {
        let spec = m
            .enumeration("KeySpec", &["RSA_2048"])
            .accepting(&["AES_128", "AES_256"]);
        assert_eq!(spec.required(), "AES_256");
    });
    assert_eq!(outcome, Ok(()));
}

#[test]
fn elements_say_all_constraints_of_their_list() {
    invalid(
        r#"{"GrantTokens":["a","","b"],"Operations":["Fly"],"TagKeys":[]}"#,
        |m| {
            m.strings("GrantTokens")
                .count(0, 2)
                .each_length(1, 8192)
                .optional();
            m.enumerations("Operations", &["Decrypt", "Encrypt"])
                .optional();
            m.strings("TagKeys").count(1, 50).optional();
        },
        "4 validation errors detected: \
         Value '[a, , b]' at 'grantTokens' failed to satisfy constraint: Member must have length \
         less than or equal to 2; \
         Value '[a, , b]' at 'grantTokens' failed to satisfy constraint: Member must satisfy \
         constraint: [Member must have length less than or equal to 8192, Member must have length \
         greater than or equal to 1]; \
         Value '[Fly]' at 'operations' failed to satisfy constraint: Member must satisfy \
         constraint: [Member must satisfy enum value set: [Decrypt, Encrypt]]; \
         Value '[]' at 'tagKeys' failed to satisfy constraint: Member must have length greater \
         than or equal to 1",
    );
}

#[test]
fn paths_lead_into_structures() {
    let body = r#"{"Tags":[{"TagKey":"a","TagValue":"b"},{"TagKey":""},null],
        "Constraints":{"EncryptionContextEquals":{"a":"b"},"SourceArn":""}}"#;
    invalid(
        body,
        |m| {
            let tags = m
                .structures("Tags", |tag| {
                    (
                        tag.string("TagKey").length(1, 128).required().to_owned(),
                        tag.string("TagValue").length(0, 256).required().to_owned(),
                    )
                })
                .count(0, 50)
                .optional();
            assert_eq!(tags.unwrap()[0], ("a".to_owned(), "b".to_owned()));
            m.structure("Constraints", |c| {
                assert_eq!(
                    c.string_map("EncryptionContextEquals").required(),
                    [("a", "b".into())]
                );
                c.string("SourceArn").length(20, 512).optional();
            })
            .optional();
        },
        "4 validation errors detected: \
         Value '' at 'tags.2.member.tagKey' failed to satisfy constraint: Member must have length \
         greater than or equal to 1; \
         Value null at 'tags.2.member.tagValue' failed to satisfy constraint: Member must not be \
         null; \
         Value null at 'tags.3.member' failed to satisfy constraint: Member must not be null; \
         Value '' at 'constraints.sourceArn' failed to satisfy constraint: Member must have length \
         greater than or equal to 20",
    );
}

#[test]
fn lengths_count_characters() {
    let outcome = finish(r#"{"a":"ééé"}"#, |m| {
        m.string("a").length(1, 3).required();
    });
    assert_eq!(outcome, Ok(()));
    invalid(
        r#"{"a":"éé"}"#,
        |m| {
            m.string("a").length(3, 4).required();
        },
        "1 validation error detected: Value 'éé' at 'a' failed to satisfy constraint: Member must \
         have length greater than or equal to 3",
    );
}

#[test]
fn what_cannot_be_printed_is_left_out() {
    invalid(
        r#"{"KeyId":"a\u0007b"}"#,
        |m| {
            m.string("KeyId").length(1, 2).required();
        },
        "1 validation error detected: Value at 'keyId' failed to satisfy constraint: Member must \
         have length less than or equal to 2",
    );
}

#[test]
fn values_of_another_type_fail_before_constraints() {
    for (value, text) in [
        ("1", "NUMBER_VALUE can not be converted to a String"),
        ("true", "TRUE_VALUE can not be converted to a String"),
        ("false", "FALSE_VALUE can not be converted to a String"),
        ("[]", "Start of list found where not expected"),
        ("{}", "Start of structure or map found where not expected."),
    ] {
        mistyped(
            &format!(r#"{{"KeyId":{value}}}"#),
            |m| {
                m.string("Other").required();
                m.string("KeyId").required();
            },
            text,
        );
    }
    mistyped(
        r#"{"a":"1"}"#,
        |m| {
            m.integer("a").optional();
        },
        "STRING_VALUE can not be converted to an Integer",
    );
    mistyped(
        r#"{"a":"true"}"#,
        |m| {
            m.boolean("a").optional();
        },
        "STRING_VALUE can not be converted to a Boolean",
    );
    mistyped(
        r#"{"a":"2026-01-01"}"#,
        |m| {
            m.timestamp("a").optional();
        },
        "STRING_VALUE can not be converted to a Timestamp",
    );
    mistyped(
        r#"{"a":"x"}"#,
        |m| {
            m.strings("a").optional();
        },
        "Expected list or null",
    );
    mistyped(
        r#"{"a":[1]}"#,
        |m| {
            m.strings("a").optional();
        },
        "NUMBER_VALUE can not be converted to a String",
    );
    mistyped(
        r#"{"a":[]}"#,
        |m| {
            m.string_map("a").optional();
        },
        "Expected structure or null",
    );
    mistyped(
        r#"{"a":[1]}"#,
        |m| {
            m.structures("a", |_| ()).optional();
        },
        "Expected structure or null",
    );
}

#[test]
fn an_encryption_context_takes_numbers_and_booleans_as_text() {
    let outcome = finish(
        r#"{"EncryptionContext":{"a":"x","b":12,"c":1.5,"d":true}}"#,
        |m| {
            assert_eq!(
                m.string_map("EncryptionContext").required(),
                [
                    ("a", "x".into()),
                    ("b", "12".into()),
                    ("c", "1.5".into()),
                    ("d", "true".into())
                ]
            );
        },
    );
    assert_eq!(outcome, Ok(()));
    invalid(
        r#"{"EncryptionContext":{"a":null}}"#,
        |m| {
            m.string_map("EncryptionContext").optional();
        },
        "1 validation error detected: Value null at 'encryptionContext.a.member' failed to satisfy \
         constraint: Member must not be null",
    );
}

#[test]
fn timestamps_are_epoch_seconds() {
    let outcome = finish(r#"{"a":1754308923.591,"b":1754308923}"#, |m| {
        assert_eq!(
            m.timestamp("a").required(),
            Timestamp::from_millis(1_754_308_923_591)
        );
        assert_eq!(
            m.timestamp("b").required(),
            Timestamp::from_seconds(1_754_308_923)
        );
    });
    assert_eq!(outcome, Ok(()));
    mistyped(
        r#"{"a":1e300}"#,
        |m| {
            m.timestamp("a").optional();
        },
        "NUMBER_VALUE can not be converted to a Timestamp",
    );
}

#[test]
fn the_writer_writes_every_kind_of_member() {
    let body = Writer::render(16, |body| {
        body.string("KeyId", "a\"b\\c\n\r\t\u{1}\u{1f}é\u{7f}");
        body.blob("Plaintext", b"hello");
        body.blob("Empty", b"");
        body.integer("Limit", i64::MIN);
        body.boolean("Enabled", true);
        body.object("Inner", |inner| inner.boolean("Off", false));
        body.object("None", |_| ());
        body.strings("Names", ["x", "y"]);
        body.array("Mixed", |array| {
            array.integer(1);
            array.string("s");
            array.object(|object| object.integer("n", 2));
            array.array(|_| ());
        });
    });
    assert_eq!(
        String::from_utf8(body).unwrap(),
        "{\"KeyId\":\"a\\\"b\\\\c\\n\\r\\t\\u0001\\u001fé\u{7f}\",\"Plaintext\":\"aGVsbG8=\",\
         \"Empty\":\"\",\"Limit\":-9223372036854775808,\"Enabled\":true,\"Inner\":{\"Off\":false},\
         \"None\":{},\"Names\":[\"x\",\"y\"],\"Mixed\":[1,\"s\",{\"n\":2},[]]}"
    );
}

#[test]
fn timestamps_are_written_to_the_millisecond() {
    for (millis, text) in [
        (1_754_308_923_591, "1754308923.591"),
        (1_762_430_878_420, "1762430878.42"),
        (1_762_430_878_400, "1762430878.4"),
        (1_795_425_600_000, "1795425600.0"),
        (1, "0.001"),
        (-1500, "-1.5"),
    ] {
        let body = Writer::render(16, |body| {
            body.timestamp("t", Timestamp::from_millis(millis))
        });
        assert_eq!(
            String::from_utf8(body).unwrap(),
            format!("{{\"t\":{text}}}")
        );
    }
}

#[test]
fn fault_bodies_have_a_message_only_if_there_is_one() {
    let body = |fault: Fault| String::from_utf8(fault.json()).unwrap();
    assert_eq!(
        body(Fault::new("InvalidCiphertextException", 400)),
        r#"{"__type":"InvalidCiphertextException"}"#
    );
    assert_eq!(
        body(Fault::new("NotFoundException", 400).with_message("Key 'x' does not exist")),
        r#"{"__type":"NotFoundException","message":"Key 'x' does not exist"}"#
    );
    assert_eq!(
        body(Fault::new("ValidationException", 400).with_message("")),
        r#"{"__type":"ValidationException","message":""}"#
    );
    assert_eq!(
        body(Fault::new("AccessDeniedException", 400).with_message("User: …")),
        r#"{"__type":"AccessDeniedException","Message":"User: …"}"#
    );
}

#[test]
fn query_faults_are_error_responses() {
    let fault =
        Fault::new("NoSuchEntity", 404).with_message("The user with name X cannot be found.");
    let about = About {
        form: Form::Xml,
        namespace: "https://iam.amazonaws.com/doc/2010-05-08/",
        request_id: "id-1",
    };
    assert_eq!(
        String::from_utf8(fault.query(&about)).unwrap(),
        "<ErrorResponse xmlns=\"https://iam.amazonaws.com/doc/2010-05-08/\"><Error>\
         <Type>Sender</Type><Code>NoSuchEntity</Code>\
         <Message>The user with name X cannot be found.</Message></Error>\
         <RequestId>id-1</RequestId></ErrorResponse>"
    );
}

#[test]
fn values_that_are_too_long_are_repeated_in_part() {
    let ordinary = "'".repeat(10_241);
    let at_most =
        "failed to satisfy constraint: Member must have length less than or equal to 10240";
    let text = format!("1 validation error detected: Value '{ordinary}' at 'name' {at_most}");
    let body = format!(r#"{{"Name":"{ordinary}"}}"#);
    let read = |m: &mut Members<'_>| {
        m.string("Name").length(1, 10240).optional();
    };
    assert_eq!(finish(&body, read).unwrap_err().to_string(), text);

    let long = "v".repeat(500_000);
    let shown = "v".repeat(12 << 10);
    let text = format!("1 validation error detected: Value '{shown}...' at 'name' {at_most}");
    let body = format!(r#"{{"Name":"{long}"}}"#);
    invalid(&body, read, &text);

    let list = vec![format!("\"{}\"", "v".repeat(1000)); 500].join(",");
    let body = format!(r#"{{"Name":[{list}]}}"#);
    let read = |m: &mut Members<'_>| {
        m.strings("Name").count(0, 1).optional();
    };
    let told = finish(&body, read).unwrap_err().to_string();
    assert!((12 << 10..13 << 10).contains(&told.len()), "{}", told.len());
    assert!(told.contains("...]' at 'name' failed"), "{told}");

    let body = format!(r#"{{"Name":{{"{long}":null}}}}"#);
    let read = |m: &mut Members<'_>| {
        m.string_map("Name").optional();
    };
    let told = finish(&body, read).unwrap_err().to_string();
    assert!(told.len() < 13 << 10, "{}", told.len());
}

#[test]
fn a_message_about_many_values_is_cut() {
    let element = format!(r#"{{"Key":"{}"}}"#, "'".repeat(200));
    let body = format!(r#"{{"Tags":[{}]}}"#, vec![element; 400].join(","));
    let rejected = finish(&body, |m| {
        let tags = m.structures("Tags", |tag| {
            tag.string("Key").length(1, 128).required();
        });
        tags.optional();
    });
    let fault = Fault::from(&rejected.unwrap_err());
    let about = About {
        form: Form::Xml,
        namespace: "n",
        request_id: "r",
    };
    let body = fault.query(&about);
    assert!((30 << 10..33 << 10).contains(&body.len()), "{}", body.len());
    let body = fault.for_strangers().query(&about);
    assert!(body.len() < 5 << 10, "{}", body.len());
}

#[test]
fn a_sensitive_list_is_never_shown() {
    invalid(
        r#"{"GrantTokens":["SECRET",""]}"#,
        |m| {
            let tokens = m.strings("GrantTokens").sensitive();
            tokens.count(0, 1).each_length(1, 6).optional();
        },
        "2 validation errors detected: Value at 'grantTokens' failed to satisfy constraint: Member must have \
         length less than or equal to 1; Value at 'grantTokens' failed to satisfy constraint: Member must \
         satisfy constraint: [Member must have length less than or equal to 6, Member must have length \
         greater than or equal to 1]",
    );
}
