//! Session policies of a request.
//!
//! <https://docs.aws.amazon.com/IAM/latest/UserGuide/access_policies.html#policies_session>

use keyward_engine::{
    audit::parameters::{Parameter, text},
    directory::identities::Home,
    policy::document::{Document, PolicyError, PolicyKind},
    session::SessionPolicies,
};
use keyward_types::arn::ArnParts;
use keyward_wire::json::Members;

use crate::{Cx, fault::StsFault, names, packed};

/// The longest inline policy, in characters.
pub const MAX_INLINE: usize = 2048;
/// For the one operation whose inline policy the model does not bound: one that is too long is
/// reported as a percentage.
pub const UNRESTRICTED: usize = 128 << 10;
/// The most managed policies.
const MAX_MANAGED: usize = 10;

/// What the audit trail shows of a managed policy.
pub const SHOWN_DESCRIPTOR: &[Parameter] = &[text("arn")];

/// The session policies that a request asks for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RequestedPolicies {
    inline: Option<String>,
    arns: Vec<String>,
}

impl RequestedPolicies {
    /// Reads `PolicyArns`, and `Policy` up to so many characters.
    pub fn read(m: &mut Members<'_>, most: usize) -> Self {
        let arns = m.structures("PolicyArns", |policy| {
            let arn = policy.string("arn").length(20, 2048);
            let arn = arn.pattern(names::ARN_PATTERN, names::is_arn_text);
            arn.required().to_owned()
        });
        let arns = arns.count(0, MAX_MANAGED).optional().unwrap_or_default();
        let pattern = "[\\u0009\\u000A\\u000D\\u0020-\\u00FF]+";
        let legal = |c| matches!(c, '\t' | '\n' | '\r' | '\u{20}'..='\u{ff}');
        let inline = m
            .string("Policy")
            .length(1, most)
            .pattern(pattern, |text| text.chars().all(legal))
            .optional()
            .map(str::to_owned);
        Self { inline, arns }
    }

    /// The policies, if the inline one can be read.
    ///
    /// # Errors
    /// `MalformedPolicyDocument`, or `PackedPolicyTooLarge` for one that is too long.
    pub fn checked(self) -> Result<Self, StsFault> {
        if let Some(text) = &self.inline {
            match Document::parse(text, PolicyKind::Session) {
                Ok(_) => {}
                Err(PolicyError::TooLong(_)) => {
                    return Err(packed::too_long(text));
                }
                Err(error) => return Err(error.into()),
            }
        }
        Ok(self)
    }

    /// The policies of a session in that account; `None` if none were asked for.
    ///
    /// # Errors
    /// `ValidationError` for a managed policy that the account does not have.
    pub async fn resolve(
        &self,
        (partition, account): Home,
        cx: &Cx<'_>,
    ) -> Result<Option<SessionPolicies>, StsFault> {
        if self.inline.is_none() && self.arns.is_empty() {
            return Ok(None);
        }
        let mut managed = Vec::new();
        for arn in &self.arns {
            let home = ArnParts::parse(arn).is_some_and(|parts| {
                parts.partition == partition.as_str()
                    && (parts.account == account.as_str() || parts.account == "aws")
            });
            let found = match home {
                true => cx.directory().managed_policy(arn).await?,
                false => None,
            };
            let Some(policy) = found else {
                let message = format!("{arn} is invalid");
                return Err(StsFault::Validation { message });
            };
            let reference = policy.reference();
            if !managed.contains(&reference) {
                managed.push(reference);
            }
        }
        Ok(Some(SessionPolicies {
            inline: self.inline.clone(),
            managed,
        }))
    }
}
