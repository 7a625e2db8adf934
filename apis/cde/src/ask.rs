//! What most operations do alike: they need one permit on one resource, and fetch nothing before they are allowed.

use std::future::Future;

use keyward_engine::{
    api::Api,
    audit::parameters::Parameter,
    gate::{Denied, Gate, protected::IdentityOnly},
    operation::{Done, Operation, Output},
    policy::permit::Permit,
    protocol::RestJson,
};
use keyward_types::action::Action;
use keyward_wire::json::{Members, Object};

use crate::{CdeState, Cx, fault::CdeFault, kept, members, records::EnvironmentRecord};

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
    /// The resource's ARN.
    type Resolved = Option<String>;
    type Permits = Permit<O>;

    fn parse(body: &Object<'_>) -> Result<Self, CdeFault> {
        members::check_served(body, O::UNSERVED)?;
        let mut m = Members::of(body);
        let asked = O::read(&mut m);
        m.finish()?;
        asked.checked().map(Self)
    }

    async fn resolve<'c>(&self, cx: &'c Cx<'c>) -> Result<Option<String>, CdeFault> {
        match self.0.resource() {
            Some(resource) => {
                let resource = cx.by_name(resource).await?;
                Ok(Some(cx.arn_of(O::SERVICE, &resource)))
            }
            None => Ok(None),
        }
    }

    fn authorize(&self, arn: &Option<String>, gate: &Gate<'_>) -> Result<Permit<O>, Denied> {
        match arn {
            Some(arn) => gate.permit(&IdentityOnly::new(arn), |_| ()),
            None => gate.global_account(|_| ()),
        }
    }

    async fn call<'c>(
        &self,
        _permit: &Permit<O>,
        _arn: &Option<String>,
        cx: &'c Cx<'c>,
    ) -> Result<Done<O::Output>, CdeFault> {
        self.0.answer(cx).await
    }

    async fn abandoned<'c>(&self, cx: &'c Cx<'c>) {
        self.0.abandoned(cx).await;
    }
}

impl Cx<'_> {
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
