//! What most operations do alike: they need one permit on one resource, and perhaps one on what they use. Before they are
//! allowed, they fetch nothing but the resource's tags.

use std::future::Future;

use keyward_engine::{
    api::Api,
    audit::parameters::Parameter,
    gate::{Denied, Gate, protected::IdentityOnly},
    operation::{Done, Operation, Output},
    policy::permit::Permit,
    protocol::RestJson,
};
use keyward_types::{action::Action, tag::Tag, via_service::CDP};
use keyward_wire::json::{Members, Object};

use crate::{
    CdeState, Cx, condition_keys,
    fault::CdeFault,
    kept, members,
    records::{EnvironmentRecord, ServiceRecord},
};

/// An operation on one resource of the caller's account, or on none in particular.
pub trait Ask: Action + Sized {
    /// Whether the audit trail calls it read-only.
    const READ_ONLY: bool;
    /// Every member of its input, and what the audit trail shows of it.
    const PARAMETERS: &'static [Parameter];
    /// The members that this version does not serve.
    const UNSERVED: &'static [&'static str] = &[];
    /// The service that it belongs to.
    type Of: Api<Protocol = RestJson, State = CdeState> + for<'a> Api<Context<'a> = Cx<'a>>;
    /// What it answers.
    type Output: Output<Self::Of>;

    /// Reads the members.
    fn read(m: &mut Members<'_>) -> Self;

    /// Checks what the model does not say.
    ///
    /// # Errors
    /// The fault.
    fn checked(self) -> Result<Self, CdeFault> {
        Ok(self)
    }

    /// What stands at the end of the resource's ARN; none if it is about all of them.
    fn resource(&self) -> Option<String>;

    /// The tags that it gives to what it creates.
    fn tags(&self) -> &[Tag] {
        &[]
    }

    /// The ARN of the role that CDP is to assume, for whom it creates a credential.
    fn passes_role(&self) -> Option<&str> {
        None
    }

    /// The name of the credential that what it creates uses.
    fn uses_credential(&self) -> Option<&str> {
        None
    }

    /// Does the work.
    fn answer(
        &self,
        cx: &Cx<'_>,
    ) -> impl Future<Output = Result<Done<Self::Output>, CdeFault>> + Send;

    /// Takes back what its calls have had another API do, if it fails.
    fn abandoned(&self, _cx: &Cx<'_>) -> impl Future<Output = ()> + Send {
        async {}
    }
}

/// Such an operation, for the pipeline.
#[derive(Debug)]
pub struct Asked<O>(O);

impl<O: Ask + std::fmt::Debug> Operation for Asked<O> {
    const NAME: &'static str = O::OPERATION;
    const READ_ONLY: bool = O::READ_ONLY;
    const PARAMETERS: &'static [Parameter] = O::PARAMETERS;
    type Api = O::Of;
    type Output = O::Output;
    type Fault = CdeFault;
    type Resolved = Asking;
    type Permits = Permits<O>;

    fn parse(body: &Object<'_>) -> Result<Self, CdeFault> {
        members::check_served(body, O::UNSERVED)?;
        let mut m = Members::of(body);
        let asked = O::read(&mut m);
        m.finish()?;
        asked.checked().map(Self)
    }

    async fn resolve<'c>(&self, cx: &'c Cx<'c>) -> Result<Asking, CdeFault> {
        let on = match self.0.resource() {
            Some(resource) => Some(cx.tagged(O::SERVICE, resource).await?),
            None => None,
        };
        let role = match self.0.passes_role() {
            Some(arn) => Some(cx.passed_role(arn).await?),
            None => None,
        };
        let credential = self.0.uses_credential();
        let credential =
            credential.map(|name| cx.arn_of(O::SERVICE, &format!("credential/{name}")));
        Ok(Asking {
            on,
            role,
            credential,
        })
    }

    fn authorize(&self, asking: &Asking, gate: &Gate<'_>) -> Result<Permits<O>, Denied> {
        let tags = self.0.tags();
        let operation = match &asking.on {
            Some(on) => gate.permit(&on.protected(), |supply| supply.request_tags(tags))?,
            None => gate.global_account(|_| ())?,
        };
        let pass_role = asking.role.as_ref().map(|role| {
            gate.permit(&role.protected(), |supply| {
                supply.text(condition_keys::PASSED_TO_SERVICE, CDP.global_name());
            })
        });
        let credential = asking.credential.as_ref();
        let use_credential = credential.map(|arn| gate.permit(&IdentityOnly::new(arn), |_| ()));
        Ok(Permits {
            _operation: operation,
            _pass_role: pass_role.transpose()?,
            _use_credential: use_credential.transpose()?,
        })
    }

    async fn call<'c>(
        &self,
        _permits: &Permits<O>,
        _asking: &Asking,
        cx: &'c Cx<'c>,
    ) -> Result<Done<O::Output>, CdeFault> {
        self.0.answer(cx).await
    }

    async fn abandoned<'c>(&self, cx: &'c Cx<'c>) {
        self.0.abandoned(cx).await;
    }
}

keyward_types::actions! { "iam": PassRole = "iam:PassRole", }
keyward_types::actions! { "environments": UseCredential = "environments:useCredential", }

/// What an operation is about, and what it uses.
#[derive(Debug)]
pub struct Asking {
    on: Option<Tagged>,
    role: Option<Tagged>,
    /// An ARN.
    credential: Option<String>,
}

/// The permits of an operation.
#[derive(Debug)]
pub struct Permits<O: Action> {
    _operation: Permit<O>,
    _pass_role: Option<Permit<PassRole>>,
    _use_credential: Option<Permit<UseCredential>>,
}

/// A resource, with its tags.
#[derive(Debug)]
pub struct Tagged {
    arn: String,
    tags: Vec<Tag>,
}

impl Tagged {
    /// What a permit is requested for.
    pub fn protected(&self) -> IdentityOnly<'_> {
        IdentityOnly::new(&self.arn).tagged(&self.tags)
    }
}

impl Cx<'_> {
    /// A resource of the caller's account with its tags, if it has any. It may not be there.
    ///
    /// # Errors
    /// When it cannot be read.
    pub async fn tagged(&self, service: &str, resource: String) -> Result<Tagged, CdeFault> {
        let resource = self.by_name(resource).await?;
        let tags = match resource.split_once('/') {
            Some(("environment", name)) => kept::find::<EnvironmentRecord>(self, name)
                .await?
                .map(|(one, _)| one.tags),
            Some(("service", id)) => kept::find::<ServiceRecord>(self, id)
                .await?
                .map(|(one, _)| one.tags),
            _ => None,
        };
        Ok(Tagged {
            arn: self.arn_of(service, &resource),
            tags: tags.unwrap_or_default(),
        })
    }

    /// A role with its tags, if it is one of the caller's account.
    async fn passed_role(&self, arn: &str) -> Result<Tagged, CdeFault> {
        let home = self.caller.home();
        let name = arn.rsplit('/').next().unwrap_or_default();
        let role = self.directory().role_by_name(home, name).await?;
        let role = role.filter(|role| role.arn() == arn);
        let tags = role.map(|role| role.record().tags.clone());
        Ok(Tagged {
            arn: arn.to_owned(),
            tags: tags.unwrap_or_default(),
        })
    }

    /// The end of an ARN with the name of an environment in place of its CRN: policies name it in one way only.
    ///
    /// # Errors
    /// When the environments cannot be read.
    pub async fn by_name(&self, resource: String) -> Result<String, CdeFault> {
        let Some(crn) = resource
            .strip_prefix("environment/")
            .filter(|name| name.starts_with("crn:"))
        else {
            return Ok(resource);
        };
        let all = kept::every::<EnvironmentRecord>(self).await?;
        let found = all.iter().find(|one| self.crn_of_environment(one) == crn);
        Ok(match found {
            Some(one) => format!("environment/{}", one.name),
            None => resource,
        })
    }

    /// The ARN of a resource of a service in the caller's account.
    pub fn arn_of(&self, service: &str, resource: &str) -> String {
        let (partition, account) = (self.partition(), self.account());
        format!("arn:{partition}:{service}::{account}:{resource}")
    }
}
