//! Bytes on their way to one side of a connection.

use std::io;

use tokio::io::{AsyncWrite, AsyncWriteExt as _};

/// Bytes on their way.
#[derive(Default)]
pub(super) struct Output {
    bytes: Vec<u8>,
    pub(super) sent: usize,
    needs_flush: bool,
}

impl Output {
    pub(super) fn is_empty(&self) -> bool {
        self.sent >= self.bytes.len()
    }

    pub(super) fn rest(&self) -> &[u8] {
        self.bytes.get(self.sent..).unwrap_or_default()
    }

    /// Makes room for the next bytes.
    pub(super) fn refill(&mut self) -> &mut Vec<u8> {
        self.bytes.clear();
        self.sent = 0;
        &mut self.bytes
    }

    /// Writes some bytes, or flushes if there are none left.
    pub(super) async fn advance(
        &mut self,
        to: &mut (impl AsyncWrite + Unpin),
    ) -> io::Result<usize> {
        if self.is_empty() {
            to.flush().await?;
            self.needs_flush = false;
            return Ok(0);
        }
        let written = to
            .write(self.bytes.get(self.sent..).unwrap_or_default())
            .await?;
        if written == 0 {
            return Err(io::ErrorKind::WriteZero.into());
        }
        self.needs_flush = true;
        Ok(written)
    }

    pub(super) fn is_busy(&self) -> bool {
        !self.is_empty() || self.needs_flush
    }
}
