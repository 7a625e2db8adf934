//! Who may do what with DB snapshots.

use super::*;

fn allowed(actions: Value, resources: Value) -> String {
    json!({ "Effect": "Allow", "Action": actions, "Resource": resources }).to_string()
}

#[tokio::test]
async fn a_snapshot_takes_rights_to_it_and_to_its_instance() {
    let world = World::new().await;
    let agent = agent(&world).await;
    available(&world, &agent, &[]).await;
    let arns = [
        format!("arn:aws:rds:us-east-1:{OWN}:db:orders"),
        format!("arn:aws:rds:us-east-1:{OWN}:snapshot:monday"),
    ];
    for (at, arn) in arns.iter().enumerate() {
        let statement = allowed(json!("rds:CreateDBSnapshot"), json!([arn]));
        let user = world.user(OWN, &format!("u{at}"), Some(&statement)).await;
        let (status, code, message) = told(&snapshot(&world, &user, &[]).await);
        assert_eq!((status, code.as_str()), (403, "AccessDenied"));
        assert!(message.contains(&arns[1 - at]), "{message}");
    }
    let statement = allowed(json!("rds:CreateDBSnapshot"), json!(arns));
    let user = world.user(OWN, "both", Some(&statement)).await;
    let tags = [("Tags.Tag.1.Key", "team"), ("Tags.Tag.1.Value", "red")];
    let (_, code, message) = told(&snapshot(&world, &user, &tags).await);
    assert_eq!(code, "AccessDenied");
    assert!(message.contains("rds:AddTagsToResource"), "{message}");
    assert_eq!(snapshot(&world, &user, &[]).await.status, 200);
}

#[tokio::test]
async fn a_final_snapshot_takes_the_rights_that_a_snapshot_does() {
    let world = World::new().await;
    let agent = agent(&world).await;
    let members = [
        ("Tags.Tag.1.Key", "team"),
        ("Tags.Tag.1.Value", "red"),
        ("CopyTagsToSnapshot", "true"),
    ];
    available(&world, &agent, &members).await;
    let needed = [
        "rds:DeleteDBInstance",
        "rds:CreateDBSnapshot",
        "rds:AddTagsToResource",
    ];
    let delete = [
        ("DBInstanceIdentifier", "orders"),
        ("FinalDBSnapshotIdentifier", "last"),
    ];
    for left_out in needed {
        let rest: Vec<&&str> = needed.iter().filter(|one| **one != left_out).collect();
        let name = left_out.replace(':', "-");
        let user = world
            .user(OWN, &name, Some(&allowed(json!(rest), json!("*"))))
            .await;
        let (_, code, message) = told(&world.rds(&user, "DeleteDBInstance", &delete).await);
        assert_eq!(code, "AccessDenied");
        assert!(message.contains(left_out), "{message}");
    }
    let user = world
        .user(OWN, "all", Some(&allowed(json!(needed), json!("*"))))
        .await;
    let answer = world.rds(&user, "DeleteDBInstance", &delete).await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    let arn = format!("arn:aws:rds:us-east-1:{OWN}:snapshot:last");
    let root = world.root.clone();
    let answer = world
        .rds(&root, "ListTagsForResource", &[("ResourceName", &arn)])
        .await;
    assert_eq!(
        element(&answer.body, "TagList"),
        "<Tag><Key>team</Key><Value>red</Value></Tag>"
    );
}

#[tokio::test]
async fn tags_of_snapshots_are_conditions() {
    let world = World::new().await;
    let agent = agent(&world).await;
    available(&world, &agent, &[]).await;
    let root = world.root.clone();
    let tags = [("Tags.Tag.1.Key", "team"), ("Tags.Tag.1.Value", "red")];
    assert_eq!(snapshot(&world, &root, &tags).await.status, 200);
    let made = told_of(&world, &agent, is_unmade).await;
    say(&world, &agent, &made, "READY").await;
    for (at, (key, value, status)) in [
        ("rds:snapshot-tag/team", "red", 200),
        ("aws:ResourceTag/team", "red", 200),
        ("rds:snapshot-tag/team", "blue", 403),
    ]
    .into_iter()
    .enumerate()
    {
        let condition = json!({ "StringEquals": { key: value } });
        let statement = json!({ "Effect": "Allow", "Action": "rds:Describe*", "Resource": "*", "Condition": condition }).to_string();
        let user = world.user(OWN, &format!("u{at}"), Some(&statement)).await;
        let named = [("DBSnapshotIdentifier", "monday")];
        for action in ["DescribeDBSnapshots", "DescribeDBSnapshotAttributes"] {
            let answer = world.rds(&user, action, &named).await;
            assert_eq!(answer.status, status, "{key} {value}: {}", answer.body);
        }
    }
    // A copy has them if that is asked for, and takes the right to tag it.
    let statement = allowed(json!("rds:CopyDBSnapshot"), json!("*"));
    let user = world.user(OWN, "copies", Some(&statement)).await;
    let copy = [
        ("SourceDBSnapshotIdentifier", "monday"),
        ("TargetDBSnapshotIdentifier", "copy"),
        ("CopyTags", "true"),
    ];
    let (_, code, message) = told(&world.rds(&user, "CopyDBSnapshot", &copy).await);
    assert_eq!(code, "AccessDenied");
    assert!(message.contains("rds:AddTagsToResource"), "{message}");
    let answer = world.rds(&root, "CopyDBSnapshot", &copy).await;
    assert_eq!(
        element(&answer.body, "TagList"),
        "<Tag><Key>team</Key><Value>red</Value></Tag>"
    );
    for (more, code) in [
        (("KmsKeyId", "alias/x"), "InvalidParameterCombination"),
        (("OptionGroupName", "x"), "InvalidParameterValue"),
        (("PreSignedUrl", "https://x"), "InvalidParameterCombination"),
    ] {
        let members: Vec<(&str, &str)> = copy
            .iter()
            .copied()
            .map(|(name, value)| match value {
                "copy" => (name, "other"),
                _ => (name, value),
            })
            .chain([more])
            .collect();
        let answer = world.rds(&root, "CopyDBSnapshot", &members).await;
        assert_eq!(
            element(&answer.body, "Code"),
            code,
            "{more:?}: {}",
            answer.body
        );
    }
    let elsewhere = [
        (
            "SourceDBSnapshotIdentifier",
            "arn:aws:rds:eu-west-1:111122223333:snapshot:monday",
        ),
        ("TargetDBSnapshotIdentifier", "other"),
    ];
    let text =
        "Copying a DB snapshot of another Region is not supported by this version of Keyward.";
    let answer = world.rds(&root, "CopyDBSnapshot", &elsewhere).await;
    assert_eq!(
        told(&answer),
        refusal(400, "InvalidParameterCombination", text)
    );
}
