//! The life of one connection: who it is, what it may do, and who answers it.

use std::{
    io,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
    sync::watch,
    time::{Instant, sleep, timeout},
};

use crate::{
    authorize::{ClientCertificate, Question, Refused, Rights},
    certificate,
    error::Error,
    locked::Failure,
    options::Target,
    places::{ConnectionSlot, Displaced},
    relay::{Client, End, Relay},
    rights::Watch,
    shared::Shared,
    tls,
    volume::{Key, LockState, Volume},
};

/// How long a client that cannot be served is answered with errors.
const FAIL: Duration = Duration::from_secs(10);

/// A connection that was accepted.
pub(crate) struct Accepted {
    pub(crate) stream: TcpStream,
    pub(crate) client: SocketAddr,
    pub(crate) place: ConnectionSlot,
    pub(crate) displaced: Displaced,
    pub(crate) volume: Arc<Volume>,
    /// The target as it is now.
    pub(crate) target: watch::Receiver<Arc<Target>>,
    pub(crate) shared: Arc<Shared>,
}

/// Why a connection is closed by this side.
#[derive(Debug, thiserror::Error)]
enum Closed {
    #[error("the client has not said anything for too long")]
    Silent,
    #[error("the TLS handshake failed: {0}")]
    Tls(io::Error),
    #[error("the certificate of the client is not accepted: {0}")]
    Certificate(#[from] certificate::Unacceptable),
    #[error("the certificate of the client is for `{0}`")]
    OtherVolume(String),
    #[error("refused: {0}")]
    Refused(String),
    #[error("it cannot be served")]
    Told,
    #[error("there are too many connections of clients that are not authorized")]
    Displaced,
    #[error("nfs-ganesha does not accept connections: {0}")]
    Connect(io::Error),
    #[error(transparent)]
    End(#[from] End),
}

impl Accepted {
    /// Serves the connection until it ends, and logs why.
    pub(crate) async fn serve(mut self) {
        let volume = Arc::clone(&self.volume);
        let target = self.target.borrow().id.clone();
        let client = self.client;
        let shared = Arc::clone(&self.shared);
        let mut displaced = std::mem::take(&mut self.displaced);
        let ended = tokio::select! {
            ended = self.begin() => ended,
            () = displaced.wait() => Err(Closed::Displaced),
        };
        let Err(closed) = ended else {
            return;
        };
        match &closed {
            // It was logged when it was found out.
            Closed::Told => {}
            Closed::End(End::Client) => {
                tracing::debug!(volume = volume.name, target, %client, "an NFS client has left");
            }
            Closed::End(End::Server | End::InMessage) => {
                if let Some(unlogged) = shared.quiet.may_log() {
                    tracing::info!(volume = volume.name, target, %client, reason = %closed, unlogged, "an NFS connection is closed; the client will connect again");
                }
            }
            _ => {
                if let Some(unlogged) = shared.quiet.may_log() {
                    tracing::warn!(volume = volume.name, target, %client, reason = %closed, unlogged, "an NFS connection is closed");
                }
            }
        }
    }

    async fn begin(self) -> Result<(), Closed> {
        let limits = self.shared.limits;
        // A lost packet is found out, whoever is silent.
        let _ = rustix::net::sockopt::set_socket_keepalive(&self.stream, true);
        let _ = self.stream.set_nodelay(true);
        let is_tls = timeout(limits.handshake, begins_with_tls(&self.stream)).await;
        let is_tls = is_tls.map_err(|_| Closed::Silent)?.map_err(End::Io)?;
        if !is_tls {
            return self.run_without_tls().await;
        }
        let Self {
            stream,
            client,
            place,
            volume,
            target,
            shared,
            displaced: _,
        } = self;
        let stream = timeout(limits.handshake, shared.tls.accept(stream)).await;
        let stream = stream.map_err(|_| Closed::Silent)?.map_err(Closed::Tls)?;
        let shown = stream
            .get_ref()
            .1
            .peer_certificates()
            .and_then(<[_]>::first);
        let shown = shown
            .map(|certificate| certificate::read(certificate))
            .transpose()?;
        let certificate = match shown {
            Some(parsed) if parsed.file_system != volume.name => {
                return Err(Closed::OtherVolume(parsed.file_system));
            }
            Some(parsed) => Some(parsed.certificate),
            None => None,
        };
        let connection = Connection {
            client: Client::new(stream),
            place,
            peer: client,
            volume,
            target,
            shared,
            active: Arc::default(),
            was_authorized: false,
        };
        let question = connection.question(true, certificate);
        connection.run(question).await
    }

    async fn run_without_tls(self) -> Result<(), Closed> {
        let connection = Connection {
            client: Client::new(self.stream),
            place: self.place,
            peer: self.client,
            volume: self.volume,
            target: self.target,
            shared: self.shared,
            active: Arc::default(),
            was_authorized: false,
        };
        let question = connection.question(false, None);
        connection.run(question).await
    }
}

/// Looks at the first bytes without taking them.
async fn begins_with_tls(stream: &TcpStream) -> io::Result<bool> {
    let mut first = [0; 2];
    loop {
        match stream.peek(&mut first).await? {
            0 => return Err(io::ErrorKind::UnexpectedEof.into()),
            1 => sleep(Duration::from_millis(10)).await,
            _ => return Ok(tls::is_client_hello(&first)),
        }
    }
}

struct Connection<S> {
    client: Client<S>,
    place: ConnectionSlot,
    peer: SocketAddr,
    volume: Arc<Volume>,
    target: watch::Receiver<Arc<Target>>,
    shared: Arc<Shared>,
    active: Arc<Active>,
    was_authorized: bool,
}

/// When something was received or sent for the last time.
#[derive(Debug, Default)]
struct Active {
    /// Grows with each.
    times: AtomicU64,
}

impl Active {
    fn note(&self) {
        self.times.fetch_add(1, Ordering::Relaxed);
    }

    /// Resolves when nothing has happened for that long.
    async fn silent(&self, limit: Duration) {
        loop {
            let before = self.times.load(Ordering::Relaxed);
            sleep(limit).await;
            if self.times.load(Ordering::Relaxed) == before {
                return;
            }
        }
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Connection<S> {
    fn question(&self, tls: bool, certificate: Option<ClientCertificate>) -> Question {
        Question {
            volume: self.volume.name.clone(),
            target: self.target.borrow().id.clone(),
            client: self.peer.ip().to_canonical(),
            tls,
            again: false,
            certificate,
        }
    }

    async fn run(mut self, question: Question) -> Result<(), Closed> {
        let mut state = self.volume.state.subscribe();
        loop {
            let is_locked = matches!(*state.borrow_and_update(), LockState::Locked);
            if is_locked {
                self.while_locked(&mut state).await?;
            } else {
                self.while_unlocked(&mut state, &question).await?;
            }
        }
    }

    /// Everything fails with an I/O error. Nobody is asked for that, since nothing is shown.
    async fn while_locked(&mut self, state: &mut watch::Receiver<LockState>) -> Result<(), Closed> {
        if !self
            .calls_before(state, |state| matches!(state, LockState::Unlocked(_)))
            .await?
        {
            return Ok(());
        }
        let is_known = self.was_authorized || self.volume.known.has(self.peer.ip());
        self.place.wait(is_known);
        let active = Arc::clone(&self.active);
        let limits = self.shared.limits;
        let idle = if is_known {
            limits.idle
        } else {
            limits.idle_unknown
        };
        tokio::select! {
            end = self.client.fail(Failure::Io, || active.note()) => return Err(end.into()),
            () = active.silent(idle) => return Err(Closed::Silent),
            () = no_longer_allowed(&mut self.target, self.peer) => return Err(not_allowed()),
            () = until(state, |state| matches!(state, LockState::Unlocked(_))) => {}
        }
        tokio::select! {
            finished = self.client.finish_message(|| active.note()) => Ok(finished?),
            () = active.silent(idle) => Err(Closed::Silent),
        }
    }

    /// Waits for the first call; whether it came before the volume's state was the other one.
    async fn calls_before(
        &mut self,
        state: &mut watch::Receiver<LockState>,
        other: impl FnMut(&LockState) -> bool,
    ) -> Result<bool, Closed> {
        if self.client.has_called() {
            return Ok(true);
        }
        let handshake = self.shared.limits.handshake;
        tokio::select! {
            () = until(state, other) => Ok(false),
            called = timeout(handshake, self.client.first_call()) => {
                called.map_err(|_| Closed::Silent)??;
                Ok(true)
            }
        }
    }

    /// Everything fails, until it is worth trying again on another connection.
    async fn fail_for_a_while(&mut self, failure: Failure) -> Result<(), Closed> {
        let ended = timeout(FAIL, self.client.fail(failure, || {})).await;
        Err(ended.map_or(Closed::Told, Closed::End))
    }

    /// Whoever has signed is always logged; anybody could come often without.
    fn log_connected(&self, question: &Question, rights: &Rights) {
        let certificate = question.certificate.as_ref();
        let identity = certificate.and_then(|certificate| certificate.identity.as_ref());
        let Some(unlogged) = (match identity {
            Some(_) => Some(0),
            None => self.shared.quiet.may_log(),
        }) else {
            return;
        };
        tracing::info!(
            volume = question.volume,
            target = question.target,
            client = %self.peer,
            tls = question.tls,
            access_point = certificate.and_then(|certificate| certificate.access_point.as_deref()),
            access_key_id = identity.map(|identity| &*identity.access_key_id),
            write = rights.write,
            root = rights.root,
            unlogged,
            "an NFS client is connected"
        );
    }

    async fn refuse(&mut self, question: &Question, refused: Refused) -> Result<(), Closed> {
        // Who is denied is told so, or the client would try again and again.
        if matches!(refused, Refused::Denied { .. }) {
            if let Some(unlogged) = self.shared.quiet.may_log() {
                tracing::warn!(volume = question.volume, target = question.target, client = %self.peer, %refused, unlogged, "an NFS client is refused");
            }
            return self.fail_for_a_while(Failure::Access).await;
        }
        Err(Closed::Refused(refused.to_string()))
    }

    /// Relays to the view that the client has a right to, until the volume is locked.
    async fn while_unlocked(
        &mut self,
        state: &mut watch::Receiver<LockState>,
        question: &Question,
    ) -> Result<(), Closed> {
        if !self
            .calls_before(state, |state| matches!(state, LockState::Locked))
            .await?
        {
            return Ok(());
        }
        let (rights, revision, (view, _hold)) = loop {
            // What changes after the question is seen.
            let revision = self.volume.revision.subscribe();
            let seen = *revision.borrow();
            let questions = &self.shared.questions;
            let answer = if self.was_authorized {
                questions.again(question).await
            } else {
                questions.first(question, seen).await
            };
            let rights = match answer {
                Ok(rights) => rights,
                Err(refused) => return self.refuse(question, refused).await,
            };
            self.place.settle();
            self.was_authorized = true;
            self.volume.known.note(self.peer.ip(), Instant::now());
            let view = match self.volume.view(&rights).await {
                // It was locked in the meantime.
                Err(Error::Locked) => return Ok(()),
                Err(error) => {
                    if let Some(unlogged) = self.shared.quiet.may_log() {
                        tracing::error!(volume = question.volume, target = question.target, client = %self.peer, %error, unlogged, "an NFS client has I/O errors");
                    }
                    return self.fail_for_a_while(Failure::Io).await;
                }
                Ok(view) => view,
            };
            // It may have changed while the view was started.
            if !revision.has_changed().unwrap_or(false) {
                break (rights, revision, view);
            }
        };
        let server = match view.connect().await {
            Err(_) if matches!(*state.borrow(), LockState::Locked) => return Ok(()),
            server => server.map_err(Closed::Connect)?,
        };
        self.log_connected(question, &rights);
        // Whoever may not see everything must not make up handles for the rest.
        let guarded = !sees_everything(&rights);
        let guarded = guarded.then(|| (Arc::clone(&view.originals), self.volume.pace.clone()));
        let mut relay = Relay::new(server, guarded);
        let user = rights
            .access_point
            .as_ref()
            .and_then(|point| point.user.as_ref());
        let mut watch = Watch::begin(
            Arc::clone(&self.shared),
            Arc::clone(&self.volume),
            revision,
            question.clone(),
            rights.clone(),
        );
        let active = Arc::clone(&self.active);
        let idle = self.shared.limits.idle;
        tokio::select! {
            // A lock ends it before anything else is passed on.
            biased;
            () = until(state, |state| matches!(state, LockState::Locked)) => {}
            reason = &mut watch.task => {
                let reason = reason.unwrap_or_else(|_| "the question was not answered".to_owned());
                return Err(Closed::Refused(reason));
            }
            () = no_longer_allowed(&mut self.target, self.peer) => return Err(not_allowed()),
            () = active.silent(idle) => return Err(Closed::Silent),
            end = self.client.relay(&mut relay, user, || active.note()) => {
                match end {
                    // The process may have been killed because the volume is locked.
                    End::Server if matches!(*self.volume.state.borrow(), LockState::Locked) => {}
                    end => return Err(end.into()),
                }
            }
        }
        Ok(self.client.lock(relay)?)
    }
}

/// Whether the client can be root of the whole volume, which no permission of a directory keeps out of anything.
fn sees_everything(rights: &Rights) -> bool {
    let is_forced = rights
        .access_point
        .as_ref()
        .is_some_and(|point| point.user.is_some());
    rights.root && !is_forced && !Key::of(rights).is_partial()
}

fn not_allowed() -> Closed {
    Closed::Refused("its address is not allowed any more".to_owned())
}

/// Resolves when the volume's state is the one that is wanted. It cannot end before its volume.
async fn until(state: &mut watch::Receiver<LockState>, wanted: impl FnMut(&LockState) -> bool) {
    let _ = state.wait_for(wanted).await;
}

/// Resolves when the target does not exist any more, or not for this client.
async fn no_longer_allowed(target: &mut watch::Receiver<Arc<Target>>, peer: SocketAddr) {
    let refused = |target: &Arc<Target>| !target.cidrs.iter().any(|cidr| cidr.contains(peer.ip()));
    // An error says that it does not exist any more.
    let _ = target.wait_for(refused).await;
}
