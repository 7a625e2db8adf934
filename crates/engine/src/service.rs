//! The table of the APIs that a server answers: one row for each.

use std::{fmt, sync::Arc};

use crate::{
    api::{Api, ApiDescription, ApiState, StartedWorkers},
    protocol::{Style, Wire},
    workers::WorkerContext,
};

/// What starts the workers of an API.
type Start = dyn for<'c> Fn(&'c WorkerContext) -> StartedWorkers<'c> + Send + Sync;

/// An API with its state: a row of the table.
#[derive(Clone)]
pub struct Service {
    api: &'static ApiDescription,
    state: Arc<dyn ApiState>,
    workers: Arc<Start>,
    row: usize,
}

impl Service {
    /// The row of an API.
    pub fn new<A: Api>(state: Arc<A::State>) -> Self {
        Self {
            api: A::description(),
            state: Arc::clone(&state) as _,
            workers: start(move |cx| A::workers(Arc::clone(&state), cx)),
            row: 0,
        }
    }

    /// What the engine knows of the API.
    pub fn api(&self) -> &'static ApiDescription {
        self.api
    }

    /// Which row of the table it is.
    pub(crate) fn row(&self) -> usize {
        self.row
    }

    /// Its workers.
    pub(crate) fn workers<'c>(&self, cx: &'c WorkerContext) -> StartedWorkers<'c> {
        (self.workers)(cx)
    }

    /// What its operations share.
    pub(crate) fn state(&self) -> &dyn ApiState {
        &*self.state
    }
}

/// As a function for contexts of any lifetime, which a closure alone is not known to be.
fn start(
    start: impl for<'c> Fn(&'c WorkerContext) -> StartedWorkers<'c> + Send + Sync + 'static,
) -> Arc<Start> {
    Arc::new(start)
}

impl fmt::Debug for Service {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.api.fmt(f)
    }
}

/// The APIs that a server answers.
#[derive(Clone, Debug)]
pub struct Services {
    rows: Vec<Service>,
    own: Service,
    /// The name and namespace of the API for clients that do not name one.
    unnamed: (&'static str, &'static str),
}

impl Services {
    /// A table. Requests for services that are not in it are recorded as requests to `own`, which
    /// is in it as well. A request of the Query protocol that names no API is answered in the
    /// namespace of `Unnamed`.
    pub fn new<Unnamed: Api>(own: Service, others: impl IntoIterator<Item = Service>) -> Self {
        let others = others.into_iter().enumerate();
        let mut rows: Vec<Service> = others
            .map(|(row, service)| Service { row, ..service })
            .collect();
        let own = Service {
            row: rows.len(),
            ..own
        };
        rows.push(own.clone());
        let unnamed = match Unnamed::WIRE {
            Wire::Query { namespace, .. } => namespace,
            Wire::Json { .. } | Wire::Rest { .. } => "",
        };
        let unnamed = (Unnamed::SERVICE, unnamed);
        Self { rows, own, unnamed }
    }

    /// The API of the Query protocol for clients that do not name one.
    pub(crate) fn unnamed(&self) -> &Service {
        self.named(self.unnamed.0).unwrap_or(&self.own)
    }

    /// All of them.
    pub fn rows(&self) -> &[Service] {
        &self.rows
    }

    /// The API that requests for other services are recorded for.
    pub fn own(&self) -> &Service {
        &self.own
    }

    /// The API of that name in credential scopes.
    pub fn named(&self, name: &str) -> Option<&Service> {
        self.rows.iter().find(|row| row.api.service == name)
    }

    /// The API and the operation that an `X-Amz-Target` header names.
    pub fn targeted<'t>(&self, target: &'t str) -> Option<(&Service, &'t str)> {
        self.rows.iter().find_map(|row| match row.api.wire {
            Wire::Json { target_prefix } => Some((row, target.strip_prefix(target_prefix)?)),
            Wire::Query { .. } | Wire::Rest { .. } => None,
        })
    }

    /// The API of the Query protocol that has that version.
    pub fn versioned(&self, wanted: &str) -> Option<&Service> {
        self.rows.iter().find(|row| match row.api.wire {
            Wire::Query { version, .. } => version == wanted,
            Wire::Json { .. } | Wire::Rest { .. } => false,
        })
    }

    /// The API of REST-JSON that a request is for: the one that it claims to be for, or, if it claims
    /// nothing, the one whose version its path begins with.
    pub fn rest(&self, claimed: Option<&str>, path: &str) -> Option<&Service> {
        let is_below = |version: &str| {
            let rest = path
                .strip_prefix('/')
                .and_then(|path| path.strip_prefix(version));
            rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        };
        self.rows.iter().find(|row| match (row.api.wire, claimed) {
            (Wire::Rest { .. }, Some(name)) => row.api.service == name,
            (Wire::Rest { version, .. }, None) => is_below(version),
            (Wire::Json { .. } | Wire::Query { .. }, _) => false,
        })
    }

    /// How a request is answered of which nothing is known but the service that it claims to be for,
    /// and its path.
    pub fn claimed_style(&self, claimed: Option<&str>, path: &str) -> Style {
        let named = claimed.and_then(|name| self.named(name));
        let row = named.or_else(|| self.rest(claimed, path));
        let style = row.map(|row| row.api.wire.style());
        style.unwrap_or(Style::Query(self.unnamed.1))
    }

    /// The names of all APIs, as a sentence lists them.
    pub fn list(&self) -> String {
        listed(self.rows.iter())
    }

    /// The names of the APIs whose requests name the operation in a header, and of those whose
    /// requests name it in a parameter.
    pub fn list_by_protocol(&self) -> (String, String) {
        let json = |row: &&Service| matches!(row.api.wire, Wire::Json { .. });
        let query = |row: &&Service| matches!(row.api.wire, Wire::Query { .. });
        (
            listed(self.rows.iter().filter(json)),
            listed(self.rows.iter().filter(query)),
        )
    }
}

fn listed<'s>(rows: impl Iterator<Item = &'s Service>) -> String {
    let names: Vec<&str> = rows.map(|row| row.api.service).collect();
    match names.as_slice() {
        [] => String::new(),
        [one] => (*one).to_owned(),
        [first @ .., last] => format!("{} and {last}", first.join(", ")),
    }
}
