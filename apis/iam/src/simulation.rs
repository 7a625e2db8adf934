//! What policies would decide: the pipeline's own evaluator with a simulated request.
//!
//! As at AWS, the key policy of a KMS key and other policies of resources count only if they are
//! given with the request.
//!
//! <https://docs.aws.amazon.com/IAM/latest/APIReference/API_SimulatePrincipalPolicy.html>

pub mod context_keys;
pub mod excluded;
pub mod found;
pub mod made_up;
pub mod outcome;
pub mod request;
pub mod source;

use keyward_engine::{
    audit::parameters::{Parameter, integer, structure, structures, text, texts},
    gate::{Denied, Gate},
    operation::{Done, Operation, Work},
    policy::permit::Permit,
};
use keyward_wire::{json, query::Params};

use crate::{
    Cx, Iam,
    fault::IamFault,
    names,
    simulation::{
        excluded::{Excluded, Sent},
        found::SimulatedIdentity,
        outcome::EvaluationResults,
        request::Simulated,
        source::{Source, Sources},
    },
};

/// What the audit trail shows of a context entry.
const CONTEXT_ENTRY: &[Parameter] = &[
    text("ContextKeyName"),
    texts("ContextKeyValues"),
    text("ContextKeyType"),
];

/// What the audit trail shows of the policies of one level.
const ORGANIZATION_POLICIES: &[Parameter] = &[texts("ServiceControlPolicyInputList")];

/// What the audit trail shows of a policy that is left out.
const EXCLUDED_POLICY: &[Parameter] = &[
    text("PolicyType"),
    text("PolicyArn"),
    structure(
        "InlinePolicyIdentifier",
        &[
            text("PolicyName"),
            text("AttachmentType"),
            text("AttachmentName"),
        ],
    ),
];

/// `SimulateCustomPolicy`
#[derive(Debug)]
pub struct SimulateCustomPolicy {
    policies: Vec<String>,
    /// Service control policies by level.
    organization: Vec<Vec<String>>,
    simulated: Simulated,
}

keyward_types::action!("iam": SimulateCustomPolicy = "iam:SimulateCustomPolicy");

impl Operation for SimulateCustomPolicy {
    const NAME: &'static str = "SimulateCustomPolicy";
    const READ_ONLY: bool = true;
    const PARAMETERS: &'static [Parameter] = &[
        texts("PolicyInputList"),
        texts("PermissionsBoundaryPolicyInputList"),
        structures("OrderedOrganizationPolicyInputList", ORGANIZATION_POLICIES),
        texts("ActionNames"),
        texts("ResourceArns"),
        text("ResourcePolicy"),
        text("ResourceOwner"),
        text("CallerArn"),
        structures("ContextEntries", CONTEXT_ENTRY),
        text("ResourceHandlingOption"),
        integer("MaxItems"),
        text("Marker"),
    ];
    // A thousand actions on as many resources take a while.
    const WORK: Work = Work::Computes;
    type Api = Iam;
    type Output = EvaluationResults;
    type Fault = IamFault;
    type Resolved = ();
    type Permits = Permit<Self>;

    fn parse(params: &Params<'_>) -> Result<Self, IamFault> {
        let mut m = params.members();
        if !m.has("PolicyInputList") {
            // SimulatedQuestion for as required, so that it is missed.
            m.strings("PolicyInputList").required();
        }
        let policies = names::documents(&mut m, "PolicyInputList").unwrap_or_default();
        let level = |m: &mut json::Members<'_>| {
            names::documents(m, "ServiceControlPolicyInputList").unwrap_or_default()
        };
        let levels = m.structures("OrderedOrganizationPolicyInputList", level);
        let organization = levels.count(0, 7).optional().unwrap_or_default();
        let simulated = Simulated::read(&mut m);
        m.finish()?;
        Ok(Self {
            policies,
            organization,
            simulated: simulated.checked()?,
        })
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
    ) -> Result<Done<EvaluationResults>, IamFault> {
        let mut sources = Sources::default();
        for text in &self.policies {
            sources.add_input(text)?;
        }
        for level in &self.organization {
            let read = |(at, text): (usize, &String)| {
                let id = format!("OrderedOrganizationPolicyInputList.{}", at + 1);
                Source::of(id, text, keyward_engine::policy::document::PolicyKind::Scp)
            };
            let level = level
                .iter()
                .enumerate()
                .map(read)
                .collect::<Result<_, _>>()?;
            sources.organization.push(level);
        }
        let outcomes = self.simulated.run(cx, Self::NAME, sources).await?;
        Ok(Done::unchanged(outcomes))
    }
}

/// `SimulatePrincipalPolicy`
#[derive(Debug)]
pub struct SimulatePrincipalPolicy {
    of: String,
    policies: Vec<String>,
    excluded: Vec<Excluded>,
    simulated: Simulated,
}

keyward_types::action!("iam": SimulatePrincipalPolicy = "iam:SimulatePrincipalPolicy");

impl Operation for SimulatePrincipalPolicy {
    const NAME: &'static str = "SimulatePrincipalPolicy";
    const READ_ONLY: bool = true;
    const PARAMETERS: &'static [Parameter] = &[
        text("PolicySourceArn"),
        texts("PolicyInputList"),
        texts("PermissionsBoundaryPolicyInputList"),
        structures("PolicyExclusionList", EXCLUDED_POLICY),
        texts("ActionNames"),
        texts("ResourceArns"),
        text("ResourcePolicy"),
        text("ResourceOwner"),
        text("CallerArn"),
        structures("ContextEntries", CONTEXT_ENTRY),
        text("ResourceHandlingOption"),
        integer("MaxItems"),
        text("Marker"),
    ];
    // A thousand actions on as many resources take a while.
    const WORK: Work = Work::Computes;
    type Api = Iam;
    type Output = EvaluationResults;
    type Fault = IamFault;
    type Resolved = SimulatedIdentity;
    type Permits = Permit<Self>;

    fn parse(params: &Params<'_>) -> Result<Self, IamFault> {
        let mut m = params.members();
        let of = names::arn(&mut m, "PolicySourceArn");
        let policies = names::documents(&mut m, "PolicyInputList").unwrap_or_default();
        let excluded = m.structures("PolicyExclusionList", Sent::read);
        let excluded = excluded.count(0, 256).optional().unwrap_or_default();
        let simulated = Simulated::read(&mut m);
        m.finish()?;
        let excluded = excluded.into_iter().map(Sent::checked);
        Ok(Self {
            of,
            policies,
            excluded: excluded.collect::<Result<_, _>>()?,
            simulated: simulated.checked()?,
        })
    }

    async fn resolve(&self, cx: &Cx<'_>) -> Result<SimulatedIdentity, IamFault> {
        SimulatedIdentity::find(cx, &self.of).await
    }

    fn authorize(
        &self,
        found: &SimulatedIdentity,
        gate: &Gate<'_>,
    ) -> Result<Self::Permits, Denied> {
        found.permit(gate)
    }

    async fn call(
        &self,
        _permit: &Self::Permits,
        found: &SimulatedIdentity,
        cx: &Cx<'_>,
    ) -> Result<Done<EvaluationResults>, IamFault> {
        let mut sources = found.sources(cx).await?;
        sources.leave_out(
            |source| self.excluded.iter().any(|one| one.matches(source)),
            self.excluded.iter().any(Excluded::is_organization),
        );
        for text in &self.policies {
            sources.add_input(text)?;
        }
        let outcomes = self.simulated.run(cx, Self::NAME, sources).await?;
        Ok(Done::unchanged(outcomes))
    }
}
