//! The KMS v2 API over gRPC.

use std::{
    convert::Infallible,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use keyward_client::words::shown;
use prost::Message;
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    time::{Instant, timeout_at},
};
use tonic::{
    Code, Request, Response, Status,
    body::Body,
    server::{Grpc, UnaryService},
};
use tonic_prost::ProstCodec;
use tower_service::Service;

use crate::{
    fault::{Fault, Kind, kind},
    kms::Kms,
    limits::{MAX_AT_ONCE, MAX_MESSAGE, TIMEOUT},
    provider::Provider,
    wire::StatusRequest,
};

/// What is left for the answer itself of the time that an API server gives.
const MARGIN: Duration = Duration::from_millis(100);

/// The calls of the KMS v2 API, for one key.
#[derive(Debug)]
pub struct KeyManagement<K> {
    provider: Arc<Provider<K>>,
    places: Places,
}

/// The places for calls that ask KMS, which all sockets of the plugin share.
#[derive(Clone, Debug)]
pub struct Places(Arc<Semaphore>);

impl Default for Places {
    fn default() -> Self {
        Self(Arc::new(Semaphore::new(MAX_AT_ONCE)))
    }
}

impl Places {
    /// Waits for a place.
    async fn take(self, by: Instant) -> Result<OwnedSemaphorePermit, Fault> {
        match timeout_at(by, self.0.acquire_owned()).await {
            Ok(Ok(place)) => Ok(place),
            Ok(Err(_)) | Err(_) => Err(Fault::Busy(MAX_AT_ONCE)),
        }
    }
}

impl<K> KeyManagement<K> {
    /// Serves a provider.
    pub fn new(provider: Arc<Provider<K>>, places: Places) -> Self {
        Self { provider, places }
    }
}

impl<K> Clone for KeyManagement<K> {
    fn clone(&self) -> Self {
        Self {
            provider: Arc::clone(&self.provider),
            places: self.places.clone(),
        }
    }
}

type Answering<T, E> = Pin<Box<dyn Future<Output = Result<T, E>> + Send>>;

impl<K: Kms> Service<http::Request<Body>> for KeyManagement<K> {
    type Response = http::Response<Body>;
    type Error = Infallible;
    type Future = Answering<Self::Response, Self::Error>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<Body>) -> Self::Future {
        let provider = Arc::clone(&self.provider);
        let by = Instant::now() + time_left(&request);
        let place = self.places.clone().take(by);
        match request.uri().path() {
            "/v2.KeyManagementService/Status" => {
                // Its message is empty, and what it asks about is asked once for all.
                let place = async { Ok(()) };
                unary(
                    "Status",
                    request,
                    place,
                    move |_: StatusRequest| async move { provider.status(by).await },
                )
            }
            "/v2.KeyManagementService/Encrypt" => {
                unary("Encrypt", request, place, move |asked| async move {
                    provider.encrypt(asked, by).await
                })
            }
            "/v2.KeyManagementService/Decrypt" => {
                unary("Decrypt", request, place, move |asked| async move {
                    provider.decrypt(asked, by).await
                })
            }
            path => {
                let said = format!(
                    "`{}` is not served here, but version v2 of the KMS API: set `apiVersion: v2` for the provider in the EncryptionConfiguration",
                    shown(path)
                );
                Box::pin(async move { Ok(Status::unimplemented(said).into_http()) })
            }
        }
    }
}

/// Waits for a place, decodes a message, and answers with another one.
fn unary<A, B, W, P>(
    call: &'static str,
    request: http::Request<Body>,
    place: impl Future<Output = Result<P, Fault>> + Send + 'static,
    answer: impl FnOnce(A) -> W + Send + 'static,
) -> Answering<http::Response<Body>, Infallible>
where
    A: Message + Default + 'static,
    B: Message + 'static,
    W: Future<Output = Result<B, Fault>> + Send + 'static,
    P: Send + 'static,
{
    let codec: ProstCodec<B, A> = ProstCodec::default();
    let grpc = Grpc::new(codec).max_decoding_message_size(MAX_MESSAGE);
    let mut grpc = grpc.max_encoding_message_size(MAX_MESSAGE);
    let one = Call {
        call,
        answer: Some(answer),
    };
    Box::pin(async move {
        // Not before there is a place is the message read.
        let _place = match place.await {
            Ok(place) => place,
            Err(fault) => return Ok(failed(call, &fault).into_http()),
        };
        Ok(grpc.unary(one, request).await)
    })
}

/// One call.
struct Call<F> {
    call: &'static str,
    answer: Option<F>,
}

impl<A, B, F, W> UnaryService<A> for Call<F>
where
    B: Send + 'static,
    F: FnOnce(A) -> W + Send + 'static,
    W: Future<Output = Result<B, Fault>> + Send + 'static,
{
    type Response = B;
    type Future = Answering<Response<B>, Status>;

    fn call(&mut self, request: Request<A>) -> Self::Future {
        let Some(answer) = self.answer.take() else {
            return Box::pin(async { Err(Status::internal("the call was made twice")) });
        };
        let (answering, call) = (answer(request.into_inner()), self.call);
        Box::pin(async move {
            let answered = answering.await;
            answered
                .map(Response::new)
                .map_err(|fault| failed(call, &fault))
        })
    }
}

/// A fault as gRPC says it.
fn failed(call: &str, fault: &Fault) -> Status {
    tracing::warn!("{call} failed: {fault}");
    let code = match fault {
        Fault::Kms(failure) => match kind(failure) {
            Kind::UserInduced => Code::FailedPrecondition,
            Kind::Throttled => Code::ResourceExhausted,
            Kind::Corruption => Code::InvalidArgument,
            Kind::Other => match &**failure {
                keyward_client::answer::Failure::NoAnswer(_) => Code::Unavailable,
                keyward_client::answer::Failure::Refused { .. } => Code::FailedPrecondition,
            },
        },
        Fault::Limited | Fault::Busy(_) => Code::ResourceExhausted,
        Fault::Empty(_)
        | Fault::TooLong { .. }
        | Fault::NotOurs
        | Fault::BadAnnotation
        | Fault::OtherMaterial => Code::InvalidArgument,
        Fault::OtherKey(_) | Fault::OtherContext(_) | Fault::AnotherKey(_) | Fault::Useless => {
            Code::FailedPrecondition
        }
    };
    Status::new(code, fault.to_string())
}

/// How long a call may take: as the API server says, but no longer than the limit.
fn time_left(request: &http::Request<Body>) -> Duration {
    let said = request.headers().get("grpc-timeout");
    let said = said.and_then(|said| said.to_str().ok()).and_then(timeout);
    let left = said.map_or(TIMEOUT, |said| said.saturating_sub(MARGIN));
    left.min(TIMEOUT)
}

/// Up to eight digits and a unit.
///
/// <https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md#requests>
fn timeout(text: &str) -> Option<Duration> {
    let unit = text.chars().last()?;
    let number = text.strip_suffix(unit)?;
    if number.is_empty() || number.len() > 8 {
        return None;
    }
    let number: u64 = number.parse().ok()?;
    match unit {
        'H' => Some(Duration::from_secs(number * 3600)),
        'M' => Some(Duration::from_secs(number * 60)),
        'S' => Some(Duration::from_secs(number)),
        'm' => Some(Duration::from_millis(number)),
        'u' => Some(Duration::from_micros(number)),
        'n' => Some(Duration::from_nanos(number)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_api_server_says_how_long_it_waits() {
        for (text, expected) in [
            ("3S", Some(Duration::from_secs(3))),
            ("2999876u", Some(Duration::from_micros(2_999_876))),
            ("500m", Some(Duration::from_millis(500))),
            ("99999999H", Some(Duration::from_secs(99_999_999 * 3600))),
            ("123456789S", None),
            ("S", None),
            ("3", None),
            ("-3S", None),
            ("", None),
            ("3ä", None),
        ] {
            assert_eq!(timeout(text), expected, "{text}");
        }
        let left = |said: Option<&str>| {
            let mut request = http::Request::new(Body::empty());
            if let Some(said) = said {
                let fields = request.headers_mut();
                fields.insert("grpc-timeout", said.parse().unwrap());
            }
            time_left(&request)
        };
        assert_eq!(left(Some("3S")), Duration::from_millis(2900));
        assert_eq!(left(Some("1H")), TIMEOUT);
        assert_eq!(left(None), TIMEOUT);
        assert_eq!(left(Some("50m")), Duration::ZERO);
    }
}
