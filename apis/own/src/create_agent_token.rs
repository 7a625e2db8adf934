//! `CreateAgentToken`: a token by which one agent may register in the caller's account and Region, soon.
//! Tokens that have expired are deleted on this occasion, with the agents that registered with them and never called.

use keyward_engine::{
    audit::parameters::{Parameter, integer, text},
    directory::{
        paths, purpose,
        records::{
            SecretText, V1,
            storage::{AgentRecord, AgentTokenRecord},
        },
    },
    gate::{Denied, Gate},
    one_by_one::Turn,
    operation::{Done, Operation, Output},
    policy::permit::Permit,
};
use keyward_store::{
    batch::{MAX_BATCH_CHANGES, Precondition},
    revision::Revision,
};
use keyward_types::{storage::AgentTokenId, time::Timestamp};
use keyward_wire::json::{Members, Object, Writer};
use tokio::sync::OnceCell;

use crate::{
    Cx, Keyward,
    agent_token::Token,
    agents::{self, MOST_TOKENS},
    fault::KeywardFault,
};

/// How long a token is good, in seconds, if nothing is said of it.
const LIFETIME: i64 = 3600;
/// The longest that one may be good, in seconds.
const MAX_LIFETIME: i64 = 24 * 3600;
/// The changes of a request beside expired tokens: the new token and the event.
const OTHERS: usize = 2;

/// The input.
#[derive(Debug)]
pub struct CreateAgentToken {
    name: String,
    seconds: i64,
    /// Its turn to be counted and made.
    turn: OnceCell<Turn>,
}

/// The output.
#[derive(Debug)]
pub struct TokenCreated {
    id: AgentTokenId,
    text: SecretText,
    expires: Timestamp,
}

keyward_types::action!("keyward": CreateAgentToken = "keyward:CreateAgentToken");

impl Operation for CreateAgentToken {
    const NAME: &'static str = "CreateAgentToken";
    const READ_ONLY: bool = false;
    const PARAMETERS: &'static [Parameter] = &[text("AgentName"), integer("DurationSeconds")];
    type Api = Keyward;
    type Output = TokenCreated;
    type Fault = KeywardFault;
    type Resolved = ();
    type Permits = Permit<Self>;

    fn parse(body: &Object<'_>) -> Result<Self, KeywardFault> {
        let mut m = Members::of(body);
        let name = m.string("AgentName").length(1, 64);
        let name = name.pattern("[a-zA-Z0-9._-]+", is_name).required();
        let seconds = m.integer("DurationSeconds").range(60, MAX_LIFETIME);
        let seconds = seconds.optional().unwrap_or(LIFETIME);
        let name = name.to_owned();
        m.finish()?;
        Ok(Self {
            name,
            seconds,
            turn: OnceCell::new(),
        })
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
    ) -> Result<Done<TokenCreated>, KeywardFault> {
        let place = (cx.region, cx.account());
        let turn = || cx.state().tokens.turn(place.0, place.1);
        self.turn.get_or_init(turn).await;
        let tokens = agents::tokens(cx, place).await?;
        let expired = |(token, _): &&(AgentTokenRecord, Revision)| token.expires <= cx.now;
        if tokens.len() - tokens.iter().filter(expired).count() >= MOST_TOKENS {
            return Err(KeywardFault::limit(MOST_TOKENS, "tokens for agents"));
        }
        let mut batch = cx.batch();
        for token in tokens.iter().filter(expired) {
            let agent = match &token.0.agent {
                Some(id) => {
                    let path = paths::agent(place.0, place.1, id);
                    cx.directory().rare(&path, purpose::AGENT).await?
                }
                None => None,
            };
            let keys = |(agent, _): &(AgentRecord, _)| agent.access_keys.len();
            let changes = 1 + agent.as_ref().map_or(0, |agent| 1 + keys(agent));
            if batch.len() + changes + OTHERS > MAX_BATCH_CHANGES {
                // The next request deletes more.
                break;
            }
            agents::remove_token(&mut batch, place, token, agent.as_ref())?;
        }
        let token = Token::generate(cx.region, cx.account());
        let record = AgentTokenRecord {
            version: V1,
            id: token.id.clone(),
            hash: token.hash(),
            created: cx.now,
            expires: cx.now.plus_millis(self.seconds * 1000),
            name: self.name.clone(),
            agent: None,
            registrations: 0,
        };
        agents::put_token(&mut batch, place, &record, Precondition::Absent)?;
        let output = TokenCreated {
            id: record.id,
            text: token.text(),
            expires: record.expires,
        };
        Ok(Done::changed(output, batch))
    }
}

fn is_name(text: &str) -> bool {
    text.bytes()
        .all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte))
}

impl Output<Keyward> for TokenCreated {
    fn render(&self, out: &mut Writer<'_>) {
        out.string("TokenId", self.id.as_str());
        out.string("Token", self.text.expose());
        out.timestamp("Expiration", self.expires);
    }

    fn response_elements(&self, elements: &mut Writer<'_>) {
        elements.string("tokenId", self.id.as_str());
        elements.string("expiration", &self.expires.iso8601());
    }
}
