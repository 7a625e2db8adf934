//! Agents that wait to hear what is wanted of their volumes: one request of each agent.
//!
//! A newer request of an agent overtakes the one that waits. An agent that was started again has left none behind that
//! anybody reads. Two processes that have one agent's access key overtake each other, and would do so without end: an
//! overtaken request is answered only after a while, whatever its sender does with the answer.
//!
//! So it is known which agents are connected: those of which a request waits, or was answered a moment ago. One that ends
//! closes its connection, and is not connected any more from then on.

use std::{
    collections::{HashMap, VecDeque},
    time::Duration,
};

use keyward_types::storage::AgentId;
use parking_lot::Mutex;
use tokio::{
    sync::watch::{self, Receiver, Sender},
    time::Instant,
};

/// How long an overtaken request is held back.
const HELD: Duration = Duration::from_secs(5);
/// How many of an agent are held back at once. Beyond that the oldest one is answered.
const MOST_HELD: usize = 16;

/// How long an agent counts as connected after its last request was answered: longer than it waits until it asks again, also
/// if the server could not be reached or another process has its identity.
const LATELY: Duration = Duration::from_secs(40);

/// The requests that wait.
#[derive(Debug, Default)]
pub struct Polls {
    waiting: Mutex<Waiting>,
}

#[derive(Debug, Default)]
struct Waiting {
    next: u64,
    /// Of each agent the numbers of its requests, the newest last, and the channel that tells each that it was
    /// replaced. A dropped channel does not wait any longer.
    by_agent: HashMap<AgentId, VecDeque<(u64, Sender<bool>)>>,
    /// When an agent was last heard of that has not closed its connection since.
    heard: HashMap<AgentId, Instant>,
}

impl Waiting {
    fn hear(&mut self, agent: &AgentId) {
        let now = Instant::now();
        self.heard
            .retain(|_, at| now.saturating_duration_since(*at) < LATELY);
        self.heard.insert(agent.clone(), now);
    }
}

/// A request that waits, until it is dropped.
#[derive(Debug)]
pub struct Poll<'p> {
    polls: &'p Polls,
    agent: &'p AgentId,
    number: u64,
    overtaken: Receiver<bool>,
    until: Option<Instant>,
    answered: bool,
}

impl Polls {
    /// A request of an agent begins to wait, and overtakes one of the same agent that waits already.
    pub fn begin<'p>(&'p self, agent: &'p AgentId) -> Poll<'p> {
        let (told, overtaken) = watch::channel(false);
        let mut waiting = self.waiting.lock();
        let number = waiting.next;
        waiting.next += 1;
        let of_agent = waiting.by_agent.entry(agent.clone()).or_default();
        if let Some((_, newest)) = of_agent.back() {
            newest.send_replace(true);
        }
        if of_agent.len() > MOST_HELD {
            of_agent.pop_front();
        }
        of_agent.push_back((number, told));
        Poll {
            polls: self,
            agent,
            number,
            overtaken,
            until: None,
            answered: false,
        }
    }

    /// An agent asks.
    pub fn hear(&self, agent: &AgentId) {
        self.waiting.lock().hear(agent);
    }

    /// Whether an agent is connected: whether a request of it waits, or was answered a moment ago.
    pub fn is_connected(&self, agent: &AgentId) -> bool {
        let waiting = self.waiting.lock();
        let heard = waiting.heard.get(agent);
        waiting.by_agent.contains_key(agent) || heard.is_some_and(|at| at.elapsed() < LATELY)
    }

    /// Of how many agents requests wait.
    pub fn count(&self) -> usize {
        self.waiting.lock().by_agent.len()
    }
}

impl Poll<'_> {
    /// Ends when a newer request of the agent waits and this one has been held back for long enough.
    pub async fn overtaken(&mut self) {
        let told = self.overtaken.wait_for(|overtaken| *overtaken).await;
        if told.map(|_| ()).is_err() {
            return;
        }
        let until = *self.until.get_or_insert_with(|| Instant::now() + HELD);
        tokio::select! {
            () = tokio::time::sleep_until(until) => {}
            // Nothing else is ever sent.
            _ = self.overtaken.changed() => {}
        }
    }

    /// It was answered. If it is dropped without an answer, its sender has given up.
    pub const fn answer(&mut self) {
        self.answered = true;
    }

    /// Whether a newer request of the agent has waited since.
    pub fn is_overtaken(&self) -> bool {
        *self.overtaken.borrow()
    }
}

impl Drop for Poll<'_> {
    fn drop(&mut self) {
        let mut waiting = self.polls.waiting.lock();
        let Some(of_agent) = waiting.by_agent.get_mut(self.agent) else {
            return;
        };
        of_agent.retain(|(number, _)| *number != self.number);
        if of_agent.is_empty() {
            waiting.by_agent.remove(self.agent);
            waiting.heard.remove(self.agent);
        }
        if self.answered {
            waiting.hear(self.agent);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Whether it would be answered now.
    async fn is_answered(poll: &mut Poll<'_>) -> bool {
        tokio::select! {
            biased;
            () = poll.overtaken() => true,
            () = std::future::ready(()) => false,
        }
    }

    #[test]
    fn whoever_hangs_up_is_not_connected_and_whoever_was_answered_is_for_a_while() {
        let polls = Polls::default();
        let agent = AgentId::parse("agent-0123456789abcdef0").unwrap();
        assert!(!polls.is_connected(&agent));
        // A request that does not wait.
        polls.hear(&agent);
        assert!(polls.is_connected(&agent));
        let given_up = polls.begin(&agent);
        assert!(polls.is_connected(&agent));
        drop(given_up);
        assert!(!polls.is_connected(&agent));
        let mut answered = polls.begin(&agent);
        answered.answer();
        drop(answered);
        assert!(polls.is_connected(&agent));
        // Of two requests, one keeps waiting.
        let (first, second) = (polls.begin(&agent), polls.begin(&agent));
        drop(first);
        assert!(polls.is_connected(&agent));
        drop(second);
        assert!(!polls.is_connected(&agent));
        let long_ago = Instant::now().checked_sub(LATELY).unwrap();
        polls.waiting.lock().heard.insert(agent.clone(), long_ago);
        assert!(!polls.is_connected(&agent));
        let other = AgentId::parse("agent-0123456789abcdef1").unwrap();
        polls.hear(&other);
        assert_eq!(polls.waiting.lock().heard.len(), 1);
    }

    #[tokio::test]
    async fn what_is_overtaken_is_held_back_and_no_more_than_so_many_are() {
        let polls = Polls::default();
        let agent = AgentId::parse("agent-0123456789abcdef0").unwrap();
        let other = AgentId::parse("agent-0123456789abcdef1").unwrap();
        let alone = polls.begin(&other);
        let mut held: Vec<Poll<'_>> = (0..MOST_HELD).map(|_| polls.begin(&agent)).collect();
        let newest = polls.begin(&agent);
        for poll in &mut held {
            assert!(!is_answered(poll).await && poll.is_overtaken());
        }
        assert!(!newest.is_overtaken() && !alone.is_overtaken());
        // One more than may be held back.
        let next = polls.begin(&agent);
        assert!(newest.is_overtaken());
        let mut held = held.into_iter();
        assert!(is_answered(&mut held.next().unwrap()).await);
        for mut poll in held {
            assert!(!is_answered(&mut poll).await);
        }
        assert_eq!(polls.count(), 2);
        drop((newest, next));
        assert_eq!(polls.count(), 1);
    }
}
