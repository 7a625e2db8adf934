//! What would become unreadable without a KMS key, as each API reports it for its own resources.

use keyward_store::boxed::BoxFuture;
use keyward_types::{key_id::KeyArn, time::Timestamp};

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

impl Context<'_> {
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
