//! Why a request can be refused before its body has arrived: the claim, its scope, the clock and
//! the access key, in the order in which they are looked at again afterwards. Only the signature
//! needs the body. For a request that fails here, the server keeps nothing.

use keyward_wire::sigv4::{Claim, Presigned, Request, Skew};

use crate::{
    front::{
        Front, INTERNAL,
        authenticate::{self, Expected, Refused},
        dispatch::{self, Dispatched},
    },
    protocol::Style,
    request::{Answer, Ids, Received},
};

/// A request that cannot succeed, whatever its body is.
#[derive(Debug)]
pub struct Unprovable {
    style: Style,
    internal: &'static str,
    refused: Refused,
    operation: String,
}

impl Front {
    /// Checks the head of a request whose body has not arrived.
    ///
    /// # Errors
    /// When its caller cannot be proven with any body. Nothing is counted or sampled yet:
    /// [`Front::refuse_looked_at`] does that.
    pub async fn look(&self, received: &Received<'_>) -> Result<(), Unprovable> {
        let target = match dispatch::by_head(&self.services, received, b"") {
            // Its API proves the caller itself, once the body is there.
            Some(Ok(target)) if (target.api().own_proof)(&target.name).is_some() => return Ok(()),
            Some(Ok(target)) => Some(target),
            // Its refusal needs no caller.
            Some(Err(_)) => return Ok(()),
            None if received.method != "POST" => return Ok(()),
            None => None,
        };
        let query = Some(received.query).filter(|query| !query.is_empty());
        let headers = received.headers.iter().copied();
        let request = Request::new(received.method, received.path, query, None, headers, b"");
        let unprovable = |style, refused| Unprovable {
            style,
            internal: target
                .as_ref()
                .map_or(INTERNAL, |target| target.api().internal),
            refused,
            operation: target
                .as_ref()
                .map(|target| target.name.to_string())
                .unwrap_or_default(),
        };
        let style = target.as_ref().map(Dispatched::style);
        let style = style.unwrap_or_else(|| dispatch::claimed_style(&self.services, received));
        let refuse = |error| unprovable(style, Refused::Auth(error, String::new()));
        let request = request.map_err(refuse)?;
        if target.is_none() && request.value("authorization").is_none() {
            // The one operation that is not signed is named in the body.
            return Ok(());
        }
        let claim = Claim::parse(&request, Presigned::Refused).map_err(refuse)?;
        let expected = match &target {
            Some(target) => Expected::of(target),
            // The body says which of its services the request is for, so the claim is believed.
            None => Expected::elsewhere(claim.credential().service(), Skew::FifteenMinutes),
        };
        authenticate::look(&self.shared, &claim, expected)
            .await
            .map_err(|refused| unprovable(style, refused))
    }

    /// The answer to a request that failed this check.
    pub fn refuse_looked_at(&self, received: &Received<'_>, unprovable: Unprovable) -> Answer {
        let Unprovable {
            style,
            internal,
            refused,
            operation,
        } = unprovable;
        let ids = Ids::new();
        self.refuse_unproven(received, &ids, (style, internal), refused, &operation)
    }
}
