//! The grants of somebody.

use keyward_api_kms::grants::{
    index::GrantPaths, lookup::stored, party::standings, record::GrantRecord,
    terms::ContextConstraint,
};
use keyward_engine::fault::Internal;
use keyward_store::{
    path::{Path, Prefix},
    store::MAX_RANGE,
};
use keyward_types::{key_id::KeyArn, principal::Principal};

use super::GrantCase;
use crate::{Cx, fault::KeywardFault};

/// The most grants of one grantee that are looked at.
const MOST_GRANTS: usize = 1000;

impl Cx<'_> {
    /// The grants on a key that name the subject, as today's ARNs.
    pub(super) async fn grants_of(
        &self,
        key: &KeyArn,
        principal: &Principal,
    ) -> Result<Vec<GrantRecord>, KeywardFault> {
        let reader = self.directory().reader();
        let places = GrantPaths::new(reader, key);
        let mut found = Vec::new();
        for standing in standings(reader, principal) {
            let prefix = places.grants_of(&standing.segment)?;
            for id in self.last_segments(&prefix, MOST_GRANTS).await? {
                let Ok(id) = keyward_types::grant::GrantId::parse(&id) else {
                    continue;
                };
                found.extend(
                    self.state()
                        .kms
                        .grants()
                        .grant(key, &id)
                        .await?
                        .map(|grant| grant.record),
                );
            }
        }
        Ok(found)
    }

    /// The last segments of what is below a prefix, so many at most.
    async fn last_segments(
        &self,
        prefix: &Prefix,
        most: usize,
    ) -> Result<Vec<String>, KeywardFault> {
        let reader = self.directory().reader();
        let (mut found, mut after): (Vec<String>, Option<Path>) = (Vec::new(), None);
        loop {
            let page = reader.entries(prefix, after.as_ref(), MAX_RANGE).await;
            let page = page
                .map_err(|error| Internal::new(error.to_string()))?
                .value;
            let Some(last) = page.last() else {
                return Ok(found);
            };
            after = Some(last.path.clone());
            for entry in &page {
                found.extend(entry.path.segments().last().map(str::to_owned));
            }
            if found.len() >= most {
                found.truncate(most);
                return Ok(found);
            }
        }
    }

    /// Every grant on a key, so many at most.
    pub(crate) async fn grants_on(
        &self,
        key: &KeyArn,
        most: usize,
    ) -> Result<Vec<GrantRecord>, KeywardFault> {
        let reader = self.directory().reader();
        let prefix = GrantPaths::new(reader, key).grants();
        let (mut found, mut after): (Vec<GrantRecord>, Option<Path>) = (Vec::new(), None);
        loop {
            let page = reader.range(&prefix, after.as_ref(), MAX_RANGE).await;
            let page = page
                .map_err(|error| Internal::new(error.to_string()))?
                .value;
            let Some(last) = page.last() else {
                return Ok(found);
            };
            after = Some(last.path.clone());
            for record in &page {
                found.push(stored(record)?.record);
            }
            if found.len() >= most {
                found.truncate(most);
                return Ok(found);
            }
        }
    }

    pub(super) async fn grant_case(&self, record: &GrantRecord) -> Result<GrantCase, KeywardFault> {
        let mut case = GrantCase {
            grantee: self.kms().shown_party(&record.grantee).await?,
            operations: record
                .terms
                .operations
                .iter()
                .map(|op| op.as_str())
                .collect(),
            encryption_context_equals: None,
            encryption_context_subset: None,
            source_arn: record.terms.constraint.source_arn.clone(),
            retiring_principal: None,
            issuing_account: record.issuing_account.to_string(),
        };
        let pairs = record.terms.constraint.pairs().iter().cloned().collect();
        match &record.terms.constraint.context {
            ContextConstraint::None => {}
            ContextConstraint::Equals(_) => case.encryption_context_equals = Some(pairs),
            ContextConstraint::Subset(_) => case.encryption_context_subset = Some(pairs),
        }
        if let Some(retiring) = &record.retiring {
            case.retiring_principal = Some(self.kms().shown_party(retiring).await?);
        }
        Ok(case)
    }
}
