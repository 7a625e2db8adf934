//! `RemoveAgent`: an agent's access key is good for nothing from now on. Volumes that were to be gone
//! are; the others stay where they are, and nobody can open them.

use keyward_engine::{
    audit::parameters::{Parameter, text},
    directory::{
        paths,
        records::storage::{AgentRecord, VolumeRecord, Wanted},
    },
    gate::{Denied, Gate},
    operation::{Done, Empty, Operation},
    policy::permit::Permit,
};
use keyward_store::{batch::Precondition, revision::Revision};
use keyward_types::storage::AgentId;
use keyward_wire::json::{Members, Object};

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

/// The agent, and the volumes that end with it.
#[derive(Debug)]
pub struct Leaving {
    agent: Option<(AgentRecord, Revision)>,
    ended: Vec<(VolumeRecord, Revision)>,
}

keyward_types::action!("keyward": RemoveAgent = "keyward:RemoveAgent");

impl Operation for RemoveAgent {
    const NAME: &'static str = "RemoveAgent";
    const READ_ONLY: bool = false;
    const PARAMETERS: &'static [Parameter] = &[text("AgentId")];
    type Api = Keyward;
    type Output = Empty;
    type Fault = KeywardFault;
    type Resolved = Leaving;
    type Permits = Permit<Self>;

    fn parse(body: &Object<'_>) -> Result<Self, KeywardFault> {
        let mut m = Members::of(body);
        let agent = m.string("AgentId").length(1, 64).required().to_owned();
        m.finish()?;
        Ok(Self { agent })
    }

    async fn resolve(&self, cx: &Cx<'_>) -> Result<Leaving, KeywardFault> {
        let place = (cx.region, cx.account());
        let Ok(id) = AgentId::parse(&self.agent) else {
            return Ok(Leaving {
                agent: None,
                ended: Vec::new(),
            });
        };
        let mut all = agents::all(cx, place).await?.into_iter();
        let agent = all.find(|(agent, _)| agent.id == id);
        let mut ended = agents::volumes(cx, place, &id).await?;
        ended.retain(|(volume, _)| volume.wanted == Wanted::Absent);
        Ok(Leaving { agent, ended })
    }

    fn authorize(&self, _leaving: &Leaving, gate: &Gate<'_>) -> Result<Permit<Self>, Denied> {
        gate.account(|_| ())
    }

    async fn call(
        &self,
        _permit: &Permit<Self>,
        leaving: &Leaving,
        cx: &Cx<'_>,
    ) -> Result<Done<Empty>, KeywardFault> {
        let place = (cx.region, cx.account());
        let Some((agent, revision)) = &leaving.agent else {
            return Err(KeywardFault::NoSuchAgent {
                agent: self.agent.clone(),
            });
        };
        let mut batch = cx.batch();
        for key in &agent.access_keys {
            batch
                .delete(paths::access_key(key), Precondition::Any)
                .map_err(too_large)?;
        }
        let path = paths::agent(place.0, place.1, &agent.id);
        batch
            .delete(path, Precondition::At(*revision))
            .map_err(too_large)?;
        for (volume, revision) in &leaving.ended {
            agents::end(&mut batch, place, (volume, *revision))?;
        }
        Ok(Done::changed(Empty, batch))
    }
}
