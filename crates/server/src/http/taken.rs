//! A stream whose peer must read what is written to it: a client that does not read its answers
//! loses its connection.

use std::{
    future::Future as _,
    io,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    time::Sleep,
};

/// The lowest rate at which a peer may read once a write has to wait, in bytes per second.
const LEAST_RATE: u64 = 1024;

/// A stream that fails when its peer reads too slowly.
#[derive(Debug)]
pub struct Taken<S> {
    stream: S,
    patience: Duration,
    stalled: Option<Stalled>,
}

/// A write that waits for the peer.
#[derive(Debug)]
struct Stalled {
    until: Pin<Box<Sleep>>,
    written: u64,
}

impl<S> Taken<S> {
    /// Wraps a stream. Rates are measured over periods of `patience`.
    pub fn new(stream: S, patience: Duration) -> Self {
        Self {
            stream,
            patience,
            stalled: None,
        }
    }

    /// Notes the outcome of a write, and how much was written.
    fn note<T>(
        &mut self,
        cx: &mut Context<'_>,
        outcome: Poll<io::Result<T>>,
        written: impl FnOnce(&T) -> u64,
    ) -> Poll<io::Result<T>> {
        if let Poll::Ready(Ok(done)) = &outcome {
            if let Some(stalled) = &mut self.stalled {
                stalled.written += written(done);
            }
            return outcome;
        }
        if outcome.is_ready() {
            return outcome;
        }
        let stalled = self.stalled.get_or_insert_with(|| Stalled {
            until: Box::pin(tokio::time::sleep(self.patience)),
            written: 0,
        });
        while stalled.until.as_mut().poll(cx).is_ready() {
            if stalled.written < LEAST_RATE.saturating_mul(self.patience.as_secs()) {
                let slow = "the client does not read its answers";
                return Poll::Ready(Err(io::Error::new(io::ErrorKind::TimedOut, slow)));
            }
            *stalled = Stalled {
                until: Box::pin(tokio::time::sleep(self.patience)),
                written: 0,
            };
        }
        Poll::Pending
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Taken<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buffer)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Taken<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let outcome = Pin::new(&mut self.stream).poll_write(cx, bytes);
        self.note(cx, outcome, |written| *written as u64)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let outcome = Pin::new(&mut self.stream).poll_write_vectored(cx, slices);
        self.note(cx, outcome, |written| *written as u64)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let outcome = Pin::new(&mut self.stream).poll_flush(cx);
        if let Poll::Ready(Ok(())) = outcome {
            // Everything has been handed to the system, so nothing is waiting.
            self.stalled = None;
        }
        self.note(cx, outcome, |()| 0)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let outcome = Pin::new(&mut self.stream).poll_shutdown(cx);
        self.note(cx, outcome, |()| 0)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, duplex};

    use super::*;

    const PATIENCE: Duration = Duration::from_secs(1);

    #[tokio::test]
    async fn a_peer_that_reads_nothing_is_given_up() {
        let (near, _far) = duplex(64);
        let mut near = Taken::new(near, PATIENCE);
        let error = near.write_all(&[7; 1000]).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
        assert_eq!(error.to_string(), "the client does not read its answers");
    }

    #[tokio::test]
    async fn a_peer_that_reads_in_drops_is_given_up() {
        let (near, mut far) = duplex(64);
        tokio::spawn(async move {
            while far.read_u8().await.is_ok() {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        });
        let mut near = Taken::new(near, PATIENCE);
        let error = near.write_all(&[7; 1 << 20]).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
    }

    #[tokio::test]
    async fn a_peer_that_reads_steadily_gets_all_of_a_long_answer() {
        let (near, mut far) = duplex(4096);
        let reader = tokio::spawn(async move {
            let (mut all, mut part) = (0, [0; 4096]);
            loop {
                match far.read(&mut part).await.unwrap() {
                    0 => return all,
                    count => all += count,
                }
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        });
        let mut near = Taken::new(near, PATIENCE);
        near.write_all(&[7; 64 << 10]).await.unwrap();
        drop(near);
        assert_eq!(reader.await.unwrap(), 64 << 10);
    }
}
