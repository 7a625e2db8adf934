//! The messages between a client and a server, or the answers in the server's place while the volume is locked.
//!
//! The relay knows where messages begin and end, and remembers the beginning of every call that has no answer
//! yet. So a connection can change hands between two messages: when the volume is locked, what is unanswered is
//! answered with an error at once, and when it is unlocked, the next message goes to the new server.

mod output;

use std::{collections::HashMap, io};

use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWrite},
    net::TcpStream,
    time::{Instant, sleep_until},
};

use self::output::Output;
use crate::{
    authorize::User,
    guard::{self, Guard, Originals, Pace},
    locked::{self, Failure},
    record::{NotRecords, Piece, Records, mark},
    rpc::{self, Call, Kind},
};

const BUFFER: usize = 64 * 1024;
/// The most calls without an answer. Beyond it, no more are taken from the client until one is answered.
const MAX_UNANSWERED: usize = 1024;
/// The same for a client that is guarded, since each can be a guess. A session has no more slots.
const MAX_UNANSWERED_GUARDED: usize = 64;
/// How much is read at once of the calls of a client that is guarded, beyond the end of one.
const GUARDED: usize = 4096;
/// The longest answer in the server's place is much shorter; beyond it, the client does not read.
const MAX_ANSWERS: usize = 64 * 1024;

/// As much of the first call as is waited for before it is asked about the client.
const FIRST_CALL: usize = 16 * 1024;

/// Why a connection ends.
#[derive(Debug, thiserror::Error)]
pub(crate) enum End {
    /// The client has closed it.
    #[error("the client has closed the connection")]
    Client,
    /// The server has closed it, or has ended.
    #[error("nfs-ganesha has closed the connection")]
    Server,
    /// The client sends something else than NFS.
    #[error(transparent)]
    NotRecords(#[from] NotRecords),
    /// The client sends what it must not.
    #[error(transparent)]
    Refused(#[from] guard::Refused),
    /// The volume was locked in the middle of an answer, or of a call that cannot be answered.
    #[error("the volume was locked in the middle of a message")]
    InMessage,
    /// Reading or writing failed.
    #[error(transparent)]
    Io(#[from] io::Error),
}

/// A client's side of a connection, whoever answers it.
pub(crate) struct Client<S> {
    stream: S,
    records: Records,
    /// The beginning of the call that is arriving.
    current: Option<(u32, Vec<u8>)>,
    /// The calls without an answer, by number.
    unanswered: HashMap<u32, Vec<u8>>,
    input: Box<[u8]>,
    /// What was read of the first call, and is to be taken before anything else.
    early: Vec<u8>,
    /// Whether a call has come.
    has_called: bool,
    /// What is to be sent to the client.
    output: Output,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Client<S> {
    pub(crate) fn new(stream: S) -> Self {
        Self {
            stream,
            records: Records::default(),
            current: None,
            unanswered: HashMap::new(),
            input: vec![0; BUFFER].into_boxed_slice(),
            early: Vec::new(),
            has_called: false,
            output: Output::default(),
        }
    }

    /// Whether a call has come.
    pub(crate) fn has_called(&self) -> bool {
        self.has_called
    }

    /// Waits for the first call, or for the beginning of a long one. When the future is dropped, no byte is lost.
    pub(crate) async fn first_call(&mut self) -> Result<(), End> {
        let mut records = Records::default();
        let mut looked_at = 0;
        loop {
            let (mut is_call, mut is_whole) = (true, false);
            let bytes = self.early.get(looked_at..).unwrap_or_default();
            records.feed(bytes, |piece| match piece {
                Piece::Head { head, .. } if !is_whole => {
                    let call = Call::parse(head);
                    is_call = call.is_ok_and(|call| rpc::is_rpc_version(call.rpc_version));
                }
                Piece::End => is_whole = true,
                _ => {}
            })?;
            looked_at = self.early.len();
            if !is_call {
                return Err(NotRecords.into());
            }
            if is_whole || looked_at >= FIRST_CALL {
                self.has_called = true;
                return Ok(());
            }
            let room = self.input.len().min(FIRST_CALL);
            let input = self.input.get_mut(..room).unwrap_or_default();
            let read = self.stream.read(input).await?;
            if read == 0 {
                return Err(End::Client);
            }
            self.early.extend(self.input.iter().take(read));
        }
    }

    /// Moves what was read early into the input, and answers how much.
    fn take_early(&mut self) -> usize {
        let early = std::mem::take(&mut self.early);
        let length = early.len().min(self.input.len());
        let (now, later) = early.split_at(length);
        for (to, from) in self.input.iter_mut().zip(now) {
            *to = *from;
        }
        self.early = later.to_vec();
        length
    }

    /// Whether the next byte from the client begins a message, and nothing is on its way to it.
    pub(crate) fn is_between_messages(&self) -> bool {
        self.records.is_at_boundary() && !self.output.is_busy()
    }

    /// Answers in the server's place, until the future is dropped or the connection ends. `active` is called for
    /// everything that is received or sent.
    ///
    /// When the future is dropped, no byte is lost.
    pub(crate) async fn fail(&mut self, failure: Failure, active: impl Fn()) -> End {
        loop {
            if let Err(end) = self.answer_some(failure, &active).await {
                return end;
            }
        }
    }

    /// As [`fail`](Self::fail), until the client is between two messages.
    pub(crate) async fn finish_message(&mut self, active: impl Fn()) -> Result<(), End> {
        while !self.is_between_messages() {
            self.answer_some(Failure::Io, &active).await?;
        }
        Ok(())
    }

    async fn answer_some(&mut self, failure: Failure, active: &impl Fn()) -> Result<(), End> {
        if self.output.is_busy() {
            let written = self.output.advance(&mut self.stream).await?;
            self.output.sent += written;
        } else {
            let read = match self.take_early() {
                0 => self.stream.read(&mut self.input).await?,
                early => early,
            };
            if read == 0 {
                return Err(End::Client);
            }
            self.take_failing(read, failure)?;
        }
        active();
        Ok(())
    }

    /// Takes what was read, and puts the answers into the output.
    fn take_failing(&mut self, read: usize, failure: Failure) -> Result<(), End> {
        let mut calls = Vec::new();
        let current = &mut self.current;
        let bytes = self.input.get(..read).unwrap_or_default();
        self.records.feed(bytes, |piece| match piece {
            Piece::Head { head, .. } => *current = call_of(head),
            Piece::End => calls.extend(current.take()),
            Piece::Fragment { .. } | Piece::Data(_) => {}
        })?;
        self.has_called |= !calls.is_empty();
        let output = self.output.refill();
        for (_, head) in calls {
            output.extend(locked::answer(&head, failure).ok_or(End::InMessage)?);
            if output.len() > MAX_ANSWERS {
                return Err(End::NotRecords(NotRecords));
            }
        }
        Ok(())
    }

    /// Passes messages between the client and a server, until the future is dropped or one of them ends.
    /// If `user` is given, every call is made as this user.
    ///
    /// When the future is dropped, [`Relay::lock`] makes the client's side ready for another server.
    pub(crate) async fn relay(
        &mut self,
        relay: &mut Relay,
        user: Option<&User>,
        active: impl Fn(),
    ) -> End {
        loop {
            if let Err(end) = self.relay_some(relay, user).await {
                return end;
            }
            active();
        }
    }

    async fn relay_some(&mut self, relay: &mut Relay, user: Option<&User>) -> Result<(), End> {
        relay.pay_for_guesses().await;
        let most = relay.most_unanswered();
        if !self.early.is_empty() && relay.output.is_empty() {
            let read = self.take_early();
            return self.take(read, relay, user);
        }
        let room = match relay.guard {
            Some(_) => self.input.len().min(self.records.body_left() + GUARDED),
            None => self.input.len(),
        };
        let room = self.input.get_mut(..room).unwrap_or_default();
        let (mut from_client, mut to_client) = tokio::io::split(&mut self.stream);
        let (mut from_server, mut to_server) = relay.server.split();
        let takes_calls = relay.output.is_empty() && self.unanswered.len() < most;
        tokio::select! {
            written = relay.output.advance(&mut to_server), if relay.output.is_busy() => {
                relay.output.sent += written.map_err(|_| End::Server)?;
            }
            written = self.output.advance(&mut to_client), if self.output.is_busy() => {
                let written = written?;
                let sent = self.output.rest().get(..written).unwrap_or_default();
                relay.note_answers(sent, &mut self.unanswered)?;
                self.output.sent += written;
            }
            read = from_client.read(room), if takes_calls => {
                let read = read?;
                if read == 0 {
                    return Err(End::Client);
                }
                self.take(read, relay, user)?;
            }
            read = from_server.read(&mut relay.input), if !self.output.is_busy() => {
                let read = read.map_err(|_| End::Server)?;
                if read == 0 {
                    return Err(End::Server);
                }
                relay.charge(read)?;
                let bytes = relay.input.get(..read).unwrap_or_default();
                self.output.refill().extend_from_slice(bytes);
            }
        }
        Ok(())
    }

    /// Takes what was read from the client, and puts it into the output to the server.
    fn take(&mut self, read: usize, relay: &mut Relay, user: Option<&User>) -> Result<(), End> {
        let output = relay.output.refill();
        let (current, unanswered) = (&mut self.current, &mut self.unanswered);
        let mut is_rpc = true;
        let mut guarded = Ok(());
        let guard = &mut relay.guard;
        // After the first refusal nothing counts.
        let mut check = |look: &dyn Fn(&mut Guard) -> Result<(), guard::Refused>| {
            if let (Some((guard, _)), Ok(())) = (guard.as_mut(), guarded) {
                guarded = look(guard);
            }
        };
        let bytes = self.input.get(..read).unwrap_or_default();
        self.records.feed(bytes, |piece| match piece {
            Piece::Head {
                head,
                length,
                is_last,
            } => {
                *current = call_of(head);
                if let Some((xid, head)) = &*current {
                    unanswered.insert(*xid, head.clone());
                }
                match Call::parse(head) {
                    Ok(call) => check(&|guard| guard.begin(&call)),
                    // The answer to a call of the server has no handles.
                    Err(_) => is_rpc &= matches!(rpc::kind(head), Ok((_, Kind::Reply))),
                }
                is_rpc &= copy_head(head, length, is_last, user, output).is_some();
            }
            Piece::Fragment { length, is_last } => output.extend(mark(length, is_last)),
            Piece::Data(data) => {
                check(&|guard| guard.more(data));
                output.extend_from_slice(data);
            }
            Piece::End => {
                check(&Guard::end);
                *current = None;
            }
        })?;
        // What was refused is not sent, so that the server never has all of the message.
        guarded?;
        if is_rpc {
            Ok(())
        } else {
            Err(End::NotRecords(NotRecords))
        }
    }

    /// The volume is locked: what is unanswered is answered in the server's place.
    ///
    /// # Errors
    /// If the connection must be closed, so that the client asks again.
    pub(crate) fn lock(&mut self, mut relay: Relay) -> Result<(), End> {
        // An answer that has begun is completed if all of it is here.
        let rest = self.output.rest();
        let length = relay.answers.to_boundary(rest)?.ok_or(End::InMessage)?;
        let rest = rest.get(..length).unwrap_or_default().to_vec();
        relay.note_answers(&rest, &mut self.unanswered)?;
        let output = self.output.refill();
        output.extend(rest);
        // The call that is still arriving is answered when it is complete.
        let arriving = self.current.as_ref().map(|(xid, _)| *xid);
        for (xid, head) in self.unanswered.drain() {
            if Some(xid) != arriving {
                output.extend(locked::answer(&head, Failure::Io).ok_or(End::InMessage)?);
            }
        }
        Ok(())
    }
}

/// The beginning of a call, with its number; `None` for an answer to a call of the server.
fn call_of(head: &[u8]) -> Option<(u32, Vec<u8>)> {
    match rpc::kind(head) {
        Ok((xid, Kind::Call)) => Some((xid, head.to_vec())),
        _ => None,
    }
}

/// Copies the beginning of a message of the client; `None` if it is malformed.
fn copy_head(
    head: &[u8],
    length: usize,
    is_last: bool,
    user: Option<&User>,
    output: &mut Vec<u8>,
) -> Option<()> {
    let (_, kind) = rpc::kind(head).ok()?;
    let replaced;
    let head_of_user = match (kind, user) {
        (Kind::Call, Some(user)) => {
            replaced = Call::parse(head).ok()?.as_user(user);
            &replaced
        }
        _ => head,
    };
    output.extend(mark(length - head.len() + head_of_user.len(), is_last));
    output.extend_from_slice(head_of_user);
    Some(())
}

/// A server's side of a connection.
pub(crate) struct Relay {
    server: TcpStream,
    input: Box<[u8]>,
    /// What is to be sent to the server.
    output: Output,
    /// Follows what was sent to the client.
    answers: Records,
    /// Looks at the handles that the client uses, if it must not use all.
    guard: Option<(Guard, Pace)>,
    /// Follows what has come from the server, for wrong handles.
    arrived: Records,
    /// Until when nothing is passed on.
    owed: Option<Instant>,
    /// How many wrong handles the client was told of, without a right one.
    wrong: u32,
}

impl Relay {
    /// If it is guarded, the client may only use handles that the server has given out.
    pub(crate) fn new(server: TcpStream, guarded: Option<(Originals, Pace)>) -> Self {
        Self {
            server,
            owed: guarded.as_ref().and_then(|(_, pace)| pace.owed()),
            guard: guarded.map(|(originals, pace)| (Guard::new(originals), pace)),
            arrived: Records::default(),
            wrong: 0,
            input: vec![0; BUFFER].into_boxed_slice(),
            output: Output::default(),
            answers: Records::default(),
        }
    }

    fn most_unanswered(&self) -> usize {
        match self.guard {
            Some(_) => MAX_UNANSWERED_GUARDED,
            None => MAX_UNANSWERED,
        }
    }

    /// Makes wrong guesses slow. When the future is dropped, it is still owed.
    async fn pay_for_guesses(&mut self) {
        if let Some(until) = self.owed {
            sleep_until(until).await;
            self.owed = None;
        }
    }

    /// Charges for the wrong handles in what was read from the server, before it is passed on.
    fn charge(&mut self, read: usize) -> Result<(), NotRecords> {
        let Some((_, pace)) = &self.guard else {
            return Ok(());
        };
        let mut wrong = 0;
        let bytes = self.input.get(..read).unwrap_or_default();
        self.arrived.feed(bytes, |piece| {
            if let Piece::Head { head, .. } = piece
                && matches!(rpc::kind(head), Ok((_, Kind::Reply)))
            {
                wrong += u32::from(guard::says_wrong_handle(head));
            }
        })?;
        if wrong > 0 {
            self.owed = Some(pace.charge(wrong));
        }
        Ok(())
    }

    /// Notes which calls were answered by what was sent to the client.
    fn note_answers(
        &mut self,
        sent: &[u8],
        unanswered: &mut HashMap<u32, Vec<u8>>,
    ) -> Result<(), End> {
        let wrong = &mut self.wrong;
        self.answers.feed(sent, |piece| {
            if let Piece::Head { head, .. } = piece
                && let Ok((xid, Kind::Reply)) = rpc::kind(head)
            {
                unanswered.remove(&xid);
                *wrong = if guard::says_wrong_handle(head) {
                    wrong.saturating_add(1)
                } else {
                    0
                };
            }
        })?;
        if self.guard.is_some() && self.wrong >= guard::MAX_WRONG {
            return Err(guard::Refused::Guesses.into());
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
