//! Requests that go on to their end although their client hangs up: those of an API that has other APIs change
//! something for it. The HTTP library drops what it waits for when a connection ends; so such a request runs in a task of
//! its own, with what belongs to the connection copied.

use keyward_crypto::secret::SecretBytes;
use keyward_wire::query::Form;

use super::{Front, authenticate::Proven, dispatch, serve as serve_proven};
use crate::{
    request::{Answer, Ids, Received},
    turns::KeptTurn,
};

/// Serves a request whose caller is proven to its end, whether or not anybody waits for the answer.
pub(super) async fn serve(
    front: Front,
    (received, body): (&Received<'_>, &[u8]),
    (proven, form): (Proven, Form),
    (ids, turn): (Ids, KeptTurn),
) -> Answer {
    let line = [received.method, received.path, received.query].map(str::to_owned);
    let headers = received.headers.iter();
    let headers: Vec<(String, Vec<u8>)> = headers
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
        .collect();
    let (peer, body) = (
        received.peer.clone(),
        SecretBytes::from_vec(body.to_owned()),
    );
    let served = tokio::spawn(async move {
        let [method, path, query] = &line;
        let headers = headers.iter();
        let headers: Vec<(&str, &[u8])> = headers
            .map(|(name, value)| (name.as_str(), value.as_slice()))
            .collect();
        let received = Received {
            method,
            path,
            query,
            headers: &headers,
            peer: &peer,
        };
        let target = match dispatch::target(&front.services, &received, body.expose()) {
            Ok(target) => target,
            Err(refused) => return front.refuse(&received, &ids, refused),
        };
        let cx = front.context(&received, (&proven, form), (&ids, None));
        let answer = serve_proven(&cx, &target).await;
        drop(turn);
        answer
    });
    match served.await {
        Ok(answer) => answer,
        Err(ended) => match ended.try_into_panic() {
            Ok(panic) => std::panic::resume_unwind(panic),
            // The server ends, and this task with it.
            Err(_) => std::future::pending().await,
        },
    }
}
