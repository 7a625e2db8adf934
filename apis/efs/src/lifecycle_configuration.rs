//! `PutLifecycleConfiguration` and `DescribeLifecycleConfiguration`: when files that nobody uses move to
//! other storage. There is one class of storage here: the policies are stored and have no effect.
//!
//! <https://docs.aws.amazon.com/efs/latest/ug/API_PutLifecycleConfiguration.html>

use keyward_engine::{
    audit::parameters::{Parameter, structures, text},
    operation::{Done, Output},
};
use keyward_wire::json::{Members, Writer};

use crate::{
    Cx, Efs, fault::EfsFault, file_system::OneFileSystem, on_file_system::OnFileSystem,
    records::LifecyclePolicy,
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
    /// Each with the one transition that it must have.
    policies: Vec<Vec<LifecyclePolicy>>,
}

/// The policies of a file system.
#[derive(Debug)]
pub struct Policies(Vec<LifecyclePolicy>);

keyward_types::action!("elasticfilesystem": PutLifecycleConfiguration = "elasticfilesystem:PutLifecycleConfiguration");

impl OnFileSystem for PutLifecycleConfiguration {
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
    type Output = Policies;

    fn read(m: &mut Members<'_>) -> Self {
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
        Self { policies }
    }

    fn checked(self) -> Result<Self, EfsFault> {
        if self.policies.iter().any(|one| one.len() != 1) {
            let message = "Each lifecycle policy must have exactly one transition.";
            return Err(EfsFault::BadRequest(message.to_owned()));
        }
        let policies: Vec<&LifecyclePolicy> = self.policies.iter().flatten().collect();
        let twice = policies.iter().enumerate().any(|(at, policy)| {
            let mut before = policies.iter().take(at);
            before.any(|other| other.transition == policy.transition)
        });
        if twice {
            let message = "A transition must not occur more than once.";
            return Err(EfsFault::BadRequest(message.to_owned()));
        }
        Ok(self)
    }

    async fn answer(&self, one: &OneFileSystem, cx: &Cx<'_>) -> Result<Done<Policies>, EfsFault> {
        let found = one.get()?.available()?;
        let mut record = found.record.clone();
        record.lifecycle = self.policies.iter().flatten().cloned().collect();
        let batch = cx.put(found, &record)?;
        Ok(Done::changed(Policies(record.lifecycle), batch))
    }
}

/// `DescribeLifecycleConfiguration`
#[derive(Debug)]
pub struct DescribeLifecycleConfiguration;

keyward_types::action!("elasticfilesystem": DescribeLifecycleConfiguration = "elasticfilesystem:DescribeLifecycleConfiguration");

impl OnFileSystem for DescribeLifecycleConfiguration {
    const READ_ONLY: bool = true;
    const PARAMETERS: &'static [Parameter] = &[text("FileSystemId")];
    type Output = Policies;

    fn read(_m: &mut Members<'_>) -> Self {
        Self
    }

    async fn answer(&self, one: &OneFileSystem, _cx: &Cx<'_>) -> Result<Done<Policies>, EfsFault> {
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
