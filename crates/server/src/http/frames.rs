//! Watches what an HTTP/2 client sends, frame by frame. No AWS client needs header blocks in
//! pieces, streams that are reset one after the other, or thousands of pings. Each of these costs
//! the server more than the client, so they end the connection.
//!
//! A block in one frame is decoded and checked at once. A block in several frames could be kept
//! open, and its decoded fields take a hundred times as much memory as was sent.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll, ready},
};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::through::writes_through;

/// What an HTTP/2 connection begins with.
const PREFACE: &[u8; 24] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
/// The length of a frame header, in bytes.
const HEAD: usize = 9;
/// Streams that a client may reset, however few of its streams it lets finish.
const FREE_RESETS: u64 = 100;
/// Frames without fields or data that a client may send without making a request.
const FREE_CONTROL: u64 = 500;
/// And as many more for each request: most are window updates.
const CONTROL_PER_REQUEST: u64 = 16;

/// <https://www.rfc-editor.org/rfc/rfc9113#section-6>
mod kind {
    pub const DATA: u8 = 0;
    pub const HEADERS: u8 = 1;
    pub const RST_STREAM: u8 = 3;
    pub const SETTINGS: u8 = 4;
    pub const PING: u8 = 6;
    pub const CONTINUATION: u8 = 9;
}
/// The flag of SETTINGS and PING.
const ACK: u8 = 0x1;
/// The flag of DATA.
const END_STREAM: u8 = 0x1;
/// The flag of HEADERS.
const END_HEADERS: u8 = 0x4;

/// A stream that fails when its peer sends such frames. Other protocols pass unchanged.
#[derive(Debug)]
pub struct Frames<S> {
    stream: S,
    seen: Seen,
}

#[derive(Debug)]
enum Seen {
    /// This many bytes of the preface have been seen.
    Preface(usize),
    Frames(Counts),
    /// It is not HTTP/2.
    Other,
}

#[derive(Debug, Default)]
struct Counts {
    /// The header of the current frame, and how much of it has arrived.
    head: [u8; HEAD],
    have: usize,
    /// Bytes of the current frame that have not arrived yet.
    skip: usize,
    requests: u64,
    resets: u64,
    control: u64,
}

impl<S> Frames<S> {
    /// Wraps a stream from which nothing has been read.
    pub fn new(stream: S) -> Self {
        let seen = Seen::Preface(0);
        Self { stream, seen }
    }
}

impl Seen {
    fn look(&mut self, mut bytes: &[u8]) -> Result<(), &'static str> {
        if let Self::Preface(have) = *self {
            let (_, due) = PREFACE.split_at(have.min(PREFACE.len()));
            let (now, rest) = bytes.split_at(due.len().min(bytes.len()));
            if !due.starts_with(now) {
                *self = Self::Other;
            } else if now.len() == due.len() {
                *self = Self::Frames(Counts::default());
            } else {
                *self = Self::Preface(have + now.len());
            }
            bytes = rest;
        }
        match self {
            Self::Frames(counts) => counts.look(bytes),
            Self::Preface(_) | Self::Other => Ok(()),
        }
    }
}

impl Counts {
    fn look(&mut self, mut bytes: &[u8]) -> Result<(), &'static str> {
        while !bytes.is_empty() {
            let (_, rest) = bytes.split_at(self.skip.min(bytes.len()));
            self.skip -= bytes.len() - rest.len();
            bytes = rest;
            let Some(missing) = self.head.get_mut(self.have..) else {
                return Ok(());
            };
            let (now, rest) = bytes.split_at(missing.len().min(bytes.len()));
            let (place, _) = missing.split_at_mut(now.len());
            place.copy_from_slice(now);
            self.have += now.len();
            bytes = rest;
            if self.have == HEAD {
                self.have = 0;
                self.frame()?;
            }
        }
        Ok(())
    }

    /// Checks the frame whose header has arrived.
    fn frame(&mut self) -> Result<(), &'static str> {
        let [a, b, c, kind, flags, ..] = self.head;
        let length = u32::from_be_bytes([0, a, b, c]);
        self.skip = usize::try_from(length).unwrap_or(usize::MAX);
        match kind {
            kind::HEADERS if flags & END_HEADERS == 0 => {
                return Err("a header block in several frames");
            }
            kind::CONTINUATION => return Err("a header block in several frames"),
            kind::HEADERS => self.requests += 1,
            kind::RST_STREAM => self.resets += 1,
            kind::DATA if length > 0 || flags & END_STREAM != 0 => {}
            kind::SETTINGS | kind::PING if flags & ACK != 0 => {}
            _ => self.control += 1,
        }
        if self.resets > FREE_RESETS && self.resets > self.requests / 2 {
            return Err("too many streams were reset");
        }
        if self.control > FREE_CONTROL + CONTROL_PER_REQUEST.saturating_mul(self.requests) {
            return Err("too many frames that ask for nothing");
        }
        Ok(())
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Frames<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        ready!(Pin::new(&mut self.stream).poll_read(cx, buffer))?;
        if matches!(self.seen, Seen::Other) {
            return Poll::Ready(Ok(()));
        }
        let read = buffer.filled().get(before..).unwrap_or_default();
        let seen = self.seen.look(read);
        Poll::Ready(seen.map_err(|what| io::Error::new(io::ErrorKind::InvalidData, what)))
    }
}

writes_through!([<S: AsyncWrite + Unpin>] Frames<S>);

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(kind: u8, flags: u8, payload: usize) -> Vec<u8> {
        let length = u32::try_from(payload).unwrap().to_be_bytes();
        let mut frame = vec![length[1], length[2], length[3], kind, flags, 0, 0, 0, 1];
        frame.resize(HEAD + payload, 0xff);
        frame
    }

    /// The verdict on these bytes, however they are split.
    #[track_caller]
    fn look(bytes: &[u8]) -> Result<(), &'static str> {
        let all = [PREFACE, bytes].concat();
        let verdict = Seen::Preface(0).look(&all);
        for size in [1, 7, 100] {
            let mut seen = Seen::Preface(0);
            let pieces = all.chunks(size).try_for_each(|piece| seen.look(piece));
            assert_eq!(pieces, verdict, "in pieces of {size}");
        }
        verdict
    }

    #[test]
    fn what_clients_send_passes() {
        let request = [
            frame(kind::HEADERS, END_HEADERS, 300),
            frame(kind::DATA, 0, 16_384),
            frame(kind::DATA, END_STREAM, 0),
            frame(8, 0, 4).repeat(4),
        ]
        .concat();
        let pong = frame(kind::PING, ACK, 8);
        let cancelled = frame(kind::RST_STREAM, 0, 4);
        let all = [
            frame(kind::SETTINGS, 0, 18),
            frame(kind::SETTINGS, ACK, 0),
            request.repeat(500),
            cancelled.repeat(200),
            pong.repeat(2000),
        ]
        .concat();
        assert_eq!(look(&all), Ok(()));
    }

    #[test]
    fn what_costs_only_the_server_does_not() {
        let open = frame(kind::HEADERS, END_HEADERS, 5);
        let reset = [open.clone(), frame(kind::RST_STREAM, 0, 4)].concat();
        for (bytes, expect) in [
            (
                frame(kind::HEADERS, 0, 5),
                "a header block in several frames",
            ),
            (
                frame(kind::CONTINUATION, 4, 5),
                "a header block in several frames",
            ),
            (reset.repeat(101), "too many streams were reset"),
            (
                frame(kind::PING, 0, 8).repeat(501),
                "too many frames that ask for nothing",
            ),
            (
                [open, frame(kind::DATA, 0, 0).repeat(517)].concat(),
                "too many frames that ask for nothing",
            ),
        ] {
            assert_eq!(look(&bytes), Err(expect));
        }
    }

    #[test]
    fn other_protocols_pass() {
        let mut seen = Seen::Preface(0);
        assert_eq!(seen.look(b"PR"), Ok(()));
        assert_eq!(seen.look(b"OPFIND / HTTP/1.1\r\n"), Ok(()));
        assert!(matches!(seen, Seen::Other));
        assert_eq!(seen.look(&frame(kind::CONTINUATION, 0, 5)), Ok(()));
    }
}
