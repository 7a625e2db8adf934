//! GetKeyPolicy, PutKeyPolicy, ListKeyPolicies.

use crate::{
    errors::refused,
    world::{ROOT_ARN, World, key},
};

fn policy(principal: &str) -> String {
    format!(
        r#"{{"Version":"2012-10-17","Statement":[{{"Sid":"mine","Effect":"Allow","Principal":{{"AWS":"{principal}"}},"Action":"kms:*","Resource":"*"}}]}}"#
    )
}

#[tokio::test]
async fn a_policy_is_put_and_read_back() {
    let world = World::new("key_policy");
    let kms = world.kms();
    let key = key(&kms).await;
    let before = kms.get_key_policy().key_id(&key).send().await.unwrap();
    assert_eq!(before.policy_name(), Some("default"));
    assert!(before.policy().unwrap().contains("key-default-1"));
    let put = kms.put_key_policy().key_id(&key);
    put.policy(policy(ROOT_ARN)).send().await.unwrap();
    let get = kms.get_key_policy().key_id(&key).policy_name("default");
    let after = get.send().await.unwrap();
    assert!(after.policy().unwrap().contains("\"mine\""));
    let listed = kms.list_key_policies().key_id(&key).send().await.unwrap();
    assert_eq!(listed.policy_names(), ["default"]);
    assert!(!listed.truncated());
}

#[tokio::test]
async fn a_policy_must_be_one_and_keep_its_owner_in() {
    let world = World::new("key_policy_rules");
    let kms = world.kms();
    let key = key(&kms).await;
    let put = |text: String| kms.put_key_policy().key_id(&key).policy(text);
    let nobody = "arn:aws:iam::000000000000:user/nobody";
    refused(
        put(policy(nobody)).send().await,
        "MalformedPolicyDocumentException",
        "Policy contains a statement with one or more invalid principals.",
    );
    let other_action = policy(ROOT_ARN).replace("kms:*", "kms:Encrypt");
    refused(
        put(other_action).send().await,
        "MalformedPolicyDocumentException",
        "The new key policy will not allow you to update the key policy in the future.",
    );
    let get = kms.get_key_policy().key_id(&key).policy_name("other");
    refused(
        get.send().await,
        "NotFoundException",
        "No such policy exists",
    );
    let list = kms.list_key_policies().key_id("foo");
    refused(
        list.send().await,
        "NotFoundException",
        "Invalid keyId 'foo'",
    );
}
