//! `RemoveAgent`: an agent's access key is not valid from now on. Volumes that were to be gone end
//! afterwards ([`left_volumes`](crate::left_volumes)); the others stay where they are, and nobody can open
//! them.
//!
//! A token is removed in the same way: no agent registers with it any more. The agent that registered with it and has
//! never called goes with it: whoever had the token may have its access key.
//!
//! What cuts the agent off is the whole of the batch: it fits, however many volumes there are, and
//! nothing that the agent writes can be faster.

use keyward_engine::{
    audit::parameters::{Parameter, text},
    directory::{
        paths, purpose,
        records::storage::{AgentRecord, AgentTokenRecord, VolumeRecord, Wanted},
    },
    gate::{Denied, Gate},
    operation::{Done, Operation, Output},
    policy::permit::Permit,
};
use keyward_store::{batch::Precondition, revision::Revision};
use keyward_types::storage::{AgentId, AgentTokenId};
use keyward_wire::json::{Members, Object, Writer};

use crate::{
    Cx, Keyward,
    agents::{self, too_large},
    fault::KeywardFault,
};

/// The input.
#[derive(Debug)]
pub struct RemoveAgent {
    agent: String,
}

/// The output.
#[derive(Debug, Default)]
pub struct Removed {
    /// How many volumes are to be there and have no agent now.
    volumes: usize,
}

impl Output<Keyward> for Removed {
    fn render(&self, out: &mut Writer<'_>) {
        let count = u64::try_from(self.volumes).unwrap_or(u64::MAX);
        out.natural("NumberOfVolumes", count);
    }
}

/// What is removed, with when it was written.
#[derive(Debug)]
enum Leaving {
    /// An agent.
    Agent((AgentRecord, Revision)),
    /// A token, and the agent that registered with it.
    Token(
        (AgentTokenRecord, Revision),
        Option<(AgentRecord, Revision)>,
    ),
    /// Nothing: an agent has registered with the token, and has called.
    Used(AgentTokenId, AgentId),
}

keyward_types::action!("keyward": RemoveAgent = "keyward:RemoveAgent");

impl Operation for RemoveAgent {
    const NAME: &'static str = "RemoveAgent";
    const READ_ONLY: bool = false;
    const PARAMETERS: &'static [Parameter] = &[text("AgentId")];
    type Api = Keyward;
    type Output = Removed;
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
    ) -> Result<Done<Removed>, KeywardFault> {
        let place = (cx.region, cx.account());
        let mut batch = cx.batch();
        let mut output = Removed::default();
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
            Some(Leaving::Used(token, agent)) => {
                return Err(KeywardFault::TokenUsed { token, agent });
            }
            Some(Leaving::Token(token, agent)) => {
                agents::remove_token(&mut batch, place, &token, agent.as_ref())?;
            }
            Some(Leaving::Agent(agent)) => {
                if let Some(token) = &agent.0.token {
                    let path = paths::agent_token(place.0, place.1, token);
                    batch.delete(path, Precondition::Any).map_err(too_large)?;
                }
                let prefix = paths::volumes(place.0, place.1);
                let volumes = cx
                    .directory()
                    .every::<VolumeRecord>(&prefix, purpose::VOLUME);
                let volumes = volumes.await?.into_iter();
                let left = volumes.filter(|volume| {
                    volume.agent == agent.0.id && volume.wanted == Wanted::Present
                });
                output.volumes = left.count();
                agents::remove_agent(&mut batch, place, &agent)?;
            }
        }
        Ok(Done::changed(output, batch))
    }
}

impl RemoveAgent {
    /// What the id names.
    async fn leaving(&self, cx: &Cx<'_>) -> Result<Option<Leaving>, KeywardFault> {
        let (region, account) = (cx.region, cx.account());
        let directory = cx.directory();
        if let Ok(id) = AgentTokenId::parse(&self.agent) {
            let path = paths::agent_token(region, account, &id);
            let token = directory.rare::<AgentTokenRecord>(&path, purpose::AGENT_TOKEN);
            let Some(token) = token.await? else {
                // Perhaps its agent was faster. The caller who removes the token must be told.
                let agents = agents::all(cx, (region, account)).await?.into_iter();
                let mut its = agents.filter(|(agent, _)| agent.token.as_ref() == Some(&id));
                return Ok(its.next().map(|(agent, _)| Leaving::Used(id, agent.id)));
            };
            let agent: Option<(AgentRecord, Revision)> = match &token.0.agent {
                Some(id) => {
                    let path = paths::agent(region, account, id);
                    directory.rare(&path, purpose::AGENT).await?
                }
                None => None,
            };
            return Ok(Some(match agent {
                Some((agent, _)) if agent.called.is_some() => Leaving::Used(id, agent.id),
                agent => Leaving::Token(token, agent),
            }));
        }
        let Ok(id) = AgentId::parse(&self.agent) else {
            return Ok(None);
        };
        let path = paths::agent(region, account, &id);
        let agent = directory.rare(&path, purpose::AGENT).await?;
        Ok(agent.map(Leaving::Agent))
    }
}
