//! Events on the trail: the requested one, and what it contains about its request.

use std::{
    collections::BTreeMap,
    fs::File,
    io::{self, BufRead as _, BufReader},
    path::PathBuf,
};

use keyward_trail::segment;
use keyward_types::{region::Region, via_service::ActingService};
use serde_json::Value;

/// Which request.
#[derive(Clone, Debug)]
pub enum Which {
    /// The one of that id.
    Request(String),
    /// The last one that was denied: to that principal, if one is named.
    LastDenied(Option<String>),
}

impl Which {
    /// A text that the event's line has. Most lines have none, and are not parsed.
    fn clue(&self) -> String {
        match self {
            Self::Request(id) => format!("\"requestID\":\"{id}\""),
            Self::LastDenied(_) => "\"errorCode\":\"AccessDenied".to_owned(),
        }
    }

    fn is(&self, event: &Value) -> bool {
        match self {
            Self::Request(id) => text(event, "/requestID") == Some(id),
            Self::LastDenied(principal) => {
                let decisions = event.pointer("/keyward/decisions");
                let decisions = decisions.and_then(Value::as_array);
                let mut decisions = decisions.into_iter().flatten();
                let denied = decisions.any(|one| text(one, "/decision") != Some("Allow"));
                let own = text(event, "/userIdentity/type") != Some("AWSAccount");
                let by = |principal: &String| {
                    let names = [
                        "/userIdentity/arn",
                        "/userIdentity/invokedBy",
                        "/userIdentity/sessionContext/sessionIssuer/arn",
                    ];
                    names
                        .iter()
                        .any(|name| text(event, name) == Some(principal))
                };
                denied && own && principal.as_ref().is_none_or(by)
            }
        }
    }
}

/// Looks through the segments of the trail, the newest first, for the last such event.
pub fn find(directory: PathBuf, which: &Which, account: &str) -> io::Result<Option<Value>> {
    let clue = which.clue();
    for segment in segment::paths(&directory)?.iter().rev() {
        let mut reader = BufReader::with_capacity(1 << 18, File::open(segment)?);
        let mut line = String::new();
        let mut found = None;
        loop {
            line.clear();
            if reader.read_line(&mut line)? == 0 {
                break;
            }
            if !line.contains(&clue) {
                continue;
            }
            let Ok(event) = serde_json::from_str::<Value>(&line) else {
                continue;
            };
            let own = text(&event, "/recipientAccountId") == Some(account);
            if own && which.is(&event) {
                found = Some(event);
            }
        }
        if found.is_some() {
            return Ok(found);
        }
    }
    Ok(None)
}

/// A text in an event.
pub fn text<'v>(value: &'v Value, pointer: &str) -> Option<&'v str> {
    value.pointer(pointer).and_then(Value::as_str)
}

/// What happened then, in a sentence.
pub fn recorded(event: &Value, decision: &Value) -> String {
    let name = text(event, "/eventName").unwrap_or_default();
    let time = text(event, "/eventTime").unwrap_or_default();
    let word = text(decision, "/decision").unwrap_or_default();
    let why = match text(decision, "/reason") {
        Some(reason) => format!(": {reason}"),
        None => String::new(),
    };
    let id = text(event, "/requestID").unwrap_or_default();
    format!("The request was {name} at {time} ({id}); the decision then was {word}{why}.")
}

/// The condition values that the event kept.
pub fn given(event: &Value, decision: &Value) -> BTreeMap<String, Value> {
    let mut given = BTreeMap::new();
    if let Some(context) = decision.pointer("/context").and_then(Value::as_object) {
        given.extend(
            context
                .iter()
                .map(|(key, value)| (key.clone(), value.clone())),
        );
    }
    for (key, pointer) in [
        ("aws:CurrentTime", "/eventTime"),
        ("aws:RequestedRegion", "/awsRegion"),
        ("aws:UserAgent", "/userAgent"),
        ("aws:SourceIp", "/sourceIPAddress"),
        (
            "aws:SourceIdentity",
            "/userIdentity/sessionContext/sourceIdentity",
        ),
        (
            "aws:TokenIssueTime",
            "/userIdentity/sessionContext/attributes/creationDate",
        ),
        (
            "aws:MultiFactorAuthPresent",
            "/userIdentity/sessionContext/attributes/mfaAuthenticated",
        ),
    ] {
        if let Some(value) = text(event, pointer) {
            given.insert(key.to_owned(), Value::from(value));
        }
    }
    let tls = event.pointer("/tlsDetails").is_some();
    // A client of a resource has a connection of its own.
    given
        .entry("aws:SecureTransport".to_owned())
        .or_insert_with(|| Value::from(tls.to_string()));
    if let Some(service) = text(event, "/userIdentity/invokedBy") {
        // Behind a service the address and agent on the trail are the service's name.
        given.remove("aws:SourceIp");
        given.remove("aws:UserAgent");
        let name = service.split('.').next().unwrap_or_default();
        let region = text(event, "/awsRegion").and_then(|name| Region::parse(name).ok());
        let forwarded = text(event, "/userIdentity/type") != Some("AWSService");
        if let (Some(service), Some(region), true) = (ActingService::find(name), region, forwarded)
        {
            let via = service.regional_name(region);
            given.insert("kms:ViaService".to_owned(), Value::from(via));
            given.insert("aws:ViaAWSService".to_owned(), Value::from("true"));
            if service.is_in_called_via() {
                let name = service.global_name();
                given.insert("aws:CalledVia".to_owned(), Value::from(vec![name]));
            }
        }
    }
    given
}
