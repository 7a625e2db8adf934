//! Agents that wait to hear what is wanted of their volumes: of each agent one request.

use std::collections::HashMap;

use keyward_types::storage::AgentId;
use parking_lot::Mutex;
use tokio::sync::oneshot;

/// The requests that wait.
#[derive(Debug, Default)]
pub struct Polls {
    waiting: Mutex<Waiting>,
}

#[derive(Debug, Default)]
struct Waiting {
    next: u64,
    /// Of each agent the number of its request, and what ends it when it is dropped.
    by_agent: HashMap<AgentId, (u64, oneshot::Sender<()>)>,
}

/// A request that waits, until it is dropped.
#[derive(Debug)]
pub struct Poll<'p> {
    polls: &'p Polls,
    agent: &'p AgentId,
    number: u64,
    ended: oneshot::Receiver<()>,
}

impl Polls {
    /// A request of an agent begins to wait; one of the same agent that waits already shall wait no longer.
    pub fn begin<'p>(&'p self, agent: &'p AgentId) -> Poll<'p> {
        let (end, ended) = oneshot::channel();
        let mut waiting = self.waiting.lock();
        let number = waiting.next;
        waiting.next += 1;
        waiting.by_agent.insert(agent.clone(), (number, end));
        Poll {
            polls: self,
            agent,
            number,
            ended,
        }
    }

    /// How many wait.
    pub fn count(&self) -> usize {
        self.waiting.lock().by_agent.len()
    }
}

impl Poll<'_> {
    /// Ends when a newer request of the agent waits.
    pub async fn overtaken(&mut self) {
        // Nothing is ever sent.
        let _ = (&mut self.ended).await;
    }
}

impl Drop for Poll<'_> {
    fn drop(&mut self) {
        let mut waiting = self.polls.waiting.lock();
        let own = waiting.by_agent.get(self.agent);
        if own.is_some_and(|(number, _)| *number == self.number) {
            waiting.by_agent.remove(self.agent);
        }
    }
}
