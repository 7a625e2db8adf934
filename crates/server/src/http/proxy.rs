//! The PROXY protocol, versions 1 and 2: a load balancer's word for who the client is, taken
//! only from configured peers.
//!
//! <https://www.haproxy.org/download/2.9/doc/proxy-protocol.txt>

use std::{
    io,
    net::IpAddr,
    pin::Pin,
    task::{Context, Poll, ready},
};

use ppp::{HeaderResult, PartialResult as _};
use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWrite, ReadBuf},
    net::TcpStream,
};

/// The longest header taken: version 1 has 107 bytes at most, version 2 little more without
/// extensions, and these are limited here.
const MAX_HEADER: usize = 1024;

/// A socket, and bytes that were read from it past the PROXY header.
#[derive(Debug)]
pub struct Prefixed {
    stream: TcpStream,
    rest: Vec<u8>,
    taken: usize,
}

impl Prefixed {
    /// A socket of which nothing was read.
    pub fn bare(stream: TcpStream) -> Self {
        Self {
            stream,
            rest: Vec::new(),
            taken: 0,
        }
    }
}

/// Reads the header; answers the client's address if the header names one.
///
/// # Errors
/// When the peer sends no PROXY header: it is configured to, so nothing else is taken from it.
pub async fn accept(mut stream: TcpStream) -> io::Result<(Prefixed, Option<IpAddr>)> {
    let mut bytes = Vec::with_capacity(256);
    loop {
        if stream.read_buf(&mut bytes).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let header = HeaderResult::parse(&bytes);
        if header.is_incomplete() && bytes.len() < MAX_HEADER {
            continue;
        }
        let (taken, source) = parsed(&header)
            .ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, "no PROXY header"))?;
        return Ok((
            Prefixed {
                stream,
                rest: bytes,
                taken,
            },
            source,
        ));
    }
}

fn parsed(header: &HeaderResult<'_>) -> Option<(usize, Option<IpAddr>)> {
    match header {
        HeaderResult::V1(Ok(header)) => {
            let source = match header.addresses {
                ppp::v1::Addresses::Tcp4(ip) => Some(IpAddr::V4(ip.source_address)),
                ppp::v1::Addresses::Tcp6(ip) => Some(IpAddr::V6(ip.source_address)),
                ppp::v1::Addresses::Unknown => None,
            };
            Some((header.header.len(), source))
        }
        HeaderResult::V2(Ok(header)) => {
            let source = match header.addresses {
                ppp::v2::Addresses::IPv4(ip) => Some(IpAddr::V4(ip.source_address)),
                ppp::v2::Addresses::IPv6(ip) => Some(IpAddr::V6(ip.source_address)),
                ppp::v2::Addresses::Unix(_) | ppp::v2::Addresses::Unspecified => None,
            };
            Some((header.len(), source))
        }
        HeaderResult::V1(Err(_)) | HeaderResult::V2(Err(_)) => None,
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
            return Poll::Ready(Ok(()));
        }
        ready!(Pin::new(&mut self.stream).poll_read(cx, into))?;
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Prefixed {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(cx, bytes)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
}
