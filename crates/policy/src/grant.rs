//! A grant compared with a request: does it let the caller do this, and if not, why not?
//!
//! <https://docs.aws.amazon.com/kms/latest/developerguide/grants.html>

use keyward_types::{account::AccountId, partition::Partition, principal::Principal};

use crate::principal::{Bindings, Class, Grantee, PrincipalRef};

/// What grants can let their grantees do: AWS's names of the operations, which are also the
/// actions without `kms:`.
pub const GRANT_OPERATIONS: &[&str] = &[
    "Decrypt",
    "Encrypt",
    "GenerateDataKey",
    "GenerateDataKeyWithoutPlaintext",
    "ReEncryptFrom",
    "ReEncryptTo",
    "Sign",
    "Verify",
    "GetPublicKey",
    "CreateGrant",
    "RetireGrant",
    "DescribeKey",
    "GenerateDataKeyPair",
    "GenerateDataKeyPairWithoutPlaintext",
    "GenerateMac",
    "VerifyMac",
    "DeriveSharedSecret",
    "Encapsulate",
    "Decapsulate",
];

/// A grant on the key that a request is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Grant {
    /// What the grant is called in evidence: its id.
    pub id: String,
    /// Who may use it.
    pub grantee: Party,
    /// What it lets the grantee do, by AWS's names.
    pub operations: Vec<String>,
    /// What its constraints ask of a request.
    pub constraints: Constraints,
    /// Who else may retire it.
    pub retiring: Option<Party>,
    /// The account whose principal made it.
    pub issuer: Option<Party>,
}

/// A principal that a grant names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Party {
    /// The principal as written.
    pub text: String,
    /// It compiled.
    pub grantee: Grantee,
}

impl Party {
    /// Reads a principal: the ARN of an account, user, role, session or federated user, a unique
    /// id, or the name of a service. None for anything else.
    pub fn parse(text: &str, bindings: &Bindings) -> Option<Self> {
        let principal = PrincipalRef::parse_aws(text).or_else(|| PrincipalRef::parse_service(text));
        let principal = principal.filter(|found| *found != PrincipalRef::Everyone)?;
        Some(Self {
            text: text.to_owned(),
            grantee: Grantee::compile(&principal, bindings),
        })
    }

    /// An account.
    pub fn account(partition: Partition, account: AccountId) -> Self {
        let partition = Some(partition);
        let principal = PrincipalRef::Account { partition, account };
        Self {
            text: account.to_string(),
            grantee: Grantee::compile(&principal, &Bindings::new()),
        }
    }
}

/// What a grant asks of a request.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Constraints {
    /// The encryption context must be exactly this.
    pub equals: Option<Vec<(String, String)>>,
    /// The encryption context must hold these pairs.
    pub subset: Option<Vec<(String, String)>>,
    /// The caller, a service, must act for this resource.
    pub source_arn: Option<String>,
}

/// The part of a request that matters for grants.
#[derive(Clone, Copy, Debug, Default)]
pub struct GrantUse<'a> {
    /// The encryption context, for CreateGrant that of the new grant's constraint.
    pub pairs: &'a [(String, String)],
    /// `aws:SourceArn`
    pub source_arn: Option<&'a str>,
    /// `kms:GrantOperations`, if the call is CreateGrant and they are known.
    pub new_operations: Option<&'a [String]>,
    /// `kms:GrantConstraintType`, if the call is CreateGrant and the new grant has such a
    /// constraint.
    pub new_constraint: Option<&'a str>,
    /// `kms:GrantConstraintSourceArn`, if the call is CreateGrant and the new grant has one.
    pub new_source_arn: Option<&'a str>,
}

/// Why a grant does not allow the request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Unmet {
    /// The grant names somebody else.
    Grantee,
    /// It does not list the operation.
    Operation,
    /// The encryption context is not exactly the grant's.
    Equals,
    /// The encryption context lacks this pair.
    Subset(String, String),
    /// The caller acts for another resource, or for none.
    SourceArn,
    /// RetireGrant: the caller is neither the retiring principal, nor a grantee that may retire,
    /// nor in the account that created the grant.
    Standing,
    /// CreateGrant by this grant would make one that allows more than it.
    Widens,
}

impl Grant {
    /// How the grant reaches the caller for the action, or all that keeps it from doing so.
    ///
    /// # Errors
    /// What is not met, never empty.
    pub fn check(
        &self,
        caller: &Principal,
        action: &str,
        usage: &GrantUse<'_>,
    ) -> Result<Class, Vec<Unmet>> {
        let operation = action
            .split_once(':')
            .filter(|(service, _)| service.eq_ignore_ascii_case("kms"))
            .map_or("", |(_, operation)| operation);
        let lists = |wanted: &str| {
            let mut operations = self.operations.iter();
            operations.any(|listed| listed.eq_ignore_ascii_case(wanted))
        };
        if operation.eq_ignore_ascii_case("RetireGrant") {
            let grantee = Some(&self.grantee).filter(|_| lists("RetireGrant"));
            return [grantee, self.retiring.as_ref(), self.issuer.as_ref()]
                .into_iter()
                .filter_map(|party| party?.grantee.reaches(caller))
                .max()
                .ok_or_else(|| vec![Unmet::Standing]);
        }
        let mut unmet = Vec::new();
        let class = self.grantee.grantee.reaches(caller);
        if class.is_none() {
            unmet.push(Unmet::Grantee);
        }
        if !lists(operation) {
            unmet.push(Unmet::Operation);
        }
        self.check_constraints(operation, usage, &mut unmet);
        if operation.eq_ignore_ascii_case("CreateGrant") && self.is_widened(usage) {
            unmet.push(Unmet::Widens);
        }
        match class {
            Some(class) if unmet.is_empty() => Ok(class),
            Some(_) | None => Err(unmet),
        }
    }

    fn check_constraints(&self, operation: &str, usage: &GrantUse<'_>, unmet: &mut Vec<Unmet>) {
        let Constraints {
            equals,
            subset,
            source_arn,
        } = &self.constraints;
        if !operation.eq_ignore_ascii_case("DescribeKey") {
            if let Some(wanted) = equals
                && (wanted.len() != usage.pairs.len()
                    || !wanted.iter().all(|pair| usage.pairs.contains(pair)))
            {
                unmet.push(Unmet::Equals);
            }
            for pair in subset.iter().flatten() {
                if !usage.pairs.contains(pair) {
                    unmet.push(Unmet::Subset(pair.0.clone(), pair.1.clone()));
                }
            }
        }
        // Only a service can act for a resource; other callers do not act for this one.
        if source_arn.is_some() && source_arn.as_deref() != usage.source_arn {
            unmet.push(Unmet::SourceArn);
        }
    }

    /// Whether a new grant that is created with this one allows more, as far as the request shows.
    fn is_widened(&self, usage: &GrantUse<'_>) -> bool {
        let more = usage
            .new_operations
            .is_some_and(|new| new.iter().any(|one| !self.operations.contains(one)));
        // A grant for exactly these pairs cannot be used to grant access for these and others.
        let looser = self.constraints.equals.is_some()
            && usage.new_constraint != Some("EncryptionContextEquals");
        let wanted = self.constraints.source_arn.as_deref();
        let elsewhere = wanted.is_some() && usage.new_source_arn != wanted;
        more || looser || elsewhere
    }
}

#[cfg(test)]
mod tests {
    use keyward_types::unique_id::{UniqueId, UniqueIdKind};

    use super::*;

    fn grant(operations: &[&str]) -> Grant {
        Grant {
            id: "g".into(),
            grantee: Party::parse("arn:aws:iam::111122223333:root", &Bindings::new()).unwrap(),
            operations: operations.iter().map(|o| (*o).to_owned()).collect(),
            constraints: Constraints::default(),
            retiring: None,
            issuer: None,
        }
    }

    fn pairs(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
        let own = |(a, b): &(&str, &str)| ((*a).to_owned(), (*b).to_owned());
        pairs.iter().map(own).collect()
    }

    fn alice() -> Principal {
        let account = AccountId::parse("111122223333").unwrap();
        let id = UniqueId::stand_in(UniqueIdKind::User, 1);
        Principal::user(Partition::Aws, account, "/", "alice", id)
    }

    #[test]
    fn a_new_grant_never_allows_more_than_the_one_it_rests_on() {
        let mut parent = grant(&["CreateGrant", "Decrypt"]);
        parent.constraints.equals = Some(pairs(&[("a", "b")]));
        let same = pairs(&[("a", "b")]);
        let decrypt = ["Decrypt".to_owned()];
        let encrypt = ["Encrypt".to_owned()];
        let mut usage = GrantUse {
            pairs: &same,
            new_operations: Some(&decrypt),
            new_constraint: Some("EncryptionContextEquals"),
            ..GrantUse::default()
        };
        let check = |usage: &GrantUse<'_>| parent.check(&alice(), "kms:CreateGrant", usage);
        assert_eq!(check(&usage), Ok(Class::Account));
        usage.new_operations = Some(&encrypt);
        assert_eq!(check(&usage), Err(vec![Unmet::Widens]));
        usage.new_operations = Some(&decrypt);
        usage.new_constraint = Some("EncryptionContextSubset");
        assert_eq!(check(&usage), Err(vec![Unmet::Widens]));
        usage.pairs = &[];
        usage.new_constraint = None;
        assert_eq!(check(&usage), Err(vec![Unmet::Equals, Unmet::Widens]));
    }

    #[test]
    fn all_that_is_not_met_is_told() {
        let mut some = grant(&["Encrypt"]);
        some.constraints.subset = Some(pairs(&[("a", "b"), ("c", "d")]));
        let given = pairs(&[("a", "b")]);
        let usage = GrantUse {
            pairs: &given,
            ..GrantUse::default()
        };
        assert_eq!(
            some.check(&alice(), "kms:Decrypt", &usage),
            Err(vec![
                Unmet::Operation,
                Unmet::Subset("c".into(), "d".into())
            ])
        );
    }
}
