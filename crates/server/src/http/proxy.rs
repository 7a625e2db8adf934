//! The PROXY protocol: a load balancer names the client. It is accepted only from configured peers.

use std::{
    io,
    net::IpAddr,
    pin::Pin,
    task::{Context, Poll, ready},
};

use keyward_wire::proxy::{self, MAX_HEADER, Proxied, ProxyError};
use tokio::{
    io::{AsyncRead, AsyncReadExt as _, ReadBuf},
    net::TcpStream,
};

use super::through::writes_through;

/// A socket, and the bytes after the PROXY header that were already read from it.
#[derive(Debug)]
pub struct Prefixed {
    stream: TcpStream,
    rest: Vec<u8>,
    taken: usize,
}

impl Prefixed {
    /// A socket from which nothing has been read.
    pub fn bare(stream: TcpStream) -> Self {
        Self {
            stream,
            rest: Vec::new(),
            taken: 0,
        }
    }
}

/// Reads the header; returns the client's address if the header names one.
///
/// # Errors
/// If the peer sends no PROXY header. It is configured as a proxy, so nothing else is accepted from
/// it.
pub async fn accept(mut stream: TcpStream) -> io::Result<(Prefixed, Option<IpAddr>)> {
    let mut bytes = Vec::with_capacity(MAX_HEADER);
    loop {
        if stream.read_buf(&mut bytes).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        match proxy::parse(&bytes) {
            Ok(Proxied { length, client }) => {
                let stream = Prefixed {
                    stream,
                    rest: bytes,
                    taken: length,
                };
                return Ok((stream, client));
            }
            Err(ProxyError::Incomplete) if bytes.len() < MAX_HEADER => {}
            Err(error) => return Err(io::Error::new(io::ErrorKind::InvalidData, error)),
        }
    }
}

impl AsyncRead for Prefixed {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        into: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let rest = self.rest.get(self.taken..).unwrap_or_default();
        if !rest.is_empty() {
            let (now, _) = rest.split_at(rest.len().min(into.remaining()));
            into.put_slice(now);
            self.taken += now.len();
            if self.taken == self.rest.len() {
                self.rest = Vec::new();
                self.taken = 0;
            }
            return Poll::Ready(Ok(()));
        }
        ready!(Pin::new(&mut self.stream).poll_read(cx, into))?;
        Poll::Ready(Ok(()))
    }
}

writes_through!([] Prefixed);
