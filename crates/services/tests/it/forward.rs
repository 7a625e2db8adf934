//! An API calls KMS for its caller through the door, alone and over two hops.

use std::sync::Arc;

use keyward_api_sts::Sts;
use keyward_engine::{
    api::{Api, ApiDescription},
    api_context,
    audit::parameters::{Parameter, texts},
    context::Context,
    fault::Fault,
    forward::{Forwards, NotDone, call, for_client},
    front::Front,
    gate::{Denied, Gate},
    operation::{ContextOf, Done, Operation, Output},
    pipeline::{Row, row},
    protocol::{AwsJson, Wire},
    request::Told,
    service::{Service, Services},
};
use keyward_testkit::{
    answer::Key,
    world::{OWN, World},
};
use keyward_types::{arn::ArnParts, via_service};
use keyward_wire::json::{Members, Object, Writer};

api_context!(
    /// The context of a request to a test API.
    Cx,
    ()
);

/// Two APIs: the outer one calls the inner one, which calls KMS.
macro_rules! test_api {
    ($name:ident, $service:literal, $prefix:literal) => {
        #[derive(Clone, Copy, Debug)]
        enum $name {}

        impl Api for $name {
            type Protocol = AwsJson;
            type State = ();
            type Context<'a> = Cx<'a>;
            const SERVICE: &'static str = $service;
            const EVENT_SOURCE: &'static str = concat!($service, ".amazonaws.com");
            const WIRE: Wire = Wire::Json {
                target_prefix: $prefix,
            };
            const CALLS_OTHERS: bool = true;
            const OPERATIONS: &'static [Row] = &[row::<Protect<Self>>()];

            fn description() -> &'static ApiDescription {
                static DESCRIPTION: ApiDescription = ApiDescription::of::<$name>();
                &DESCRIPTION
            }

            fn context<'a>(request: &'a Context<'a>, state: &'a ()) -> Cx<'a> {
                Cx::new(request, state)
            }

            fn resource_type(_arn: &ArnParts<'_>) -> Option<&'static str> {
                None
            }
        }
    };
}

test_api!(Outer, "athena", "Outer.");
test_api!(Inner, "dynamodb", "Inner.");

impl Forwards for Outer {
    const CALLS_AS: &'static via_service::ActingService = via_service::ATHENA;
}

impl Forwards for Inner {
    const CALLS_AS: &'static via_service::ActingService = via_service::DYNAMO_DB;
}

/// In place of keys: KMS is asked for a client that nobody knows.
const NOBODY: &str = "nobody";

/// `Protect`: a data key under each of these keys.
#[derive(Debug)]
struct Protect<A> {
    keys: Vec<String>,
    api: std::marker::PhantomData<fn() -> A>,
}

/// How many data keys there are.
#[derive(Debug)]
struct Protected(usize);

/// A fault that is told as it comes.
#[derive(Debug)]
struct TestFault(Fault);

impl From<Denied> for TestFault {
    fn from(denied: Denied) -> Self {
        Self(denied.into_fault("AccessDeniedException", 400))
    }
}

impl From<TestFault> for Fault {
    fn from(fault: TestFault) -> Self {
        fault.0
    }
}

impl From<NotDone> for TestFault {
    fn from(not_done: NotDone) -> Self {
        Self(match not_done {
            NotDone::Refused(Told { code, message }) => Fault::new(code, message),
            NotDone::Failed(internal) => Fault::internal("ServiceFailure", internal),
        })
    }
}

impl<A> Operation for Protect<A>
where
    A: Forwards + Api<Protocol = AwsJson> + for<'a> Api<Context<'a> = Cx<'a>>,
{
    const NAME: &'static str = "Protect";
    const READ_ONLY: bool = false;
    const PARAMETERS: &'static [Parameter] = &[texts("KeyIds")];
    type Api = A;
    type Output = Protected;
    type Fault = TestFault;
    type Resolved = ();
    type Permits = ();

    fn parse(body: &Object<'_>) -> Result<Self, TestFault> {
        let mut m = Members::of(body);
        let keys = m.strings("KeyIds").optional().unwrap_or_default();
        let keys = keys.into_iter().map(str::to_owned).collect();
        Ok(Self {
            keys,
            api: std::marker::PhantomData,
        })
    }

    async fn resolve<'c>(&self, _cx: &'c ContextOf<'c, A>) -> Result<(), TestFault> {
        Ok(())
    }

    fn authorize(&self, (): &(), _gate: &Gate<'_>) -> Result<(), Denied> {
        Ok(())
    }

    async fn call<'c>(
        &self,
        (): &(),
        (): &(),
        cx: &'c ContextOf<'c, A>,
    ) -> Result<Done<Protected>, TestFault> {
        // Test APIs share nothing.
        let () = *cx.state();
        if self.keys == [NOBODY] {
            let (nobody, named) = ((None, cx.account()), ("kms", "ListKeys"));
            for_client(cx, nobody, (cx.peer.source_ip, false), named, b"{}").await?;
        }
        if A::SERVICE == Outer::SERVICE {
            let keys: Vec<String> = self.keys.iter().map(|key| format!("\"{key}\"")).collect();
            let body = format!("{{\"KeyIds\":[{}]}}", keys.join(","));
            call::<A>(cx, ("dynamodb", "Protect"), body.as_bytes()).await?;
        } else {
            for key in &self.keys {
                let body = format!("{{\"KeyId\":\"{key}\",\"KeySpec\":\"AES_256\"}}");
                let answer = call::<A>(cx, ("kms", "GenerateDataKey"), body.as_bytes()).await?;
                assert!(answer.starts_with(b"{\"CiphertextBlob\":"));
            }
        }
        Ok(Done::unchanged(Protected(self.keys.len())))
    }
}

impl<A: Api<Protocol = AwsJson>> Output<A> for Protected {
    fn render(&self, out: &mut Writer<'_>) {
        out.integer("Protected", i64::try_from(self.0).unwrap());
    }
}

/// A world with the test APIs beside the others, a user whom only key policies let in, and keys
/// that let it in under that condition.
async fn world(conditions: &[&str]) -> (World, Key, Vec<String>) {
    let mut world = World::new().await;
    let rows = world.front.services().rows().to_vec();
    let own = world.front.services().own().clone();
    let others = rows
        .into_iter()
        .filter(|row| row.api().service != "keyward");
    let services = Services::new::<Sts>(
        own,
        others.chain([
            Service::new::<Outer>(Arc::new(())),
            Service::new::<Inner>(Arc::new(())),
        ]),
    );
    world.front = Front::new(Arc::clone(world.front.shared()), services);
    let user = world.user(OWN, "alice", None).await;
    let mut keys = Vec::new();
    for condition in conditions {
        let policy = format!(
            r#"{{"Version":"2012-10-17","Statement":[{{"Effect":"Allow","Principal":{{"AWS":"arn:aws:iam::{OWN}:root"}},"Action":["kms:PutKeyPolicy","kms:Create*"],"Resource":"*"}},{{"Effect":"Allow","Principal":{{"AWS":"arn:aws:iam::{OWN}:user/alice"}},"Action":"kms:GenerateDataKey","Resource":"*","Condition":{condition}}}]}}"#
        );
        let body = serde_json::json!({ "Policy": policy }).to_string();
        let root = &world.root;
        let made = world
            .json(root, "kms", "TrentService.CreateKey", &body)
            .await;
        let made: serde_json::Value = serde_json::from_str(&made.body).unwrap();
        keys.push(made["KeyMetadata"]["KeyId"].as_str().unwrap().to_owned());
    }
    (world, user, keys)
}

fn body(keys: &[String]) -> String {
    serde_json::json!({ "KeyIds": keys }).to_string()
}

/// The events of KMS's GenerateDataKey.
fn uses(world: &World) -> Vec<serde_json::Value> {
    let trail = world.trail();
    let events = trail
        .lines()
        .filter_map(|line| serde_json::from_str(line).ok());
    events
        .filter(|event: &serde_json::Value| event["eventName"] == "GenerateDataKey")
        .collect()
}

#[tokio::test]
async fn an_api_uses_as_many_keys_as_it_needs_for_its_caller() {
    let via = r#"{"StringEquals":{"kms:ViaService":"dynamodb.us-east-1.amazonaws.com"},"Bool":{"aws:ViaAWSService":"true"}}"#;
    let (world, user, keys) = world(&[via, via]).await;
    let answer = world
        .json(&user, "dynamodb", "Inner.Protect", &body(&keys))
        .await;
    assert_eq!(
        (answer.status, answer.body.as_str()),
        (200, r#"{"Protected":2}"#)
    );
    let events = uses(&world);
    assert_eq!(events.len(), 2);
    for (event, key) in events.iter().zip(&keys) {
        let identity = &event["userIdentity"];
        assert_eq!(identity["userName"], "alice");
        assert_eq!(identity["invokedBy"], "dynamodb.amazonaws.com");
        assert_eq!(event["sourceIPAddress"], "dynamodb.amazonaws.com");
        assert_eq!(event["userAgent"], "dynamodb.amazonaws.com");
        assert_eq!(event["requestParameters"]["keyId"], key.as_str());
        assert_eq!(event["keyward"]["decisions"][0]["decision"], "Allow");
    }
    assert_ne!(events[0]["requestID"], events[1]["requestID"]);
    assert_ne!(events[0]["eventID"], events[1]["eventID"]);
}

#[tokio::test]
async fn the_policies_of_the_called_api_decide() {
    let via = r#"{"StringEquals":{"kms:ViaService":"rds.us-east-1.amazonaws.com"}}"#;
    let (world, user, keys) = world(&[via]).await;
    let answer = world
        .json(&user, "dynamodb", "Inner.Protect", &body(&keys))
        .await;
    let text = format!(
        "User: arn:aws:iam::{OWN}:user/alice is not authorized to perform: kms:GenerateDataKey on resource: arn:aws:kms:us-east-1:{OWN}:key/{} because no resource-based policy allows the kms:GenerateDataKey action",
        keys[0]
    );
    let said: serde_json::Value = serde_json::from_str(&answer.body).unwrap();
    assert_eq!(answer.status, 400);
    assert_eq!(said["__type"], "AccessDeniedException");
    assert_eq!(said["Message"], text.as_str());
    assert_eq!(uses(&world)[0]["errorCode"], "AccessDenied");
}

#[tokio::test]
async fn what_was_called_calls_on() {
    let via = r#"{"StringEquals":{"kms:ViaService":"dynamodb.us-east-1.amazonaws.com","aws:CalledViaFirst":"athena.amazonaws.com","aws:CalledViaLast":"dynamodb.amazonaws.com"},"ForAllValues:StringEquals":{"aws:CalledVia":["athena.amazonaws.com","dynamodb.amazonaws.com"]}}"#;
    let (world, user, keys) = world(&[via]).await;
    let answer = world
        .json(&user, "athena", "Outer.Protect", &body(&keys))
        .await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    let trail = world.trail();
    let invoked: Vec<(String, serde_json::Value)> = trail
        .lines()
        .filter_map(|line| serde_json::from_str(line).ok())
        .map(|event: serde_json::Value| {
            let name = event["eventName"].as_str().unwrap_or_default().to_owned();
            (name, event["userIdentity"]["invokedBy"].clone())
        })
        .filter(|(name, _)| name == "Protect" || name == "GenerateDataKey")
        .collect();
    let expected = [
        (
            "GenerateDataKey",
            serde_json::json!("dynamodb.amazonaws.com"),
        ),
        ("Protect", serde_json::json!("athena.amazonaws.com")),
        ("Protect", serde_json::Value::Null),
    ];
    assert!(
        invoked
            .iter()
            .map(|(name, by)| (name.as_str(), by.clone()))
            .eq(expected),
        "{invoked:?}"
    );
    // The inner API alone is not what the key's policy asks for.
    let answer = world
        .json(&user, "dynamodb", "Inner.Protect", &body(&keys))
        .await;
    assert_eq!(answer.status, 400);
}

#[tokio::test]
async fn a_client_of_a_resource_comes_to_what_is_for_clients_and_to_nothing_else() {
    let (world, _, _) = world(&[]).await;
    let root = &world.root;
    let answer = world
        .json(
            root,
            "dynamodb",
            "Inner.Protect",
            &body(&[NOBODY.to_owned()]),
        )
        .await;
    assert_eq!(answer.status, 500);
    assert!(!world.trail().contains(r#""eventName":"ListKeys""#));
}
