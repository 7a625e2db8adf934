//! Futures behind trait objects.

use std::pin::Pin;

/// A future that a trait object can answer.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;
