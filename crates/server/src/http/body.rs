//! The body of a request: collected within its limits, or read and dropped.

use std::{
    future::poll_fn,
    pin::{Pin, pin},
    task::{Context, Poll},
};

use bytes::{Bytes, BytesMut};
use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use hyper::body::{Body as _, Incoming};
use keyward_engine::request::Received;

use crate::http::budget::{Budget, Crowded, Share};

/// The most bytes that are read of a body that is too long. A client that sends everything before
/// it reads would otherwise see a broken connection and no answer.
const MAX_PASSED: u64 = 8 << 20;

/// Why there is no body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BodyFault {
    /// It is too long.
    TooLarge,
    /// It did not arrive in time.
    TooSlow,
    /// It ended early.
    Broken,
    /// Too many other requests are waiting for their bodies.
    Crowded,
}

impl From<Crowded> for BodyFault {
    fn from(Crowded: Crowded) -> Self {
        Self::Crowded
    }
}

/// How a request waits for its body.
#[derive(Debug)]
pub struct Waiting<'a> {
    /// The budget that its memory comes from.
    pub budget: &'a Budget,
    /// The request's head. Its size is computed only for the few requests that wait long enough.
    pub received: &'a Received<'a>,
    /// Whether it is counted as soon as it waits; otherwise it is counted once a part of its body
    /// has arrived.
    pub at_once: bool,
}

/// Reads the body, and answers it with what it took of the budget. It is copied only if it arrived
/// in pieces.
///
/// # Errors
/// If it exceeds a limit, or others need the memory.
pub async fn whole(
    mut body: Incoming,
    most: usize,
    waiting: &Waiting<'_>,
) -> Result<(Bytes, Option<Share>), BodyFault> {
    let declared = body.size_hint().lower();
    if declared > most as u64 {
        // A client that waits for `100 Continue` gets the answer now.
        if !waiting.received.expects() {
            pass(&mut body).await;
        }
        return Err(BodyFault::TooLarge);
    }
    let whole = put_together(&mut body, most, waiting).await;
    if matches!(whole, Err(BodyFault::TooLarge)) {
        pass(&mut body).await;
    }
    whole
}

async fn put_together(
    body: &mut Incoming,
    most: usize,
    waiting: &Waiting<'_>,
) -> Result<(Bytes, Option<Share>), BodyFault> {
    let mut body = Limited::new(body, most);
    let mut share = None;
    let mut first = Bytes::new();
    let mut pieces = BytesMut::new();
    loop {
        let frame = poll_fn(|cx| poll_frame(cx, &mut body, &mut share, waiting)).await?;
        let Some(data) = frame else {
            break;
        };
        let before = pieces.capacity();
        if first.is_empty() {
            first = data;
        } else {
            if pieces.is_empty() {
                pieces.extend_from_slice(&first);
            }
            pieces.extend_from_slice(&data);
        }
        if body.is_end_stream() {
            continue;
        }
        let held = match pieces.capacity() {
            0 => first.len(),
            now => now.saturating_sub(before),
        };
        match &mut share {
            None => share = Some(waiting.budget.share(waiting.received.holds() + held)?),
            Some(share) => share.grow(held)?,
        }
    }
    let body = if pieces.is_empty() {
        first
    } else {
        pieces.freeze()
    };
    Ok((body, share))
}

/// Waits for the answer to an unsigned request. This may take a while, since the keys of an issuer
/// may have to be fetched, so the request's memory is counted until then.
///
/// # Errors
/// If others need the memory.
pub async fn counted<F: Future>(
    answer: F,
    holds: usize,
    share: Option<Share>,
    waiting: &Waiting<'_>,
) -> Result<F::Output, BodyFault> {
    let mut share = match share {
        Some(share) => share,
        None => waiting.budget.share(waiting.received.holds() + holds)?,
    };
    let mut answer = pin!(answer);
    poll_fn(|cx| match answer.as_mut().poll(cx) {
        Poll::Ready(answer) => Poll::Ready(Ok(answer)),
        Poll::Pending => share.poll_taken_back(cx).map(|crowded| Err(crowded.into())),
    })
    .await
}

/// The next data, or none at the end. Trailers are ignored.
fn poll_frame(
    cx: &mut Context<'_>,
    body: &mut Limited<&mut Incoming>,
    share: &mut Option<Share>,
    waiting: &Waiting<'_>,
) -> Poll<Result<Option<Bytes>, BodyFault>> {
    while let Poll::Ready(frame) = Pin::new(&mut *body).poll_frame(cx) {
        match frame {
            None => return Poll::Ready(Ok(None)),
            Some(Err(error)) => return Poll::Ready(Err(fault(&*error))),
            Some(Ok(frame)) => {
                if let Ok(data) = frame.into_data() {
                    return Poll::Ready(Ok(Some(data)));
                }
            }
        }
    }
    if share.is_none() && waiting.at_once {
        *share = Some(waiting.budget.share(waiting.received.holds())?);
    }
    match share {
        Some(share) => share.poll_taken_back(cx).map(|crowded| Err(crowded.into())),
        None => Poll::Pending,
    }
}

/// Reads and drops the body, so that the client gets to read the answer.
///
/// # Errors
/// If it exceeds a limit.
pub async fn discard(mut body: Incoming, most: usize) -> Result<(), BodyFault> {
    let mut limited = Limited::new(&mut body, most);
    while let Some(frame) = limited.frame().await {
        if let Err(error) = frame {
            let fault = fault(&*error);
            if fault == BodyFault::TooLarge {
                pass(&mut body).await;
            }
            return Err(fault);
        }
    }
    Ok(())
}

/// Reads and drops the rest of a body that is too long, up to the limit. If it is known to be
/// longer than that, nothing is read.
async fn pass(body: &mut Incoming) {
    let mut left = MAX_PASSED;
    if body.size_hint().lower() > left {
        return;
    }
    while let Some(Ok(frame)) = body.frame().await {
        let length = frame.data_ref().map_or(0, Bytes::len) as u64;
        let Some(rest) = left.checked_sub(length) else {
            return;
        };
        left = rest;
    }
}

fn fault(error: &(dyn std::error::Error + Send + Sync + 'static)) -> BodyFault {
    if error.is::<LengthLimitError>() {
        BodyFault::TooLarge
    } else {
        BodyFault::Broken
    }
}

#[cfg(test)]
mod tests {
    use std::net::{IpAddr, Ipv4Addr};

    use keyward_engine::request::Peer;

    use super::*;

    #[tokio::test]
    async fn a_request_that_is_not_signed_makes_room_while_its_answer_is_waited_for() {
        let received = Received {
            method: "POST",
            path: "/",
            query: "",
            headers: &[("host", b"a.test")],
            peer: &Peer::new(IpAddr::V4(Ipv4Addr::LOCALHOST), None),
        };
        let holds = received.holds();
        let budget = Budget::new(holds + 90);
        let waiting = Waiting {
            budget: &budget,
            received: &received,
            at_once: true,
        };
        let waits = counted(std::future::pending::<()>(), 50, None, &waiting);
        let (waited, other) = tokio::join!(waits, async { budget.share(41) });
        assert_eq!(waited, Err(BodyFault::Crowded));
        drop(other);
        let share = budget.share(holds + 90).ok();
        assert_eq!(counted(async { 7 }, 50, share, &waiting).await, Ok(7));
        assert_eq!(counted(async { 7 }, 90, None, &waiting).await, Ok(7));
        let answer = counted(async { 7 }, 91, None, &waiting).await;
        assert_eq!(answer, Err(BodyFault::Crowded));
    }
}
