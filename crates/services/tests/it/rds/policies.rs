//! Who may do what with DB instances.

use super::*;

fn statement(effect: &str, actions: Value, condition: Value) -> String {
    json!({ "Effect": effect, "Action": actions, "Resource": "*", "Condition": condition })
        .to_string()
}

#[tokio::test]
async fn the_conditions_of_rds_describe_the_instance() {
    let world = World::new().await;
    let agent = agent(&world).await;
    available(
        &world,
        &agent,
        &[
            ("Tags.Tag.1.Key", "team"),
            ("Tags.Tag.1.Value", "red"),
            ("DBName", "app"),
        ],
    )
    .await;
    let conditions = [
        json!({ "Bool": { "rds:StorageEncrypted": "false" } }),
        json!({ "StringEquals": { "rds:DatabaseEngine": "postgres" } }),
        json!({ "StringEquals": { "rds:DatabaseClass": "db.t3.micro" } }),
        json!({ "StringEquals": { "rds:DatabaseName": "app" } }),
        json!({ "NumericLessThanEquals": { "rds:StorageSize": "20" } }),
        json!({ "NumericEquals": { "rds:Piops": "0" } }),
        json!({ "Bool": { "rds:MultiAz": "false", "rds:Vpc": "true" } }),
        json!({ "StringEquals": { "rds:BackupTarget": "region" } }),
        json!({ "StringEquals": { "rds:db-tag/team": "red" } }),
        json!({ "StringEquals": { "aws:ResourceTag/team": "red" } }),
    ];
    let contrary = json!({ "StringEquals": { "rds:db-tag/team": "blue" } });
    for (at, condition) in conditions.iter().chain([&contrary]).enumerate() {
        let allowed = statement("Allow", json!("rds:DescribeDBInstances"), condition.clone());
        let user = world.user(OWN, &format!("u{at}"), Some(&allowed)).await;
        let named = [("DBInstanceIdentifier", "orders")];
        let answer = world.rds(&user, "DescribeDBInstances", &named).await;
        let expected = if at < conditions.len() { 200 } else { 403 };
        assert_eq!(answer.status, expected, "{condition}: {}", answer.body);
    }
    let text = format!(
        "User: arn:aws:iam::{OWN}:user/u10 is not authorized to perform: rds:DescribeDBInstances on resource: arn:aws:rds:us-east-1:{OWN}:db:* because no identity-based policy allows the rds:DescribeDBInstances action"
    );
    let nobody = world.user(OWN, "nobody", None).await;
    let answer = world.rds(&nobody, "DescribeDBInstances", &[]).await;
    let text = text.replace("u10", "nobody");
    assert_eq!(told(&answer), refusal(403, "AccessDenied", &text));
}

#[tokio::test]
async fn to_create_an_instance_takes_the_groups_that_it_uses_and_its_tags() {
    let world = World::new().await;
    agent(&world).await;
    let arns = [
        format!("arn:aws:rds:us-east-1:{OWN}:db:orders"),
        format!("arn:aws:rds:us-east-1:{OWN}:og:default:postgres-15"),
        format!("arn:aws:rds:us-east-1:{OWN}:pg:default.postgres15"),
        format!("arn:aws:rds:us-east-1:{OWN}:subgrp:default"),
    ];
    for (at, left_out) in arns.iter().enumerate() {
        let rest: Vec<&String> = arns.iter().filter(|arn| *arn != left_out).collect();
        let allowed =
            json!({ "Effect": "Allow", "Action": "rds:CreateDBInstance", "Resource": rest });
        let user = world
            .user(OWN, &format!("u{at}"), Some(&allowed.to_string()))
            .await;
        let (status, code, message) = told(&create(&world, &user, &[]).await);
        assert_eq!((status, code.as_str()), (403, "AccessDenied"));
        assert!(message.contains(left_out), "{message}");
    }
    let tags = [("Tags.Tag.1.Key", "team"), ("Tags.Tag.1.Value", "red")];
    let allowed = json!({ "Effect": "Allow", "Action": "rds:CreateDBInstance", "Resource": arns });
    let user = world
        .user(OWN, "untagged", Some(&allowed.to_string()))
        .await;
    let (_, code, message) = told(&create(&world, &user, &tags).await);
    assert_eq!(code, "AccessDenied");
    assert!(message.contains("rds:AddTagsToResource"), "{message}");
    let condition =
        json!({ "StringEquals": { "rds:req-tag/team": "red", "aws:RequestTag/team": "red" } });
    let actions = json!(["rds:CreateDBInstance", "rds:AddTagsToResource"]);
    let user = world
        .user(OWN, "tagged", Some(&statement("Allow", actions, condition)))
        .await;
    assert_eq!(create(&world, &user, &[]).await.status, 403);
    let answer = create(&world, &user, &tags).await;
    assert_eq!(answer.status, 200, "{}", answer.body);
}

#[tokio::test]
async fn what_is_not_encrypted_can_be_denied() {
    let world = World::new().await;
    agent(&world).await;
    let condition = json!({ "Bool": { "rds:StorageEncrypted": "false" } });
    let denied = statement("Deny", json!("rds:CreateDBInstance"), condition);
    let allowed = r#"{"Effect":"Allow","Action":"*","Resource":"*"}"#;
    let user = world
        .user(OWN, "alice", Some(&format!("{allowed},{denied}")))
        .await;
    let (status, code, message) = told(&create(&world, &user, &[]).await);
    assert_eq!((status, code.as_str()), (403, "AccessDenied"));
    assert!(
        message.ends_with("with an explicit deny in an identity-based policy"),
        "{message}"
    );
    let answer = create(&world, &user, &[("StorageEncrypted", "true")]).await;
    assert_eq!(answer.status, 200, "{}", answer.body);
}

#[tokio::test]
async fn tags_are_added_listed_and_removed() {
    let world = World::new().await;
    let agent = agent(&world).await;
    available(&world, &agent, &[]).await;
    let root = world.root.clone();
    let arn = format!("arn:aws:rds:us-east-1:{OWN}:db:orders");
    let named = ("ResourceName", arn.as_str());
    let add = [
        named,
        ("Tags.Tag.1.Key", "team"),
        ("Tags.Tag.1.Value", "red"),
        ("Tags.Tag.2.Key", "x"),
    ];
    let answer = world.rds(&root, "AddTagsToResource", &add).await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    let answer = world.rds(&root, "ListTagsForResource", &[named]).await;
    assert_eq!(
        element(&answer.body, "TagList"),
        "<Tag><Key>team</Key><Value>red</Value></Tag><Tag><Key>x</Key><Value></Value></Tag>"
    );
    let remove = [named, ("TagKeys.member.1", "team")];
    world.rds(&root, "RemoveTagsFromResource", &remove).await;
    let answer = world.rds(&root, "ListTagsForResource", &[named]).await;
    assert_eq!(
        element(&answer.body, "TagList"),
        "<Tag><Key>x</Key><Value></Value></Tag>"
    );
    for (name, code) in [
        (
            format!("arn:aws:rds:us-east-1:{OWN}:db:none"),
            "DBInstanceNotFound",
        ),
        (
            format!("arn:aws:rds:us-east-1:{OWN}:subgrp:none"),
            "DBSubnetGroupNotFoundFault",
        ),
        (
            format!("arn:aws:rds:us-east-1:{OWN}:snapshot:none"),
            "DBSnapshotNotFound",
        ),
        (
            format!("arn:aws:rds:us-east-1:{OWN}:es:x"),
            "InvalidParameterValue",
        ),
        ("orders".to_owned(), "InvalidParameterValue"),
    ] {
        let answer = world
            .rds(&root, "ListTagsForResource", &[("ResourceName", &name)])
            .await;
        assert_eq!(element(&answer.body, "Code"), code, "{name}");
    }
}
