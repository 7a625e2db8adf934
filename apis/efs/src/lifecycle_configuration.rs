//! `PutLifecycleConfiguration` and `DescribeLifecycleConfiguration`: when files that nobody uses move to
//! other storage. There is one class of storage here: the policies are kept and move nothing.
//!
//! <https://docs.aws.amazon.com/efs/latest/ug/API_PutLifecycleConfiguration.html>

use keyward_engine::{
    audit::parameters::{Parameter, structures, text},
    gate::{Denied, Gate},
    operation::{Done, Operation, Output},
    policy::permit::Permit,
};
use keyward_wire::json::{Members, Object, Writer};

use crate::{
    Cx, Efs, fault::EfsFault, file_system::OneFileSystem, members, records::LifecyclePolicy,
};

const TO_IA: &[&str] = &[
    "AFTER_7_DAYS",
    "AFTER_14_DAYS",
    "AFTER_30_DAYS",
    "AFTER_60_DAYS",
    "AFTER_90_DAYS",
    "AFTER_1_DAY",
    "AFTER_180_DAYS",
    "AFTER_270_DAYS",
    "AFTER_365_DAYS",
];
const TO_PRIMARY: &[&str] = &["AFTER_1_ACCESS"];
const TO_ARCHIVE: &[&str] = &[
    "AFTER_1_DAY",
    "AFTER_7_DAYS",
    "AFTER_14_DAYS",
    "AFTER_30_DAYS",
    "AFTER_60_DAYS",
    "AFTER_90_DAYS",
    "AFTER_180_DAYS",
    "AFTER_270_DAYS",
    "AFTER_365_DAYS",
];
/// The transitions, each with when it may be.
const TRANSITIONS: [(&str, &[&str]); 3] = [
    ("TransitionToIA", TO_IA),
    ("TransitionToPrimaryStorageClass", TO_PRIMARY),
    ("TransitionToArchive", TO_ARCHIVE),
];

/// `PutLifecycleConfiguration`
#[derive(Debug)]
pub struct PutLifecycleConfiguration {
    id: String,
    policies: Vec<LifecyclePolicy>,
}

/// The policies of a file system.
#[derive(Debug)]
pub struct Policies(Vec<LifecyclePolicy>);

keyward_types::action!("elasticfilesystem": PutLifecycleConfiguration = "elasticfilesystem:PutLifecycleConfiguration");

impl Operation for PutLifecycleConfiguration {
    const NAME: &'static str = "PutLifecycleConfiguration";
    const READ_ONLY: bool = false;
    const PARAMETERS: &'static [Parameter] = &[
        text("FileSystemId"),
        structures(
            "LifecyclePolicies",
            &[
                text("TransitionToIA"),
                text("TransitionToPrimaryStorageClass"),
                text("TransitionToArchive"),
            ],
        ),
    ];
    type Api = Efs;
    type Output = Policies;
    type Fault = EfsFault;
    type Resolved = OneFileSystem;
    type Permits = Permit<Self>;

    fn parse(body: &Object<'_>) -> Result<Self, EfsFault> {
        let mut m = Members::of(body);
        let id = members::file_system_id(&mut m);
        let policies = m.structures("LifecyclePolicies", |m| {
            let found = TRANSITIONS.iter().filter_map(|(transition, words)| {
                let after = m.enumeration(transition, words).optional()?;
                Some(LifecyclePolicy {
                    transition: (*transition).to_owned(),
                    after: after.to_owned(),
                })
            });
            found.collect::<Vec<_>>()
        });
        let policies = policies.count(0, 3).required();
        m.finish()?;
        if policies.iter().any(|one| one.len() != 1) {
            let message = "Each lifecycle policy must have exactly one transition.";
            return Err(EfsFault::BadRequest(message.to_owned()));
        }
        let policies: Vec<LifecyclePolicy> = policies.into_iter().flatten().collect();
        let twice = policies.iter().enumerate().any(|(at, policy)| {
            let mut before = policies.iter().take(at);
            before.any(|other| other.transition == policy.transition)
        });
        if twice {
            let message = "A transition must not occur more than once.";
            return Err(EfsFault::BadRequest(message.to_owned()));
        }
        Ok(Self { id, policies })
    }

    async fn resolve(&self, cx: &Cx<'_>) -> Result<OneFileSystem, EfsFault> {
        cx.named_file_system(&self.id).await
    }

    fn authorize(&self, one: &OneFileSystem, gate: &Gate<'_>) -> Result<Permit<Self>, Denied> {
        gate.permit(one, |_| ())
    }

    async fn call(
        &self,
        _permit: &Permit<Self>,
        one: &OneFileSystem,
        cx: &Cx<'_>,
    ) -> Result<Done<Policies>, EfsFault> {
        let found = one.get()?.available()?;
        let mut record = found.record.clone();
        record.lifecycle.clone_from(&self.policies);
        let batch = cx.put(found, &record)?;
        Ok(Done::changed(Policies(record.lifecycle), batch))
    }
}

/// `DescribeLifecycleConfiguration`
#[derive(Debug)]
pub struct DescribeLifecycleConfiguration {
    id: String,
}

keyward_types::action!("elasticfilesystem": DescribeLifecycleConfiguration = "elasticfilesystem:DescribeLifecycleConfiguration");

impl Operation for DescribeLifecycleConfiguration {
    const NAME: &'static str = "DescribeLifecycleConfiguration";
    const READ_ONLY: bool = true;
    const PARAMETERS: &'static [Parameter] = &[text("FileSystemId")];
    type Api = Efs;
    type Output = Policies;
    type Fault = EfsFault;
    type Resolved = OneFileSystem;
    type Permits = Permit<Self>;

    fn parse(body: &Object<'_>) -> Result<Self, EfsFault> {
        let mut m = Members::of(body);
        let id = members::file_system_id(&mut m);
        m.finish()?;
        Ok(Self { id })
    }

    async fn resolve(&self, cx: &Cx<'_>) -> Result<OneFileSystem, EfsFault> {
        cx.named_file_system(&self.id).await
    }

    fn authorize(&self, one: &OneFileSystem, gate: &Gate<'_>) -> Result<Permit<Self>, Denied> {
        gate.permit(one, |_| ())
    }

    async fn call(
        &self,
        _permit: &Permit<Self>,
        one: &OneFileSystem,
        _cx: &Cx<'_>,
    ) -> Result<Done<Policies>, EfsFault> {
        Ok(Done::unchanged(Policies(
            one.get()?.record.lifecycle.clone(),
        )))
    }
}

impl Output<Efs> for Policies {
    fn render(&self, out: &mut Writer<'_>) {
        out.array("LifecyclePolicies", |list| {
            for policy in &self.0 {
                list.object(|out| out.named_string(&policy.transition, &policy.after));
            }
        });
    }
}
