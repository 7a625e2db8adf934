//! `RegisterAgent`: an agent that has a token is given an access key of its own. The request is not
//! signed: the token proves it, once.

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
    operation::{Done, Operation, Output},
    protocol::{AwsJson, Protocol as _},
};
use keyward_store::{batch::Precondition, revision::Revision};
use keyward_types::{account::AccountId, storage::AgentId, unique_id::AccessKeyId};
use keyward_wire::json::{Members, Object, Writer};

use crate::{
    Cx, Keyward,
    agent_token::{MAX_LENGTH, Token},
    agents::too_large,
    fault::KeywardFault,
};

/// The input.
#[derive(Debug)]
pub struct RegisterAgent {
    token: Option<Token>,
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
    type Resolved = (AgentTokenRecord, Revision);
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
        Ok(Self { token })
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
        found.ok_or(KeywardFault::BadToken)
    }

    fn authorize(&self, _token: &Self::Resolved, _gate: &Gate<'_>) -> Result<(), Denied> {
        // The token is the permission.
        Ok(())
    }

    async fn call(
        &self,
        (): &(),
        (token, revision): &Self::Resolved,
        cx: &Cx<'_>,
    ) -> Result<Done<Registered>, KeywardFault> {
        let Token {
            region, account, ..
        } = *self.token()?;
        let access_key = AccessKeyId::long_term(account, random::array());
        let agent = AgentRecord {
            version: V1,
            id: AgentId::from_random(random::array()),
            name: token.name.clone(),
            created: cx.now,
            access_keys: vec![access_key.clone()],
        };
        let mut batch = cx.batch();
        let path = paths::agent_token(region, account, &token.id);
        batch
            .delete(path, Precondition::At(*revision))
            .map_err(too_large)?;
        let path = paths::agent(region, account, &agent.id);
        let bytes = records::encode(&agent).map_err(ReadError::from)?;
        batch
            .put(path, purpose::AGENT, &bytes, Precondition::Absent)
            .map_err(too_large)?;
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
