//! Who may not ask costs nothing and learns nothing.

use keyward_testkit::world::{OTHER, OWN, World};

const KEY: &str = "1234abcd-12ab-34cd-56ef-1234567890ab";

/// Requests about a whole account: the service, the target or action, and what is asked.
fn account_wide() -> Vec<(&'static str, &'static str, String)> {
    let policy = r#"{\"Version\":\"2012-10-17\",\"Statement\":[{\"Effect\":\"Allow\",\"Principal\":{\"AWS\":\"arn:aws:iam::444455556666:user/eve\"},\"Action\":\"kms:*\",\"Resource\":\"*\"}]}"#;
    let user = format!("arn:aws:iam::{OTHER}:user/eve");
    vec![
        (
            "keyward",
            "Keyward_20261101.WhoCan",
            format!(r#"{{"Action":"kms:Decrypt","KeyId":"{KEY}"}}"#),
        ),
        (
            "keyward",
            "Keyward_20261101.ExplainDecision",
            format!(r#"{{"Principal":"{user}","Action":"kms:Decrypt","KeyId":"{KEY}"}}"#),
        ),
        (
            "keyward",
            "Keyward_20261101.ExplainRecordedDecision",
            format!(r#"{{"RequestId":"{KEY}"}}"#),
        ),
        ("kms", "TrentService.ListKeys", "{}".to_owned()),
        (
            "kms",
            "TrentService.ListAliases",
            format!(r#"{{"KeyId":"{KEY}"}}"#),
        ),
        (
            "kms",
            "TrentService.ListRetirableGrants",
            format!(r#"{{"RetiringPrincipal":"arn:aws:iam::{OWN}:user/eve"}}"#),
        ),
        (
            "kms",
            "TrentService.CreateKey",
            format!(r#"{{"Policy":"{policy}"}}"#),
        ),
        (
            "organizations",
            "AWSOrganizationsV20161128.CreateOrganization",
            "{}".to_owned(),
        ),
        (
            "organizations",
            "AWSOrganizationsV20161128.DescribeOrganization",
            "{}".to_owned(),
        ),
        (
            "organizations",
            "AWSOrganizationsV20161128.DeleteOrganization",
            "{}".to_owned(),
        ),
        (
            "organizations",
            "AWSOrganizationsV20161128.CreateAccount",
            r#"{"Email":"a@example.com","AccountName":"a"}"#.to_owned(),
        ),
        (
            "organizations",
            "AWSOrganizationsV20161128.ListCreateAccountStatus",
            "{}".to_owned(),
        ),
        (
            "organizations",
            "AWSOrganizationsV20161128.ListAccounts",
            "{}".to_owned(),
        ),
    ]
}

/// Names with values.
type Parameters = &'static [(&'static str, &'static str)];

/// The same of IAM and STS: the action and its parameters.
const QUERIES: &[(&str, &str, Parameters)] = &[
    ("iam", "ListAccountAliases", &[]),
    ("iam", "CreateAccountAlias", &[("AccountAlias", "abc")]),
    ("iam", "DeleteAccountAlias", &[("AccountAlias", "abc")]),
    ("iam", "GetAccountSummary", &[]),
    ("iam", "GetAccountAuthorizationDetails", &[]),
    ("iam", "ListUsers", &[]),
    ("iam", "ListRoles", &[]),
    ("iam", "ListGroups", &[]),
    ("iam", "ListPolicies", &[]),
    ("iam", "ListOpenIDConnectProviders", &[]),
    (
        "iam",
        "SimulateCustomPolicy",
        &[
            ("PolicyInputList.member.1", "{}"),
            ("ActionNames.member.1", "kms:Decrypt"),
        ],
    ),
    (
        "iam",
        "GetContextKeysForCustomPolicy",
        &[("PolicyInputList.member.1", "{}")],
    ),
    (
        "sts",
        "GetAccessKeyInfo",
        &[("AccessKeyId", "AKIAIOSFODNN7EXAMPLE")],
    ),
];

#[tokio::test]
async fn nothing_about_an_account_is_read_for_who_may_not_ask() {
    let world = World::new().await;
    let nobody = world.user(OWN, "nobody", None).await;
    world.user(OTHER, "eve", None).await;
    // Who asks is known from here on.
    world
        .json(&nobody, "kms", "TrentService.ListKeys", "{}")
        .await;
    let before = world.reads();
    let denied = |action: &str| {
        format!(
            "User: arn:aws:iam::{OWN}:user/nobody is not authorized to perform: {action} on \
             resource: "
        )
    };
    for (service, target, body) in account_wide() {
        let (_, name) = target.split_once('.').unwrap();
        let answer = world.json(&nobody, service, target, &body).await;
        let wanted = denied(&format!("{service}:{name}"));
        assert!(answer.body.contains(&wanted), "{name}: {}", answer.body);
        assert_eq!(world.reads(), before, "{name}");
    }
    for (service, action, parameters) in QUERIES {
        let answer = match *service {
            "iam" => world.iam(&nobody, action, parameters).await,
            _ => world.sts(&nobody, action, parameters).await,
        };
        let (status, _, message) = answer.error();
        assert_eq!(status, 403, "{action}: {}", answer.body);
        assert!(
            message.starts_with(&denied(&format!("{service}:{action}"))),
            "{message}"
        );
        assert_eq!(world.reads(), before, "{action}");
    }
}

#[tokio::test]
async fn the_trail_is_not_opened_for_who_may_not_ask() {
    let world = World::new().await;
    let nobody = world.user(OWN, "nobody", None).await;
    let body = format!(r#"{{"RequestId":"{KEY}"}}"#);
    let ask = "Keyward_20261101.ExplainRecordedDecision";
    // A file instead of a folder can be read by nobody, not even by root.
    let aside = world.audit().with_extension("aside");
    std::fs::rename(world.audit(), &aside).unwrap();
    std::fs::write(world.audit(), "").unwrap();
    let answer = world.json(&nobody, "keyward", ask, &body).await;
    assert!(
        answer.body.contains("AccessDeniedException"),
        "{}",
        answer.body
    );
    let answer = world.json(&world.root, "keyward", ask, &body).await;
    assert_eq!(answer.status, 500, "{}", answer.body);
    std::fs::remove_file(world.audit()).unwrap();
    std::fs::rename(&aside, world.audit()).unwrap();
    let answer = world.json(&world.root, "keyward", ask, &body).await;
    assert!(answer.body.contains("NotFoundException"), "{}", answer.body);
}
