//! What all connections of a server have in common.

use std::sync::Arc;

use tokio_rustls::TlsAcceptor;

use crate::{options::Limits, questions::Questions, quiet::Quiet};

/// What all connections of a server have in common.
pub(crate) struct Shared {
    pub(crate) limits: Limits,
    pub(crate) questions: Questions,
    pub(crate) tls: TlsAcceptor,
    /// For what strangers cause to be logged.
    pub(crate) quiet: Arc<Quiet>,
}
