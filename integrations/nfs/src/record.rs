//! Where RPC messages begin and end on a TCP connection (RFC 5531, section 11, "Record Marking").
//!
//! A message is a record; a record is one or more fragments, each with its length in front and a bit that says
//! whether it is the last.

/// The longest record that is relayed. The payload of the largest READ and WRITE has 1 MiB.
pub const MAX_RECORD: usize = 2 * 1024 * 1024;
/// The most fragments of a record.
const MAX_FRAGMENTS: usize = 64;
/// How many bytes at the beginning of a message are kept: enough for its header, its credentials and the first
/// operations of a COMPOUND.
pub(crate) const MAX_HEAD: usize = 1024;

const LAST_FRAGMENT: u32 = 1 << 31;

/// A stream that is not RPC, or has records beyond the limits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the stream is not ONC RPC, or has messages that are too long")]
pub struct NotRecords;

/// One piece of a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Piece<'a> {
    /// The beginning of a message: up to [`MAX_HEAD`] bytes of its first fragment, which has `length` bytes.
    Head {
        head: &'a [u8],
        length: usize,
        is_last: bool,
    },
    /// A further fragment begins.
    Fragment { length: usize, is_last: bool },
    /// Bytes of a fragment.
    Data(&'a [u8]),
    /// The message is complete.
    End,
}

/// Follows a stream of records.
#[derive(Debug, Default)]
pub(crate) struct Records {
    state: State,
    /// The mark or the head of a message, as far as it has arrived.
    partial: Vec<u8>,
    fragments: usize,
    /// Bytes of the record so far, of the fragments that have been announced.
    record: usize,
}

#[derive(Clone, Copy, Debug, Default)]
enum State {
    /// Before or in a mark.
    #[default]
    Mark,
    Head {
        length: usize,
        is_last: bool,
    },
    Body {
        rest: usize,
        is_last: bool,
    },
}

impl Records {
    /// Whether the stream is between two messages.
    pub(crate) fn is_at_boundary(&self) -> bool {
        matches!(self.state, State::Mark) && self.fragments == 0 && self.partial.is_empty()
    }

    /// How many bytes of the current fragment are still to come, once its head is there.
    pub(crate) fn body_left(&self) -> usize {
        match self.state {
            State::Body { rest, .. } => rest,
            State::Mark | State::Head { .. } => 0,
        }
    }

    /// Takes some bytes of the stream and passes on what they contain. All bytes are used, unless they are
    /// not records.
    pub(crate) fn feed(
        &mut self,
        mut bytes: &[u8],
        mut each: impl FnMut(Piece<'_>),
    ) -> Result<(), NotRecords> {
        while !bytes.is_empty() {
            bytes = self.step(bytes, &mut each)?;
        }
        Ok(())
    }

    /// How many of these bytes belong to the message that has begun; `None` if it ends later.
    pub(crate) fn to_boundary(&self, bytes: &[u8]) -> Result<Option<usize>, NotRecords> {
        if self.is_at_boundary() {
            return Ok(Some(0));
        }
        let mut ahead = Self {
            state: self.state,
            partial: self.partial.clone(),
            ..*self
        };
        let mut rest = bytes;
        while !rest.is_empty() {
            let mut ends = false;
            rest = ahead.step(rest, &mut |piece| ends |= piece == Piece::End)?;
            if ends {
                return Ok(Some(bytes.len() - rest.len()));
            }
        }
        Ok(None)
    }

    fn step<'a>(
        &mut self,
        bytes: &'a [u8],
        each: &mut impl FnMut(Piece<'_>),
    ) -> Result<&'a [u8], NotRecords> {
        match self.state {
            State::Mark => {
                let rest = self.gather(bytes, 4);
                if let Some(mark) = self.partial.first_chunk() {
                    let mark = u32::from_be_bytes(*mark);
                    self.partial.clear();
                    self.begin_fragment(mark, each)?;
                }
                Ok(rest)
            }
            State::Head { length, is_last } => {
                let wanted = length.min(MAX_HEAD);
                let rest = self.gather(bytes, wanted);
                if self.partial.len() >= wanted {
                    let head = std::mem::take(&mut self.partial);
                    each(Piece::Head {
                        head: &head,
                        length,
                        is_last,
                    });
                    // The buffer is used again.
                    self.partial = head;
                    self.partial.clear();
                    self.body(length - wanted, is_last, each);
                }
                Ok(rest)
            }
            State::Body {
                rest: left,
                is_last,
            } => {
                let (data, rest) = bytes.split_at(left.min(bytes.len()));
                each(Piece::Data(data));
                self.body(left - data.len(), is_last, each);
                Ok(rest)
            }
        }
    }

    /// Takes bytes until that many are there.
    fn gather<'a>(&mut self, bytes: &'a [u8], wanted: usize) -> &'a [u8] {
        let missing = wanted.saturating_sub(self.partial.len());
        let (taken, rest) = bytes.split_at(missing.min(bytes.len()));
        self.partial.extend_from_slice(taken);
        rest
    }

    fn begin_fragment(
        &mut self,
        mark: u32,
        each: &mut impl FnMut(Piece<'_>),
    ) -> Result<(), NotRecords> {
        let length = usize::try_from(mark & !LAST_FRAGMENT).map_err(|_| NotRecords)?;
        let is_last = mark & LAST_FRAGMENT != 0;
        self.fragments += 1;
        self.record = self.record.saturating_add(length);
        if self.record > MAX_RECORD || self.fragments > MAX_FRAGMENTS {
            return Err(NotRecords);
        }
        if self.fragments == 1 {
            // No header of a message is shorter than this.
            if length < 8 {
                return Err(NotRecords);
            }
            self.state = State::Head { length, is_last };
        } else {
            each(Piece::Fragment { length, is_last });
            self.body(length, is_last, each);
        }
        Ok(())
    }

    fn body(&mut self, rest: usize, is_last: bool, each: &mut impl FnMut(Piece<'_>)) {
        if rest > 0 {
            self.state = State::Body { rest, is_last };
            return;
        }
        self.state = State::Mark;
        if is_last {
            self.fragments = 0;
            self.record = 0;
            each(Piece::End);
        }
    }
}

/// The mark in front of a fragment.
pub(crate) fn mark(length: usize, is_last: bool) -> [u8; 4] {
    let length = u32::try_from(length).unwrap_or(u32::MAX) & !LAST_FRAGMENT;
    let last = if is_last { LAST_FRAGMENT } else { 0 };
    (length | last).to_be_bytes()
}

/// A whole message as one record.
pub(crate) fn record(message: &[u8]) -> Vec<u8> {
    [&mark(message.len(), true), message].concat()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// What a stream contains: its pieces, written as bytes again, the heads of its messages, and their number.
    type Followed = (Vec<u8>, Vec<Vec<u8>>, usize);

    fn follow(records: &mut Records, bytes: &[u8]) -> Result<Followed, NotRecords> {
        let (mut again, mut heads, mut ends) = (Vec::new(), Vec::new(), 0);
        records.feed(bytes, |piece| match piece {
            Piece::Head {
                head,
                length,
                is_last,
            } => {
                again.extend(mark(length, is_last));
                again.extend(head);
                heads.push(head.to_vec());
            }
            Piece::Fragment { length, is_last } => again.extend(mark(length, is_last)),
            Piece::Data(data) => again.extend(data),
            Piece::End => ends += 1,
        })?;
        Ok((again, heads, ends))
    }

    proptest! {
        #[test]
        fn a_stream_is_followed_however_it_is_cut(
            messages in prop::collection::vec(
                (8..3000_usize, prop::collection::vec(0..500_usize, 0..4)), 1..5),
            cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..8),
        ) {
            let mut stream = Vec::new();
            for (first, more) in &messages {
                stream.extend(mark(*first, more.is_empty()));
                stream.resize(stream.len() + first, b'a');
                for (at, length) in more.iter().enumerate() {
                    stream.extend(mark(*length, at + 1 == more.len()));
                    stream.resize(stream.len() + length, b'b');
                }
            }
            let mut cuts: Vec<_> = cuts.iter().map(|cut| cut.index(stream.len())).collect();
            cuts.extend([0, stream.len()]);
            cuts.sort_unstable();
            let mut records = Records::default();
            let (mut again, mut heads, mut ends) = (Vec::new(), Vec::new(), 0);
            for pair in cuts.windows(2) {
                let (more, of, ended) = follow(&mut records, &stream[pair[0]..pair[1]]).unwrap();
                again.extend(more);
                heads.extend(of);
                ends += ended;
            }
            prop_assert!(records.is_at_boundary());
            prop_assert_eq!(again, stream);
            prop_assert_eq!(ends, messages.len());
            let lengths: Vec<_> = heads.iter().map(Vec::len).collect();
            let wanted: Vec<_> = messages.iter().map(|(first, _)| *first.min(&MAX_HEAD)).collect();
            prop_assert_eq!(lengths, wanted);
        }
    }

    #[test]
    fn the_next_boundary_is_found_without_taking_the_bytes() {
        let stream = [record(&[1; 20]), record(&[2; 12])].concat();
        let mut records = Records::default();
        assert_eq!(records.to_boundary(&stream), Ok(Some(0)));
        follow(&mut records, &stream[..10]).unwrap();
        assert!(!records.is_at_boundary());
        assert_eq!(records.to_boundary(&stream[10..]), Ok(Some(14)));
        assert_eq!(records.to_boundary(&stream[10..20]), Ok(None));
        follow(&mut records, &stream[10..24]).unwrap();
        assert!(records.is_at_boundary());
    }

    #[test]
    fn what_is_too_long_or_no_rpc_is_refused() {
        let refused = |bytes: &[u8]| follow(&mut Records::default(), bytes).unwrap_err();
        assert_eq!(refused(&mark(MAX_RECORD + 1, true)), NotRecords);
        assert_eq!(refused(b"GET / HTTP/1.1\r\n"), NotRecords);
        assert_eq!(refused(&mark(7, true)), NotRecords);
        let empty = [
            mark(8, false).as_slice(),
            &[0; 8],
            &mark(0, false).repeat(64),
        ]
        .concat();
        assert_eq!(refused(&empty), NotRecords);
    }
}
