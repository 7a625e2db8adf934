//! Where the records of credentials, environments, services and virtual clusters stand, and how they are found.
//!
//! They belong to an account and to no Region, as at Cloudera.

use keyward_engine::{
    context::Context,
    directory::{
        ReadError, paths,
        purpose::{CDE_CLUSTER, CDE_SERVICE, CDP_CREDENTIAL, CDP_ENVIRONMENT},
        records,
    },
    fault::Internal,
};
use keyward_store::{
    batch::Precondition,
    path::{Path, Prefix, Segment},
    revision::Revision,
    sealed::{Purpose, SealedBatch},
};
use serde::{Serialize, de::DeserializeOwned};

use crate::{
    Cx,
    fault::CdeFault,
    records::{ClusterRecord, CredentialRecord, EnvironmentRecord, ServiceRecord},
};

/// A kind of record.
pub trait Kept: Serialize + DeserializeOwned + Send + Sync {
    /// What stands in its path.
    const KIND: Segment<'static>;
    /// Its purpose.
    const PURPOSE: Purpose;
    /// What it is called in messages.
    const WHAT: &'static str;

    /// What it is found by.
    fn name(&self) -> String;
}

impl Kept for CredentialRecord {
    const KIND: Segment<'static> = Segment::word("cdp-credential");
    const PURPOSE: Purpose = CDP_CREDENTIAL;
    const WHAT: &'static str = "credential";

    fn name(&self) -> String {
        self.name.clone()
    }
}

impl Kept for EnvironmentRecord {
    const KIND: Segment<'static> = Segment::word("cdp-environment");
    const PURPOSE: Purpose = CDP_ENVIRONMENT;
    const WHAT: &'static str = "environment";

    fn name(&self) -> String {
        self.name.clone()
    }
}

impl Kept for ServiceRecord {
    const KIND: Segment<'static> = Segment::word("cde-service");
    const PURPOSE: Purpose = CDE_SERVICE;
    const WHAT: &'static str = "service";

    fn name(&self) -> String {
        self.id.clone()
    }
}

impl Kept for ClusterRecord {
    const KIND: Segment<'static> = Segment::word("cde-cluster");
    const PURPOSE: Purpose = CDE_CLUSTER;
    const WHAT: &'static str = "virtual cluster";

    fn name(&self) -> String {
        format!("{}/{}", self.service, self.id)
    }
}

/// Where a record stands.
pub fn path<K: Kept>(cx: &Context<'_>, name: &str) -> Path {
    let (partition, account) = (cx.partition(), cx.account());
    let home = paths::name_home(partition, account);
    let reader = cx.directory().reader();
    let hash = reader.name_hash(home.as_str(), K::KIND.as_str(), name);
    paths::global(partition, account, [K::KIND, (&hash).into()])
}

fn all_of<K: Kept>(cx: &Context<'_>) -> Prefix {
    paths::below_global(cx.partition(), cx.account(), [K::KIND])
}

/// Every record of a kind in the caller's account, by name.
///
/// # Errors
/// When one cannot be read.
pub async fn every<K: Kept>(cx: &Context<'_>) -> Result<Vec<K>, ReadError> {
    let mut all: Vec<K> = cx.directory().every(&all_of::<K>(cx), K::PURPOSE).await?;
    all.sort_by_key(Kept::name);
    Ok(all)
}

/// As [`every`], in no order, each with when it was last written.
///
/// # Errors
/// When one cannot be read.
pub async fn every_with_revision<K: Kept>(
    cx: &Context<'_>,
) -> Result<Vec<(K, Revision)>, ReadError> {
    let all = all_of::<K>(cx);
    cx.directory().every_with_revision(&all, K::PURPOSE).await
}

/// A record, and when it was last written; none if it is not there.
///
/// # Errors
/// When it cannot be read.
pub async fn find<K: Kept>(
    cx: &Context<'_>,
    name: &str,
) -> Result<Option<(K, Revision)>, ReadError> {
    let path = path::<K>(cx, name);
    cx.directory().rare(&path, K::PURPOSE).await
}

impl Cx<'_> {
    /// A record that a request names.
    ///
    /// # Errors
    /// If it is not there, or cannot be read.
    pub async fn named<K: Kept>(&self, name: &str) -> Result<(K, Revision), CdeFault> {
        let found = find(self, name).await?;
        found.ok_or_else(|| CdeFault::not_found(K::WHAT, name))
    }

    /// An environment that a request names, by its name or its CRN.
    ///
    /// # Errors
    /// As [`named`](Self::named).
    pub async fn environment(
        &self,
        named: &str,
    ) -> Result<(EnvironmentRecord, Revision), CdeFault> {
        if !named.starts_with("crn:") {
            return self.named(named).await;
        }
        let all = every::<EnvironmentRecord>(self).await?;
        let mut all = all.into_iter();
        match all.find(|one| self.crn_of_environment(one) == named) {
            Some(one) => self.named(&one.name).await,
            None => Err(CdeFault::not_found("environment", named)),
        }
    }

    /// A batch after which a record is there.
    ///
    /// # Errors
    /// When it is too large.
    pub fn put<K: Kept>(
        &self,
        batch: &mut SealedBatch,
        record: &K,
        at: Precondition,
    ) -> Result<(), CdeFault> {
        let bytes = records::encode(record).map_err(Internal::new)?;
        batch.put(path::<K>(self, &record.name()), K::PURPOSE, &bytes, at)?;
        Ok(())
    }

    /// A CRN, as Cloudera names what it manages. The Region in it is that of the control plane.
    pub fn crn(&self, service: &str, kind: &str, id: &str) -> String {
        format!("crn:cdp:{service}:us-west-1:{}:{kind}:{id}", self.account())
    }

    /// The CRN of an environment.
    pub fn crn_of_environment(&self, record: &EnvironmentRecord) -> String {
        self.crn("environments", "environment", &record.id)
    }
}
