//! Structured logs on standard error: one JSON object a line. `KEYWARD_LOG` sets the filter.

use tracing_subscriber::{EnvFilter, fmt};

/// Starts logging. A filter that cannot be read is reported and `info` taken instead.
pub fn start() {
    let filter = EnvFilter::builder()
        .with_env_var("KEYWARD_LOG")
        .with_default_directive(tracing::Level::INFO.into())
        .from_env();
    let (filter, refused) = match filter {
        Ok(filter) => (filter, None),
        Err(error) => (EnvFilter::new("info"), Some(error)),
    };
    fmt()
        .json()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .init();
    if let Some(error) = refused {
        tracing::warn!(%error, "KEYWARD_LOG cannot be read: logging at `info`");
    }
}
