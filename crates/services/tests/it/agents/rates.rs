//! How often an agent may ask, if the operator limits that.

use super::*;

#[tokio::test]
async fn strangers_do_not_use_up_what_an_agent_may_ask_for_itself() {
    const BURST: usize = 10;
    let world = World::with(Quotas {
        request_interval: Some(Duration::from_secs(3600)),
        request_burst: u32::try_from(BURST).unwrap(),
        ..Quotas::default()
    })
    .await;
    let (id, key) = agent(&world).await;
    volume(&world, FIRST, &id, None).await;
    let throttled = (
        400,
        "ThrottlingException".to_owned(),
        "Rate exceeded".to_owned(),
    );
    // Each stranger that comes to a mount target has its agent ask.
    let stranger =
        json!({ "VolumeId": FIRST, "SecureTransport": false, "ClientAddress": "203.0.113.9" });
    for _ in 0..BURST {
        let answer = ask(&world, &key, "AuthorizeMount", stranger.clone()).await;
        assert_ne!(told(&answer).1, "ThrottlingException");
    }
    let answer = ask(&world, &key, "AuthorizeMount", stranger.clone()).await;
    assert_eq!(told(&answer), throttled);
    let report = json!({ "Volumes": [{ "VolumeId": FIRST, "Generation": 1, "State": "READY" }] });
    asked(&world, &key, "ReportVolumes", report).await;
    let open = ask(&world, &key, "OpenVolume", json!({ "VolumeId": FIRST })).await;
    assert_eq!(told(&open).1, "ValidationException");
    // It had called once before.
    for _ in 3..BURST {
        asked(&world, &key, "PollVolumes", json!({})).await;
    }
    let answer = ask(&world, &key, "PollVolumes", json!({})).await;
    assert_eq!(told(&answer), throttled);
}
