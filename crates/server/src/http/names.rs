//! Header names as AWS writes them. In HTTP/1.1 their case does not matter, but some clients
//! compare it.
//!
//! Hyper writes names in lower case. It can capitalize words, or preserve the names of a message
//! that is forwarded. The two together would do, but would make every answer 5 % more expensive. So
//! the names are changed where answers are written. This requires knowing where an answer begins
//! and ends, which follows from its head, since every answer declares its length.

use std::{
    io::{self, IoSlice},
    pin::Pin,
    sync::LazyLock,
    task::{Context, Poll, ready},
};

use memchr::{memchr, memmem::Finder};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// What every HTTP/1.1 answer begins with.
const VERSION: &[u8] = b"HTTP/1.";
/// The names that do not begin each of their words with a capital.
const OTHERS: [&[u8; 16]; 2] = [b"x-amzn-RequestId", b"x-amzn-ErrorType"];
const CONTENT_LENGTH: &[u8] = b"Content-Length";
/// The end of a head: the end of its last field, and an empty line.
static HEAD_END: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new(b"\r\n\r\n"));
/// The most pieces of an answer that are written at once, including its head.
const PIECES: usize = 8;

/// A stream that writes the names in the heads of answers as AWS does. Other protocols pass
/// unchanged.
#[derive(Debug)]
pub struct Names<S> {
    stream: S,
    /// The current head, with its names changed, and how much of it has been written.
    head: Vec<u8>,
    written: usize,
    next: Next,
}

/// What is written next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Next {
    Head,
    /// This many bytes of a body, and then a head.
    Body(u64),
    /// It is not HTTP/1.1.
    Other,
}

impl<S> Names<S> {
    /// Wraps a stream to which nothing has been written.
    pub fn new(stream: S) -> Self {
        Self {
            stream,
            head: Vec::new(),
            written: 0,
            next: Next::Head,
        }
    }
}

impl<S: AsyncWrite + Unpin> Names<S> {
    /// Writes the rest of a head that was already reported as written.
    fn poll_head(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while self.written < self.head.len() {
            let rest = self.head.get(self.written..).unwrap_or_default();
            match ready!(Pin::new(&mut self.stream).poll_write(cx, rest))? {
                0 => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                written => self.written += written,
            }
        }
        Poll::Ready(Ok(()))
    }

    fn poll_slices(
        &mut self,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        ready!(self.poll_head(cx))?;
        let Some(first) = slices.iter().position(|slice| !slice.is_empty()) else {
            return Pin::new(&mut self.stream).poll_write(cx, &[]);
        };
        let (_, slices) = slices.split_at(first);
        let Some((first, more)) = slices.split_first() else {
            return Poll::Ready(Ok(0));
        };
        match self.next {
            Next::Other => Pin::new(&mut self.stream).poll_write_vectored(cx, slices),
            Next::Body(left) => self.poll_body(cx, slices, first, left),
            Next::Head => match rename(first, &mut self.head) {
                Some((end, length)) => {
                    self.written = 0;
                    let (_, body) = first.split_at(end);
                    self.poll_answer(cx, body, more, length)
                }
                None => {
                    self.head.clear();
                    self.next = Next::Other;
                    Pin::new(&mut self.stream).poll_write_vectored(cx, slices)
                }
            },
        }
    }

    fn poll_body(
        &mut self,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
        first: &[u8],
        left: u64,
    ) -> Poll<io::Result<usize>> {
        let stream = Pin::new(&mut self.stream);
        let written = if length_of(slices) <= left {
            ready!(stream.poll_write_vectored(cx, slices))?
        } else {
            let most = usize::try_from(left).unwrap_or(usize::MAX);
            let (body, _) = first.split_at(most.min(first.len()));
            ready!(stream.poll_write(cx, body))?
        };
        self.next = after(left, written);
        Poll::Ready(Ok(written))
    }

    /// Writes the head that was just changed, with the available part of its body.
    fn poll_answer(
        &mut self,
        cx: &mut Context<'_>,
        body: &[u8],
        more: &[IoSlice<'_>],
        length: u64,
    ) -> Poll<io::Result<usize>> {
        let mut pieces = [IoSlice::new(&[]); PIECES];
        let given = [IoSlice::new(&self.head), IoSlice::new(body)];
        let all = given.into_iter().chain(more.iter().copied());
        for (piece, given) in pieces.iter_mut().zip(all) {
            *piece = given;
        }
        // The body is followed by the next answer's head.
        let [head, bodies @ ..] = &pieces;
        let pieces = if length_of(bodies) <= length {
            &pieces[..]
        } else {
            std::slice::from_ref(head)
        };
        let written = match Pin::new(&mut self.stream).poll_write_vectored(cx, pieces) {
            Poll::Ready(Ok(written)) if written > 0 => written,
            // Nothing was accepted: the caller will pass the same bytes again.
            other => {
                self.head.clear();
                return other;
            }
        };
        // The whole head is accepted; the unwritten part of it is written before anything else.
        let of_head = self.head.len();
        self.written = written.min(of_head);
        let of_body = written.saturating_sub(of_head);
        self.next = after(length, of_body);
        Poll::Ready(Ok(of_head + of_body))
    }
}

fn after(left: u64, written: usize) -> Next {
    match left.saturating_sub(written as u64) {
        0 => Next::Head,
        left => Next::Body(left),
    }
}

fn length_of(slices: &[IoSlice<'_>]) -> u64 {
    slices.iter().map(|slice| slice.len() as u64).sum()
}

/// Copies the head at the start of these bytes and changes its names. Answers where it ends and how
/// long its body is, or nothing if the head is not complete.
fn rename(bytes: &[u8], head: &mut Vec<u8>) -> Option<(usize, u64)> {
    if !bytes.starts_with(VERSION) {
        return None;
    }
    let end = HEAD_END.find(bytes)? + HEAD_END.needle().len();
    head.clear();
    // Only the head: what follows may be secret, and is wiped at its source.
    head.extend_from_slice(bytes.get(..end)?);
    let first = memchr(b'\n', head)? + 1;
    let mut rest = head.get_mut(first..)?;
    let mut length = 0;
    // The last line is empty.
    while rest.len() > b"\r\n".len() {
        let named = capitalize(rest);
        let (name, after) = rest.split_at_mut_checked(named)?;
        let line = memchr(b'\n', after)? + 1;
        if name == CONTENT_LENGTH {
            let digits = after.get(1..line)?;
            length = std::str::from_utf8(digits).ok()?.trim().parse().ok()?;
        } else if name.len() == OTHERS[0].len()
            && let Some(other) = OTHERS
                .iter()
                .find(|other| name.eq_ignore_ascii_case(**other))
        {
            name.copy_from_slice(*other);
        }
        rest = after.get_mut(line..)?;
    }
    Some((end, length))
}

/// Capitalizes the first letter of each word of a name. Answers the length of the name.
fn capitalize(line: &mut [u8]) -> usize {
    let mut begins = true;
    let mut length = 0;
    for byte in line {
        if *byte == b':' {
            break;
        }
        if begins {
            byte.make_ascii_uppercase();
        }
        begins = *byte == b'-';
        length += 1;
    }
    length
}

impl<S: AsyncRead + Unpin> AsyncRead for Names<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buffer)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Names<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.poll_slices(cx, &[IoSlice::new(bytes)])
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.poll_slices(cx, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_head(cx))?;
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_head(cx))?;
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, duplex};

    use super::*;

    const FIRST: &str = "HTTP/1.1 200 OK\r\nx-amzn-requestid: content-type\r\ncontent-type: a/b-c\r\n\
                         content-length: 21\r\ndate: mon: x-y\r\n\r\nx-amzn-requestid: a\r\n";
    const CONTINUE: &str = "HTTP/1.1 100 Continue\r\n\r\n";
    const LAST: &str = "HTTP/1.0 400 Bad Request\r\nx-amzn-errortype: a-b\r\ncontent-length: 0\r\n\
                        connection: close\r\n\r\n";

    fn as_aws_writes(text: &str) -> String {
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        let head = head
            .replace("\r\nx-amzn-requestid:", "\r\nx-amzn-RequestId:")
            .replace("\r\nx-amzn-errortype:", "\r\nx-amzn-ErrorType:")
            .replace("\r\ncontent-type:", "\r\nContent-Type:")
            .replace("\r\ncontent-length:", "\r\nContent-Length:")
            .replace("\r\nconnection:", "\r\nConnection:")
            .replace("\r\ndate:", "\r\nDate:");
        format!("{head}\r\n\r\n{body}")
    }

    /// What comes out at the far end, through a pipe of this width, if answers are written in these
    /// pieces.
    async fn written(pieces: Vec<Vec<u8>>, width: usize, vectored: bool) -> String {
        let (near, mut far) = duplex(width);
        let writing = tokio::spawn(async move {
            let mut near = Names::new(near);
            if vectored {
                let mut slices: Vec<_> = pieces.iter().map(|piece| IoSlice::new(piece)).collect();
                let mut slices = &mut slices[..];
                while !slices.is_empty() {
                    let count = near.write_vectored(slices).await.unwrap();
                    assert!(count > 0);
                    IoSlice::advance_slices(&mut slices, count);
                }
            } else {
                for piece in pieces {
                    near.write_all(&piece).await.unwrap();
                }
            }
            near.shutdown().await.unwrap();
        });
        let mut all = String::new();
        far.read_to_string(&mut all).await.unwrap();
        writing.await.unwrap();
        all
    }

    #[tokio::test]
    async fn names_are_changed_and_nothing_else_however_answers_are_written() {
        let answers = [FIRST, CONTINUE, FIRST, LAST];
        let expect: String = answers.map(as_aws_writes).concat();
        assert!(expect.contains("\r\n\r\nx-amzn-requestid: a\r\nHTTP/1.1 100"));
        let whole = answers.concat().into_bytes();
        let each = answers.map(|answer| answer.as_bytes().to_vec()).to_vec();
        let apart = answers
            .iter()
            .flat_map(|answer| {
                let (head, body) = answer.split_once("\r\n\r\n").unwrap();
                [
                    format!("{head}\r\n\r\n").into_bytes(),
                    body.as_bytes().to_vec(),
                ]
            })
            .collect::<Vec<_>>();
        for width in [1, 7, 64, 4096] {
            for vectored in [false, true] {
                for pieces in [vec![whole.clone()], each.clone(), apart.clone()] {
                    assert_eq!(written(pieces, width, vectored).await, expect);
                }
            }
        }
    }

    #[tokio::test]
    async fn other_protocols_pass_as_they_are() {
        let pieces = vec![
            b"\0\0\x06\x04\0content-type: x\r\n\r\n".to_vec(),
            FIRST.into(),
        ];
        let expect = pieces.concat();
        let all = written(pieces, 16, false).await;
        assert_eq!(all.as_bytes(), expect);
    }
}
