//! A server that was not running for a while, as on a paused or overloaded machine.

use keyward_testkit::{
    answer::Key,
    world::{OWN, World},
};

/// Longer than a node may not have heard from the store.
const PAUSE: i64 = 6_000;

#[tokio::test]
async fn after_a_pause_requests_wait_for_the_store_and_are_answered() {
    let world = World::new().await;
    let user = world.user(OWN, "alice", None).await;
    let stranger = Key {
        secret: "not the secret of alice's access key".to_owned(),
        ..user.clone()
    };
    for (key, expected) in [
        (&world.root, "{\"Keys\":[],\"Truncated\":false}"),
        (&user, "AccessDeniedException"),
        (&stranger, "InvalidSignatureException"),
    ] {
        world.hands.both(PAUSE);
        assert!(!world.front.shared().not_ready().is_empty());
        let answer = world.json(key, "kms", "TrentService.ListKeys", "{}").await;
        assert!(answer.body.contains(expected), "{}", answer.body);
    }
}
