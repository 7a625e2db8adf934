//! Policies between the wire and a record: kept as they were put, unless white space would burst
//! the record.

use keyward_engine::{
    fault::Internal,
    policy::{
        document::{Document, PolicyKind},
        record::PolicyRecord,
        render,
    },
};
use keyward_types::unique_id::UniqueId;

use crate::{Cx, fault::IamFault};

/// The most bytes of a policy that is kept with its white space.
const MOST_WITH_SPACE: usize = 16 * 1024;
/// The most bytes of all policies embedded in one identity.
const MOST_EMBEDDED: usize = 64 * 1024;

/// The text to be kept: as it was put, or without white space if it is long. `others` bytes of
/// policies are in the same record.
///
/// # Errors
/// `LimitExceeded` if it is too long even so, which only white space inside texts can make it.
pub fn text(document: &Document, put: &str, others: usize) -> Result<String, IamFault> {
    let fits = |text: &str| text.len() <= MOST_WITH_SPACE && others + text.len() <= MOST_EMBEDDED;
    if fits(put) {
        return Ok(put.to_owned());
    }
    let text = render::without_space(document);
    if fits(&text) {
        Ok(text)
    } else {
        Err(IamFault::quota("PolicySize", MOST_WITH_SPACE))
    }
}

impl Cx<'_> {
    /// A role's trust policy as it is stored: everybody it names is found and bound.
    ///
    /// # Errors
    /// `MalformedPolicyDocument`, `LimitExceeded`.
    pub async fn check_trust(&self, put: &str) -> Result<PolicyRecord, IamFault> {
        let document = Document::parse(put, PolicyKind::Trust)?;
        let partition = self.partition();
        let principals = self
            .directory()
            .bind_principals(partition, &document)
            .await??;
        let text = text(&document, put, 0)?;
        Ok(PolicyRecord { text, principals })
    }

    /// A role's trust policy as IAM shows it: principals by today's ARNs, and by their unique ids
    /// if they were deleted.
    ///
    /// # Errors
    /// When the record cannot be read.
    pub async fn show_trust(&self, trust: &PolicyRecord) -> Result<String, IamFault> {
        let document = Document::parse(&trust.text, PolicyKind::Trust)
            .map_err(|error| IamFault::Internal(Internal::new(error)))?;
        let today = self
            .directory()
            .arns_today(&document, &trust.principals)
            .await?;
        let arn_of = |id: &UniqueId| today.get(id).cloned();
        Ok(render::compact(
            &document,
            &trust.principals,
            self.partition(),
            &arn_of,
        ))
    }
}
