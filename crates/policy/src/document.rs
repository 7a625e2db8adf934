//! The policy document: its text read into statements, and the ways the text can be wrong.
//!
//! <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_grammar.html>

mod read;
mod stored;
pub mod validate;
mod warnings;

use crate::{
    condition::operator::Operator, json::Json, pattern::Glob, principal::PrincipalRef, work::Work,
};

/// What a document is for; it decides which elements it may have and how long it may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum PolicyKind {
    /// The policy of a KMS key.
    Key,
    /// A policy embedded in a user, group or role.
    Identity,
    /// A managed policy, to be attached to identities.
    ManagedIdentity,
    /// A managed policy as a permissions boundary.
    Boundary,
    /// A policy given with the request for a session.
    Session,
    /// A role's trust policy.
    Trust,
    /// An organization's service control policy.
    Scp,
    /// An organization's resource control policy.
    Rcp,
    /// The policy of a VPC endpoint.
    Endpoint,
    /// The policy of a file system of EFS.
    FileSystem,
}

/// A policy that has been read and found valid for its kind.
#[derive(Clone, Debug)]
pub struct Document {
    kind: PolicyKind,
    variables: bool,
    pub(crate) json: Json,
    pub(crate) statements: Vec<Statement>,
    faults: Vec<String>,
}

/// A statement as written.
#[derive(Clone, Debug)]
pub(crate) struct Statement {
    pub(crate) sid: Option<String>,
    pub(crate) effect: Effect,
    pub(crate) principals: Option<Listed<(PrincipalType, String)>>,
    pub(crate) actions: Option<Listed<String>>,
    pub(crate) resources: Option<Listed<String>>,
    pub(crate) conditions: Vec<ConditionText>,
}

/// What a matching statement does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Effect {
    Allow,
    Deny,
}

/// An element and its `Not…` twin.
#[derive(Clone, Debug)]
pub(crate) struct Listed<T> {
    pub(crate) negated: bool,
    pub(crate) values: Vec<T>,
}

/// The key under which a principal is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum PrincipalType {
    Aws,
    Service,
    Federated,
    CanonicalUser,
}

/// A key under an operator, with the texts of its values.
#[derive(Clone, Debug)]
pub(crate) struct ConditionText {
    pub(crate) operator: Operator,
    /// The operator's name as written.
    pub(crate) name: String,
    pub(crate) key: String,
    pub(crate) values: Vec<String>,
}

impl Document {
    /// Reads and validates a text.
    ///
    /// # Errors
    /// The failure that AWS would report first; it displays as AWS's message.
    pub fn parse(text: &str, kind: PolicyKind) -> Result<Self, PolicyError> {
        validate::check_text(text, kind)?;
        let syntax = validate::syntax_error(kind);
        let json = Json::parse(text).ok_or(syntax.clone())?;
        let Json::Object(members) = &json else {
            return Err(syntax.into());
        };
        let mut version = None;
        let mut statements = Vec::new();
        for (name, value) in members {
            match (name.as_str(), value) {
                ("Version", Json::String(text)) if text == "2012-10-17" => version = Some(true),
                ("Version", Json::String(text)) if text == "2008-10-17" => version = Some(false),
                ("Id", Json::String(_)) if validate::admits_id(kind) => {}
                ("Statement", value) => {
                    for statement in one_or_many(value) {
                        statements.push(read::read_statement(statement, kind)?);
                    }
                }
                _ => return Err(syntax.into()),
            }
        }
        if statements.is_empty() {
            return Err(syntax.into());
        }
        let document = Self {
            kind,
            variables: version == Some(true),
            json,
            statements,
            faults: Vec::new(),
        };
        validate::check(&document)?;
        Ok(document)
    }

    /// Reads a text that is treated as stored already: the language is checked, but not what AWS
    /// checks in a new policy of the kind (its length, version and Sids, which resources it may
    /// name, the over-permissive conditions). What evaluation does not understand is decided on the
    /// safe side and noted in [`faults`](Self::faults).
    ///
    /// # Errors
    /// The text is not a policy: not JSON, an unknown or duplicate element, a bad effect, a
    /// malformed variable, a principal where none may be or none where one must be. Displays as
    /// what is wrong and where.
    pub fn parse_stored(text: &str, kind: PolicyKind) -> Result<Self, NoPolicy> {
        stored::read(text, kind).map_err(NoPolicy)
    }

    /// What evaluation does not understand in a stored text, statement by statement: an unknown
    /// operator (a statement that allows never applies, one that denies as if the condition held),
    /// an invalid principal (it matches nobody), in policies of IAM a statement without actions or
    /// resources (it never applies).
    pub fn faults(&self) -> &[String] {
        &self.faults
    }

    /// What is valid and probably not what its author meant, statement by statement: a multivalued
    /// condition key without a set operator, a service that is not known, a statement of a key
    /// policy that has no effect.
    pub fn warnings(&self) -> Vec<String> {
        warnings::of(self)
    }

    /// What the document is for.
    pub fn kind(&self) -> PolicyKind {
        self.kind
    }

    /// Whether `${…}` is a variable: it is from version 2012-10-17 on.
    pub(crate) fn has_variables(&self) -> bool {
        self.variables
    }

    /// Every principal of every statement, as often as it is there. Before a document is stored,
    /// users and roles must be bound to their unique ids, unique ids and the roles of sessions must
    /// exist; [`unknown_principal`](Self::unknown_principal) is the error if not.
    pub fn principals(&self) -> impl Iterator<Item = PrincipalRef<'_>> {
        self.statements
            .iter()
            .filter_map(|statement| statement.principals.as_ref())
            .flat_map(|listed| &listed.values)
            .filter_map(|(kind, text)| principal(*kind, text))
    }

    /// Every principal in a statement that allows the action, as often as it occurs; NotPrincipal
    /// counts as everybody. Conditions are ignored.
    pub fn admitted(&self, action: &str) -> impl Iterator<Item = PrincipalRef<'_>> {
        let allows = |statement: &&Statement| {
            statement.effect == Effect::Allow
                && (statement.actions.as_ref()).is_some_and(|listed| names_action(listed, action))
        };
        let named = self
            .statements
            .iter()
            .filter(allows)
            .filter_map(|statement| statement.principals.as_ref());
        named.flat_map(|listed| {
            let everybody = listed.negated.then_some(PrincipalRef::Everyone);
            let each = listed.values.iter().filter(|_| !listed.negated);
            let each = each.filter_map(|(kind, text)| principal(*kind, text));
            everybody.into_iter().chain(each)
        })
    }

    /// The error for a principal that does not exist. `text` is the principal as written.
    pub fn unknown_principal(&self, principal: &PrincipalRef<'_>) -> PolicyError {
        let (word, text) = match principal {
            PrincipalRef::Everyone => ("AWS", "*".to_owned()),
            PrincipalRef::Account {
                partition: Some(partition),
                account,
            } => ("AWS", format!("arn:{partition}:iam::{account}:root")),
            PrincipalRef::Account {
                partition: None,
                account,
            } => ("AWS", account.to_string()),
            PrincipalRef::User(arn)
            | PrincipalRef::Role(arn)
            | PrincipalRef::Session { arn, .. }
            | PrincipalRef::FederatedUser(arn) => ("AWS", (*arn).to_owned()),
            PrincipalRef::Unique(id) => ("AWS", id.to_string()),
            PrincipalRef::Service(name) => ("SERVICE", (*name).to_owned()),
            PrincipalRef::Federated(name) => ("FEDERATED", (*name).to_owned()),
            PrincipalRef::CanonicalUser(id) => ("CANONICALUSER", (*id).to_owned()),
        };
        validate::invalid_principal(self.kind, word, &text).into()
    }

    /// The condition keys that the document asks for, in conditions and variables, each as it is
    /// written first.
    pub fn context_keys(&self) -> Vec<String> {
        let mut found: Vec<String> = Vec::new();
        let mut add = |key: &str| {
            if !found.iter().any(|known| known.eq_ignore_ascii_case(key)) {
                found.push(key.to_owned());
            }
        };
        for statement in &self.statements {
            for condition in &statement.conditions {
                add(&condition.key);
            }
            let values = statement.conditions.iter().flat_map(|c| &c.values);
            let resources = statement.resources.iter().flat_map(|l| &l.values);
            for text in resources.chain(values).filter(|_| self.variables) {
                for variable in text.split("${").skip(1) {
                    let name = variable.split(['}', ',']).next().unwrap_or_default().trim();
                    if name.contains(':') {
                        add(name);
                    }
                }
            }
        }
        found
    }

    /// How many characters other than white space the text has: what IAM's quotas count.
    pub fn size(text: &str) -> usize {
        text.chars().filter(|c| !c.is_ascii_whitespace()).count()
    }
}

/// A value without brackets is a list of one.
pub(crate) fn one_or_many(value: &Json) -> &[Json] {
    match value {
        Json::Array(values) => values,
        Json::Null | Json::Bool(_) | Json::Number(_) | Json::String(_) | Json::Object(_) => {
            std::slice::from_ref(value)
        }
    }
}

/// Whether `Action` or `NotAction` matches an action with its prefix.
fn names_action(listed: &Listed<String>, action: &str) -> bool {
    let work = Work::new(u64::MAX);
    let action = action.to_ascii_lowercase();
    let named = listed
        .values
        .iter()
        .any(|text| text == "*" || Glob::parse(&text.to_ascii_lowercase()).matches(&action, &work));
    named != listed.negated
}

/// The principal a text names; `None` if it names nothing that can be one.
pub(crate) fn principal(kind: PrincipalType, text: &str) -> Option<PrincipalRef<'_>> {
    match kind {
        PrincipalType::Aws => PrincipalRef::parse_aws(text),
        PrincipalType::Service => PrincipalRef::parse_service(text),
        PrincipalType::Federated => PrincipalRef::parse_federated(text),
        PrincipalType::CanonicalUser => Some(PrincipalRef::CanonicalUser(text)),
    }
}

/// A text cannot be read as a policy at all.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct NoPolicy(String);

/// Why a text is not a policy of its kind.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PolicyError {
    /// The text breaks the language. KMS: `MalformedPolicyDocumentException`, IAM:
    /// `MalformedPolicyDocument`.
    #[error(transparent)]
    Malformed(#[from] MalformedPolicy),
    /// The text is too long. KMS: `LimitExceededException`, IAM: `LimitExceeded`.
    #[error(transparent)]
    TooLong(#[from] PolicyTooLong),
    /// The text has a character outside U+0009, U+000A, U+000D and U+0020 to U+00FF. KMS:
    /// `ValidationException` by the model's pattern, IAM: `ValidationError`.
    #[error(
        "The specified value for policyDocument is invalid. It must contain only printable ASCII \
         characters."
    )]
    Characters,
}

/// The text is longer than its kind may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("Cannot exceed quota for {quota}: {limit}")]
pub struct PolicyTooLong {
    /// The name of the quota.
    pub quota: &'static str,
    /// The most there may be.
    pub limit: usize,
}

/// How a text breaks the policy language. Displays as AWS's message.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MalformedPolicy {
    /// Not JSON, not an object, an unknown or duplicate element, no statement, a bad effect, an
    /// unknown operator.
    #[error("Syntax errors in policy.")]
    Syntax,
    /// The same in a trust policy.
    #[error("This policy contains invalid Json")]
    Json,
    /// IAM does not accept a version before 2012-10-17, nor a missing version.
    #[error("Policy document must be version 2012-10-17 or greater.")]
    Version,
    /// What IAM's older parser refuses: an effect in the wrong case, a resource with too few parts,
    /// an invalid date.
    #[error("The policy failed legacy parsing")]
    LegacyParsing,
    /// A statement of a key policy names nobody.
    #[error("Policy contains a statement with no principal.")]
    NoPrincipal,
    /// A key policy names a principal that does not exist or is not valid.
    #[error("Policy contains a statement with one or more invalid principals.")]
    InvalidPrincipals,
    /// A statement of a key policy is not about the key.
    #[error("Policy contains a statement with one or more invalid resources.")]
    InvalidResources,
    /// An identity policy names a principal.
    #[error("Policy document should not specify a principal.")]
    Principal,
    /// A statement without actions.
    #[error("Policy statement must contain actions.")]
    NoActions,
    /// A statement without resources.
    #[error("Policy statement must contain resources.")]
    NoResources,
    /// `ForAllValues` on `kms:EncryptionContext:<key>` in a statement that allows.
    #[error(
        "OverlyPermissiveCondition:EncryptionContext: Using the ForAllValues set operator with a \
         single-valued condition key matches requests without the specified encryption context \
         or with an unspecified encryption context. To fix, remove ForAllValues."
    )]
    OverlyPermissiveContext,
    /// `ForAllValues` on `aws:RequestTag/<key>` in a statement that allows.
    #[error(
        "OverlyPermissiveCondition: Using the ForAllValues set operator with a single-valued \
         condition key matches requests without the specified tag or with an unspecified tag. To \
         fix, remove ForAllValues."
    )]
    OverlyPermissiveTag,
    /// A Sid occurs twice.
    #[error("Statement IDs (SID) in a single policy must be unique.")]
    DuplicateSid,
    /// A Sid has other characters than letters and digits.
    #[error(
        "Statement IDs (SID) must be alpha-numeric. Check that your input satisfies the regular \
         expression [0-9A-Za-z]*"
    )]
    Sid,
    /// An action or condition key without `service:`.
    #[error("Actions/Conditions must be prefaced by a vendor, e.g., iam, sdb, ec2, etc.")]
    NoVendor,
    /// An action with two colons.
    #[error("Actions/Condition can contain only one colon.")]
    TwoColons,
    /// A service prefix that cannot be one.
    #[error("Vendor {vendor} is not valid")]
    Vendor {
        /// The prefix.
        vendor: String,
    },
    /// A resource that is neither an ARN nor `*`.
    #[error("Resource {resource} must be in ARN format or \"*\".")]
    Resource {
        /// The resource.
        resource: String,
    },
    /// A resource in no partition.
    #[error("Partition \"{partition}\" is not valid for resource \"{resource}\".")]
    Partition {
        /// The partition.
        partition: String,
        /// The resource.
        resource: String,
    },
    /// A resource of IAM in a Region.
    #[error("IAM resource {resource} cannot contain region information.")]
    IamRegion {
        /// The resource.
        resource: String,
    },
    /// A resource of IAM of an unknown kind.
    #[error(
        "IAM resource path must either be \"*\", root, or start with user/, federated-user/, role/, \
         group/, instance-profile/, mfa/, server-certificate/, policy/, sms-mfa/, saml-provider/, \
         oidc-provider/, report/, access-report/."
    )]
    IamPath,
    /// A bucket or object in a Region.
    #[error("Resource {resource} can not contain region information.")]
    S3Region {
        /// The resource.
        resource: String,
    },
    /// A resource whose service is missing or a pattern.
    #[error("Resource vendor must be fully qualified and cannot contain regexes.")]
    ResourceVendor,
    /// A trust policy with an element it must not have.
    #[error("Has prohibited field {field}")]
    Prohibited {
        /// The element.
        field: &'static str,
    },
    /// A trust policy without an element it must have.
    #[error("Missing required field {field}")]
    Missing {
        /// The element.
        field: &'static str,
    },
    /// A trust policy names a principal that does not exist or is not valid.
    #[error("Invalid principal in policy: \"{word}\":\"{principal}\"")]
    InvalidPrincipal {
        /// `AWS`, `SERVICE` or `FEDERATED`.
        word: &'static str,
        /// The principal.
        principal: String,
    },
    /// A trust policy names something that is not an identity provider.
    #[error("Federated principals must be valid domain names or SAML metadata ARNs")]
    Federated,
    /// A trust policy has actions that do not assume a role.
    #[error("AssumeRole policy may only specify STS AssumeRole actions.")]
    NotAssumeRole,
    /// A resource control policy allows, names somebody, or has NotAction or NotPrincipal.
    #[error(
        "The provided policy document does not meet the requirements of the specified policy type."
    )]
    PolicyType,
    /// The new key policy does not let its author change it again (the lockout safety check).
    #[error("The new key policy will not allow you to update the key policy in the future.")]
    Lockout,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_those_whom_an_allow_of_the_action_names_are_admitted() {
        let text = r#"{"Version":"2012-10-17","Statement":[
            {"Effect":"Allow","Principal":{"AWS":"arn:aws:iam::111122223333:user/a"},"Action":"kms:De*","Resource":"*"},
            {"Effect":"Allow","Principal":{"AWS":"arn:aws:iam::111122223333:user/b"},"Action":"kms:Encrypt","Resource":"*"},
            {"Effect":"Allow","Principal":{"AWS":"arn:aws:iam::111122223333:user/c"},"NotAction":"kms:Encrypt","Resource":"*"},
            {"Effect":"Deny","Principal":"*","Action":"*","Resource":"*"},
            {"Effect":"Allow","Principal":{"Service":"logs.amazonaws.com"},"Action":"*","Resource":"*"}]}"#;
        let document = Document::parse_stored(text, PolicyKind::Key).unwrap();
        let admitted = |action| document.admitted(action).collect::<Vec<_>>();
        let user = |name| PrincipalRef::User(name);
        assert_eq!(
            admitted("kms:Decrypt"),
            [
                user("arn:aws:iam::111122223333:user/a"),
                user("arn:aws:iam::111122223333:user/c"),
                PrincipalRef::Service("logs.amazonaws.com"),
            ]
        );
        assert_eq!(
            admitted("kms:Encrypt"),
            [
                user("arn:aws:iam::111122223333:user/b"),
                PrincipalRef::Service("logs.amazonaws.com"),
            ]
        );
    }
}
