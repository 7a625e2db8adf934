//! An answer that is being sent. Until its last byte has been sent, or its stream has been reset,
//! it counts against a budget and its request is in progress.
//!
//! The HTTP library accepts a body as soon as it can, and keeps it while the client's window is
//! closed. Therefore the claim is tied to the bytes themselves, and a long body is handed over in
//! pieces, which show that it makes progress.

use std::{
    convert::Infallible,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use bytes::Bytes;
use hyper::body::{Body, Frame, SizeHint};

use crate::http::{
    budget::Claim,
    idle::{Moving, UnderWay},
};

/// The most bytes that are handed over at once. Progress is visible only when all of them have been
/// sent.
const PIECE: usize = 16 << 10;

/// What an answer holds until it has been sent.
#[derive(Debug)]
pub struct UntilSent {
    moving: Moving,
    _claim: Option<Claim>,
    _under_way: Option<UnderWay>,
}

impl UntilSent {
    /// Combines the record of the answer's progress, its claim on the budget, if it needs one, and
    /// its request, if that keeps the connection open.
    pub fn new(moving: Moving, claim: Option<Claim>, under_way: Option<UnderWay>) -> Self {
        Self {
            moving,
            _claim: claim,
            _under_way: under_way,
        }
    }
}

/// The body of an answer.
#[derive(Debug)]
pub struct Leaving {
    rest: Bytes,
    /// None once the last piece has been handed over, since that piece has it.
    held: Option<Keep>,
}

#[derive(Debug)]
enum Keep {
    Alone { _held: UntilSent },
    Shared(Arc<UntilSent>),
}

impl Leaving {
    /// A body that holds this until it has been sent.
    pub fn new(body: Bytes, held: UntilSent) -> Self {
        let keep = if body.len() <= PIECE {
            Keep::Alone { _held: held }
        } else {
            Keep::Shared(Arc::new(held))
        };
        Self {
            rest: body,
            held: Some(keep),
        }
    }
}

/// Bytes that were handed over. When they are dropped, they have been sent, or never will be.
struct Piece {
    bytes: Bytes,
    held: Option<Keep>,
}

impl AsRef<[u8]> for Piece {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

impl Drop for Piece {
    fn drop(&mut self) {
        if let Some(Keep::Shared(held)) = &self.held {
            held.moving.moved();
        }
    }
}

impl Body for Leaving {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        if self.rest.is_empty() {
            self.held = None;
            return Poll::Ready(None);
        }
        let held = match &self.held {
            Some(Keep::Shared(held)) if self.rest.len() > PIECE => {
                Some(Keep::Shared(Arc::clone(held)))
            }
            _ => self.held.take(),
        };
        let length = self.rest.len().min(PIECE);
        let bytes = self.rest.split_to(length);
        let piece = Bytes::from_owner(Piece { bytes, held });
        Poll::Ready(Some(Ok(Frame::data(piece))))
    }

    fn is_end_stream(&self) -> bool {
        self.rest.is_empty()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.rest.len() as u64)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use http_body_util::BodyExt as _;

    use super::*;
    use crate::http::{
        budget::{Budget, Ending},
        idle::Activity,
    };

    const PATIENCE: Duration = Duration::from_millis(20);

    fn held(budget: &Budget, bytes: usize, activity: &Activity) -> UntilSent {
        let (connection, _) = Ending::new();
        let claim = budget.answer(bytes, &Arc::new(connection));
        UntilSent::new(activity.leave(), Some(claim), Some(activity.begin()))
    }

    async fn stalls(activity: &Activity) -> bool {
        let stalled = activity.stalled(PATIENCE);
        tokio::time::timeout(PATIENCE * 4, stalled).await.is_ok()
    }

    #[tokio::test]
    async fn an_answer_counts_until_its_last_byte_has_left() {
        let text: Vec<u8> = (0..100_000_u32).map(|at| at.to_le_bytes()[0]).collect();
        for length in [1, PIECE, PIECE + 1, text.len()] {
            let (budget, activity) = (Budget::new(1 << 20), Activity::default());
            let body = Bytes::copy_from_slice(&text[..length]);
            let mut leaving = Leaving::new(body, held(&budget, length, &activity));
            assert_eq!(leaving.size_hint().exact(), Some(length as u64));
            let mut pieces = Vec::new();
            while !leaving.is_end_stream() {
                let frame = leaving.frame().await.unwrap().unwrap();
                pieces.push(frame.into_data().unwrap());
            }
            assert_eq!(pieces.concat(), text[..length]);
            assert_eq!(pieces.len(), length.div_ceil(PIECE));
            drop(leaving);
            // Only its first bytes wait: the library writes the end of a body first.
            pieces.truncate(1);
            assert_eq!(budget.taken(), length);
            assert!(stalls(&activity).await);
            drop(pieces);
            assert_eq!(budget.taken(), 0);
            assert!(!stalls(&activity).await);
        }
    }

    #[tokio::test]
    async fn an_answer_that_moves_now_and_then_does_not_stall() {
        let (budget, activity) = (Budget::new(1 << 20), Activity::default());
        let body = Bytes::from(vec![7; PIECE * 12]);
        let mut leaving = Leaving::new(body, held(&budget, 1, &activity));
        let read = async {
            while let Some(frame) = leaving.frame().await {
                tokio::time::sleep(PATIENCE / 2).await;
                drop(frame);
            }
        };
        tokio::select! {
            () = read => {}
            () = activity.stalled(PATIENCE) => panic!("it moved"),
        }
    }

    #[tokio::test]
    async fn nothing_is_held_for_an_answer_without_body_or_of_a_stream_that_was_reset() {
        let (budget, activity) = (Budget::new(1 << 20), Activity::default());
        let mut empty = Leaving::new(Bytes::new(), held(&budget, 1, &activity));
        assert!(empty.is_end_stream());
        assert!(empty.frame().await.is_none());
        assert_eq!(budget.taken(), 0);
        let body = Bytes::from(vec![7; PIECE * 3]);
        let mut reset = Leaving::new(body, held(&budget, 1, &activity));
        let first = reset.frame().await;
        drop((first, reset));
        assert_eq!(budget.taken(), 0);
        assert!(!stalls(&activity).await);
    }
}
