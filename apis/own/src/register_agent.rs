//! `RegisterAgent`: an agent that has a token is given an access key of its own. The request is not
//! signed: the token proves it.
//!
//! An answer may be lost. Until the agent has called with its key, the same token replaces the key of the
//! same agent.

use std::pin::Pin;

use keyward_crypto::{random, secret::SecretBytes};
use keyward_engine::{
    api::Unproven,
    audit::parameters::{Parameter, secret},
    directory::{
        ReadError, paths, purpose,
        records::{
            self, AccessKeyOwner, AccessKeyRecord, SecretText, V1,
            storage::{AgentRecord, AgentTokenRecord},
        },
    },
    fault::Fault,
    front::authenticate::{Proven, check_fresh},
    gate::{Denied, Gate},
    one_by_one::Turn,
    operation::{Done, Operation, Output},
    protocol::{AwsJson, Protocol as _},
};
use keyward_store::{batch::Precondition, revision::Revision};
use keyward_types::{account::AccountId, storage::AgentId, unique_id::AccessKeyId};
use keyward_wire::json::{Members, Object, Writer};
use tokio::sync::OnceCell;

use crate::{
    Cx, Keyward,
    agent_token::{MAX_LENGTH, Token},
    agents::{self, MOST_AGENTS, too_large},
    fault::KeywardFault,
};

/// The input.
#[derive(Debug)]
pub struct RegisterAgent {
    token: Option<Token>,
    /// Its turn to be counted and made.
    turn: OnceCell<Turn>,
}

/// How often one token registers, at most: so that nobody with the token can always be faster than
/// `RemoveAgent`.
const MOST_REGISTRATIONS: u32 = 5;

/// The token, and the agent that registered with it before, each with when it was written.
#[derive(Debug)]
pub struct Registering {
    token: (AgentTokenRecord, Revision),
    before: Option<(AgentRecord, Revision)>,
}

/// The output.
#[derive(Debug)]
pub struct Registered {
    agent: AgentRecord,
    account: AccountId,
    region: keyward_types::region::Region,
    access_key: AccessKeyId,
    secret: SecretText,
}

/// Proves an agent by its token.
///
/// # Errors
/// The fault of a request that is malformed, or whose token is not good.
pub fn prove<'a>(
    unproven: &'a Unproven<'a>,
) -> Pin<Box<dyn Future<Output = Result<Proven, Fault>> + Send + 'a>> {
    Box::pin(async move {
        let input = AwsJson::read(unproven.payload)?;
        let asked = RegisterAgent::parse(&input)?;
        let shared = unproven.shared;
        check_fresh(shared).await.map_err(KeywardFault::from)?;
        let token = asked.token()?;
        let place = (token.region, token.account);
        if !shared.regions().contains(&token.region) {
            return Err(KeywardFault::BadToken.into());
        }
        let proven = Proven::by_agents_token(shared, place, (&token.id, &token.hash())).await;
        let proven = proven.map_err(KeywardFault::from)?;
        Ok(proven.ok_or(KeywardFault::BadToken)?)
    })
}

impl RegisterAgent {
    fn token(&self) -> Result<&Token, KeywardFault> {
        self.token.as_ref().ok_or(KeywardFault::BadToken)
    }
}

impl Operation for RegisterAgent {
    const NAME: &'static str = "RegisterAgent";
    const READ_ONLY: bool = false;
    const PARAMETERS: &'static [Parameter] = &[secret("Token")];
    type Api = Keyward;
    type Output = Registered;
    type Fault = KeywardFault;
    type Resolved = Registering;
    type Permits = ();

    fn parse(body: &Object<'_>) -> Result<Self, KeywardFault> {
        let mut m = Members::of(body);
        let token = m
            .string("Token")
            .sensitive()
            .length(1, MAX_LENGTH)
            .required();
        let token = Token::parse(token);
        m.finish()?;
        Ok(Self {
            token,
            turn: OnceCell::new(),
        })
    }

    async fn resolve(&self, cx: &Cx<'_>) -> Result<Self::Resolved, KeywardFault> {
        // Another agent may have been faster with it.
        let token = self.token()?;
        let path = paths::agent_token(token.region, token.account, &token.id);
        let found = cx
            .directory()
            .rare::<AgentTokenRecord>(&path, purpose::AGENT_TOKEN);
        let good = |record: &AgentTokenRecord| record.is_good(&token.hash(), cx.now);
        let found = found.await?.filter(|(record, _)| good(record));
        let found = found.ok_or(KeywardFault::BadToken)?;
        let place = (token.region, token.account);
        let Some(id) = &found.0.agent else {
            let turn = || cx.state().registrations.turn(place.0, place.1);
            self.turn.get_or_init(turn).await;
            if agents::all(cx, place).await?.len() >= MOST_AGENTS {
                return Err(KeywardFault::limit(MOST_AGENTS, "agents"));
            }
            return Ok(Registering {
                token: found,
                before: None,
            });
        };
        // One that does not exist was removed, and does not come back.
        let path = paths::agent(place.0, place.1, id);
        let before = cx.directory().rare::<AgentRecord>(&path, purpose::AGENT);
        let again = |agent: &AgentRecord| {
            agent.called.is_none() && found.0.registrations < MOST_REGISTRATIONS
        };
        let before = before.await?.filter(|(agent, _)| again(agent));
        Ok(Registering {
            before: Some(before.ok_or(KeywardFault::BadToken)?),
            token: found,
        })
    }

    fn authorize(&self, _registering: &Self::Resolved, _gate: &Gate<'_>) -> Result<(), Denied> {
        // The token is the permission.
        Ok(())
    }

    async fn call(
        &self,
        (): &(),
        Registering { token, before }: &Self::Resolved,
        cx: &Cx<'_>,
    ) -> Result<Done<Registered>, KeywardFault> {
        let Token {
            region, account, ..
        } = *self.token()?;
        let place = (region, account);
        let (token, token_revision) = token;
        let access_key = AccessKeyId::long_term(account, random::array());
        let mut batch = cx.batch();
        let (agent, precondition) = match before {
            Some((before, revision)) => {
                for key in &before.access_keys {
                    batch
                        .delete(paths::access_key(key), Precondition::Any)
                        .map_err(too_large)?;
                }
                let agent = AgentRecord {
                    access_keys: vec![access_key.clone()],
                    ..before.clone()
                };
                (agent, Precondition::At(*revision))
            }
            None => {
                let agent = AgentRecord {
                    version: V1,
                    id: AgentId::from_random(random::array()),
                    name: token.name.clone(),
                    created: cx.now,
                    access_keys: vec![access_key.clone()],
                    token: Some(token.id.clone()),
                    called: None,
                    backs_up: false,
                    databases: Vec::new(),
                    database_authority: None,
                    copies: false,
                };
                (agent, Precondition::Absent)
            }
        };
        agents::put_agent(&mut batch, place, &agent, precondition)?;
        let token = AgentTokenRecord {
            agent: Some(agent.id.clone()),
            registrations: token.registrations.saturating_add(1),
            ..token.clone()
        };
        let at = Precondition::At(*token_revision);
        agents::put_token(&mut batch, place, &token, at)?;
        let key = AccessKeyRecord {
            version: V1,
            id: access_key.clone(),
            account,
            partition: region.partition(),
            owner: AccessKeyOwner::Agent {
                region,
                id: agent.id.clone(),
            },
            active: true,
            created: cx.now,
            secret: SecretText::generate(),
        };
        let bytes = records::encode(&key).map_err(ReadError::from)?;
        let bytes = SecretBytes::from_vec(bytes);
        let path = paths::access_key(&key.id);
        batch
            .put(
                path,
                purpose::CREDENTIAL,
                bytes.expose(),
                Precondition::Absent,
            )
            .map_err(too_large)?;
        let output = Registered {
            agent,
            account,
            region,
            access_key,
            secret: key.secret,
        };
        Ok(Done::changed(output, batch))
    }
}

impl Output<Keyward> for Registered {
    fn render(&self, out: &mut Writer<'_>) {
        out.string("AgentId", self.agent.id.as_str());
        out.string("AgentName", &self.agent.name);
        out.string("AccountId", self.account.as_str());
        out.string("Region", self.region.as_str());
        out.string("AccessKeyId", self.access_key.as_str());
        out.string("SecretAccessKey", self.secret.expose());
    }

    fn response_elements(&self, elements: &mut Writer<'_>) {
        elements.string("agentId", self.agent.id.as_str());
        elements.string("agentName", &self.agent.name);
        elements.string("accessKeyId", self.access_key.as_str());
    }
}
