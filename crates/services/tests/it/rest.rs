//! An API of REST-JSON through the front: what names its operations, and how answers and faults look.

use std::sync::Arc;

use keyward_api_sts::Sts;
use keyward_engine::{
    api::{Api, ApiDescription},
    api_context,
    audit::parameters::{Parameter, integer, text, texts},
    context::Context,
    fault::Fault,
    front::Front,
    gate::{Denied, Gate, protected::IdentityOnly},
    operation::{ContextOf, Done, Operation, Output},
    pipeline::{Row, row},
    policy::permit::Permit,
    protocol::{Dialect, RestJson, Wire},
    request::{Peer, Received},
    service::{Service, Services},
};
use keyward_testkit::{
    answer::{Answer, Key},
    world::{OWN, World},
};
use keyward_types::{actions, arn::ArnParts};
use keyward_wire::{
    json::{Members, Object, Rejected, Writer},
    rest::{QueryMember, Route},
};

actions! {
    "xray":
    ForgetThing = "xray:ForgetThing",
    MakeThing = "xray:MakeThing",
}

api_context!(
    /// The context of a request to the test API.
    Cx,
    ()
);

#[derive(Clone, Copy, Debug)]
enum Things {}

impl Api for Things {
    type Protocol = RestJson;
    type State = ();
    type Context<'a> = Cx<'a>;
    const SERVICE: &'static str = "xray";
    const EVENT_SOURCE: &'static str = "xray.amazonaws.com";
    const WIRE: Wire = Wire::Rest {
        version: "2026-11-01",
        routes: &[
            Route {
                operation: "MakeThing",
                method: "PUT",
                path: "/2026-11-01/things/{Name}",
                query: &[],
                status: 201,
            },
            Route {
                operation: "ForgetThing",
                method: "DELETE",
                path: "/2026-11-01/things/{Name}",
                query: &[
                    QueryMember::texts("partNames", "Parts"),
                    QueryMember::integer("MaxParts"),
                ],
                status: 204,
            },
            Route {
                operation: "CopyThing",
                method: "POST",
                path: "/2026-11-01/things/{Name}/copy",
                query: &[],
                status: 200,
            },
        ],
        dialect: Dialect::Aws,
    };
    const OPERATIONS: &'static [Row] = &[row::<Thing<false>>(), row::<Thing<true>>()];
    const UNSUPPORTED: &'static [&'static str] = &["CopyThing"];
    const BARE: bool = true;

    fn description() -> &'static ApiDescription {
        static DESCRIPTION: ApiDescription = ApiDescription::of::<Things>();
        &DESCRIPTION
    }

    fn context<'a>(request: &'a Context<'a>, state: &'a ()) -> Cx<'a> {
        Cx::new(request, state)
    }

    fn resource_type(_arn: &ArnParts<'_>) -> Option<&'static str> {
        None
    }
}

/// `MakeThing` and `ForgetThing`.
#[derive(Debug)]
struct Thing<const MAKES: bool> {
    name: String,
    arn: String,
}

#[derive(Debug)]
struct Made(Option<String>);

#[derive(Debug)]
struct TestFault(Fault);

impl From<Denied> for TestFault {
    fn from(denied: Denied) -> Self {
        Self(denied.into_fault("AccessDeniedException", 403))
    }
}

impl From<Rejected> for TestFault {
    fn from(rejected: Rejected) -> Self {
        let wire = keyward_wire::fault::Fault::from(&rejected);
        Self(Fault::of_wire(wire, "ValidationException"))
    }
}

impl From<TestFault> for Fault {
    fn from(fault: TestFault) -> Self {
        fault.0
    }
}

impl<const MAKES: bool> Operation for Thing<MAKES> {
    const NAME: &'static str = if MAKES { "MakeThing" } else { "ForgetThing" };
    const READ_ONLY: bool = false;
    const PARAMETERS: &'static [Parameter] = match MAKES {
        true => &[text("Name"), texts("Parts")],
        false => &[text("Name"), texts("Parts"), integer("MaxParts")],
    };
    type Api = Things;
    type Output = Made;
    type Fault = TestFault;
    type Resolved = ();
    type Permits = (Option<Permit<MakeThing>>, Option<Permit<ForgetThing>>);

    fn parse(body: &Object<'_>) -> Result<Self, TestFault> {
        let mut m = Members::of(body);
        let name = m.string("Name").length(2, 8).required().to_owned();
        m.strings("Parts").count(1, 2).optional();
        m.integer("MaxParts").range(1, 5).optional();
        m.finish()?;
        let arn = format!("arn:aws:xray:us-east-1:{OWN}:thing/{name}");
        Ok(Self { name, arn })
    }

    async fn resolve<'c>(&self, _cx: &'c ContextOf<'c, Things>) -> Result<(), TestFault> {
        Ok(())
    }

    fn authorize(&self, (): &(), gate: &Gate<'_>) -> Result<Self::Permits, Denied> {
        let on = IdentityOnly::new(&self.arn);
        Ok(match MAKES {
            true => (Some(gate.permit(&on, |_| ())?), None),
            false => (None, Some(gate.permit(&on, |_| ())?)),
        })
    }

    async fn call<'c>(
        &self,
        _: &Self::Permits,
        (): &(),
        cx: &'c ContextOf<'c, Things>,
    ) -> Result<Done<Made>, TestFault> {
        // The test API shares nothing.
        let () = *cx.state();
        if self.name == "taken" {
            let fault = Fault::new("ThingExists", Some("It is there.".to_owned()));
            return Err(TestFault(fault.status(409)));
        }
        Ok(Done::unchanged(Made(MAKES.then(|| self.name.clone()))))
    }
}

impl Output<Things> for Made {
    fn render(&self, out: &mut Writer<'_>) {
        out.string("Name", self.0.as_deref().unwrap_or_default());
        out.double("Rate", 1.0);
    }

    fn is_empty(&self) -> bool {
        self.0.is_none()
    }
}

async fn world() -> World {
    let mut world = World::new().await;
    let rows = world.front.services().rows().to_vec();
    let own = world.front.services().own().clone();
    let others = rows
        .into_iter()
        .filter(|row| row.api().service != "keyward");
    let services = Services::new::<Sts>(own, others.chain([Service::new::<Things>(Arc::new(()))]));
    world.front = Front::new(Arc::clone(world.front.shared()), services);
    world
}

async fn ask(world: &World, key: &Key, method: &str, target: &str, body: &str) -> Answer {
    world.rest(Some(key), "xray", (method, target), body).await
}

fn told(answer: &Answer) -> (u16, &str, &str) {
    let code = answer.error_type.as_deref().unwrap_or("none");
    (answer.status, code, &answer.body)
}

fn last_event(world: &World) -> serde_json::Value {
    let trail = world.trail();
    let mut events = trail.lines().filter(|line| line.contains("eventName"));
    serde_json::from_str(events.next_back().unwrap()).unwrap()
}

#[tokio::test]
async fn an_operation_is_named_by_method_and_path() {
    let world = world().await;
    let root = world.root.clone();
    let answer = ask(
        &world,
        &root,
        "PUT",
        "/2026-11-01/things/a%2Fb",
        r#"{"Parts":["x"]}"#,
    )
    .await;
    assert_eq!(told(&answer), (201, "none", r#"{"Name":"a/b","Rate":1.0}"#));
    let event = last_event(&world);
    assert_eq!(event["eventName"], "MakeThing");
    assert_eq!(event["eventSource"], "xray.amazonaws.com");
    assert_eq!(event["apiVersion"], "2026-11-01");
    let sent = serde_json::json!({ "name": "a/b", "parts": ["x"] });
    assert_eq!(event["requestParameters"], sent);
    let target = "/2026-11-01/things/ab/?MaxParts=2&partNames=p%20q&partNames=r";
    let answer = ask(&world, &root, "DELETE", target, "").await;
    assert_eq!(told(&answer), (204, "none", ""));
    let event = last_event(&world);
    let sent = serde_json::json!({ "name": "ab", "parts": ["p q", "r"], "maxParts": 2 });
    assert_eq!(event["requestParameters"], sent);
}

#[tokio::test]
async fn faults_have_their_code_in_a_field() {
    let world = world().await;
    let root = world.root.clone();
    let alice = world.user(OWN, "alice", None).await;
    for (key, method, target, body, expected) in [
        (
            &root,
            "PUT",
            "/2026-11-01/things/taken",
            "",
            (409, "ThingExists", r#"{"message":"It is there."}"#),
        ),
        (
            &root,
            "PUT",
            "/2026-11-01/things/x",
            "",
            (
                400,
                "ValidationException",
                r#"{"message":"1 validation error detected: Value 'x' at 'name' failed to satisfy constraint: Member must have length greater than or equal to 2"}"#,
            ),
        ),
        (
            &root,
            "PUT",
            "/2026-11-01/things/xx",
            "[]",
            (
                400,
                "SerializationException",
                r#"{"message":"The request body must be a JSON object."}"#,
            ),
        ),
        (
            &root,
            "PUT",
            "/2026-11-01/things/xx",
            r#"{"Parts":7}"#,
            (
                400,
                "SerializationException",
                r#"{"message":"Expected list or null"}"#,
            ),
        ),
        (
            &root,
            "DELETE",
            "/2026-11-01/things/xx?MaxParts=few",
            "",
            (
                400,
                "SerializationException",
                r#"{"message":"STRING_VALUE can not be converted to an Integer"}"#,
            ),
        ),
        (
            &root,
            "DELETE",
            "/2026-11-01/things/xx?MaxParts=1&MaxParts=2",
            "",
            (
                400,
                "MalformedHttpRequestException",
                r#"{"message":"A query parameter of the request must not occur twice."}"#,
            ),
        ),
        (
            &root,
            "DELETE",
            "/2026-11-01/things/x%x",
            "",
            (
                400,
                "MalformedHttpRequestException",
                r#"{"message":"The path or the query string of the request is malformed."}"#,
            ),
        ),
        (
            &root,
            "POST",
            "/2026-11-01/things/xx/copy",
            "",
            (
                400,
                "UnsupportedOperationException",
                r#"{"message":"CopyThing is not supported by this version of Keyward."}"#,
            ),
        ),
        // Paths and methods that no operation has.
        (
            &root,
            "GET",
            "/2026-11-01/things/xx",
            "",
            (404, "UnknownOperationException", "{}"),
        ),
        (
            &root,
            "PUT",
            "/2026-11-01/persons/xx",
            "",
            (404, "UnknownOperationException", "{}"),
        ),
        (
            &root,
            "PUT",
            "/2026-11-01/things/../things/xx",
            "",
            (404, "UnknownOperationException", "{}"),
        ),
        (
            &root,
            "POST",
            "/",
            "Action=MakeThing&Version=2026-11-01",
            (404, "UnknownOperationException", "{}"),
        ),
        (
            &alice,
            "PUT",
            "/2026-11-01/things/xx",
            "",
            (
                403,
                "AccessDeniedException",
                r#"{"Message":"User: arn:aws:iam::111122223333:user/alice is not authorized to perform: xray:MakeThing on resource: arn:aws:xray:us-east-1:111122223333:thing/xx because no identity-based policy allows the xray:MakeThing action"}"#,
            ),
        ),
    ] {
        let answer = ask(&world, key, method, target, body).await;
        assert_eq!(told(&answer), expected, "{method} {target}");
        let event = last_event(&world);
        let code = expected
            .1
            .strip_suffix("Exception")
            .filter(|code| *code == "AccessDenied");
        assert_eq!(
            event["errorCode"],
            code.unwrap_or(expected.1),
            "{method} {target}"
        );
        assert_eq!(event["eventSource"], "xray.amazonaws.com");
    }
}

#[tokio::test]
async fn whoever_proves_nothing_is_answered_in_the_same_style() {
    let world = world().await;
    let target = ("PUT", "/2026-11-01/things/xx");
    let answer = world.rest(None, "xray", target, "").await;
    let missing = r#"{"message":"Missing Authentication Token"}"#;
    assert_eq!(
        told(&answer),
        (403, "MissingAuthenticationTokenException", missing)
    );
    let mut key = world.root.clone();
    key.secret = "another secret".to_owned();
    let answer = world.rest(Some(&key), "xray", target, "").await;
    assert_eq!(
        (answer.status, answer.error_type.as_deref()),
        (403, Some("InvalidSignatureException"))
    );
    key.id = "AKIAIOSFODNN7EXAMPLE".to_owned();
    let answer = world.rest(Some(&key), "xray", target, "").await;
    let unknown = r#"{"message":"The security token included in the request is invalid."}"#;
    assert_eq!(told(&answer), (403, "UnrecognizedClientException", unknown));
    // Without a path that names anything either.
    let answer = world.rest(Some(&key), "xray", ("GET", "/x"), "").await;
    assert_eq!(told(&answer), (404, "UnknownOperationException", "{}"));
    // A path alone says nothing to an API that is named otherwise.
    let root = world.root.clone();
    let answer = world.rest(Some(&root), "kms", target, "").await;
    assert_eq!((answer.status, answer.error_type), (400, None));
    assert!(!world.trail().contains(r#""eventName":"MakeThing""#));
}

#[tokio::test]
async fn a_head_without_its_body_is_looked_at_by_its_path() {
    let world = world().await;
    let peer = Peer::new(std::net::IpAddr::from([127, 0, 0, 1]), None);
    let scope = "AKIAIOSFODNN7EXAMPLE/20261118/us-east-1/xray/aws4_request";
    let authorization = format!(
        "AWS4-HMAC-SHA256 Credential={scope}, SignedHeaders=host;x-amz-date, Signature={}",
        "0".repeat(64)
    );
    let headers: [(&str, &[u8]); 3] = [
        ("host", b"keyward.test"),
        ("x-amz-date", b"20261118T110640Z"),
        ("authorization", authorization.as_bytes()),
    ];
    let mut received = Received {
        method: "PUT",
        path: "/2026-11-01/things/xx",
        query: "",
        headers: &headers,
        peer: &peer,
    };
    let refused = world.front.look(&received).await.unwrap_err();
    let answer = world.front.refuse_looked_at(&received, refused);
    assert_eq!(answer.status, 403);
    assert_eq!(
        answer.error_type.as_deref(),
        Some("UnrecognizedClientException")
    );
    // What is refused for its path needs no caller.
    received.path = "/x";
    assert!(world.front.look(&received).await.is_ok());
    let answer = world.front.body_too_large(&received);
    assert_eq!(answer.status, 413);
    assert_eq!(
        answer.error_type.as_deref(),
        Some("RequestEntityTooLargeException")
    );
    assert_eq!(answer.content_type, "application/json");
}
