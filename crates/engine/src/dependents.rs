//! What would become unreadable without a KMS key, as each API reports it for its own resources.

use keyward_store::boxed::BoxFuture;
use keyward_types::{arn::ArnParts, key_id::KeyArn, time::Timestamp};

use crate::{context::Context, directory::ReadError};

/// A resource whose data a KMS key protects.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Dependent {
    /// Its ARN.
    pub arn: String,
    /// Its type, as CloudTrail calls it.
    pub kind: &'static str,
    /// What its owner calls it.
    pub name: Option<String>,
    /// What is known of its backups, which the key protects as well.
    pub backups: Backups,
}

/// What is known of the backups of a resource.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Backups {
    /// The API makes none, or none was ever reported.
    Unknown,
    /// The newest one that was reported.
    Newest {
        /// The moment whose state it has.
        at: Timestamp,
        /// The generation of its image, if that was reported.
        generation: Option<u64>,
    },
}

/// An API's resources that a key protects.
pub type Dependents<'c> = BoxFuture<'c, Result<Vec<Dependent>, ReadError>>;

/// How an API finds them, see [`Api::dependents`](crate::api::Api::dependents).
pub type FindDependents = for<'c, 'r> fn(&'c Context<'r>, &'c KeyArn) -> Dependents<'c>;

/// What an API says of one of its resources to an API that had it created.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ResourceState {
    /// Its state or status, in the API's own words.
    pub state: String,
    /// The ARN of its KMS key, if it is encrypted.
    pub key: Option<String>,
    /// The grants by which its data key is unwrapped.
    pub grants: Vec<String>,
    /// What belongs to it: the ids of its mount targets, each with its state.
    pub parts: Vec<(String, String)>,
    /// Where clients reach it: the address, with the port if it has one.
    pub addresses: Vec<String>,
}

/// The state of a resource; none if it is not there.
pub type FoundState<'c> = BoxFuture<'c, Result<Option<ResourceState>, ReadError>>;

/// How an API finds it, see [`Api::state_of`](crate::api::Api::state_of).
pub type FindState = for<'c, 'r> fn(&'c Context<'r>, &'c str) -> FoundState<'c>;

impl Context<'_> {
    /// What the API of a resource of the caller's account says of it; none if it is not there, or the API is not served.
    ///
    /// # Errors
    /// When it cannot be read.
    pub async fn state_of(&self, arn: &str) -> Result<Option<ResourceState>, ReadError> {
        let parts = ArnParts::parse(arn);
        let parts = parts.filter(|parts| parts.account == self.account().as_str());
        let service = parts.and_then(|parts| self.services.named(parts.service));
        match service {
            Some(service) => (service.api().state_of)(self, arn).await,
            None => Ok(None),
        }
    }

    /// The resources of all APIs in a key's account and Region whose data cannot be read without the key, in the order of
    /// their ARNs.
    ///
    /// # Errors
    /// When one cannot be read.
    pub async fn dependents(&self, key: &KeyArn) -> Result<Vec<Dependent>, ReadError> {
        let mut found = Vec::new();
        for row in self.services.rows() {
            found.extend((row.api().dependents)(self, key).await?);
        }
        found.sort_unstable();
        Ok(found)
    }
}
