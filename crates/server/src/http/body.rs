//! The body of a request: put together within its limits, or let pass by.

use std::{
    future::poll_fn,
    pin::Pin,
    task::{Context, Poll},
};

use bytes::{Bytes, BytesMut};
use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use hyper::body::{Body as _, Incoming};

use crate::http::budget::{Budget, Crowded, Share};

/// Why there is no body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BodyFault {
    /// It is longer than it may be.
    TooLarge,
    /// It did not come in time.
    TooSlow,
    /// It ended early.
    Broken,
    /// Too many others wait for theirs.
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
    /// From where its memory comes.
    pub budget: &'a Budget,
    /// What it holds already, in bytes.
    pub holds: usize,
    /// Whether it is counted as soon as it waits. If not, it is when its body has come in part.
    pub at_once: bool,
}

/// The body, put together only if it came in pieces.
///
/// # Errors
/// When it breaks a limit, or others need the memory.
pub async fn whole(body: Incoming, most: usize, waiting: &Waiting<'_>) -> Result<Bytes, BodyFault> {
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
            None => share = Some(waiting.budget.share(waiting.holds + held)?),
            Some(share) => share.grow(held)?,
        }
    }
    Ok(if pieces.is_empty() {
        first
    } else {
        pieces.freeze()
    })
}

/// The next data; none at the end. Trailers say nothing here.
fn poll_frame(
    cx: &mut Context<'_>,
    body: &mut Limited<Incoming>,
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
        *share = Some(waiting.budget.share(waiting.holds)?);
    }
    match share {
        Some(share) => share.poll_taken_back(cx).map(|crowded| Err(crowded.into())),
        None => Poll::Pending,
    }
}

/// Lets the body pass by, so that whoever sends it hears the answer.
///
/// # Errors
/// When it breaks a limit.
pub async fn discard(body: Incoming, most: usize) -> Result<(), BodyFault> {
    let mut body = Limited::new(body, most);
    while let Some(frame) = body.frame().await {
        frame.map_err(|error| fault(&*error))?;
    }
    Ok(())
}

fn fault(error: &(dyn std::error::Error + Send + Sync + 'static)) -> BodyFault {
    if error.is::<LengthLimitError>() {
        BodyFault::TooLarge
    } else {
        BodyFault::Broken
    }
}
