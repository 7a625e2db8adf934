//! When services were last accessed. Keyward records the last use of access keys and roles, but not
//! which services were used when. A job for that ends at once with an error that says so: an empty
//! list would mean that nothing was used.
//!
//! <https://docs.aws.amazon.com/IAM/latest/APIReference/API_GenerateServiceLastAccessedDetails.html>

use std::marker::PhantomData;

use keyward_crypto::random;
use keyward_engine::{
    audit::parameters::{Parameter, integer, text},
    directory::units::identity::ManagedPolicyUnit,
    gate::{Denied, Gate},
    operation::{Done, Operation, Output},
    policy::permit::Permit,
};
use keyward_types::{action::Action, time::Timestamp};
use keyward_wire::{json, query::Params, xml};
use uuid::Uuid;

use crate::{
    Cx, Iam,
    entity::Lookup,
    fault::IamFault,
    names,
    nouns::check_policy_arn,
    page::{Page, Paging},
    paths,
    simulation::found::SimulatedIdentity,
};

const GRANULARITIES: &[&str] = &["SERVICE_LEVEL", "ACTION_LEVEL"];

/// `GenerateServiceLastAccessedDetails`
#[derive(Debug)]
pub struct GenerateServiceLastAccessedDetails {
    arn: String,
    granularity: &'static str,
}

/// The subject of the request.
#[derive(Debug)]
pub enum About {
    /// A managed policy.
    Policy(Lookup<ManagedPolicyUnit>),
    /// A user, group or role.
    Identity(SimulatedIdentity),
}

/// The id of a job.
#[derive(Debug)]
pub struct Started(String);

keyward_types::action!("iam": GenerateServiceLastAccessedDetails = "iam:GenerateServiceLastAccessedDetails");

impl Operation for GenerateServiceLastAccessedDetails {
    const NAME: &'static str = "GenerateServiceLastAccessedDetails";
    const READ_ONLY: bool = true;
    const PARAMETERS: &'static [Parameter] = &[text("Arn"), text("Granularity")];
    type Api = Iam;
    type Output = Started;
    type Fault = IamFault;
    type Resolved = About;
    type Permits = Permit<Self>;

    fn parse(params: &Params<'_>) -> Result<Self, IamFault> {
        let mut m = params.members();
        let arn = names::arn(&mut m, "Arn");
        let granularity = m.enumeration("Granularity", GRANULARITIES).optional();
        m.finish()?;
        let granularity = granularity.unwrap_or("SERVICE_LEVEL");
        Ok(Self { arn, granularity })
    }

    async fn resolve(&self, cx: &Cx<'_>) -> Result<About, IamFault> {
        Ok(if check_policy_arn(&self.arn).is_ok() {
            About::Policy(Lookup::find(cx, &self.arn).await?)
        } else {
            About::Identity(SimulatedIdentity::find(cx, &self.arn).await?)
        })
    }

    fn authorize(&self, about: &About, gate: &Gate<'_>) -> Result<Self::Permits, Denied> {
        match about {
            About::Policy(policy) => policy.permit(gate, |_| ()),
            About::Identity(found) => found.permit(gate),
        }
    }

    async fn call(
        &self,
        _permit: &Self::Permits,
        about: &About,
        cx: &Cx<'_>,
    ) -> Result<Done<Started>, IamFault> {
        match about {
            About::Policy(policy) => policy.get().map(|_| ())?,
            About::Identity(SimulatedIdentity::User(user)) => user.get().map(|_| ())?,
            About::Identity(SimulatedIdentity::Group(group)) => group.get().map(|_| ())?,
            About::Identity(SimulatedIdentity::Role(role)) => role.get().map(|_| ())?,
        }
        let job = Job {
            created: cx.now,
            by_action: self.granularity == "ACTION_LEVEL",
        };
        let [number] = random::array();
        Ok(Done::unchanged(Started(cx.job_id(job, number))))
    }
}

impl Output<Iam> for Started {
    fn render(&self, out: &mut xml::Writer<'_>) {
        out.text("JobId", &self.0);
    }

    fn response_elements(&self, elements: &mut json::Writer<'_>) {
        elements.string("jobId", &self.0);
    }
}

/// What the id of a job contains.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Job {
    created: Timestamp,
    by_action: bool,
}

impl Cx<'_> {
    /// The id of a job of this account. The job is not stored: half of the id is a keyed hash of
    /// the rest.
    fn job_id(&self, job: Job, number: u8) -> String {
        let millis = u64::try_from(job.created.millis()).unwrap_or(0);
        let head = millis << 16 | u64::from(job.by_action) << 8 | u64::from(number);
        self.signed_job(head)
    }

    fn signed_job(&self, head: u64) -> String {
        let home = paths::name_home(self.partition(), self.account());
        let reader = self.directory().reader();
        let hash = reader.name_hash(home.as_str(), "last accessed job", &format!("{head:016x}"));
        let tail: String = hash.as_str().chars().take(16).collect();
        Uuid::parse_str(&format!("{head:016x}{tail}"))
            .unwrap_or_default()
            .to_string()
    }

    /// The job that this account was given that id for.
    fn job(&self, id: &str) -> Option<Job> {
        let (head, _) = Uuid::parse_str(id).ok()?.as_u64_pair();
        let millis = i64::try_from(head >> 16).ok()?;
        (self.signed_job(head) == id).then_some(Job {
            created: Timestamp::from_millis(millis),
            by_action: head >> 8 & 1 == 1,
        })
    }
}

keyward_types::actions! {
    "iam":
    GetServiceLastAccessedDetails = "iam:GetServiceLastAccessedDetails",
    GetServiceLastAccessedDetailsWithEntities = "iam:GetServiceLastAccessedDetailsWithEntities",
}

/// What a request asks about a job.
pub trait OfJob: Action {
    /// See [`Operation::PARAMETERS`].
    const PARAMETERS: &'static [Parameter];
    /// The element for the results.
    const LIST: &'static str;
    /// Whether the answer repeats the request.
    const SAYS_TYPE: bool;
}

impl OfJob for GetServiceLastAccessedDetails {
    const PARAMETERS: &'static [Parameter] = &[text("JobId"), integer("MaxItems"), text("Marker")];
    const LIST: &'static str = "ServicesLastAccessed";
    const SAYS_TYPE: bool = true;
}

impl OfJob for GetServiceLastAccessedDetailsWithEntities {
    const PARAMETERS: &'static [Parameter] = &[
        text("JobId"),
        text("ServiceNamespace"),
        integer("MaxItems"),
        text("Marker"),
    ];
    const LIST: &'static str = "EntityDetailsList";
    const SAYS_TYPE: bool = false;
}

/// `GetServiceLastAccessedDetails`, `GetServiceLastAccessedDetailsWithEntities`
#[derive(Debug)]
pub struct Get<A> {
    job: String,
    action: PhantomData<fn() -> A>,
}

/// A job that has failed.
#[derive(Debug)]
pub struct Failed<A> {
    job: Job,
    action: PhantomData<fn() -> A>,
}

impl<A: OfJob> Operation for Get<A> {
    const NAME: &'static str = A::OPERATION;
    const READ_ONLY: bool = true;
    const PARAMETERS: &'static [Parameter] = A::PARAMETERS;
    type Api = Iam;
    type Output = Failed<A>;
    type Fault = IamFault;
    type Resolved = ();
    type Permits = Permit<A>;

    fn parse(params: &Params<'_>) -> Result<Self, IamFault> {
        let mut m = params.members();
        let job = m.string("JobId").length(36, 36).required().to_owned();
        if !A::SAYS_TYPE {
            m.string("ServiceNamespace").length(1, 64).required();
        }
        Paging::read(&mut m);
        m.finish()?;
        let action = PhantomData;
        Ok(Self { job, action })
    }

    async fn resolve(&self, _cx: &Cx<'_>) -> Result<(), IamFault> {
        Ok(())
    }

    fn authorize(&self, (): &(), gate: &Gate<'_>) -> Result<Self::Permits, Denied> {
        gate.global_account(|_| ())
    }

    async fn call(
        &self,
        _permit: &Self::Permits,
        (): &(),
        cx: &Cx<'_>,
    ) -> Result<Done<Failed<A>>, IamFault> {
        let missing = || IamFault::missing(format!("Job with id {} cannot be found.", self.job));
        let job = cx.job(&self.job).ok_or_else(missing)?;
        let action = PhantomData;
        Ok(Done::unchanged(Failed { job, action }))
    }
}

impl<A: OfJob> Output<Iam> for Failed<A> {
    fn render(&self, out: &mut xml::Writer<'_>) {
        out.text("JobStatus", "FAILED");
        if A::SAYS_TYPE {
            let [by_service, by_action] = ["SERVICE_LEVEL", "ACTION_LEVEL"];
            let kind = if self.job.by_action {
                by_action
            } else {
                by_service
            };
            out.text("JobType", kind);
        }
        out.timestamp("JobCreationDate", self.job.created);
        out.timestamp("JobCompletionDate", self.job.created);
        Page::<()>::empty().render(out, A::LIST, |_, ()| ());
        out.element("Error", |out| {
            out.text(
                "Message",
                "Keyward records when access keys and roles were last used, not which services \
                 were used.",
            );
            out.text("Code", "NotRecorded");
        });
    }
}
