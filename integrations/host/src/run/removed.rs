//! The end of an agent that the server does not know any more.

use std::{error::Error, fmt, path::Path};

use keyward_client::answer::Failure;

/// The agent was removed: it never runs again, however often it is started.
#[derive(Debug)]
pub struct Removed(String);

impl Removed {
    /// The error that says this.
    pub fn new(said: &str) -> Self {
        Self(said.to_owned())
    }

    /// An agent was removed, as the server has answered.
    pub(super) fn of(agent: &str, failure: &Failure, state: &Path) -> Self {
        let state = state.display();
        Self(format!(
            "agent {agent} has been removed ({failure}): its volumes are cut off, and what is encrypted cannot be opened any more. The images stay in {state}. For a new agent, move that directory away (`mv {state} {state}.removed`) or use another --state-dir, and start the agent again, or the server if it runs the agent. To bring the file systems back, assign them to the new agent with `keyward agent assign`"
        ))
    }
}

impl fmt::Display for Removed {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.0)
    }
}

impl Error for Removed {}
