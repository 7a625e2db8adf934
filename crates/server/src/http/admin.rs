//! The listener for operators: Prometheus metrics, and nothing else.

use std::{convert::Infallible, fmt::Write as _, sync::Arc};

use bytes::Bytes;
use http::{HeaderValue, Request, Response, StatusCode, header};
use http_body_util::Full;
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use keyward_engine::front::Front;
use tokio::{net::TcpListener, sync::Semaphore};

use crate::http::peers::Peers;

/// How many operators may be connected at once.
const MAX_CONNECTIONS: usize = 32;

/// Serves `/metrics` for as long as it is polled.
pub async fn serve(listener: TcpListener, front: Front, peers: Peers) {
    let places = Arc::new(Semaphore::new(MAX_CONNECTIONS));
    loop {
        let Ok((stream, _)) = listener.accept().await else {
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
            continue;
        };
        let Ok(place) = Arc::clone(&places).try_acquire_owned() else {
            continue;
        };
        let (front, peers) = (front.clone(), peers.clone());
        tokio::spawn(async move {
            let service = service_fn(|request: Request<Incoming>| {
                let answer = answer(request.uri().path(), &front, &peers);
                async move { Ok::<_, Infallible>(answer) }
            });
            let connection = http1::Builder::new()
                .timer(TokioTimer::new())
                .title_case_headers(true)
                .keep_alive(false)
                .serve_connection(TokioIo::new(stream), service);
            if let Err(error) = connection.await {
                tracing::debug!(%error, "an operator's connection ended");
            }
            drop(place);
        });
    }
}

fn answer(path: &str, front: &Front, peers: &Peers) -> Response<Full<Bytes>> {
    let (status, text) = match path {
        "/metrics" => {
            let mut text = front.render_metrics();
            render(peers, &mut text);
            (StatusCode::OK, text)
        }
        _ => (
            StatusCode::NOT_FOUND,
            "only /metrics is served here\n".to_owned(),
        ),
    };
    let mut response = Response::new(Full::new(Bytes::from(text)));
    *response.status_mut() = status;
    let kind = HeaderValue::from_static("text/plain; version=0.0.4");
    response.headers_mut().insert(header::CONTENT_TYPE, kind);
    response
}

/// Writes the metrics of connections.
fn render(peers: &Peers, out: &mut String) {
    let tally = peers.tally();
    let _ = write!(
        out,
        "# HELP keyward_connections Open connections, of authenticated callers and of others.\n\
         # TYPE keyward_connections gauge\n\
         keyward_connections{{of=\"clients\"}} {}\n\
         keyward_connections{{of=\"strangers\"}} {}\n\
         # HELP keyward_connections_ended_total Connections that were closed because there were too many.\n\
         # TYPE keyward_connections_ended_total counter\n\
         keyward_connections_ended_total{{why=\"displaced\"}} {}\n\
         keyward_connections_ended_total{{why=\"refused\"}} {}\n",
        tally.known, tally.strangers, tally.displaced, tally.refused
    );
}
