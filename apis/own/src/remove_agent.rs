//! `RemoveAgent`: an agent's access key is good for nothing from now on. Volumes that were to be gone end
//! afterwards ([`left_volumes`](crate::left_volumes)); the others stay where they are, and nobody can open
//! them.
//!
//! What cuts the agent off is the whole of the batch: it fits, however many volumes there are, and
//! nothing that the agent writes can be faster.

use keyward_engine::{
    audit::parameters::{Parameter, text},
    directory::{paths, purpose, records::storage::AgentRecord},
    gate::{Denied, Gate},
    operation::{Done, Empty, Operation},
    policy::permit::Permit,
};
use keyward_store::{batch::Precondition, revision::Revision};
use keyward_types::storage::AgentId;
use keyward_wire::json::{Members, Object};

use crate::{Cx, Keyward, agents::too_large, fault::KeywardFault};

/// The input.
#[derive(Debug)]
pub struct RemoveAgent {
    agent: String,
}

keyward_types::action!("keyward": RemoveAgent = "keyward:RemoveAgent");

impl Operation for RemoveAgent {
    const NAME: &'static str = "RemoveAgent";
    const READ_ONLY: bool = false;
    const PARAMETERS: &'static [Parameter] = &[text("AgentId")];
    type Api = Keyward;
    type Output = Empty;
    type Fault = KeywardFault;
    type Resolved = Option<(AgentRecord, Revision)>;
    type Permits = Permit<Self>;

    fn parse(body: &Object<'_>) -> Result<Self, KeywardFault> {
        let mut m = Members::of(body);
        let agent = m.string("AgentId").length(1, 64).required().to_owned();
        m.finish()?;
        Ok(Self { agent })
    }

    async fn resolve(&self, cx: &Cx<'_>) -> Result<Self::Resolved, KeywardFault> {
        let Ok(id) = AgentId::parse(&self.agent) else {
            return Ok(None);
        };
        let path = paths::agent(cx.region, cx.account(), &id);
        let agent = cx.directory().rare::<AgentRecord>(&path, purpose::AGENT);
        Ok(agent.await?)
    }

    fn authorize(&self, _agent: &Self::Resolved, gate: &Gate<'_>) -> Result<Permit<Self>, Denied> {
        gate.account(|_| ())
    }

    async fn call(
        &self,
        _permit: &Permit<Self>,
        agent: &Self::Resolved,
        cx: &Cx<'_>,
    ) -> Result<Done<Empty>, KeywardFault> {
        let Some((agent, revision)) = agent else {
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
        let path = paths::agent(cx.region, cx.account(), &agent.id);
        batch
            .delete(path, Precondition::At(*revision))
            .map_err(too_large)?;
        Ok(Done::changed(Empty, batch))
    }
}
