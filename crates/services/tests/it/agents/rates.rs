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
    // It had called once before, and opening a volume does not count.
    for _ in 2..BURST {
        asked(&world, &key, "PollVolumes", json!({})).await;
    }
    let answer = ask(&world, &key, "PollVolumes", json!({})).await;
    assert_eq!(told(&answer), throttled);
}

/// Whoever has an agent's access key may ask as often as it wants: the agent still hears that a key may not be used.
#[tokio::test]
async fn a_flood_with_an_agents_credentials_hides_no_refusal_of_kms() {
    const BURST: usize = 8;
    let world = World::with(Quotas {
        request_interval: Some(Duration::from_secs(3600)),
        request_burst: u32::try_from(BURST).unwrap(),
        ..Quotas::default()
    })
    .await;
    let (id, key) = agent(&world).await;
    let wrapped = volume_key(&world, FIRST).await;
    let arn = wrapped.key.clone();
    volume(&world, FIRST, &id, Some(wrapped)).await;
    let throttled = (
        400,
        "ThrottlingException".to_owned(),
        "Rate exceeded".to_owned(),
    );
    let open =
        async |volume: &str| ask(&world, &key, "OpenVolume", json!({ "VolumeId": volume })).await;
    // Nothing else uses up what opening a volume needs.
    while told(&ask(&world, &key, "PollVolumes", json!({})).await) != throttled {}
    for number in 0..100 {
        open(&format!("fs-1{number:016}")).await;
    }
    for _ in 0..BURST {
        assert_eq!(open(FIRST).await.status, 200);
    }
    // Over its own rate, a volume's data key is not given out.
    let recorded = world.trail().len();
    for _ in 0..BURST {
        assert_eq!(told(&open(FIRST).await), throttled);
    }
    let (status, code, _) = told(&open(SECOND).await);
    assert_eq!((status, code.as_str()), (400, "NotFoundException"));
    assert_eq!(world.trail().len(), recorded, "a flood fills no disk");
    // But what KMS refuses is told.
    let body = json!({ "KeyId": arn }).to_string();
    let answer = world
        .json(&world.root, "kms", "TrentService.DisableKey", &body)
        .await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    let recorded = world.trail().len();
    let (status, code, text) = told(&open(FIRST).await);
    assert_eq!((status, code.as_str()), (400, "DisabledException"));
    assert_eq!(text, format!("{arn} is disabled."));
    assert_eq!(world.trail().len(), recorded);
}
