//! Service and resource control policies, compiled, and AWS's own.

use std::{
    collections::BTreeMap,
    sync::{Arc, LazyLock},
};

use keyward_policy::{
    document::{Document, PolicyKind},
    policy::Policy,
    principal::Bindings,
};
use keyward_store::sealed::Generation;
use keyward_types::{
    organization::{ControlPolicyId, ControlPolicyType},
    partition::Partition,
};
use keyward_wire::json::Writer;

use crate::directory::records::{V1, organization::ControlPolicyRecord};

/// A service or resource control policy, compiled.
#[derive(Debug)]
pub struct ControlPolicy {
    arn: String,
    record: ControlPolicyRecord,
    policy: Policy,
    generation: Option<Generation>,
}

impl ControlPolicy {
    /// A policy of an organization.
    pub(crate) fn new(
        arn: String,
        record: ControlPolicyRecord,
        policy: Policy,
        generation: Generation,
    ) -> Self {
        Self {
            arn,
            record,
            policy,
            generation: Some(generation),
        }
    }

    /// Its ARN.
    pub fn arn(&self) -> &str {
        &self.arn
    }

    /// Its record; one of AWS's own has one, too.
    pub fn record(&self) -> &ControlPolicyRecord {
        &self.record
    }

    /// What it says.
    pub fn policy(&self) -> &Policy {
        &self.policy
    }

    /// Whether it is one of AWS's own, which nobody changes.
    pub fn is_aws_managed(&self) -> bool {
        self.generation.is_none()
    }
}

/// The policy of a type that AWS attaches to everything: it allows all.
#[derive(Debug)]
struct FullAccess {
    name: &'static str,
    description: &'static str,
    kind: ControlPolicyType,
    text: &'static str,
}

const FULL_ACCESS: [FullAccess; 2] = [
    FullAccess {
        name: "FullAWSAccess",
        description: "Allows access to every operation",
        kind: ControlPolicyType::Service,
        text: "{\n  \"Version\": \"2012-10-17\",\n  \"Statement\": [\n    {\n      \"Effect\": \"Allow\",\n      \"Action\": \"*\",\n      \"Resource\": \"*\"\n    }\n  ]\n}",
    },
    FullAccess {
        name: "RCPFullAWSAccess",
        description: "Allows access to every resource",
        kind: ControlPolicyType::Resource,
        text: "{\n  \"Version\": \"2012-10-17\",\n  \"Statement\": [\n    {\n      \"Effect\": \"Allow\",\n      \"Principal\": \"*\",\n      \"Action\": \"*\",\n      \"Resource\": \"*\"\n    }\n  ]\n}",
    },
];

type Own = BTreeMap<(Partition, ControlPolicyType), Arc<ControlPolicy>>;

static AWS_OWN: LazyLock<Own> = LazyLock::new(|| {
    let each = Partition::ALL
        .iter()
        .flat_map(|partition| FULL_ACCESS.iter().map(move |full| (partition, full)));
    each.filter_map(|(partition, full)| {
        let id = ControlPolicyId::parse(&format!("p-{}", full.name)).ok()?;
        // AWS's own resource control policy allows, which no customer's may.
        let document = Document::parse(FULL_ACCESS.first()?.text, PolicyKind::Scp).ok()?;
        let policy = ControlPolicy {
            arn: format!(
                "arn:{partition}:organizations::aws:policy/{}/{id}",
                full.kind.in_arn()
            ),
            record: ControlPolicyRecord {
                version: V1,
                id,
                kind: full.kind,
                name: full.name.to_owned(),
                description: full.description.to_owned(),
                text: full.text.to_owned(),
                tags: Vec::new(),
            },
            policy: Policy::compile(&document, &Bindings::default()),
            generation: None,
        };
        Some(((*partition, full.kind), Arc::new(policy)))
    })
    .collect()
});

/// The policy of a type that AWS attaches to everything.
pub fn full_access(partition: Partition, kind: ControlPolicyType) -> Option<Arc<ControlPolicy>> {
    AWS_OWN.get(&(partition, kind)).cloned()
}

/// Writes the generations of the records that these policies are in, each once.
pub(super) fn describe<'p>(
    found: impl Iterator<Item = &'p Arc<ControlPolicy>>,
    policies: &mut Writer<'_>,
) {
    let mut said: Vec<&str> = Vec::new();
    for policy in found {
        let id = policy.record.id.as_str();
        if let Some(generation) = policy.generation
            && !said.contains(&id)
        {
            policies.named_hexadecimal(id, generation.as_bytes());
            said.push(id);
        }
    }
}
