//! Cloudera's protocol below the wire: who is refused before anything is looked up. `clients/test_cde.py` has the rest.

use std::net::IpAddr;

use keyward_api_cde::{
    kept::Kept,
    records::{ClusterRecord, EnvironmentRecord, Outcome, ServiceRecord},
};
use keyward_engine::{
    directory::{
        paths,
        records::{self, V1},
    },
    request::{Peer, Received, TlsDetails},
};
use keyward_store::batch::Precondition;
use keyward_testkit::{
    answer::Key,
    world::{OWN, World, account, policy},
};
use keyward_types::{partition::Partition, region::Region, tag::Tag, time::Timestamp};
use serde_json::{Value, json};

const LIST: &str = "/api/v1/de/listServices";
const AUTH: &str = "eyJhY2Nlc3Nfa2V5X2lkIjogIjBiNWM3YzBlLTRmMGEtNGE2Yi05YTVlLTNmMWQyYzRiNWE2OSIsICJhdXRoX21ldGhvZCI6ICJlZDI1NTE5djEifQ==.AAAA";

/// Status, code and message of a request from an address.
async fn ask(world: &World, from: &str, over_tls: bool) -> (u16, Value) {
    let tls = over_tls.then(|| TlsDetails {
        version: "TLSv1.3",
        cipher_suite: "TLS_AES_256_GCM_SHA384".to_owned(),
    });
    ask_as(world, &Peer::new(from.parse().unwrap(), tls), &[]).await
}

/// The same, with more headers.
async fn ask_as(world: &World, peer: &Peer, more: &[(&str, &[u8])]) -> (u16, Value) {
    let headers: [(&str, &[u8]); 3] = [
        ("content-type", b"application/json"),
        ("x-altus-date", b"Thu, 01 Jan 1970 00:00:00 GMT"),
        ("x-altus-auth", AUTH.as_bytes()),
    ];
    let received = Received {
        method: "POST",
        path: LIST,
        query: "",
        headers: &[&headers, more].concat(),
        peer,
    };
    let answer = world.front.answer(&received, b"{}").await;
    (answer.status, serde_json::from_slice(&answer.body).unwrap())
}

#[tokio::test]
async fn off_this_machine_a_body_that_is_not_signed_needs_tls() {
    let world = World::new().await;
    for from in ["192.0.2.1", "2001:db8::1"] {
        let insecure = json!({
            "code": "FAILED_PRECONDITION",
            "message": "Requests of this protocol do not sign their bodies. Use an https endpoint, or connect from the same machine, without a proxy.",
        });
        assert_eq!(ask(&world, from, false).await, (400, insecure));
        let (status, body) = ask(&world, from, true).await;
        assert_eq!((status, &body["code"]), (401, &json!("UNAUTHENTICATED")));
    }
    for from in ["127.0.0.1", "::1"] {
        let (status, body) = ask(&world, from, false).await;
        assert_eq!((status, &body["code"]), (401, &json!("UNAUTHENTICATED")));
    }
    // Nobody is proven: there is no event.
    assert!(!world.trail().contains(r#""eventName":"listServices""#));
}

#[tokio::test]
async fn what_a_proxy_forwards_is_not_from_this_machine() {
    let world = World::new().await;
    let here: IpAddr = "127.0.0.1".parse().unwrap();
    let mut named = Peer::new(here, None);
    named.is_named_by_proxy = true;
    let (status, body) = ask_as(&world, &named, &[]).await;
    assert_eq!(
        (status, &body["code"]),
        (400, &json!("FAILED_PRECONDITION"))
    );
    for header in [
        "Forwarded",
        "via",
        "X-Forwarded-For",
        "x-forwarded-proto",
        "X-Real-IP",
    ] {
        let more: [(&str, &[u8]); 1] = [(header, b"127.0.0.1")];
        let (status, body) = ask_as(&world, &Peer::new(here, None), &more).await;
        assert_eq!(
            (status, &body["code"]),
            (400, &json!("FAILED_PRECONDITION")),
            "{header}"
        );
        let mut over_tls = named.clone();
        over_tls.tls = Some(TlsDetails {
            version: "TLSv1.3",
            cipher_suite: "TLS_AES_256_GCM_SHA384".to_owned(),
        });
        let (status, body) = ask_as(&world, &over_tls, &more).await;
        assert_eq!(
            (status, &body["code"]),
            (401, &json!("UNAUTHENTICATED")),
            "{header}"
        );
    }
}

#[tokio::test]
async fn a_signature_of_aws_is_as_good_and_covers_the_body() {
    let world = World::new().await;
    let allow = r#"{"Effect":"Allow","Action":"de:*","Resource":"*"}"#;
    let user = world.user(OWN, "dana", Some(allow)).await;
    let answer = world.rest(Some(&user), "de", ("POST", LIST), "{}").await;
    assert_eq!(
        (answer.status, answer.body.as_str()),
        (200, r#"{"services":[]}"#)
    );
    // Of another service it is not.
    let answer = world
        .rest(Some(&user), "environments", ("POST", LIST), "{}")
        .await;
    assert_eq!(answer.status, 404, "{}", answer.body);
    let answer = world.rest(None, "de", ("POST", LIST), "{}").await;
    let said: Value = serde_json::from_str(&answer.body).unwrap();
    assert_eq!(
        (answer.status, &said["code"]),
        (401, &json!("UNAUTHENTICATED"))
    );
}

#[tokio::test]
async fn the_operation_that_notes_what_was_done_has_no_path() {
    let world = World::new().await;
    let path = "/api/v1/de/recordProvisioning";
    let root = world.root.clone();
    let answer = world.rest(Some(&root), "de", ("POST", path), "{}").await;
    assert_eq!(
        (answer.status, answer.body.as_str()),
        (
            404,
            r#"{"code":"NOT_FOUND","message":"There is no such operation."}"#
        )
    );
}

#[tokio::test]
async fn a_session_makes_no_key_that_outlives_it() {
    const ALLOW: &str = r#"{"Effect":"Allow","Action":"*","Resource":"*"}"#;
    let world = World::new().await;
    let dana = world.user(OWN, "dana", Some(ALLOW)).await;
    let limits = policy(r#"{"Effect":"Allow","Action":"keyward:*","Resource":"*"}"#);
    let of_user = world.sts(&dana, "GetSessionToken", &[]).await.key();
    let of_root = world.sts(&world.root, "GetSessionToken", &[]).await.key();
    let parameters = [("Name", "fed"), ("Policy", limits.as_str())];
    let federated = world.sts(&dana, "GetFederationToken", &parameters).await;
    let federated = federated.key();
    let ask = async |key: &Key, operation: &str| {
        let target = format!("Keyward_20261101.{operation}");
        let body = r#"{"UserName":"dana","AccessKeyId":"x"}"#;
        let body = match operation {
            "CreateCdpAccessKey" => r#"{"UserName":"dana"}"#,
            _ => body,
        };
        world.json(key, "keyward", &target, body).await
    };
    for session in [&of_user, &of_root, &federated] {
        for operation in ["CreateCdpAccessKey", "DeleteCdpAccessKey"] {
            let answer = ask(session, operation).await;
            let said: Value = serde_json::from_str(&answer.body).unwrap();
            let message = format!("Cannot call {operation} with session credentials");
            assert_eq!((answer.status, &said["Message"]), (400, &json!(message)));
            assert_eq!(said["__type"], "AccessDeniedException");
        }
    }
    assert_eq!(ask(&dana, "CreateCdpAccessKey").await.status, 200);
}

/// Puts records where the services find them.
async fn put<K: Kept>(world: &World, all: &[K]) {
    let home = (Partition::Aws, account(OWN));
    let reader = world.directory().reader();
    let mut batch = world.workers.batch();
    for one in all {
        let name_home = paths::name_home(home.0, home.1);
        let hash = reader.name_hash(name_home.as_str(), K::KIND.as_str(), &one.name());
        let path = paths::global(home.0, home.1, [K::KIND, (&hash).into()]);
        let bytes = records::encode(one).unwrap();
        batch
            .put(path, K::PURPOSE, &bytes, Precondition::Absent)
            .unwrap();
    }
    world.workers.commit(batch).await.unwrap();
}

fn environment() -> EnvironmentRecord {
    EnvironmentRecord {
        version: V1,
        name: "production".to_owned(),
        id: "0b5c7c0e-4f0a-4a6b-9a5e-3f1d2c4b5a69".to_owned(),
        credential: "cdp".to_owned(),
        region: Region::parse("us-east-1").unwrap(),
        key: None,
        subnets: Vec::new(),
        vpc: "vpc-1".to_owned(),
        description: None,
        log_location: "s3a://logs".to_owned(),
        log_profile: "logs".to_owned(),
        cidr: None,
        login_key: None,
        tags: Vec::new(),
        creator: "arn".to_owned(),
        created: Timestamp::from_seconds(0),
    }
}

/// A service that was disabled, and of which nothing is left.
fn gone(id: &str) -> ServiceRecord {
    ServiceRecord {
        version: V1,
        id: id.to_owned(),
        name: id.to_owned(),
        environment: "production".to_owned(),
        key: None,
        region: Region::parse("us-east-1").unwrap(),
        creator: "arn".to_owned(),
        created: Timestamp::from_seconds(0),
        resources: Vec::new(),
        file_system: None,
        outcome: Some(Outcome::Done),
        log: Vec::new(),
        disabling: true,
        tags: Vec::new(),
    }
}

fn cluster(service: &str, number: usize) -> ClusterRecord {
    ClusterRecord {
        version: V1,
        id: format!("dex-app-{number}"),
        name: format!("vc{number}"),
        service: service.to_owned(),
        cpu: "1".to_owned(),
        memory: "1Gi".to_owned(),
        tier: "CORE".to_owned(),
        spark: "SPARK3_5".to_owned(),
        users: Vec::new(),
        creator: "arn".to_owned(),
        created: Timestamp::from_seconds(0),
    }
}

#[tokio::test]
async fn what_is_gone_is_forgotten_as_far_as_a_batch_has_room_and_later_the_rest() {
    let world = World::new().await;
    let root = world.root.clone();
    put(&world, &[gone("cluster-a"), gone("cluster-b")]).await;
    for service in ["cluster-a", "cluster-b"] {
        let clusters: Vec<_> = (0..50).map(|number| cluster(service, number)).collect();
        put(&world, &clusters).await;
    }
    let left = async || {
        let answer = world.rest(Some(&root), "de", ("POST", LIST), "{}").await;
        answer.body.matches(r#""clusterId""#).count()
    };
    let mut seen = vec![left().await];
    for _ in 0..2 {
        put(&world, &[environment()]).await;
        let path = "/api/v1/environments2/deleteEnvironment";
        let body = r#"{"environmentName":"production"}"#;
        let answer = world
            .rest(Some(&root), "environments", ("POST", path), body)
            .await;
        assert_eq!((answer.status, answer.body.as_str()), (200, "{}"));
        seen.push(left().await);
    }
    assert_eq!(seen, [2, 1, 0]);
}

#[tokio::test]
async fn a_public_key_is_that_of_one_access_key() {
    // That of 32 zero bytes, alone and as a SubjectPublicKeyInfo.
    const POINT: &str = "O2onvM62pC1io6jQKm8Nc2UyFXcd4kOmOsBIoYtZ2ik=";
    let whole = format!("MCowBQYDK2VwAyEA{POINT}");
    let world = World::new().await;
    let root = world.root.clone();
    world.user(OWN, "dana", None).await;
    world.user(OWN, "eve", None).await;
    let ask = async |operation: &str, members: Value| {
        let target = format!("Keyward_20261101.{operation}");
        let body = members.to_string();
        let answer = world.json(&root, "keyward", &target, &body).await;
        let said: Value = serde_json::from_str(&answer.body).unwrap();
        (answer.status, said)
    };
    let create = async |user: &str, key: &str| {
        let members = json!({"UserName": user, "PublicKey": key});
        ask("CreateCdpAccessKey", members).await
    };
    let (status, made) = create("dana", POINT).await;
    assert_eq!(status, 200, "{made}");
    for (user, key) in [("dana", POINT), ("eve", POINT), ("eve", &*whole)] {
        let (status, said) = create(user, key).await;
        assert_eq!(
            (status, &said["__type"]),
            (400, &json!("AlreadyExistsException"))
        );
        let message = "The public key is that of an access key already. Each access key has a key pair of its own.";
        assert_eq!(said["message"], message);
    }
    let gone = json!({"UserName": "dana", "AccessKeyId": made["AccessKeyId"]});
    assert_eq!(ask("DeleteCdpAccessKey", gone).await.0, 200);
    assert_eq!(create("eve", &whole).await.0, 200);
    // Signatures under a point of small order can be made without a private key.
    let (status, said) = create("dana", "AQAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=").await;
    assert_eq!(
        (status, &said["__type"]),
        (400, &json!("ValidationException"))
    );
}

/// Status and message of an operation of one of the services.
async fn told(world: &World, key: &Key, path: &str, body: &str) -> (u16, String) {
    let service = match path.starts_with("/api/v1/de/") {
        true => "de",
        false => "environments",
    };
    let answer = world.rest(Some(key), service, ("POST", path), body).await;
    let said: Value = serde_json::from_str(&answer.body).unwrap();
    let message = said["message"].as_str().unwrap_or_default();
    (answer.status, message.to_owned())
}

const CREATE: &str = "/api/v1/environments2/createAWSEnvironment";

fn create(tags: &str) -> String {
    format!(
        r#"{{"environmentName":"new","credentialName":"cdp","region":"us-east-1","securityAccess":{{"cidr":"10.0.0.0/8"}},"authentication":{{"publicKeyId":"login"}},"logStorage":{{"storageLocationBase":"s3a://l","instanceProfile":"p"}},"tags":{tags}}}"#
    )
}

#[tokio::test]
async fn a_role_is_passed_to_cdp_and_a_credential_is_used_by_whom_policies_allow() {
    const PATH: &str = "/api/v1/environments2/createAWSCredential";
    let world = World::new().await;
    let role = format!("arn:aws:iam::{OWN}:role/cdp");
    let body = format!(r#"{{"credentialName":"cdp","roleArn":"{role}"}}"#);
    let create_only = r#"{"Effect":"Allow","Action":["environments:createAWSCredential","environments:createAWSEnvironment"],"Resource":"*"}"#;
    let passing = |service: &str| {
        format!(
            r#"{create_only},{{"Effect":"Allow","Action":"iam:PassRole","Resource":"{role}","Condition":{{"StringEquals":{{"iam:PassedToService":"{service}"}}}}}}"#
        )
    };
    let text = format!("is not authorized to perform: iam:PassRole on resource: {role} because");
    let elsewhere = passing("ec2.amazonaws.com");
    for (name, allowed) in [("eve", create_only), ("mallory", elsewhere.as_str())] {
        let key = world.user(OWN, name, Some(allowed)).await;
        let (status, message) = told(&world, &key, PATH, &body).await;
        assert!(status == 403 && message.contains(&text), "{message}");
    }
    let allowed = passing("cdp.cloudera.com");
    let dana = world.user(OWN, "dana", Some(&allowed)).await;
    let (status, message) = told(&world, &dana, PATH, &body).await;
    // There is no such role.
    let text = format!("CDP cannot assume the role {role}: ");
    assert!(status == 400 && message.starts_with(&text), "{message}");

    let text = format!(
        "is not authorized to perform: environments:useCredential on resource: arn:aws:environments::{OWN}:credential/cdp because"
    );
    let (status, message) = told(&world, &dana, CREATE, &create("[]")).await;
    assert!(status == 403 && message.contains(&text), "{message}");
    let uses = format!(
        r#"{create_only},{{"Effect":"Allow","Action":"environments:useCredential","Resource":"arn:aws:environments::{OWN}:credential/cdp"}}"#
    );
    let fred = world.user(OWN, "fred", Some(&uses)).await;
    let (status, message) = told(&world, &fred, CREATE, &create("[]")).await;
    assert!(status != 403, "{message}");
}

#[tokio::test]
async fn tags_count_in_policies() {
    let world = World::new().await;
    let red = |kind: &str| {
        format!(
            r#"{{"Effect":"Allow","Action":"*","Resource":"*"}},{{"Effect":"Deny","Action":["de:*","environments:*"],"Resource":"*","Condition":{{"StringEquals":{{"aws:{kind}/team":"red"}}}}}}"#
        )
    };
    let tag = |value: &str| {
        let (key, value) = ("team".to_owned(), value.to_owned());
        vec![Tag { key, value }]
    };
    let mut all = [environment(), environment()];
    let mut services = [gone("cluster-red"), gone("cluster-blue")];
    for (at, value) in ["red", "blue"].into_iter().enumerate() {
        all[at].name = value.to_owned();
        all[at].tags = tag(value);
        services[at].tags = tag(value);
    }
    put(&world, &all).await;
    put(&world, &services).await;
    let by_resource = world.user(OWN, "dana", Some(&red("ResourceTag"))).await;
    let by_request = world.user(OWN, "fred", Some(&red("RequestTag"))).await;
    for (path, body) in [
        (
            "/api/v1/environments2/describeEnvironment",
            r#"{"environmentName":"COLOR"}"#,
        ),
        (
            "/api/v1/de/enableService",
            r#"{"name":"etl","env":"COLOR","instanceType":"m","minimumInstances":1,"maximumInstances":1}"#,
        ),
        (
            "/api/v1/de/describeService",
            r#"{"clusterId":"cluster-COLOR"}"#,
        ),
    ] {
        let (status, message) =
            told(&world, &by_resource, path, &body.replace("COLOR", "red")).await;
        assert!(
            status == 403 && message.contains("explicit deny"),
            "{path}: {message}"
        );
        let (status, message) =
            told(&world, &by_resource, path, &body.replace("COLOR", "blue")).await;
        assert_ne!(status, 403, "{path}: {message}");
    }
    let enable = r#"{"name":"etl","env":"blue","instanceType":"m","minimumInstances":1,"maximumInstances":1,"tags":{"team":"COLOR"}}"#;
    let created = create(r#"[{"key":"team","value":"COLOR"}]"#);
    for (path, body) in [("/api/v1/de/enableService", enable), (CREATE, &created)] {
        let (status, message) =
            told(&world, &by_request, path, &body.replace("COLOR", "red")).await;
        assert!(
            status == 403 && message.contains("explicit deny"),
            "{path}: {message}"
        );
        let (status, message) =
            told(&world, &by_request, path, &body.replace("COLOR", "blue")).await;
        assert_ne!(status, 403, "{path}: {message}");
    }
}

#[tokio::test]
async fn what_is_asked_for_and_cannot_be_had_is_refused() {
    let world = World::new().await;
    let root = world.root.clone();
    let enable = |more: &str| {
        format!(
            r#"{{"name":"etl","env":"none","instanceType":"m","minimumInstances":2,"maximumInstances":2{more}}}"#
        )
    };
    let path = "/api/v1/de/enableService";
    for (member, value) in [
        ("allPurposeInstanceType", r#""m""#),
        ("disableArm64", "true"),
    ] {
        let body = enable(&format!(r#","{member}":{value}"#));
        let message = format!("{member} is not supported by this version of Keyward.");
        assert_eq!(told(&world, &root, path, &body).await, (400, message));
    }
    let turned = enable("").replace(r#""maximumInstances":2"#, r#""maximumInstances":1"#);
    let message = "maximumInstances must not be less than minimumInstances.".to_owned();
    assert_eq!(told(&world, &root, path, &turned).await, (400, message));
    let missing = (404, "There is no environment none.".to_owned());
    assert_eq!(told(&world, &root, path, &enable("")).await, missing);
    let security = r#""cidr":"10.0.0.0/8""#;
    for (old, new, member) in [
        (
            r#""tags":"#,
            r#""enableTunnel":true,"tags":"#,
            "enableTunnel",
        ),
        (
            r#""tags":"#,
            r#""freeIpa":{"multiAz":true},"tags":"#,
            "freeIpa",
        ),
        (
            security,
            r#""defaultSecurityGroupId":"sg-1""#,
            "defaultSecurityGroupId",
        ),
        (
            security,
            r#""securityGroupIDsForKnox":["sg-1"]"#,
            "securityGroupIDsForKnox",
        ),
    ] {
        let body = create("[]").replace(old, new);
        let message = format!("{member} is not supported by this version of Keyward.");
        assert_eq!(told(&world, &root, CREATE, &body).await, (400, message));
    }
}
