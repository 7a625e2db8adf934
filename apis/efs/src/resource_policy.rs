//! The policy of a file system between the wire and the record: checked, bound to unique ids, shown again.

use std::sync::Arc;

use keyward_engine::{
    context::Context,
    directory::{paths, purpose, records::storage::ResourcePolicyRecord},
    fault::Internal,
    policy::{
        document::{Document, PolicyKind},
        policy::Policy,
        record::PolicyRecord,
        render,
    },
};
use keyward_store::sealed::Generation;
use keyward_types::{account::AccountId, region::Region, storage::VolumeId, unique_id::UniqueId};

use crate::{Cx, fault::EfsFault};

/// The policy of a file system.
#[derive(Clone, Debug)]
pub struct FileSystemPolicy {
    record: Arc<PolicyRecord>,
    compiled: Arc<Policy>,
    generation: Option<Generation>,
}

impl FileSystemPolicy {
    /// The policy of a file system whose volume is known, if it was given one.
    ///
    /// # Errors
    /// When it cannot be read.
    pub async fn of(
        cx: &Context<'_>,
        (region, account): (Region, AccountId),
        volume: &VolumeId,
    ) -> Result<Option<Self>, EfsFault> {
        let path = paths::resource_policy(region, account, volume);
        let directory = cx.directory();
        let found = directory
            .rare_of_generation::<ResourcePolicyRecord>(&path, purpose::RESOURCE_POLICY)
            .await?;
        let Some((found, _, generation)) = found else {
            return Ok(None);
        };
        let document = Document::parse(&found.policy.text, PolicyKind::FileSystem);
        let document = document.map_err(Internal::new)?;
        let compiled = Policy::compile(&document, &found.policy.principals);
        Ok(Some(Self {
            record: Arc::new(found.policy),
            compiled: Arc::new(compiled),
            generation: Some(generation),
        }))
    }

    /// The policy in a request, with its principals.
    ///
    /// # Errors
    /// If it is not a policy of a file system, or has a principal that does not exist.
    pub async fn checked(text: &str, cx: &Cx<'_>) -> Result<Self, EfsFault> {
        let invalid = |error: &dyn std::fmt::Display| EfsFault::InvalidPolicy(error.to_string());
        let document =
            Document::parse(text, PolicyKind::FileSystem).map_err(|error| invalid(&error))?;
        let bound = cx.directory().bind_principals(cx.partition(), &document);
        let principals = bound.await?.map_err(|error| invalid(&error))?;
        let compiled = Policy::compile(&document, &principals);
        Ok(Self {
            record: Arc::new(PolicyRecord {
                text: text.to_owned(),
                principals,
            }),
            compiled: Arc::new(compiled),
            generation: None,
        })
    }

    /// As it is evaluated.
    pub fn compiled(&self) -> &Policy {
        &self.compiled
    }

    /// As it is stored.
    pub fn record(&self) -> &PolicyRecord {
        &self.record
    }

    /// The generation of its record, if it has one.
    pub fn generation(&self) -> Option<Generation> {
        self.generation
    }

    /// Its text, with today's ARNs of its principals.
    ///
    /// # Errors
    /// When those cannot be looked up.
    pub async fn shown(&self, cx: &Context<'_>) -> Result<String, EfsFault> {
        let document = Document::parse(&self.record.text, PolicyKind::FileSystem);
        let document = document.map_err(Internal::new)?;
        let directory = cx.directory();
        let today = directory
            .arns_today(&document, &self.record.principals)
            .await?;
        Ok(render::for_display(
            &document,
            &self.record.principals,
            cx.partition(),
            &|id: &UniqueId| today.get(id).cloned(),
        ))
    }
}
