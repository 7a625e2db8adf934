//! `RemoveAgent`: an agent's access key is good for nothing from now on. Volumes that were to be gone end
//! afterwards ([`left_volumes`](crate::left_volumes)); the others stay where they are, and nobody can open
//! them.
//!
//! A token is removed in the same way: no agent registers with it any more.
//!
//! What cuts the agent off is the whole of the batch: it fits, however many volumes there are, and
//! nothing that the agent writes can be faster.

use keyward_engine::{
    audit::parameters::{Parameter, text},
    directory::{
        paths, purpose,
        records::storage::{AgentRecord, AgentTokenRecord},
    },
    gate::{Denied, Gate},
    operation::{Done, Empty, Operation},
    policy::permit::Permit,
};
use keyward_store::{batch::Precondition, revision::Revision};
use keyward_types::storage::{AgentId, AgentTokenId};
use keyward_wire::json::{Members, Object};

use crate::{Cx, Keyward, agents::too_large, fault::KeywardFault};

/// The input.
#[derive(Debug)]
pub struct RemoveAgent {
    agent: String,
}

/// What is removed, with when it was written.
#[derive(Debug)]
enum Leaving {
    /// An agent.
    Agent(AgentRecord, Revision),
    /// A token.
    Token(AgentTokenRecord, Revision),
}

keyward_types::action!("keyward": RemoveAgent = "keyward:RemoveAgent");

impl Operation for RemoveAgent {
    const NAME: &'static str = "RemoveAgent";
    const READ_ONLY: bool = false;
    const PARAMETERS: &'static [Parameter] = &[text("AgentId")];
    type Api = Keyward;
    type Output = Empty;
    type Fault = KeywardFault;
    type Resolved = ();
    type Permits = Permit<Self>;

    fn parse(body: &Object<'_>) -> Result<Self, KeywardFault> {
        let mut m = Members::of(body);
        let agent = m.string("AgentId").length(1, 64).required().to_owned();
        m.finish()?;
        Ok(Self { agent })
    }

    async fn resolve(&self, _cx: &Cx<'_>) -> Result<(), KeywardFault> {
        Ok(())
    }

    fn authorize(&self, (): &(), gate: &Gate<'_>) -> Result<Permit<Self>, Denied> {
        gate.account(|_| ())
    }

    async fn call(
        &self,
        _permit: &Permit<Self>,
        (): &(),
        cx: &Cx<'_>,
    ) -> Result<Done<Empty>, KeywardFault> {
        let (region, account) = (cx.region, cx.account());
        let mut batch = cx.batch();
        let mut delete = |path, precondition| batch.delete(path, precondition).map_err(too_large);
        match self.leaving(cx).await? {
            None if self.agent.starts_with("token-") => {
                return Err(KeywardFault::NoSuchToken {
                    token: self.agent.clone(),
                });
            }
            None => {
                return Err(KeywardFault::NoSuchAgent {
                    agent: self.agent.clone(),
                });
            }
            Some(Leaving::Token(token, revision)) => {
                let path = paths::agent_token(region, account, &token.id);
                delete(path, Precondition::At(revision))?;
            }
            Some(Leaving::Agent(agent, revision)) => {
                for key in &agent.access_keys {
                    delete(paths::access_key(key), Precondition::Any)?;
                }
                if let Some(token) = &agent.token {
                    let path = paths::agent_token(region, account, token);
                    delete(path, Precondition::Any)?;
                }
                let path = paths::agent(region, account, &agent.id);
                delete(path, Precondition::At(revision))?;
            }
        }
        Ok(Done::changed(Empty, batch))
    }
}

impl RemoveAgent {
    /// What the id names.
    async fn leaving(&self, cx: &Cx<'_>) -> Result<Option<Leaving>, KeywardFault> {
        let (region, account) = (cx.region, cx.account());
        let directory = cx.directory();
        if let Ok(id) = AgentTokenId::parse(&self.agent) {
            let path = paths::agent_token(region, account, &id);
            let token = directory.rare(&path, purpose::AGENT_TOKEN).await?;
            return Ok(token.map(|(token, revision)| Leaving::Token(token, revision)));
        }
        let Ok(id) = AgentId::parse(&self.agent) else {
            return Ok(None);
        };
        let path = paths::agent(region, account, &id);
        let agent = directory.rare(&path, purpose::AGENT).await?;
        Ok(agent.map(|(agent, revision)| Leaving::Agent(agent, revision)))
    }
}
