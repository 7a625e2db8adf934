//! How often it is asked about clients that have not been authorized. Anybody can connect, and every question is work
//! for whoever answers and an event on its trail, so that each address, and all of them together, can cause
//! a few in a second only.

use std::{collections::HashMap, net::IpAddr, sync::Arc, time::Duration};

use parking_lot::Mutex;
use tokio::time::{Instant, sleep, timeout};

use crate::{
    authorize::{Authorize, Question, Refused, Rights},
    options::Limits,
    places::Client,
};

/// From one address: as many at once as it can have connections, and 8 in a second after that.
const OF_CLIENT: Rate = Rate {
    period: Duration::from_millis(125),
    burst: 64,
};
/// From all together.
const OF_ALL: Rate = Rate {
    period: Duration::from_millis(20),
    burst: 256,
};
/// The most addresses, and the most answers, that are remembered.
const MAX_REMEMBERED: usize = 4096;

/// One in each period, and some more at once.
#[derive(Clone, Copy, Debug)]
struct Rate {
    period: Duration,
    burst: u32,
}

/// Who has used how much of a rate (the generic cell rate algorithm).
#[derive(Clone, Copy, Debug)]
struct Used {
    /// When all that was used has come back.
    until: Instant,
}

impl Used {
    /// How long the next one must wait.
    fn wait(self, rate: Rate, now: Instant) -> Duration {
        let ahead = self.until.saturating_duration_since(now);
        ahead.saturating_sub(rate.period * rate.burst.saturating_sub(1))
    }

    fn add(&mut self, rate: Rate, now: Instant) {
        self.until = self.until.max(now) + rate.period;
    }
}

/// Asks whether clients may connect.
pub(crate) struct Questions {
    authorize: Arc<dyn Authorize>,
    limits: Limits,
    state: Mutex<State>,
}

struct State {
    all: Used,
    by_client: HashMap<Client, Used>,
    answers: HashMap<About, Answered>,
}

/// What tells questions apart about clients that have not signed.
#[derive(PartialEq, Eq, Hash)]
struct About {
    volume: String,
    target: String,
    client: IpAddr,
    tls: bool,
    access_point: Option<String>,
}

impl About {
    fn of(question: &Question) -> Option<Self> {
        let certificate = question.certificate.as_ref();
        if certificate.is_some_and(|certificate| certificate.identity.is_some()) {
            return None;
        }
        Some(Self {
            volume: question.volume.clone(),
            target: question.target.clone(),
            client: question.client,
            tls: question.tls,
            access_point: certificate.and_then(|certificate| certificate.access_point.clone()),
        })
    }
}

struct Answered {
    at: Instant,
    /// The volume's revision before it was asked.
    revision: u64,
    answer: Result<Rights, Refused>,
}

impl Questions {
    pub(crate) fn new(authorize: Arc<dyn Authorize>, limits: Limits) -> Self {
        Self {
            authorize,
            limits,
            state: Mutex::new(State {
                all: Used {
                    until: Instant::now(),
                },
                by_client: HashMap::new(),
                answers: HashMap::new(),
            }),
        }
    }

    /// Asks about a client that connects. `revision` is the volume's; when it has grown, no older answer counts.
    pub(crate) async fn first(
        &self,
        question: &Question,
        revision: u64,
    ) -> Result<Rights, Refused> {
        let about = About::of(question);
        let known =
            |about: &Option<About>| about.as_ref().and_then(|about| self.known(about, revision));
        if let Some(answer) = known(&about) {
            return answer;
        }
        let wait = self.enter(question.client, Instant::now())?;
        if !wait.is_zero() {
            sleep(wait).await;
            // Another connection may have asked the same meanwhile.
            if let Some(answer) = known(&about) {
                return answer;
            }
        }
        let answer = self.again(question).await;
        if let Some(about) = about {
            self.remember(about, revision, answer.clone());
        }
        answer
    }

    /// Asks about a client that is connected.
    pub(crate) async fn again(&self, question: &Question) -> Result<Rights, Refused> {
        let answer = self.authorize.authorize(question.clone());
        timeout(self.limits.question, answer)
            .await
            .unwrap_or_else(|_| {
                Err(Refused::Unanswered {
                    reason: "there was no answer in time".to_owned(),
                })
            })
    }

    /// How long to wait before it may be asked.
    fn enter(&self, client: IpAddr, now: Instant) -> Result<Duration, Refused> {
        let refused = || Refused::Unanswered {
            reason: "too many clients connect".to_owned(),
        };
        let mut state = self.state.lock();
        let State { all, by_client, .. } = &mut *state;
        if by_client.len() >= MAX_REMEMBERED {
            by_client.retain(|_, used| used.until > now);
            if by_client.len() >= MAX_REMEMBERED {
                return Err(refused());
            }
        }
        let of_client = by_client
            .entry(Client::of(client))
            .or_insert(Used { until: now });
        let wait = of_client.wait(OF_CLIENT, now).max(all.wait(OF_ALL, now));
        if wait > self.limits.question {
            return Err(refused());
        }
        of_client.add(OF_CLIENT, now);
        all.add(OF_ALL, now);
        Ok(wait)
    }

    fn known(&self, about: &About, revision: u64) -> Option<Result<Rights, Refused>> {
        let state = self.state.lock();
        let answered = state.answers.get(about)?;
        let counts = answered.revision == revision && answered.at.elapsed() < self.limits.remember;
        counts.then(|| answered.answer.clone())
    }

    fn remember(&self, about: About, revision: u64, answer: Result<Rights, Refused>) {
        let mut state = self.state.lock();
        let now = Instant::now();
        if state.answers.len() >= MAX_REMEMBERED {
            let remember = self.limits.remember;
            state
                .answers
                .retain(|_, answered| now.saturating_duration_since(answered.at) < remember);
        }
        if state.answers.len() < MAX_REMEMBERED {
            let answered = Answered {
                at: now,
                revision,
                answer,
            };
            state.answers.insert(about, answered);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;
    use crate::authorize::{Answer, ClientCertificate, Identity};

    /// Denies, and counts how often.
    struct Counting(Arc<AtomicUsize>);

    impl Authorize for Counting {
        fn authorize(&self, _: Question) -> Answer<'_> {
            self.0.fetch_add(1, Ordering::Relaxed);
            Box::pin(async {
                Err(Refused::Denied {
                    reason: "by this test".to_owned(),
                })
            })
        }
    }

    fn questions() -> (Questions, Arc<AtomicUsize>) {
        let asked = Arc::default();
        let limits = Limits {
            remember: Duration::from_secs(3600),
            ..Limits::default()
        };
        let counting = Arc::new(Counting(Arc::clone(&asked)));
        (Questions::new(counting, limits), asked)
    }

    fn of(last: u8) -> Question {
        Question {
            volume: "fs-1".to_owned(),
            target: "fsmt-1".to_owned(),
            client: IpAddr::from([192, 0, 2, last]),
            tls: true,
            again: false,
            certificate: None,
        }
    }

    fn through(access_point: &str, identity: Option<Identity>) -> Question {
        Question {
            certificate: Some(ClientCertificate {
                access_point: Some(access_point.to_owned()),
                identity,
                public_key_hash: String::new(),
                client_info: Vec::new(),
            }),
            ..of(1)
        }
    }

    #[tokio::test]
    async fn the_answer_about_an_anonymous_client_counts_for_its_next_connections() {
        let (questions, asked) = questions();
        let count = || asked.swap(0, Ordering::Relaxed);
        for _ in 0..100 {
            questions.first(&of(1), 0).await.unwrap_err();
        }
        assert_eq!(count(), 1);
        for other in [of(2), through("fsap-1", None), through("fsap-2", None)] {
            questions.first(&other, 0).await.unwrap_err();
        }
        assert_eq!(count(), 3);
        // When something has changed, it is asked again.
        questions.first(&of(1), 1).await.unwrap_err();
        assert_eq!(count(), 1);
    }

    #[tokio::test]
    async fn whoever_has_signed_is_always_asked_about() {
        let (questions, asked) = questions();
        let identity = Identity {
            access_key_id: "AKIDEXAMPLE".to_owned(),
            date_time: String::new(),
            signature: String::new(),
            session_token: None,
        };
        for _ in 0..3 {
            let question = through("fsap-1", Some(identity.clone()));
            questions.first(&question, 0).await.unwrap_err();
        }
        assert_eq!(asked.load(Ordering::Relaxed), 3);
    }

    #[test]
    fn an_address_causes_a_few_questions_in_a_second_and_leaves_room_for_others() {
        let (questions, _) = questions();
        let now = Instant::now();
        let enter = |last, now| questions.enter(IpAddr::from([192, 0, 2, last]), now);
        for _ in 0..64 {
            assert_eq!(enter(1, now), Ok(Duration::ZERO));
        }
        assert_eq!(enter(1, now), Ok(OF_CLIENT.period));
        assert_eq!(enter(2, now), Ok(Duration::ZERO));
        // What would have to wait too long is refused.
        let waits = (0..1000).filter(|_| enter(1, now).is_ok()).count();
        assert_eq!(waits, 119);
        assert_eq!(enter(2, now), Ok(Duration::ZERO));
        let later = now + OF_CLIENT.period * 200;
        assert_eq!(enter(1, later), Ok(Duration::ZERO));
    }

    #[test]
    fn all_addresses_together_cause_so_many_questions() {
        let (questions, _) = questions();
        let now = Instant::now();
        let at_once = (0..=255)
            .filter(|last| {
                questions.enter(IpAddr::from([192, 0, 2, *last]), now) == Ok(Duration::ZERO)
            })
            .count();
        assert_eq!(at_once, 256);
        let next = questions.enter(IpAddr::from([198, 51, 100, 1]), now);
        assert_eq!(next, Ok(OF_ALL.period));
    }
}
