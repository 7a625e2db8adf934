//! What is counted for the quotas is what was committed.

use keyward_api_kms::paths;
use keyward_engine::counts::Counted;
use keyward_testkit::world::{OWN, World, account};
use keyward_types::region::Region;

#[tokio::test]
async fn a_key_that_met_a_conflict_is_counted_once() {
    let world = World::new().await;
    let counted = Counted::regional(
        paths::KEY,
        Region::parse("us-east-1").unwrap(),
        account(OWN),
    );
    let counts = || world.front.shared().counts();
    counts().gathered(counted, 0);
    let create = || world.json(&world.root, "kms", "TrentService.CreateKey", "{}");
    // Each of them brings the account's first domain key; only one can.
    let (one, other) = tokio::join!(create(), create());
    assert_eq!((one.status, other.status), (200, 200));
    assert_eq!(counts().get(counted), Some(2));
}
