//! Which service and operation a request is for: by `X-Amz-Target` or by a Query body's
//! `Version` and `Action`. The credential scope is held against it later.

use keyward_wire::{
    fault::Fault,
    query::{Form, Limits, Params},
};

use crate::{front::Received, iam, organizations, sts};

/// The prefix of KMS's targets.
const TARGET_PREFIX: &str = "TrentService.";

/// The prefix of the targets of Keyward's own service.
const OWN_TARGET_PREFIX: &str = "Keyward_20261101.";

/// How an answer must be rendered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    /// AWS JSON 1.1.
    Json,
    /// Query, in this XML namespace or as JSON.
    Query(&'static str),
}

/// What a request is for.
#[derive(Debug)]
pub enum Target<'a> {
    /// KMS.
    Kms {
        /// The operation asked for; it may be none.
        name: &'a str,
    },
    /// Keyward's own service.
    Keyward {
        /// The operation asked for; it may be none.
        name: &'a str,
    },
    /// Organizations.
    Organizations {
        /// The operation asked for; it may be none.
        name: &'a str,
    },
    /// IAM.
    Iam {
        /// The parameters.
        params: Params<'a>,
        /// The action asked for.
        name: String,
    },
    /// STS.
    Sts {
        /// The parameters.
        params: Params<'a>,
        /// The action asked for.
        name: String,
    },
}

impl Target<'_> {
    /// How its answer is rendered.
    pub fn protocol(&self) -> Protocol {
        match self {
            Self::Kms { .. } | Self::Organizations { .. } | Self::Keyward { .. } => Protocol::Json,
            Self::Iam { .. } => Protocol::Query(iam::NAMESPACE),
            Self::Sts { .. } => Protocol::Query(sts::NAMESPACE),
        }
    }

    /// How the client wants the answer, if it is of the Query protocol.
    pub fn form(&self, received: &Received<'_>) -> Form {
        match self.protocol() {
            Protocol::Json => Form::Xml,
            Protocol::Query(_) => received.form(),
        }
    }

    /// The service that the credential scope must name.
    pub fn service(&self) -> &'static str {
        match self {
            Self::Kms { .. } => "kms",
            Self::Keyward { .. } => "keyward",
            Self::Organizations { .. } => "organizations",
            Self::Iam { .. } => "iam",
            Self::Sts { .. } => "sts",
        }
    }

    /// The operation's name.
    pub fn name(&self) -> &str {
        match self {
            Self::Kms { name } | Self::Organizations { name } | Self::Keyward { name } => name,
            Self::Iam { name, .. } | Self::Sts { name, .. } => name,
        }
    }
}

/// A request that is for nothing.
#[derive(Debug)]
pub struct Refused {
    /// How to say so.
    pub protocol: Protocol,
    /// What to say.
    pub fault: Fault,
}

/// Finds what a request is for.
pub fn target<'a>(received: &Received<'a>, body: &'a [u8]) -> Result<Target<'a>, Refused> {
    if let Some(target) = received.header("x-amz-target") {
        if received.method != "POST" {
            return Err(unknown_target());
        }
        if let Some(name) = target.strip_prefix(OWN_TARGET_PREFIX) {
            return Ok(Target::Keyward { name });
        }
        if let Some(name) = target.strip_prefix(organizations::TARGET_PREFIX) {
            return Ok(Target::Organizations { name });
        }
        let name = target
            .strip_prefix(TARGET_PREFIX)
            .ok_or_else(unknown_target)?;
        return Ok(Target::Kms { name });
    }
    let text = match received.method {
        "POST" => body,
        "GET" => received.query.as_bytes(),
        _ => return Err(unknown_target()),
    };
    let query = Protocol::Query(sts::NAMESPACE);
    if text.is_empty() {
        let fault = Fault::new("MissingAction", 400).with_message(
            "No operation is named: KMS and Organizations requests have an X-Amz-Target header, IAM and STS requests an Action parameter.",
        );
        return Err(Refused {
            protocol: query,
            fault,
        });
    }
    let params = Params::parse(text, &Limits::AWS).map_err(|error| Refused {
        protocol: query,
        fault: error.into(),
    })?;
    let name = params.action().unwrap_or_default().to_owned();
    match params.get("Version") {
        Some(iam::VERSION) => Ok(Target::Iam { params, name }),
        Some(sts::VERSION) => Ok(Target::Sts { params, name }),
        version => Err(Refused {
            protocol: Protocol::Query(claimed_namespace(received)),
            fault: unknown_action_fault(&name, version.unwrap_or(NO_VERSION)).to_wire(),
        }),
    }
}

/// The namespace of the API that the credential scope claims to be for. A request that names no
/// known version tells it nowhere else.
fn claimed_namespace(received: &Received<'_>) -> &'static str {
    let scope = received.header("authorization").and_then(|header| {
        let (_, credential) = header.split_once("Credential=")?;
        credential.split(',').next()
    });
    match scope.and_then(|scope| scope.trim().rsplit('/').nth(1)) {
        Some("iam") => iam::NAMESPACE,
        Some(_) | None => sts::NAMESPACE,
    }
}

/// What AWS calls the version of a request that names none.
const NO_VERSION: &str = "NO_VERSION_SPECIFIED";

/// The fault of an action that an API does not have in that version, or that this version of
/// Keyward does not serve.
pub fn unknown_action_fault(name: &str, version: &str) -> crate::fault::Fault {
    let shown = |text: &str| text.chars().take(128).collect::<String>();
    let message = format!(
        "Could not find operation {} for version {}",
        shown(name),
        shown(version)
    );
    crate::fault::Fault::new("InvalidAction", Some(message))
}

fn unknown_target() -> Refused {
    Refused {
        protocol: Protocol::Json,
        fault: Fault::new("UnknownOperationException", 400),
    }
}
