//! `ListAgents`: the agents of the caller's account and Region, how many volumes each stores, the tokens by which others
//! may still register, and the volumes whose agent was removed.

use std::collections::BTreeSet;

use keyward_engine::{
    audit::parameters::Parameter,
    directory::{
        paths, purpose,
        records::storage::{AgentRecord, AgentTokenRecord, VolumeRecord, Wanted},
    },
    gate::{Denied, Gate},
    operation::{Done, Operation, Output},
    policy::permit::Permit,
};
use keyward_wire::json::{Object, Writer};

use crate::{Cx, Keyward, agents, fault::KeywardFault};

/// The input: nothing.
#[derive(Debug)]
pub struct ListAgents;

/// An agent with what it stores.
#[derive(Debug)]
struct Listed {
    agent: AgentRecord,
    volumes: usize,
    /// How many of the volumes that it is to back up it last could not.
    failed_backups: usize,
}

/// The output.
#[derive(Debug)]
pub struct Agents {
    agents: Vec<Listed>,
    tokens: Vec<AgentTokenRecord>,
    /// Volumes that are to be there and that no agent stores.
    left: Vec<VolumeRecord>,
}

keyward_types::action!("keyward": ListAgents = "keyward:ListAgents");

impl Operation for ListAgents {
    const NAME: &'static str = "ListAgents";
    const READ_ONLY: bool = true;
    const PARAMETERS: &'static [Parameter] = &[];
    type Api = Keyward;
    type Output = Agents;
    type Fault = KeywardFault;
    type Resolved = ();
    type Permits = Permit<Self>;

    fn parse(_body: &Object<'_>) -> Result<Self, KeywardFault> {
        Ok(Self)
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
    ) -> Result<Done<Agents>, KeywardFault> {
        let place = (cx.region, cx.account());
        let prefix = paths::volumes(place.0, place.1);
        let volumes = cx
            .directory()
            .every::<VolumeRecord>(&prefix, purpose::VOLUME);
        // Read before the agents: the agent of a volume was there when the volume was assigned to it.
        let volumes = volumes.await?;
        let has_failed = |volume: &&VolumeRecord| {
            let backup = volume.backup.as_ref();
            volume.backs_up && backup.is_some_and(|backup| backup.failure.is_some())
        };
        let listed = |agent: AgentRecord| {
            let of_agent = volumes.iter().filter(|volume| volume.agent == agent.id);
            Listed {
                volumes: of_agent.clone().count(),
                failed_backups: of_agent.filter(has_failed).count(),
                agent,
            }
        };
        let agents = agents::all(cx, place).await?.into_iter();
        let agents = agents.map(|(agent, _)| listed(agent));
        let agents: Vec<Listed> = agents.collect();
        let ids: BTreeSet<_> = agents.iter().map(|listed| &listed.agent.id).collect();
        let is_left = |volume: &&VolumeRecord| {
            volume.wanted == Wanted::Present && !ids.contains(&volume.agent)
        };
        let left = volumes.iter().filter(is_left).cloned().collect();
        let tokens = agents::tokens(cx, place).await?.into_iter();
        let tokens = tokens.map(|(token, _)| token);
        let tokens = tokens.filter(|token| cx.now < token.expires).collect();
        Ok(Done::unchanged(Agents {
            agents,
            tokens,
            left,
        }))
    }
}

impl Output<Keyward> for Agents {
    fn render(&self, out: &mut Writer<'_>) {
        out.array("Agents", |list| {
            for listed in &self.agents {
                let agent = &listed.agent;
                let count = |count: usize| u64::try_from(count).unwrap_or(u64::MAX);
                list.object(|out| {
                    out.string("AgentId", agent.id.as_str());
                    out.string("AgentName", &agent.name);
                    out.timestamp("RegistrationTime", agent.created);
                    if let Some(called) = agent.called {
                        out.timestamp("FirstCallTime", called);
                    }
                    out.natural("NumberOfVolumes", count(listed.volumes));
                    out.boolean("BacksUp", agent.backs_up);
                    out.natural("NumberOfFailedBackups", count(listed.failed_backups));
                });
            }
        });
        out.array("Tokens", |list| {
            for token in &self.tokens {
                list.object(|out| {
                    out.string("TokenId", token.id.as_str());
                    out.string("AgentName", &token.name);
                    out.timestamp("CreationTime", token.created);
                    out.timestamp("Expiration", token.expires);
                });
            }
        });
        out.array("VolumesWithoutAgent", |list| {
            for volume in &self.left {
                list.object(|out| {
                    out.string("VolumeId", volume.id.as_str());
                    out.string("PreviousAgentId", volume.agent.as_str());
                });
            }
        });
    }
}
