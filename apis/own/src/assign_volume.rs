//! `AssignVolume`: another agent stores a volume from now on, because the previous one is gone or should not store it any
//! more.
//!
//! From the same commit on only the new agent can open the volume. It never creates a volume that existed before: its
//! operator brings the image, and tells the agent so (`keyward agent adopt`). Each assignment is a new generation of what is
//! wanted: reports of the agent before, and images that it may still have, are of an older one.

use keyward_engine::{
    audit::parameters::{Parameter, text},
    directory::{
        paths, purpose,
        records::{
            database::major,
            storage::{AgentRecord, TargetState, VolumeRecord, Wanted},
        },
    },
    gate::{Denied, Gate},
    operation::{Done, Operation, Output},
    policy::permit::Permit,
};
use keyward_store::{batch::Precondition, revision::Revision};
use keyward_types::storage::{AgentId, VolumeId};
use keyward_wire::json::{Members, Object, Writer};

use crate::{
    Cx, Keyward,
    agents::{self, too_large},
    copies,
    fault::KeywardFault,
};

/// The input.
#[derive(Debug)]
pub struct AssignVolume {
    volume: String,
    agent: String,
}

/// The output.
#[derive(Debug)]
pub struct Assigned {
    volume: VolumeId,
    agent: AgentId,
    before: AgentId,
    /// Where the newest image is.
    image: AgentId,
    generation: u64,
    made: bool,
    is_connected: bool,
}

keyward_types::action!("keyward": AssignVolume = "keyward:AssignVolume");

impl Operation for AssignVolume {
    const NAME: &'static str = "AssignVolume";
    const READ_ONLY: bool = false;
    const PARAMETERS: &'static [Parameter] = &[text("VolumeId"), text("AgentId")];
    type Api = Keyward;
    type Output = Assigned;
    type Fault = KeywardFault;
    type Resolved = ();
    type Permits = Permit<Self>;

    fn parse(body: &Object<'_>) -> Result<Self, KeywardFault> {
        let mut m = Members::of(body);
        let volume = m.string("VolumeId").length(1, 64).required().to_owned();
        let agent = m.string("AgentId").length(1, 64).required().to_owned();
        m.finish()?;
        Ok(Self { volume, agent })
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
    ) -> Result<Done<Assigned>, KeywardFault> {
        let place = (cx.region, cx.account());
        let (volume, revision) = self.volume(cx).await?;
        let (agent, agent_revision) = self.agent(cx).await?;
        if volume.wanted == Wanted::Absent {
            return Err(KeywardFault::Ending { volume: volume.id });
        }
        let mut output = Assigned {
            volume: volume.id.clone(),
            agent: agent.id.clone(),
            before: volume.agent.clone(),
            image: volume
                .available_on
                .clone()
                .unwrap_or_else(|| volume.agent.clone()),
            generation: volume.generation,
            made: volume.was_made(),
            is_connected: cx.state().polls.is_connected(&agent.id),
        };
        if volume.agent == agent.id {
            return Ok(Done::unchanged(output));
        }
        // The key of one that never called may have been lost.
        if agent.called.is_none() {
            return Err(KeywardFault::NeverCalled { agent: agent.id });
        }
        if volume.backs_up && !agent.backs_up {
            return Err(KeywardFault::NoBackupPlace {
                volume: volume.id,
                agent: agent.id,
            });
        }
        // Both are stored by one agent until the copy is there.
        if volume.unmade_copy().is_some() || copies::is_being_copied(cx, place, &volume.id).await? {
            return Err(KeywardFault::being_copied(&volume.id));
        }
        if volume.copies.at_rest && !agent.copies {
            return Err(KeywardFault::no_copies(&volume.id, &agent.id));
        }
        if let Some(database) = &volume.database {
            let has_it = agent.databases.iter().any(|installed| {
                installed.engine == database.engine
                    && major(&installed.version) == major(&database.version)
            });
            if !has_it {
                return Err(KeywardFault::NoDatabaseEngine {
                    volume: volume.id,
                    agent: agent.id,
                    engine: format!("{} {}", database.engine, major(&database.version)),
                });
            }
        }
        let mut assigned = VolumeRecord {
            agent: agent.id.clone(),
            generation: volume.generation.saturating_add(1),
            made: volume.was_made(),
            reported: None,
            ..volume
        };
        if let Some(database) = &mut assigned.database {
            database.reported = None;
        }
        for target in &mut assigned.targets {
            if target.state != TargetState::Deleting {
                target.state = TargetState::Creating;
            }
        }
        output.generation = assigned.generation;
        let mut batch = cx.batch();
        agents::put(&mut batch, place, (&assigned, revision))?;
        // The agent must not have been removed in the meantime.
        let path = paths::agent(place.0, place.1, &agent.id);
        let at = Precondition::At(agent_revision);
        batch.check(path, at).map_err(too_large)?;
        Ok(Done::changed(output, batch))
    }
}

impl AssignVolume {
    async fn volume(&self, cx: &Cx<'_>) -> Result<(VolumeRecord, Revision), KeywardFault> {
        let unknown = || KeywardFault::UnknownVolume {
            volume: self.volume.clone(),
        };
        let id = VolumeId::parse(&self.volume).map_err(|_| unknown())?;
        let path = paths::volume(cx.region, cx.account(), &id);
        let found = cx.directory().rare::<VolumeRecord>(&path, purpose::VOLUME);
        found.await?.ok_or_else(unknown)
    }

    async fn agent(&self, cx: &Cx<'_>) -> Result<(AgentRecord, Revision), KeywardFault> {
        let unknown = || KeywardFault::NoSuchAgent {
            agent: self.agent.clone(),
        };
        let id = AgentId::parse(&self.agent).map_err(|_| unknown())?;
        let path = paths::agent(cx.region, cx.account(), &id);
        let found = cx.directory().rare::<AgentRecord>(&path, purpose::AGENT);
        found.await?.ok_or_else(unknown)
    }
}

impl Output<Keyward> for Assigned {
    fn render(&self, out: &mut Writer<'_>) {
        out.string("VolumeId", self.volume.as_str());
        out.string("AgentId", self.agent.as_str());
        out.string("PreviousAgentId", self.before.as_str());
        out.integer(
            "Generation",
            i64::try_from(self.generation).unwrap_or(i64::MAX),
        );
        out.boolean("Made", self.made);
        out.boolean("Connected", self.is_connected);
        out.string("ImageAgentId", self.image.as_str());
    }

    fn response_elements(&self, elements: &mut Writer<'_>) {
        elements.string("previousAgentId", self.before.as_str());
    }
}
