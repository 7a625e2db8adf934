//! The protocols of AWS's APIs: how a request names its operation, how its body is read, and how an
//! answer is rendered.
//!
//! <https://smithy.io/2.0/aws/protocols/index.html>

use std::ops::Deref;

use keyward_wire::{
    json::{self, Object},
    query::{Form, Limits, Params, ParamsError},
    rest::{Route, Routed},
    xml,
};

use crate::{
    api::Api,
    fault::Fault,
    operation::{Operation, Output as _},
};

/// How requests name an API and its operations.
#[derive(Clone, Copy, Debug)]
pub enum Wire {
    /// AWS JSON 1.1: by the header `X-Amz-Target`.
    Json {
        /// The text before the operation's name, with its full stop.
        target_prefix: &'static str,
    },
    /// Query: by the parameters `Version` and `Action`.
    Query {
        /// The API version.
        version: &'static str,
        /// The XML namespace of answers.
        namespace: &'static str,
        /// What the items of lists in requests are called beside `member`.
        items: &'static [&'static str],
    },
    /// REST-JSON: by method and path.
    Rest {
        /// The API version, with which every path begins.
        version: &'static str,
        /// The operations of the model, served or not.
        routes: &'static [Route],
        /// How errors are told.
        dialect: Dialect,
    },
}

/// How an API that is spoken to by method and path tells errors.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dialect {
    /// As REST-JSON of AWS: the code stands in a field of the head.
    Aws,
    /// As Cloudera's control plane: `{"code":…,"message":…}`.
    Cloudera,
}

impl Wire {
    /// How an answer of the API is written.
    pub fn style(self) -> Style {
        match self {
            Self::Json { .. } => Style::Json,
            Self::Query { namespace, .. } => Style::Query(namespace),
            Self::Rest { dialect, .. } => Style::Rest(dialect),
        }
    }

    /// The HTTP status of an operation's success.
    pub(crate) fn success(self, operation: &str) -> u16 {
        match self {
            Self::Json { .. } | Self::Query { .. } => 200,
            Self::Rest { routes, .. } => {
                let route = routes.iter().find(|route| route.operation == operation);
                route.map_or(200, |route| route.status)
            }
        }
    }

    /// The HTTP status of a request over a rate.
    pub(crate) fn throttled(self) -> u16 {
        match self {
            Self::Json { .. } | Self::Query { .. } => 400,
            Self::Rest { .. } => 429,
        }
    }
}

/// How an answer is written, whether or not an API is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Style {
    /// AWS JSON 1.1.
    Json,
    /// Query, in this XML namespace or as JSON.
    Query(&'static str),
    /// REST-JSON.
    Rest(Dialect),
}

/// The body of a request, as far as it was read to find the operation.
#[derive(Debug)]
pub enum Payload<'a> {
    /// AWS JSON: parsed once the caller is proven.
    Json(&'a [u8]),
    /// The parameters of the Query protocol.
    Query(Params<'a>),
    /// REST-JSON: the members in path, query string and body, read once the caller is proven.
    Rest(Routed<'a>),
}

impl<'a> Payload<'a> {
    /// The parameters in a body of the Query protocol, for an API whose lists call their items so.
    ///
    /// # Errors
    /// When it is malformed, or exceeds AWS's limits.
    pub fn parameters(body: &'a [u8], items: &[&str]) -> Result<Self, ParamsError> {
        let params = Params::parse(body, &Limits::AWS)?;
        Self::listed(params, items)
    }

    /// Parameters, for an API whose lists call their items so.
    ///
    /// # Errors
    /// When they are malformed.
    pub fn listed(params: Params<'a>, items: &[&str]) -> Result<Self, ParamsError> {
        let params = match items {
            [] => params,
            names => params.with_items(names)?,
        };
        Ok(Self::Query(params))
    }
}

/// What an answer must know of its request.
#[derive(Clone, Copy, Debug)]
pub struct AnswerTo<'a> {
    /// The request's id.
    pub request_id: &'a str,
    /// How the client wants an answer of the Query protocol.
    pub form: Form,
    /// The XML namespace of an answer of the Query protocol.
    pub namespace: &'static str,
}

impl<'a> AnswerTo<'a> {
    /// Of a request for an API with that wire.
    pub fn of(wire: Wire, request_id: &'a str, form: Form) -> Self {
        let namespace = match wire {
            Wire::Query { namespace, .. } => namespace,
            Wire::Json { .. } | Wire::Rest { .. } => "",
        };
        Self {
            request_id,
            form,
            namespace,
        }
    }

    /// What an answer of the Query protocol says of its request.
    pub fn about(&self) -> xml::About<'a> {
        xml::About {
            form: self.form,
            namespace: self.namespace,
            request_id: self.request_id,
        }
    }
}

/// An input that was parsed here or before.
#[derive(Debug)]
pub enum Read<'p, T> {
    /// Here.
    Here(T),
    /// Before, to find the operation.
    Before(&'p T),
}

impl<T> Deref for Read<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        match self {
            Self::Here(input) => input,
            Self::Before(input) => input,
        }
    }
}

/// How the requests and answers of an API look on the wire.
pub trait Protocol: 'static {
    /// What a body is parsed into before an operation reads it.
    type Input<'a>: Send + Sync;
    /// What an output writes itself to.
    type Renderer<'w>;

    /// Parses a body.
    ///
    /// # Errors
    /// When it is malformed, or exceeds the protocol's limits.
    fn read<'p>(payload: &'p Payload<'p>) -> Result<Read<'p, Self::Input<'p>>, Fault>;

    /// The members of a body.
    fn body<'i>(input: &'i Self::Input<'_>) -> &'i Object<'i>;

    /// The `Content-Type` of an answer.
    fn content_type(form: Form) -> &'static str;

    /// The body of a successful answer.
    fn render<O>(output: &O::Output, asked: &AnswerTo<'_>) -> Vec<u8>
    where
        O: Operation,
        O::Api: Api<Protocol = Self>;

    /// The body of a fault.
    fn render_fault(fault: &Fault, asked: &AnswerTo<'_>) -> Vec<u8>;
}

/// AWS JSON 1.1.
#[derive(Clone, Copy, Debug)]
pub enum AwsJson {}

impl Protocol for AwsJson {
    type Input<'a> = Object<'a>;
    type Renderer<'w> = json::Writer<'w>;

    fn read<'p>(payload: &'p Payload<'p>) -> Result<Read<'p, Object<'p>>, Fault> {
        let body = match payload {
            Payload::Json(body) => *body,
            Payload::Query(_) | Payload::Rest(_) => {
                return Err(Fault::new("SerializationException", None));
            }
        };
        let parsed = Object::parse(body, &json::Limits::KMS);
        parsed
            .map(Read::Here)
            .map_err(|error| Fault::of_wire(error.into(), "SerializationException"))
    }

    fn body<'i>(input: &'i Object<'_>) -> &'i Object<'i> {
        input
    }

    fn content_type(_form: Form) -> &'static str {
        keyward_wire::response::AWS_JSON
    }

    fn render<O>(output: &O::Output, _asked: &AnswerTo<'_>) -> Vec<u8>
    where
        O: Operation,
        O::Api: Api<Protocol = Self>,
    {
        json::Writer::render(O::Api::ANSWER_ROOM, |out| output.render(out))
    }

    fn render_fault(fault: &Fault, _asked: &AnswerTo<'_>) -> Vec<u8> {
        fault.to_wire().json()
    }
}

/// Query: parameters in, XML out, or JSON if the client accepts that alone.
#[derive(Clone, Copy, Debug)]
pub enum AwsQuery {}

impl Protocol for AwsQuery {
    type Input<'a> = Params<'a>;
    type Renderer<'w> = xml::Writer<'w>;

    fn read<'p>(payload: &'p Payload<'p>) -> Result<Read<'p, Params<'p>>, Fault> {
        match payload {
            Payload::Query(params) => Ok(Read::Before(params)),
            Payload::Json(_) | Payload::Rest(_) => Err(Fault::new("MalformedInput", None)),
        }
    }

    fn body<'i>(input: &'i Params<'_>) -> &'i Object<'i> {
        input.object()
    }

    fn content_type(form: Form) -> &'static str {
        form.content_type()
    }

    fn render<O>(output: &O::Output, asked: &AnswerTo<'_>) -> Vec<u8>
    where
        O: Operation,
        O::Api: Api<Protocol = Self>,
    {
        if output.is_empty() {
            return xml::empty_response(O::NAME, &asked.about());
        }
        xml::response(O::NAME, &asked.about(), |out| output.render(out))
    }

    fn render_fault(fault: &Fault, asked: &AnswerTo<'_>) -> Vec<u8> {
        fault.to_wire().query(&asked.about())
    }
}

/// REST-JSON.
#[derive(Clone, Copy, Debug)]
pub enum RestJson {}

impl Protocol for RestJson {
    type Input<'a> = Object<'a>;
    type Renderer<'w> = json::Writer<'w>;

    fn read<'p>(payload: &'p Payload<'p>) -> Result<Read<'p, Object<'p>>, Fault> {
        let read = match payload {
            Payload::Rest(routed) => routed.read(&json::Limits::KMS),
            // An API that calls another has all members in the body.
            Payload::Json(body) => Object::parse(body, &json::Limits::KMS).map_err(Into::into),
            Payload::Query(_) => return Err(Fault::new("SerializationException", None)),
        };
        read.map(Read::Here)
            .map_err(|error| Fault::of_wire(error.into(), "SerializationException"))
    }

    fn body<'i>(input: &'i Object<'_>) -> &'i Object<'i> {
        input
    }

    fn content_type(_form: Form) -> &'static str {
        keyward_wire::response::JSON
    }

    fn render<O>(output: &O::Output, _asked: &AnswerTo<'_>) -> Vec<u8>
    where
        O: Operation,
        O::Api: Api<Protocol = Self>,
    {
        json::Writer::render(O::Api::ANSWER_ROOM, |out| output.render(out))
    }

    fn render_fault(fault: &Fault, _asked: &AnswerTo<'_>) -> Vec<u8> {
        fault.to_wire().rest()
    }
}
