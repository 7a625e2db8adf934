//! The session of a web identity or of an EC2 instance, which all calls of a process share.
//!
//! STS, or whoever else issues sessions, is asked in a task of its own, with its own time limit: however long that takes,
//! a caller waits no longer than it wants to, and nobody waits for the next session while the last one can still be used.

use std::{fmt, sync::Arc, time::Duration};

use anyhow::anyhow;
use keyward_types::time::Timestamp;
use parking_lot::Mutex;
use tokio::{
    sync::watch,
    time::{Instant, timeout, timeout_at},
};

use crate::{
    address::Address,
    aws::{Credentials, WebIdentity},
    web_identity::{Session, assume},
};

/// How long the issuer may take.
const PATIENCE: Duration = Duration::from_secs(30);
/// The pause between two questions to the issuer, whatever it has answered.
const PAUSE: Duration = Duration::from_secs(2);

/// Who makes sessions.
pub(crate) trait Issue: Send + Sync + 'static {
    /// Whom a session is for.
    type Identity: Clone + PartialEq + Send + Sync + 'static;

    /// What issues them, for messages.
    const NAME: &str;

    /// A new session.
    fn session(
        &self,
        identity: &Self::Identity,
    ) -> impl Future<Output = anyhow::Result<Session>> + Send;

    /// Whom it is for, for messages.
    fn who(identity: &Self::Identity) -> String;

    /// Where it is, for messages.
    fn shown(&self) -> String;
}

impl Issue for Address {
    type Identity = WebIdentity;

    const NAME: &str = "STS";

    /// For the token that the identity's file has now.
    async fn session(&self, identity: &WebIdentity) -> anyhow::Result<Session> {
        assume(identity, self).await
    }

    fn who(identity: &WebIdentity) -> String {
        identity.role_arn.clone()
    }

    fn shown(&self) -> String {
        Address::shown(self)
    }
}

/// The sessions of a process.
pub(crate) struct Sessions<I: Issue>(Arc<Shared<I>>);

struct Shared<I: Issue> {
    issuer: I,
    state: Mutex<State<I::Identity>>,
}

struct State<W> {
    current: Option<Held<W>>,
    /// The task that asks the issuer.
    asking: Option<Asking<W>>,
    /// What came of the last one.
    last: Option<Ended<W>>,
    /// How many there have been.
    tasks: u64,
}

struct Held<W> {
    identity: W,
    session: Session,
    since: Instant,
}

struct Asking<W> {
    task: u64,
    identity: W,
    /// Is closed when the task ends.
    ended: watch::Receiver<()>,
}

struct Ended<W> {
    identity: W,
    at: Instant,
    /// Why there is no session.
    failed: Option<String>,
}

impl<W> Default for State<W> {
    fn default() -> Self {
        Self {
            current: None,
            asking: None,
            last: None,
            tasks: 0,
        }
    }
}

impl<I: Issue> fmt::Debug for Sessions<I> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sessions")
            .field("issuer", &self.0.issuer.shown())
            .finish_non_exhaustive()
    }
}

impl<I: Issue> Sessions<I> {
    /// No session yet.
    pub fn new(issuer: I) -> Self {
        Self(Arc::new(Shared {
            issuer,
            state: Mutex::default(),
        }))
    }

    /// The credentials of an identity's session.
    ///
    /// # Errors
    /// When the issuer gives none, or has not answered by then.
    pub async fn credentials(
        &self,
        identity: &I::Identity,
        now: Timestamp,
        by: Instant,
    ) -> anyhow::Result<Credentials> {
        loop {
            let mut ended = {
                let mut state = self.0.state.lock();
                let held = state.held(identity, now);
                let usable = held.map(|held| held.session.credentials.copy());
                let is_due = held.is_none_or(|held| held.session.ends_soon(now));
                let recent = state.recent(identity);
                match (usable, recent) {
                    (Some(usable), _) if !is_due => return Ok(usable),
                    (Some(usable), Some(_)) => return Ok(usable),
                    (None, Some(Ended { failed, .. })) => {
                        return Err(Self::failed(identity, failed.as_deref()));
                    }
                    (usable, None) => {
                        let ended = match state.asking(identity) {
                            Some(ended) => ended,
                            None => self.ask(&mut state, identity),
                        };
                        match usable {
                            // It is used while it lasts.
                            Some(usable) => return Ok(usable),
                            None => ended,
                        }
                    }
                }
            };
            // It is closed, and never changes.
            if timeout_at(by, ended.changed()).await.is_err() {
                let issuer = self.0.issuer.shown();
                let late = format!("{issuer} has not answered yet");
                return Err(Self::failed(identity, Some(&late)));
            }
        }
    }

    /// Does not use the session with this access key any more, since it was refused. A new one is kept: whoever refuses
    /// that refuses the next one, too, or has not heard of it yet.
    pub fn forget(&self, access_key_id: &str) {
        let mut state = self.0.state.lock();
        let current = state.current.take();
        state.current = current.filter(|held| {
            held.session.credentials.access_key_id != access_key_id || held.since.elapsed() < PAUSE
        });
    }

    /// Asks for a session, in a task.
    fn ask(&self, state: &mut State<I::Identity>, identity: &I::Identity) -> watch::Receiver<()> {
        state.tasks += 1;
        let task = state.tasks;
        let (running, ended) = watch::channel(());
        state.asking = Some(Asking {
            task,
            identity: identity.clone(),
            ended: ended.clone(),
        });
        let (shared, identity) = (Arc::clone(&self.0), identity.clone());
        tokio::spawn(async move {
            let asked = timeout(PATIENCE, shared.issuer.session(&identity)).await;
            let late = || anyhow!("{} did not answer in time", shared.issuer.shown());
            let asked = asked.unwrap_or_else(|_| Err(late()));
            if let Err(error) = &asked {
                let (issuer, who) = (I::NAME, I::who(&identity));
                tracing::warn!("{issuer} gives no session of {who}: {error:#}");
            }
            let mut state = shared.state.lock();
            // It may be that another identity is asked for by now.
            if state
                .asking
                .as_ref()
                .is_some_and(|asking| asking.task == task)
            {
                state.ended(identity, asked);
            }
            drop(state);
            drop(running);
        });
        ended
    }

    fn failed(identity: &I::Identity, why: Option<&str>) -> anyhow::Error {
        let (issuer, who) = (I::NAME, I::who(identity));
        match why {
            Some(why) => anyhow!("there is no session of {who} from {issuer}: {why}"),
            None => anyhow!("the session of {who} from {issuer} has ended: compare the clocks"),
        }
    }
}

impl<W: PartialEq + Clone> State<W> {
    /// The session of this identity that can be used.
    fn held(&self, identity: &W, now: Timestamp) -> Option<&Held<W>> {
        let held = self.current.as_ref();
        held.filter(|held| held.identity == *identity && held.session.lasts(now))
    }

    /// What the issuer has answered just now.
    fn recent(&self, identity: &W) -> Option<&Ended<W>> {
        let last = self.last.as_ref();
        last.filter(|last| last.identity == *identity && last.at.elapsed() < PAUSE)
    }

    /// The task that runs for this identity.
    fn asking(&self, identity: &W) -> Option<watch::Receiver<()>> {
        let asking = self.asking.as_ref();
        let asking = asking.filter(|asking| asking.identity == *identity)?;
        // One that has panicked runs no more.
        let runs = asking.ended.has_changed().is_ok();
        runs.then(|| asking.ended.clone())
    }

    fn ended(&mut self, identity: W, asked: anyhow::Result<Session>) {
        self.asking = None;
        let at = Instant::now();
        let failed = match asked {
            Ok(session) => {
                self.current = Some(Held {
                    identity: identity.clone(),
                    session,
                    since: at,
                });
                None
            }
            Err(error) => Some(format!("{error:#}")),
        };
        self.last = Some(Ended {
            identity,
            at,
            failed,
        });
    }
}

#[cfg(test)]
mod tests {
    use zeroize::Zeroizing;

    use super::*;

    const MINUTE: i64 = 60 * 1000;
    const SECOND: Duration = Duration::from_secs(1);

    fn start() -> Timestamp {
        Timestamp::from_seconds(1_800_000_000)
    }

    fn after(minutes: i64) -> Timestamp {
        start().plus_millis(minutes * MINUTE)
    }

    fn role(name: &str) -> WebIdentity {
        WebIdentity {
            role_arn: name.to_owned(),
            token_file: "/token".into(),
            session_name: "s".to_owned(),
        }
    }

    /// How STS is.
    #[derive(Clone, Copy)]
    struct Answers {
        after: Duration,
        /// The minutes that its sessions last from the start; without them, it refuses.
        ends: Option<i64>,
    }

    /// An STS that numbers its sessions.
    #[derive(Clone)]
    struct Sts {
        answers: Arc<Mutex<Answers>>,
        asked: Arc<Mutex<u32>>,
    }

    impl Sts {
        fn new() -> Self {
            let answers = Answers {
                after: SECOND / 100,
                ends: Some(60),
            };
            Self {
                answers: Arc::new(Mutex::new(answers)),
                asked: Arc::default(),
            }
        }

        fn set(&self, after: Duration, ends: Option<i64>) {
            *self.answers.lock() = Answers { after, ends };
        }

        fn asked(&self) -> u32 {
            *self.asked.lock()
        }
    }

    impl Issue for Sts {
        type Identity = WebIdentity;

        const NAME: &str = "STS";

        fn who(identity: &WebIdentity) -> String {
            identity.role_arn.clone()
        }

        async fn session(&self, identity: &WebIdentity) -> anyhow::Result<Session> {
            let number = {
                let mut asked = self.asked.lock();
                *asked += 1;
                *asked
            };
            let answers = *self.answers.lock();
            tokio::time::sleep(answers.after).await;
            let ends = answers.ends.ok_or_else(|| anyhow!("AccessDenied: no"))?;
            let credentials = Credentials {
                access_key_id: format!("{}{number}", identity.role_arn),
                secret: Zeroizing::default(),
                session_token: None,
            };
            Ok(Session::new(credentials, after(ends)))
        }

        fn shown(&self) -> String {
            "sts.example:443".to_owned()
        }
    }

    async fn used(
        sessions: &Sessions<Sts>,
        who: &str,
        now: Timestamp,
        patience: Duration,
    ) -> Result<String, String> {
        let by = Instant::now() + patience;
        let found = sessions.credentials(&role(who), now, by).await;
        let found = found.map(|credentials| credentials.access_key_id);
        found.map_err(|error| error.to_string())
    }

    fn ok(name: &str) -> Result<String, String> {
        Ok(name.to_owned())
    }

    fn late() -> Result<String, String> {
        Err("there is no session of r from STS: sts.example:443 has not answered yet".to_owned())
    }

    #[tokio::test(start_paused = true)]
    async fn all_calls_share_a_session_until_it_ends_soon() {
        let sts = Sts::new();
        let sessions = Sessions::new(sts.clone());
        for minute in [0, 30, 55] {
            assert_eq!(used(&sessions, "r", after(minute), SECOND).await, ok("r1"));
        }
        assert_eq!(sts.asked(), 1);
        tokio::time::advance(PAUSE).await;
        sts.set(SECOND / 100, Some(120));
        // The call that finds it out does not wait for the next one.
        assert_eq!(used(&sessions, "r", after(56), SECOND).await, ok("r1"));
        tokio::time::sleep(SECOND).await;
        assert_eq!(used(&sessions, "r", after(56), SECOND).await, ok("r2"));
    }

    #[tokio::test(start_paused = true)]
    async fn an_sts_that_hangs_does_not_hold_up_a_session_that_lasts() {
        let sts = Sts::new();
        let sessions = Sessions::new(sts.clone());
        assert_eq!(used(&sessions, "r", start(), SECOND).await, ok("r1"));
        sts.set(1000 * SECOND, Some(60));
        tokio::time::advance(PAUSE).await;
        let begun = Instant::now();
        for _ in 0..10 {
            assert_eq!(used(&sessions, "r", after(59), SECOND).await, ok("r1"));
        }
        assert_eq!((begun.elapsed(), sts.asked()), (Duration::ZERO, 1));
        // The question is under way, and is asked again when it has taken too long.
        for (seconds, asked) in [(0, 2), (29, 2), (2, 2), (2, 3)] {
            tokio::time::sleep(seconds * SECOND).await;
            assert_eq!(used(&sessions, "r", after(59), SECOND).await, ok("r1"));
            tokio::task::yield_now().await;
            assert_eq!(sts.asked(), asked);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_slow_sts_gives_a_session_to_callers_who_do_not_wait_for_it() {
        let sts = Sts::new();
        let sessions = Sessions::new(sts.clone());
        sts.set(20 * SECOND, Some(60));
        for _ in 0..6 {
            assert_eq!(used(&sessions, "r", start(), 3 * SECOND).await, late());
        }
        assert_eq!(used(&sessions, "r", start(), 3 * SECOND).await, ok("r1"));
        assert_eq!(sts.asked(), 1);
    }

    #[tokio::test(start_paused = true)]
    async fn an_sts_that_refuses_is_not_asked_all_the_time() {
        let sts = Sts::new();
        let sessions = Sessions::new(sts.clone());
        sts.set(Duration::ZERO, None);
        let refused = Err("there is no session of r from STS: AccessDenied: no".to_owned());
        for _ in 0..100 {
            assert_eq!(used(&sessions, "r", start(), SECOND).await, refused);
        }
        assert_eq!(sts.asked(), 1);
        tokio::time::advance(PAUSE).await;
        sts.set(Duration::ZERO, Some(0));
        let ended = "the session of r from STS has ended: compare the clocks";
        for _ in 0..100 {
            let said = used(&sessions, "r", start(), SECOND).await;
            assert_eq!(said, Err(ended.to_owned()));
        }
        assert_eq!(sts.asked(), 2);
    }

    #[tokio::test(start_paused = true)]
    async fn a_session_is_used_only_for_the_identity_that_it_was_made_for() {
        let sts = Sts::new();
        let sessions = Sessions::new(sts.clone());
        assert_eq!(used(&sessions, "a", start(), SECOND).await, ok("a1"));
        assert_eq!(used(&sessions, "b", start(), SECOND).await, ok("b2"));
        // One that comes when another is wanted by now is dropped.
        sts.set(2 * SECOND, Some(60));
        let slow = used(&sessions, "c", start(), SECOND).await;
        assert!(slow.is_err());
        sts.set(SECOND / 100, Some(60));
        assert_eq!(used(&sessions, "d", start(), SECOND).await, ok("d4"));
        tokio::time::sleep(3 * SECOND).await;
        assert_eq!(used(&sessions, "d", start(), SECOND).await, ok("d4"));
        assert_eq!(used(&sessions, "c", start(), SECOND).await, ok("c5"));
    }

    #[tokio::test(start_paused = true)]
    async fn only_the_session_that_was_refused_is_forgotten() {
        let sts = Sts::new();
        let sessions = Sessions::new(sts.clone());
        assert_eq!(used(&sessions, "r", start(), SECOND).await, ok("r1"));
        // A new one is not replaced at once.
        sessions.forget("r1");
        assert_eq!(used(&sessions, "r", start(), SECOND).await, ok("r1"));
        tokio::time::advance(PAUSE).await;
        sessions.forget("r0");
        assert_eq!(used(&sessions, "r", start(), SECOND).await, ok("r1"));
        sessions.forget("r1");
        assert_eq!(used(&sessions, "r", start(), SECOND).await, ok("r2"));
    }
}
