//! Requests that no API here serves, of another AWS service or of none. A caller with a valid signature is told what
//! is served, and the event is on the trail; it is not counted among the failed authentications.

use keyward_metrics::Ended;
use keyward_wire::sigv4::{Claim, Presigned, Request, Skew};

use crate::{
    fault::Fault,
    front::{
        Front, UNKNOWN,
        authenticate::{self, Expected},
        dispatch::Refused,
    },
    pipeline,
    protocol::Style,
    request::{Answer, Ids, Received},
};

/// Services of AWS whose clients read errors as XML, besides those of the Query protocol.
const READ_XML: [&str; 4] = ["cloudfront", "route53", "s3", "s3express"];
/// The longest name of a service that is repeated in the answer.
const MAX_NAME: usize = 64;

/// The name under which the metrics count them.
pub(super) const OTHER: &str = "other";

impl Front {
    /// Answers a request for a service that is not served.
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
        let row = self.services.named(service);
        let refused = match row {
            Some(_) => refused,
            None => self.not_served(received, service, refused.style),
        };
        let expected = Expected::elsewhere(service, Skew::FifteenMinutes);
        let Ok(proven) = authenticate::prove(&self.shared, &request, expected).await else {
            return self.refuse(received, ids, refused);
        };
        self.shared.turns.note(received.peer, &proven.caller);
        let cx = self.context(received, (&proven, received.form()), (ids, None));
        let Refused { style, fault } = refused;
        let fault = Fault::of_wire(fault, "UnknownOperationException");
        let (api, counted) = match row {
            Some(row) => (row.api(), row.api().service),
            // The trail has no source for it but the server itself.
            None => (self.services.own().api(), OTHER),
        };
        let fault = pipeline::refused(&cx, (api, UNKNOWN), (counted, fault), Ended::Fault).await;
        self.render(received, style, ids, &fault.to_wire())
    }

    /// The refusal of a request for another of AWS's services, as its clients can read it.
    fn not_served(&self, received: &Received<'_>, service: &str, style: Style) -> Refused {
        let is_form = received
            .header("content-type")
            .is_some_and(|kind| kind.starts_with("application/x-www-form-urlencoded"));
        let xml =
            received.header("x-amz-target").is_none() && (is_form || READ_XML.contains(&service));
        let (code, style) = match style {
            Style::Query(_) if xml => ("InvalidAction", style),
            Style::Query(_) | Style::Json | Style::Rest(_) => {
                ("UnknownOperationException", Style::Json)
            }
        };
        let shown: String = service.chars().take(MAX_NAME).collect();
        let served = self.services.list();
        let message = format!(
            "Keyward does not serve {shown}. It serves {served}: send requests for {shown} to another endpoint."
        );
        Refused {
            style,
            fault: keyward_wire::fault::Fault::new(code, 400).with_message(message),
        }
    }
}
