//! Which API and operation a request is for: by `X-Amz-Target`, by method and path, or by a Query body's
//! `Version` and `Action`. The credential scope is compared with it later.

use std::borrow::Cow;

use keyward_wire::{
    fault::Fault,
    query::{Form, Limits, Params},
    rest,
};

use crate::{
    api::ApiDescription,
    pipeline::Row,
    protocol::{Dialect, Payload, Style, Wire},
    request::Received,
    service::{Service, Services},
};

/// What a request is for.
#[derive(Debug)]
pub struct Dispatched<'a> {
    /// The API.
    pub service: &'a Service,
    /// The operation asked for; there may be none of that name.
    pub name: Cow<'a, str>,
    /// The body.
    pub payload: Payload<'a>,
}

impl Dispatched<'_> {
    /// What the engine knows of the API.
    pub fn api(&self) -> &'static ApiDescription {
        self.service.api()
    }

    /// The operation, if it is served.
    pub fn operation(&self) -> Option<&'static Row> {
        self.api().operation(&self.name)
    }

    /// The name of the operation if it is served: what is told to metrics and the trail.
    pub fn known_name(&self) -> &'static str {
        self.operation().map_or(super::UNKNOWN, |row| row.name())
    }

    /// How its answer is written.
    pub fn style(&self) -> Style {
        self.api().wire.style()
    }

    /// How the client wants the answer, if it is of the Query protocol.
    pub fn form(&self, received: &Received<'_>) -> Form {
        match self.style() {
            Style::Json | Style::Rest(_) => Form::Xml,
            Style::Query(_) => received.form(),
        }
    }
}

/// A request that is for nothing.
#[derive(Debug)]
pub struct Refused {
    /// How to say so.
    pub style: Style,
    /// What to say.
    pub fault: Fault,
}

/// Finds what a request is for.
pub fn target<'a>(
    services: &'a Services,
    received: &Received<'a>,
    body: &'a [u8],
) -> Result<Dispatched<'a>, Refused> {
    if let Some(found) = by_head(services, received, body) {
        return found;
    }
    let text = match received.method {
        "POST" => body,
        "GET" => received.query.as_bytes(),
        _ => return Err(unknown_target()),
    };
    let refused = |fault| match claimed_style(services, received) {
        // An API that speaks JSON gets the name of an operation only from there.
        Style::Json | Style::Rest(_) => unknown_target(),
        style @ Style::Query(_) => Refused { style, fault },
    };
    if text.is_empty() {
        let (json, query) = services.list_by_protocol();
        let message = format!(
            "The request names no operation. Requests to {json} need an X-Amz-Target header, and requests to {query} need an Action parameter."
        );
        let fault = Fault::new("MissingAction", 400).with_message(message);
        return Err(refused(fault));
    }
    let params = Params::parse(text, &Limits::AWS).map_err(|error| refused(error.into()))?;
    let name = params.action().unwrap_or_default().to_owned();
    let version = params.get("Version");
    match version.and_then(|version| services.versioned(version)) {
        Some(service) => {
            let items = match service.api().wire {
                Wire::Query { items, .. } => items,
                Wire::Json { .. } | Wire::Rest { .. } => &[],
            };
            let payload = Payload::listed(params, items);
            Ok(Dispatched {
                service,
                name: Cow::Owned(name),
                payload: payload.map_err(|error| refused(error.into()))?,
            })
        }
        None => {
            let fault = unknown_action_fault(&name, version.unwrap_or(NO_VERSION));
            Err(refused(fault.to_wire()))
        }
    }
}

/// Finds what a request is for if its head says so: by `X-Amz-Target`, or by method and path of an
/// API of REST-JSON. `None` if the body says it.
pub(super) fn by_head<'a>(
    services: &'a Services,
    received: &Received<'a>,
    body: &'a [u8],
) -> Option<Result<Dispatched<'a>, Refused>> {
    if let Some(target) = received.header("x-amz-target") {
        let found = services.targeted(target);
        let found = found.filter(|_| received.method == "POST");
        let found = found.map(|(service, name)| Dispatched {
            service,
            name: Cow::Borrowed(name),
            payload: Payload::Json(body),
        });
        return Some(found.ok_or_else(unknown_target));
    }
    let Some(service) = services.rest(claimed_service(received).as_deref(), received.path) else {
        let is_clouderas = received.path.starts_with(keyward_altus::PREFIX)
            || received.header("x-altus-auth").is_some();
        return is_clouderas.then(|| Err(unknown_service()));
    };
    let Wire::Rest { routes, .. } = service.api().wire else {
        return None;
    };
    let style = service.api().wire.style();
    let place = (received.path, received.query);
    Some(match rest::find(routes, received.method, place, body) {
        Ok(Some(routed)) => Ok(Dispatched {
            service,
            name: Cow::Borrowed(routed.route().operation),
            payload: Payload::Rest(routed),
        }),
        Ok(None) => Err(Refused {
            style,
            fault: Fault::new("UnknownOperationException", 404),
        }),
        Err(error) => Err(Refused {
            style,
            fault: error.into(),
        }),
    })
}

/// How a request without `X-Amz-Target` is answered before its body tells its API: as the API that the
/// credential scope claims answers, or the one whose path it has.
pub(super) fn claimed_style(services: &Services, received: &Received<'_>) -> Style {
    services.claimed_style(claimed_service(received).as_deref(), received.path)
}

/// The service that the credential scope claims to be for, in the header or in a presigned query.
pub(super) fn claimed_service<'a>(received: &Received<'a>) -> Option<Cow<'a, str>> {
    if let Some(authorization) = received.header("authorization") {
        let (_, credential) = authorization.split_once("Credential=")?;
        let scope = credential.split(',').next()?;
        return scope.trim().rsplit('/').nth(1).map(Cow::Borrowed);
    }
    let fields = received.query.split('&');
    let mut scopes = fields.filter_map(|field| field.strip_prefix("X-Amz-Credential="));
    let scope = scopes.next()?.replace("%2F", "/").replace("%2f", "/");
    scope
        .rsplit('/')
        .nth(1)
        .map(|name| Cow::Owned(name.to_owned()))
}

/// What AWS calls the version of a request that names none.
const NO_VERSION: &str = "NO_VERSION_SPECIFIED";

/// The fault of an action that an API does not have in that version, or that this version of Keyward does not serve.
pub fn unknown_action_fault(name: &str, version: &str) -> crate::fault::Fault {
    let shown = |text: &str| text.chars().take(128).collect::<String>();
    let message = format!(
        "Could not find operation {} for version {}",
        shown(name),
        shown(version)
    );
    crate::fault::Fault::new("InvalidAction", Some(message))
}

/// A service of Cloudera's control plane that is not served.
fn unknown_service() -> Refused {
    let message = "Keyward serves the services environments and de of CDP, and no others.";
    Refused {
        style: Style::Rest(Dialect::Cloudera),
        fault: Fault::new("UnknownOperationException", 404).with_message(message),
    }
}

fn unknown_target() -> Refused {
    Refused {
        style: Style::Json,
        fault: Fault::new("UnknownOperationException", 400),
    }
}
