//! The words that scenarios are made of.

use super::{A, ALICE, B, BOB, C, CAROL, Caller, DAVE, FAKE, FAR, GONE, Kind, LINKED, OPS};

pub const CALLERS: &[Caller] = &[
    Caller::User(A, "/", "alice", ALICE),
    Caller::User(A, "/", "alice", ALICE),
    Caller::User(A, "/team/", "bob", BOB),
    Caller::Session(A, "/ops/", "admin", OPS, "s1"),
    Caller::Session(A, "/ops/", "admin", OPS, "s1"),
    Caller::Session(A, "/ops/", "admin", OPS, "s2"),
    Caller::Root(A),
    Caller::User(B, "/", "carol", CAROL),
    Caller::Session(B, "/", "far", FAR, "s1"),
    Caller::Root(B),
    Caller::User(C, "/", "dave", DAVE),
    Caller::Federated(A, "fed", Some(ALICE)),
    Caller::Federated(A, "fed", None),
    Caller::Session(
        A,
        "/aws-service-role/x.amazonaws.com/",
        "AWSServiceRoleForX",
        LINKED,
        "x",
    ),
    Caller::Session(A, "/a:role/aws-service-role/", "fake", FAKE, "x"),
    Caller::Service("logs.us-east-1.amazonaws.com"),
    Caller::Service("logs.us-east-1.amazonaws.com"),
    Caller::Service("ec2.amazonaws.com"),
];

pub const PRINCIPALS: &[&str] = &[
    "arn:aws:iam::111122223333:root",
    "111122223333",
    "*",
    "arn:aws:iam::111122223333:user/alice",
    "arn:aws:iam::111122223333:user/team/bob",
    "arn:aws:iam::111122223333:role/ops/admin",
    "arn:aws:sts::111122223333:assumed-role/admin/s1",
    "arn:aws:sts::111122223333:federated-user/fed",
    "arn:aws:iam::444455556666:root",
    "444455556666",
    "arn:aws:iam::444455556666:user/carol",
    "arn:aws:iam::444455556666:role/far",
    "arn:aws:sts::444455556666:assumed-role/far/s1",
    "arn:aws:iam::111122223333:user/Alice",
    "arn:aws:iam::111122223333:user/ghost",
    "arn:aws:iam::111122223333:user/reborn",
    "arn:aws-cn:iam::111122223333:root",
    ALICE,
    OPS,
    GONE,
    "arn:aws:iam::777788889999:root",
    "arn:aws:iam::777788889999:user/dave",
];

pub const SERVICES: &[&str] = &[
    "logs.amazonaws.com",
    "logs.us-east-1.amazonaws.com",
    "logs.eu-west-1.amazonaws.com",
    "ec2.amazonaws.com",
    "ec2.us-east-1.amazonaws.com",
];

pub const ACTIONS: &[&str] = &[
    "kms:Encrypt",
    "kms:Encrypt",
    "kms:Decrypt",
    "kms:GenerateDataKey",
    "kms:PutKeyPolicy",
    "kms:RetireGrant",
];

pub const ACTION_PATTERNS: &[&str] = &[
    "kms:*",
    "kms:*",
    "*",
    "kms:Encrypt",
    "KMS:encrypt",
    "kms:*crypt",
    "kms:?ncrypt",
    "kms:?*crypt*",
    "kms:Generate*Key",
    "kms:Put*",
    "kms:re*",
    "kms:Decrypt",
    "kms:**t",
    "ec2:*",
    "iam:Encrypt",
    "sts:*",
];

pub const RESOURCE_PATTERNS: &[&str] = &[
    "*",
    "*",
    "arn:aws:kms:us-east-1:111122223333:key/alpha",
    "arn:aws:kms:us-east-1:111122223333:key/*",
    "arn:aws:kms:*:*:key/?lpha",
    "arn:aws:kms:us-east-1:111122223333:*",
    "arn:aws:kms:*:1111*:key/alpha",
    "arn:*:kms:us-*-1:*:*a*a",
    "arn:aws:kms:us-east-1:444455556666:key/*",
    "arn:aws:kms:us-east-1:111122223333:alias/*",
    "arn:aws:kms:us-east-1:111122223333:KEY/alpha",
    "arn:aws:kms:*:key/alpha",
    "arn:aws:kms:us-east-1:111122223333:key/${aws:PrincipalTag/key}",
    "arn:aws:kms:us-east-1:111122223333:key/${aws:PrincipalTag/none, 'alpha'}",
    "arn:aws:kms:us-east-1:111122223333:key/al${aws:PrincipalTag/none}",
    "arn:aws:kms:us-east-1:${kms:CallerAccount}:key/alpha",
    "arn:aws:kms:us-east-1:111122223333:key/${*}",
    "arn:aws:kms:us-east-1:111122223333:${kms:ResourceAliases}*",
    "arn:aws:iam::111122223333:role/*",
    "arn:aws:kms:x",
];

/// Condition keys with the values that a request may have and a policy may list.
pub const KEYS: &[(&str, Kind, &[&str])] = &[
    ("kms:CallerAccount", Kind::One, &[A, B, C]),
    ("aws:PrincipalAccount", Kind::One, &[A, B, C]),
    ("aws:PrincipalIsAWSService", Kind::One, &["true", "false"]),
    (
        "kms:ViaService",
        Kind::One,
        &["ec2.us-east-1.amazonaws.com", "s3.us-east-1.amazonaws.com"],
    ),
    (
        "kms:EncryptionContext:App",
        Kind::One,
        &["pay", "Pay", "p*", "payroll", "${x"],
    ),
    ("aws:username", Kind::One, &["alice", "bob", "*", "al"]),
    (
        "aws:PrincipalTag/key",
        Kind::One,
        &["alpha", "*", "al?ha", ""],
    ),
    ("aws:PrincipalArn", Kind::One, ARNS),
    ("aws:SourceArn", Kind::One, ARNS),
    ("kms:RotationPeriodInDays", Kind::One, NUMBERS),
    ("aws:CurrentTime", Kind::One, DATES),
    (
        "aws:EpochTime",
        Kind::One,
        &["1767225600", "1767225601.5", "0", "-5"],
    ),
    ("aws:SourceIp", Kind::One, ADDRESSES),
    (
        "aws:MultiFactorAuthPresent",
        Kind::One,
        &["true", "false", "TRUE", "no"],
    ),
    ("x:Blob", Kind::One, &["AAEC", "AAED", "AAE", "!"]),
    (
        "kms:EncryptionContextKeys",
        Kind::Many,
        &["App", "Env", "app", "Stage"],
    ),
    (
        "kms:ResourceAliases",
        Kind::Many,
        &["alias/a", "alias/b", "alias/ab"],
    ),
    ("aws:CalledVia", Kind::Many, &["ec2.amazonaws.com", "s3"]),
    ("x:Numbers", Kind::Many, NUMBERS),
    ("x:Dates", Kind::Many, DATES),
    ("x:Arns", Kind::Many, ARNS),
];

pub const ARNS: &[&str] = &[
    "arn:aws:iam::111122223333:user/alice",
    "arn:aws:iam::111122223333:role/ops/admin",
    "arn:aws:sns:us-east-1:111122223333:topic:sub",
    "arn:aws:sns:us-east-1:444455556666:topic",
    "arn:aws:sns",
    "text",
];
pub const ARN_PATTERNS: &[&str] = &[
    "arn:aws:iam::111122223333:*",
    "arn:aws:iam::*:user/?lice",
    "arn:aws:sns:*:*:topic:*",
    "arn:aws:sns:*:topic",
    "arn:*:s?s:*:4*6:topic*",
    "*",
    "${aws:PrincipalArn}",
    "arn:aws:iam::111122223333:user/${aws:username}",
    "arn:aws:sns:us-east-1:${kms:CallerAccount}:topic${aws:PrincipalTag/none, ''}",
];
pub const NUMBERS: &[&str] = &[
    "30",
    "30.0",
    "030",
    "-1",
    "29.999",
    "365",
    "x",
    "1e2",
    "900719925474099301",
];
pub const DATES: &[&str] = &[
    "2026-01-01T00:00:00Z",
    "2026-01-01",
    "2026-01-01T01:00:00+01:00",
    "2025-12-31T23:59:59.5Z",
    "1767225600",
    "2024-02-29T12:30Z",
    "2026-02",
    "-1",
];
pub const BAD_DATES: &[&str] = &["yesterday", "2026-02-30", "2026-01-01T00:00:00"];
pub const ADDRESSES: &[&str] = &[
    "203.0.113.7",
    "203.0.112.7",
    "2001:db8::7",
    "::ffff:203.0.113.7",
    "here",
];
pub const BLOCKS: &[&str] = &[
    "203.0.113.0/24",
    "203.0.113.7",
    "203.0.112.9/23",
    "2001:db8::/32",
    "::/0",
    "0.0.0.0/0",
    "203.0.113.7/33",
    "there",
    "::ffff:203.0.113.0/120",
];
pub const STRING_PATTERNS: &[&str] = &[
    "*",
    "p*",
    "?ay*",
    "*a*",
    "alias/?",
    "${aws:username}",
    "${aws:username}*",
    "al${*}",
    "${aws:PrincipalTag/none, 'pay'}",
    "${aws:PrincipalTag/none}",
    "${kms:ResourceAliases}",
    "p${*}",
    "ec2.*.amazonaws.com",
    "",
    "${$}{x",
    "1111*",
];

pub const STRING_OPERATORS: &[&str] = &[
    "StringEquals",
    "StringNotEquals",
    "StringLike",
    "StringNotLike",
    "StringEqualsIgnoreCase",
    "StringNotEqualsIgnoreCase",
];
pub const NUMERIC_OPERATORS: &[&str] = &[
    "NumericEquals",
    "NumericNotEquals",
    "NumericLessThan",
    "NumericLessThanEquals",
    "NumericGreaterThan",
    "NumericGreaterThanEquals",
];
pub const DATE_OPERATORS: &[&str] = &[
    "DateEquals",
    "DateNotEquals",
    "DateLessThan",
    "DateLessThanEquals",
    "DateGreaterThan",
    "DateGreaterThanEquals",
];
pub const ARN_OPERATORS: &[&str] = &["ArnEquals", "ArnLike", "ArnNotEquals", "ArnNotLike"];
