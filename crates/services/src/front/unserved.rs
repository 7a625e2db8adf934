//! Requests that no API here serves, of another AWS service or of none. Whoever signed them properly
//! is told what is served, on the trail, and is not counted among those who failed authentication.

use std::borrow::Cow;

use keyward_wire::sigv4::{Claim, Presigned, Request, Skew};

use crate::{
    context::Context,
    fault::Fault,
    front::{
        Answer, Front, Ids, Received, UNKNOWN,
        authenticate::{self, Expected},
        context,
        dispatch::{Protocol, Refused},
    },
    iam,
    keyward::Keyward,
    kms,
    metrics::Ended,
    operation::Api,
    organizations::Organizations,
    sts, unsupported,
};

/// The services served, as credential scopes name them.
const SERVED: [&str; 5] = ["kms", "iam", "sts", "organizations", "keyward"];
/// Services of AWS whose clients read errors as XML, besides those of the Query protocol.
const READ_XML: [&str; 4] = ["cloudfront", "route53", "s3", "s3express"];
/// The longest name of a service that is told back.
const MAX_NAME: usize = 64;

/// The name under which the metrics count them.
pub(super) const OTHER: &str = "other";

impl Front {
    /// Answers what is for nothing that is served.
    pub(super) async fn answer_unserved(
        &self,
        received: &Received<'_>,
        body: &[u8],
        ids: &Ids,
        refused: Refused,
    ) -> Answer {
        let query = Some(received.query).filter(|query| !query.is_empty());
        let headers = received.headers.iter().copied();
        let request = Request::new(received.method, received.path, query, None, headers, body);
        let Ok(request) = request else {
            return self.refuse(received, ids, refused);
        };
        let Ok(claim) = Claim::parse(&request, Presigned::Refused) else {
            return self.refuse(received, ids, refused);
        };
        let service = claim.credential().service();
        let refused = if SERVED.contains(&service) {
            refused
        } else {
            not_served(received, service, refused.protocol)
        };
        let expected = Expected {
            service,
            skew: Skew::FifteenMinutes,
            presigned: Presigned::Refused,
        };
        let Ok(proven) = authenticate::prove(&self.shared, &request, expected).await else {
            return self.refuse(received, ids, refused);
        };
        received.peer.proof.note();
        let cx = context(&self.shared, received, (&proven, received.form()), ids);
        let Refused { protocol, fault } = refused;
        let code = match fault.code {
            Cow::Borrowed(code) => code,
            Cow::Owned(_) => "UnknownOperationException",
        };
        let message = fault.message.map(Cow::into_owned);
        let fault = Fault::new(code, message).status(fault.status);
        let fault = match service {
            "kms" => record::<kms::Kms>(&cx, kms::Kms::SERVICE, fault).await,
            "iam" => record::<iam::Iam>(&cx, iam::Iam::SERVICE, fault).await,
            "sts" => record::<sts::Sts>(&cx, sts::Sts::SERVICE, fault).await,
            "organizations" => record::<Organizations>(&cx, Organizations::SERVICE, fault).await,
            "keyward" => record::<Keyward>(&cx, Keyward::SERVICE, fault).await,
            // The trail has no source for it but the server itself.
            _ => record::<Keyward>(&cx, OTHER, fault).await,
        };
        self.render(received, protocol, ids, &fault.to_wire())
    }
}

async fn record<A: Api>(cx: &Context<'_>, service: &'static str, fault: Fault) -> Fault {
    unsupported::recorded::<A>(cx, (service, UNKNOWN), fault, Ended::Fault).await
}

/// The refusal of a request for another of AWS's services, as its clients can read it.
fn not_served(received: &Received<'_>, service: &str, protocol: Protocol) -> Refused {
    let is_form = received
        .header("content-type")
        .is_some_and(|kind| kind.starts_with("application/x-www-form-urlencoded"));
    let xml = received.header("x-amz-target").is_none() && (is_form || READ_XML.contains(&service));
    let (code, protocol) = match protocol {
        Protocol::Query(_) if xml => ("InvalidAction", protocol),
        Protocol::Query(_) | Protocol::Json => ("UnknownOperationException", Protocol::Json),
    };
    let shown: String = service.chars().take(MAX_NAME).collect();
    let message = format!(
        "Keyward does not serve {shown}. It serves kms, iam, sts, organizations and keyward: send requests for {shown} to another endpoint."
    );
    Refused {
        protocol,
        fault: keyward_wire::fault::Fault::new(code, 400).with_message(message),
    }
}
