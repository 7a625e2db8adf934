//! What can be said against a request before its body has come: the claim, its scope, the clock and
//! the access key, in the order in which they are looked at again afterwards. Only the signature
//! needs the body. Who fails here makes the server keep nothing.

use keyward_wire::sigv4::{Claim, Presigned, Request, Skew};

use crate::{
    front::{
        Answer, Front, Ids, Received,
        authenticate::{self, Expected, Refused},
        dispatch::{self, Protocol},
    },
    iam, sts,
};

/// A request that cannot succeed, whatever its body is.
#[derive(Debug)]
pub struct Unprovable {
    protocol: Protocol,
    refused: Refused,
    operation: String,
}

impl Front {
    /// Looks at the head of a request whose body has not come.
    ///
    /// # Errors
    /// When its caller cannot be proven with any body. Nothing is counted or sampled yet:
    /// [`Front::refuse_looked_at`] does that.
    pub async fn look(&self, received: &Received<'_>) -> Result<(), Unprovable> {
        if received.method != "POST" {
            return Ok(());
        }
        let query = Some(received.query).filter(|query| !query.is_empty());
        let headers = received.headers.iter().copied();
        let request = Request::new(received.method, received.path, query, None, headers, b"");
        let target = if received.header("x-amz-target").is_some() {
            match dispatch::target(received, b"") {
                Ok(target) => Some(target),
                // Its refusal needs no caller.
                Err(_) => return Ok(()),
            }
        } else {
            None
        };
        let protocol = target.as_ref().map(dispatch::Target::protocol);
        let unprovable = |protocol, refused| Unprovable {
            protocol,
            refused,
            operation: target
                .as_ref()
                .map(|target| target.name().to_owned())
                .unwrap_or_default(),
        };
        let json = protocol.unwrap_or(Protocol::Query(sts::NAMESPACE));
        let refuse = |error| unprovable(json, Refused::Auth(error, String::new()));
        let request = request.map_err(refuse)?;
        if target.is_none() && request.value("authorization").is_none() {
            // The one operation that is not signed is named in the body.
            return Ok(());
        }
        let claim = Claim::parse(&request, Presigned::Refused).map_err(refuse)?;
        let protocol = protocol.unwrap_or(match claim.credential().service() {
            "iam" => Protocol::Query(iam::NAMESPACE),
            _ => Protocol::Query(sts::NAMESPACE),
        });
        let expected = match &target {
            Some(target) => Expected::of(target),
            // Which of its services it is for stands in the body, so that the claim is believed.
            None => Expected {
                service: claim.credential().service(),
                skew: Skew::FifteenMinutes,
                presigned: Presigned::Refused,
            },
        };
        authenticate::look(&self.shared, &claim, expected)
            .await
            .map_err(|refused| unprovable(protocol, refused))
    }

    /// The answer to a request that was looked at in vain.
    pub fn refuse_looked_at(&self, received: &Received<'_>, unprovable: Unprovable) -> Answer {
        let Unprovable {
            protocol,
            refused,
            operation,
        } = unprovable;
        self.refuse_unproven(received, &Ids::new(), protocol, refused, &operation)
    }
}
