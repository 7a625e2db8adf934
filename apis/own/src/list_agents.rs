//! `ListAgents`: the agents of the caller's account and Region, how many volumes each stores, the tokens by which others
//! may still register, the volumes whose agent was removed or that wait for one that is not connected, and what agents have said of volumes and backups that are not as
//! they are wanted. Asked about one volume, only what is about that.

use std::collections::BTreeSet;

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
use keyward_types::{
    storage::{AgentId, VolumeId},
    time::Timestamp,
};
use keyward_wire::json::{Members, Object, Writer};

use crate::{Cx, Keyward, agents, fault::KeywardFault};

/// The most failures of each kind in an answer.
const MOST_FAILURES: usize = 100;

/// The input: a volume, or none.
#[derive(Debug)]
pub struct ListAgents {
    volume: Option<String>,
}

/// An agent with what it stores.
#[derive(Debug)]
struct Listed {
    agent: AgentRecord,
    volumes: usize,
    /// How many of the volumes that it is to back up it last could not.
    failed_backups: usize,
    is_connected: bool,
    /// Why its place for backups cannot be used, if it cannot.
    place_failure: Option<String>,
}

/// The output.
#[derive(Debug)]
pub struct Agents {
    agents: Vec<Listed>,
    tokens: Vec<AgentTokenRecord>,
    /// Volumes that are to be there and that no agent stores.
    left: Vec<VolumeRecord>,
    /// Volumes that are to be made, brought or deleted by an agent that is not connected.
    waiting: Vec<VolumeRecord>,
    /// Volumes that are not in the wanted state.
    failed: Vec<Failure>,
    /// Volumes whose last backup has failed.
    failed_backups: Vec<Failure>,
}

/// What an agent has reported about a volume that is not in the wanted state.
#[derive(Debug)]
struct Failure {
    volume: VolumeId,
    agent: AgentId,
    at: Timestamp,
    message: String,
}

impl Failure {
    fn new(volume: &VolumeRecord, at: Timestamp, message: Option<&String>) -> Self {
        Self {
            volume: volume.id.clone(),
            agent: volume.agent.clone(),
            at,
            message: message.cloned().unwrap_or_default(),
        }
    }

    fn write(&self, out: &mut Writer<'_>) {
        out.string("VolumeId", self.volume.as_str());
        out.string("AgentId", self.agent.as_str());
        out.timestamp("Time", self.at);
        out.string("Message", &self.message);
    }
}

keyward_types::action!("keyward": ListAgents = "keyward:ListAgents");

impl Operation for ListAgents {
    const NAME: &'static str = "ListAgents";
    const READ_ONLY: bool = true;
    const PARAMETERS: &'static [Parameter] = &[text("VolumeId")];
    type Api = Keyward;
    type Output = Agents;
    type Fault = KeywardFault;
    type Resolved = ();
    type Permits = Permit<Self>;

    fn parse(body: &Object<'_>) -> Result<Self, KeywardFault> {
        let mut m = Members::of(body);
        let volume = m.string("VolumeId").length(1, 64).optional();
        let volume = volume.map(str::to_owned);
        m.finish()?;
        Ok(Self { volume })
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
        let only = match &self.volume {
            None => None,
            Some(named) => {
                let is_named =
                    |volume: &&VolumeRecord| volume.id.as_str() == named && !volume.is_gone();
                let found = volumes.iter().find(is_named);
                Some(found.ok_or_else(|| KeywardFault::UnknownVolume {
                    volume: named.clone(),
                })?)
            }
        };
        let is_asked_about = |volume: &&VolumeRecord| only.is_none_or(|only| only.id == volume.id);
        let state = cx.state();
        let has_failed = |volume: &&VolumeRecord| volume.failed_backup().is_some();
        let listed = |agent: AgentRecord| {
            let of_agent = volumes.iter().filter(|volume| volume.agent == agent.id);
            Listed {
                volumes: of_agent.clone().count(),
                failed_backups: of_agent.filter(has_failed).count(),
                is_connected: state.polls.is_connected(&agent.id),
                place_failure: state
                    .backups
                    .place_failure(&agent.id)
                    .filter(|_| agent.backs_up),
                agent,
            }
        };
        let agents = agents::all(cx, place).await?.into_iter();
        let agents = agents.map(|(agent, _)| listed(agent));
        let mut agents: Vec<Listed> = agents.collect();
        let ids: BTreeSet<_> = agents.iter().map(|listed| &listed.agent.id).collect();
        let is_left = |volume: &&VolumeRecord| {
            volume.wanted == Wanted::Present && !ids.contains(&volume.agent)
        };
        let asked_about = || volumes.iter().filter(is_asked_about);
        let left = asked_about().filter(is_left).cloned().collect();
        let waits = |volume: &&VolumeRecord| {
            let is_told = volume.reported.is_some() && volume.wanted == Wanted::Present;
            let has_agent = ids.contains(&volume.agent) && !volume.is_gone();
            has_agent && !is_told && !state.polls.is_connected(&volume.agent)
        };
        let waiting = asked_about().filter(waits).take(MOST_FAILURES);
        let waiting = waiting.cloned().collect();
        let (with_agent, backed_up) = (
            asked_about().filter(|volume| ids.contains(&volume.agent)),
            asked_about().filter(|volume| ids.contains(&volume.agent)),
        );
        let failed = with_agent.filter_map(|volume| {
            if let Some(failure) = volume.failure() {
                return Some(Failure::new(volume, failure.at, failure.message.as_ref()));
            }
            let failure = volume.database.as_ref()?.failure()?;
            Some(Failure::new(volume, failure.at, failure.message.as_ref()))
        });
        let failed = failed.take(MOST_FAILURES).collect();
        let failed_backups = backed_up.filter_map(|volume| {
            let backup = volume.failed_backup()?;
            Some(Failure::new(volume, backup.tried, backup.failure.as_ref()))
        });
        let failed_backups = failed_backups.take(MOST_FAILURES).collect();
        let mut tokens = Vec::new();
        match only {
            Some(only) => agents.retain(|listed| listed.agent.id == only.agent),
            None => {
                let found = agents::tokens(cx, place).await?.into_iter();
                let found = found.map(|(token, _)| token);
                tokens.extend(found.filter(|token| cx.now < token.expires));
            }
        }
        Ok(Done::unchanged(Agents {
            agents,
            tokens,
            left,
            waiting,
            failed,
            failed_backups,
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
                    out.boolean("Connected", listed.is_connected);
                    out.natural("NumberOfVolumes", count(listed.volumes));
                    out.boolean("BacksUp", agent.backs_up);
                    if let Some(why) = &listed.place_failure {
                        out.string("BackupFailure", why);
                    }
                    out.natural("NumberOfFailedBackups", count(listed.failed_backups));
                    if let Some(authority) = &agent.database_authority {
                        out.string("DatabaseAuthority", authority);
                    }
                    out.array("Databases", |list| {
                        for installed in &agent.databases {
                            list.object(|out| {
                                out.string("Engine", &installed.engine);
                                out.string("EngineVersion", &installed.version);
                            });
                        }
                    });
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
        out.array("WaitingVolumes", |list| {
            for volume in &self.waiting {
                list.object(|out| {
                    out.string("VolumeId", volume.id.as_str());
                    out.string("AgentId", volume.agent.as_str());
                    out.boolean("Ending", volume.wanted == Wanted::Absent);
                });
            }
        });
        for (name, failures) in [
            ("FailedVolumes", &self.failed),
            ("FailedBackups", &self.failed_backups),
        ] {
            out.array(name, |list| {
                for failure in failures {
                    list.object(|out| failure.write(out));
                }
            });
        }
    }
}
