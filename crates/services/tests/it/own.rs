//! Who may not ask costs nothing and learns nothing.

use keyward_testkit::{
    answer::Key,
    world::{OTHER, OWN, World},
};

const KEY: &str = "1234abcd-12ab-34cd-56ef-1234567890ab";

/// Requests about a whole account: the service, the target or action, and what is asked.
fn account_wide() -> Vec<(&'static str, &'static str, String)> {
    let policy = r#"{\"Version\":\"2012-10-17\",\"Statement\":[{\"Effect\":\"Allow\",\"Principal\":{\"AWS\":\"arn:aws:iam::444455556666:user/eve\"},\"Action\":\"kms:*\",\"Resource\":\"*\"}]}"#;
    let user = format!("arn:aws:iam::{OTHER}:user/eve");
    vec![
        (
            "keyward",
            "Keyward_20261101.AssignVolume",
            r#"{"VolumeId":"fs-0123456789abcdef0","AgentId":"agent-0123456789abcdef0"}"#.to_owned(),
        ),
        (
            "keyward",
            "Keyward_20261101.CreateAgentToken",
            r#"{"AgentName":"a"}"#.to_owned(),
        ),
        ("keyward", "Keyward_20261101.ListAgents", "{}".to_owned()),
        (
            "keyward",
            "Keyward_20261101.RemoveAgent",
            r#"{"AgentId":"agent-0123456789abcdef0"}"#.to_owned(),
        ),
        (
            "keyward",
            "Keyward_20261101.RemoveAgent",
            r#"{"AgentId":"token-0123456789abcdef0"}"#.to_owned(),
        ),
        (
            "keyward",
            "Keyward_20261101.WhoCan",
            format!(r#"{{"Action":"kms:Decrypt","KeyId":"{KEY}"}}"#),
        ),
        (
            "keyward",
            "Keyward_20261101.DescribeKeyImpact",
            format!(r#"{{"KeyId":"{KEY}"}}"#),
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
    // EFS does not say what a request was about.
    let all = [
        ("POST", "/file-systems", r#"{"CreationToken":"t"}"#),
        (
            "POST",
            "/file-systems",
            r#"{"CreationToken":"t","Tags":[{"Key":"k","Value":"v"}]}"#,
        ),
        ("GET", "/file-systems", ""),
        ("GET", "/access-points", ""),
        ("GET", "/account-preferences", ""),
    ];
    for (method, target, body) in all {
        let reads = denied_by_efs(&world, &nobody, (method, target), body).await;
        assert_eq!(reads, 0, "{method} {target}");
    }
}

/// How much is read for a request to EFS that is denied.
async fn denied_by_efs(world: &World, key: &Key, line: (&str, &str), body: &str) -> u64 {
    let target = format!("/2015-02-01{}", line.1);
    let before = world.reads();
    let service = "elasticfilesystem";
    let answer = world
        .rest(Some(key), service, (line.0, &target), body)
        .await;
    assert_eq!(answer.status, 403, "{target}: {}", answer.body);
    assert!(
        answer
            .body
            .contains("is not authorized to perform: elasticfilesystem:"),
        "{}",
        answer.body
    );
    world.reads() - before
}

#[tokio::test]
async fn of_a_new_access_point_only_its_file_system_is_read_for_who_may_not_ask() {
    let world = World::new().await;
    let nobody = world.user(OWN, "nobody", None).await;
    world
        .json(&nobody, "kms", "TrentService.ListKeys", "{}")
        .await;
    let id = "fs-0123456789abcdef0";
    let line = format!("/file-systems?FileSystemId={id}");
    let one = denied_by_efs(&world, &nobody, ("GET", &line), "").await;
    let point = format!(r#"{{"ClientToken":"t","FileSystemId":"{id}"}}"#);
    let line = ("POST", "/access-points");
    assert_eq!(denied_by_efs(&world, &nobody, line, &point).await, one);
    assert_eq!(one, 1);
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
