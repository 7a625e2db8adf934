//! Members of the grant operations, with AWS's constraints for them, and how they are shown.
//!
//! <https://docs.aws.amazon.com/kms/latest/APIReference/API_GrantConstraints.html>

use keyward_engine::{directory::ReadError, gate::supply::Supply};
use keyward_types::{
    encryption_context::EncryptionContext,
    grant::{GrantId, GrantOperation, GrantOperations},
    time::Timestamp,
};
use keyward_wire::json::{Members, Writer};

use crate::{
    Cx, condition_keys,
    fault::KmsFault,
    grants::{
        party::Party,
        record::GrantRecord,
        terms::{Constraint, ContextConstraint},
    },
};

/// The most pairs in a constraint on the encryption context.
const MAX_PAIRS: usize = 8;
/// The longest value in one, in characters.
const MAX_VALUE: usize = 384;

/// A principal's ARN.
pub fn principal(m: &mut Members<'_>, name: &'static str) -> Option<String> {
    let legal = |c: char| c.is_ascii_alphanumeric() || "_+=,.@:/-".contains(c);
    m.string(name)
        .length(1, 256)
        .pattern("^[\\w+=,.@:/-]+$", |text| {
            !text.is_empty() && text.chars().all(legal)
        })
        .optional()
        .map(str::to_owned)
}

/// A service's name.
pub fn service(m: &mut Members<'_>, name: &'static str) -> Option<String> {
    let legal = |c: char| c.is_ascii_alphanumeric() || c == '-';
    let is_label = |label: &str| !label.is_empty() && label.chars().all(legal);
    m.string(name)
        .length(1, 128)
        .pattern(
            "^([A-Za-z0-9\\-]+)\\.([A-Za-z0-9\\-]+)(\\.[A-Za-z0-9\\-]+)+$",
            |text| text.split('.').count() >= 3 && text.split('.').all(is_label),
        )
        .optional()
        .map(str::to_owned)
}

/// A grant's name.
pub fn name(m: &mut Members<'_>) -> Option<String> {
    let legal = |c: char| c.is_ascii_alphanumeric() || matches!(c, ':' | '/' | '_' | '-');
    m.string("Name")
        .length(1, 256)
        .pattern("^[a-zA-Z0-9:/_-]+$", |text| {
            !text.is_empty() && text.chars().all(legal)
        })
        .optional()
        .map(str::to_owned)
}

/// The operations of a new grant.
pub fn operations(m: &mut Members<'_>) -> GrantOperations {
    let words = m
        .enumerations("Operations", GrantOperation::WORDS)
        .required();
    GrantOperations::new(words.into_iter().filter_map(GrantOperation::parse))
}

/// A grant's id as it was given; [`checked_id`] reads it.
pub fn id(m: &mut Members<'_>) -> Option<String> {
    let id = m.string("GrantId").length(1, 128).optional();
    id.map(str::to_owned)
}

/// The id of a grant.
///
/// # Errors
/// `InvalidGrantIdException` for text that is not a grant id.
pub fn checked_id(text: &str) -> Result<GrantId, KmsFault> {
    GrantId::parse(text).map_err(|_| KmsFault::InvalidGrantId)
}

/// The members of `Constraints` as they were given.
#[derive(Debug, Default)]
pub struct ConstraintsReader {
    equals: Option<Vec<(String, String)>>,
    subset: Option<Vec<(String, String)>>,
    source_arn: Option<String>,
}

/// `Constraints`; [`ConstraintsReader::checked`] tells what is wrong with them.
pub fn constraints(m: &mut Members<'_>) -> ConstraintsReader {
    let pairs = |m: &mut Members<'_>, name| {
        // An empty map counts as absent: clients send both, one of them empty.
        let pairs = m.string_map(name).optional()?;
        let pairs = pairs.into_iter();
        let pairs: Vec<_> = pairs
            .map(|(name, value)| (name.to_owned(), value.into_owned()))
            .collect();
        Some(pairs).filter(|pairs| !pairs.is_empty())
    };
    let read = m.structure("Constraints", |c| ConstraintsReader {
        subset: pairs(c, "EncryptionContextSubset"),
        equals: pairs(c, "EncryptionContextEquals"),
        source_arn: c
            .string("SourceArn")
            .length(20, 512)
            .pattern(
                "^arn:aws[a-z0-9-]*:[a-z0-9-]+:[a-z0-9-]*:[0-9]{12}:.+$",
                is_source_arn,
            )
            .optional()
            .map(str::to_owned),
    });
    read.optional().unwrap_or_default()
}

impl ConstraintsReader {
    /// The constraint of a grant.
    ///
    /// # Errors
    /// `ValidationException` for both kinds at once, too many pairs and too long values.
    pub fn checked(self) -> Result<Constraint, KmsFault> {
        let context = match (self.equals, self.subset) {
            (Some(_), Some(_)) => {
                return Err(KmsFault::validation("More than one constraint supplied"));
            }
            (Some(pairs), None) => ContextConstraint::Equals(checked_pairs(pairs)?),
            (None, Some(pairs)) => ContextConstraint::Subset(checked_pairs(pairs)?),
            (None, None) => ContextConstraint::None,
        };
        Ok(Constraint {
            context,
            source_arn: self.source_arn,
        })
    }
}

fn checked_pairs(pairs: Vec<(String, String)>) -> Result<EncryptionContext, KmsFault> {
    if pairs.len() > MAX_PAIRS {
        return Err(KmsFault::Validation {
            message: format!("A grant constraint must not have more than {MAX_PAIRS} pairs."),
        });
    }
    if pairs
        .iter()
        .any(|(_, value)| value.chars().count() > MAX_VALUE)
    {
        return Err(KmsFault::Validation {
            message: format!(
                "A value in a grant constraint must not be longer than {MAX_VALUE} characters."
            ),
        });
    }
    crate::members::checked_context(EncryptionContext::new(pairs))
}

fn is_source_arn(text: &str) -> bool {
    let Some(parts) = keyward_types::arn::ArnParts::parse(text) else {
        return false;
    };
    let lower = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    let rest = parts.partition.strip_prefix("aws");
    rest.is_some_and(|rest| rest.chars().all(lower))
        && !parts.service.is_empty()
        && parts.service.chars().all(lower)
        && parts.region.chars().all(lower)
        && parts.account.len() == 12
        && parts.account.bytes().all(|b| b.is_ascii_digit())
        && !parts.resource.is_empty()
        && !parts.resource.contains('\n')
}

/// Supplies the condition values of a grant's constraint on the encryption context.
pub fn supply_constraint(supply: &mut Supply, constraint: &Constraint) {
    match &constraint.context {
        ContextConstraint::None => {}
        ContextConstraint::Equals(context) => {
            supply.encryption_context(context);
            supply.one(
                condition_keys::GRANT_CONSTRAINT_TYPE,
                "EncryptionContextEquals",
            );
        }
        ContextConstraint::Subset(context) => {
            supply.encryption_context(context);
            supply.one(
                condition_keys::GRANT_CONSTRAINT_TYPE,
                "EncryptionContextSubset",
            );
        }
    }
}

/// Writes a constraint.
fn render_constraint(out: &mut Writer<'_>, constraint: &Constraint) {
    if *constraint == Constraint::default() {
        return;
    }
    out.object("Constraints", |out| {
        let (name, context) = match &constraint.context {
            ContextConstraint::None => ("", None),
            ContextConstraint::Equals(context) => ("EncryptionContextEquals", Some(context)),
            ContextConstraint::Subset(context) => ("EncryptionContextSubset", Some(context)),
        };
        if let Some(context) = context {
            out.object(name, |pairs| {
                for (name, value) in context.pairs() {
                    pairs.named_string(name, value);
                }
            });
        }
        if let Some(arn) = &constraint.source_arn {
            out.string("SourceArn", arn);
        }
    });
}

/// A grant as the lists show it.
#[derive(Debug)]
pub struct GrantEntry {
    key_arn: String,
    id: GrantId,
    name: Option<String>,
    created: Timestamp,
    grantee: ShownParty,
    retiring: Option<ShownParty>,
    issuing_account: String,
    operations: GrantOperations,
    constraint: Constraint,
}

/// A party as lists show it.
#[derive(Debug)]
enum ShownParty {
    Principal(String),
    Service(String),
}

impl Cx<'_> {
    /// The grant as it is listed today.
    ///
    /// # Errors
    /// When those it names cannot be looked up.
    pub async fn grant_entry(&self, grant: GrantRecord) -> Result<GrantEntry, ReadError> {
        let partition = self.partition();
        let retiring = match &grant.retiring {
            Some(party) => Some(self.shown(party).await?),
            None => None,
        };
        Ok(GrantEntry {
            key_arn: grant.key_arn().to_string(),
            grantee: self.shown(&grant.grantee).await?,
            retiring,
            issuing_account: format!("arn:{partition}:iam::{}:root", grant.issuing_account),
            id: grant.id,
            name: grant.name,
            created: grant.created,
            operations: grant.terms.operations,
            constraint: grant.terms.constraint,
        })
    }

    async fn shown(&self, party: &Party) -> Result<ShownParty, ReadError> {
        let text = self.shown_party(party).await?;
        Ok(match party {
            Party::Service {
                as_principal: false,
                ..
            } => ShownParty::Service(text),
            Party::Service {
                as_principal: true, ..
            }
            | Party::Account { .. }
            | Party::User { .. }
            | Party::Role { .. }
            | Party::Session { .. }
            | Party::FederatedUser { .. } => ShownParty::Principal(text),
        })
    }
}

impl GrantEntry {
    /// Writes its members.
    pub fn render(&self, out: &mut Writer<'_>) {
        out.string("KeyId", &self.key_arn);
        out.string("GrantId", self.id.as_str());
        // AWS shows a grant without a name with an empty one.
        out.string("Name", self.name.as_deref().unwrap_or_default());
        out.timestamp("CreationDate", self.created);
        match &self.grantee {
            ShownParty::Principal(arn) => out.string("GranteePrincipal", arn),
            ShownParty::Service(name) => out.string("GranteeServicePrincipal", name),
        }
        match &self.retiring {
            None => {}
            Some(ShownParty::Principal(arn)) => out.string("RetiringPrincipal", arn),
            Some(ShownParty::Service(name)) => out.string("RetiringServicePrincipal", name),
        }
        out.string("IssuingAccount", &self.issuing_account);
        let operations = self.operations.iter();
        out.strings("Operations", operations.map(GrantOperation::as_str));
        render_constraint(out, &self.constraint);
    }
}
