//! Notes about common mistakes, at the place of the mistake.

use keyward_types::{
    arn::ArnParts,
    principal::{Principal, PrincipalKind},
};

use super::RequestValue;
use crate::{
    condition::operator::{Base, Operator, Quantifier},
    principal::PrincipalRef,
};

/// About a condition; `met` says whether it holds, `denies` whether the statement denies.
pub(super) fn condition(
    operator: Operator,
    variables: bool,
    listed: &[String],
    found: &RequestValue,
    (met, denies): (bool, bool),
) -> Option<&'static str> {
    let wild = |text: &String| text.contains(['*', '?']);
    let note = match (found, operator.base, operator.quantifier) {
        (_, Base::Unknown, _) => {
            "there is no such operator: an Allow with it never applies, a Deny always does"
        }
        (RequestValue::Many(_), base, Quantifier::None) if base != Base::Null && denies => {
            "a multivalued key needs ForAnyValue: or ForAllValues: before the operator; AWS does \
             not document what a Deny without it does, and Keyward denies if any value matches"
        }
        (RequestValue::Many(_), base, Quantifier::None) if base != Base::Null => {
            "a multivalued key needs ForAnyValue: or ForAllValues: before the operator; without it \
             an Allow never applies"
        }
        (RequestValue::Absent, Base::Null, _) => return None,
        (RequestValue::Absent, _, Quantifier::ForAllValues) if met => {
            "ForAllValues is true if the key is absent"
        }
        (RequestValue::Absent, _, _) if met && operator.if_exists => {
            "IfExists is true if the key is absent"
        }
        (RequestValue::Absent, _, _) if met && operator.negated => {
            "a negated operator is true if the key is absent"
        }
        (_, _, _) if !variables && listed.iter().any(|text| text.contains("${")) => {
            "before Version 2012-10-17, ${…} is plain text"
        }
        (RequestValue::One(_), Base::StringEquals, _)
            if !met && !operator.negated && listed.iter().any(wild) =>
        {
            "* and ? are plain characters here; with StringLike they are wildcards"
        }
        // No listed value is the same, but one differs only in case.
        (RequestValue::One(value), Base::StringEquals | Base::StringLike, _)
            if met == operator.negated
                && listed.iter().all(|text| text != value)
                && listed.iter().any(|text| text.eq_ignore_ascii_case(value)) =>
        {
            "they differ only in case"
        }
        _ => return None,
    };
    Some(note)
}

/// About actions that do not match.
pub(super) fn action(listed: &[String], met: &str) -> Option<&'static str> {
    let names = |wanted: &str| listed.iter().any(|text| text.eq_ignore_ascii_case(wanted));
    let halves = ["kms:ReEncryptFrom", "kms:ReEncryptTo"];
    let half = halves.iter().any(|half| half.eq_ignore_ascii_case(met));
    (half && names("kms:ReEncrypt"))
        .then_some("there is no action kms:ReEncrypt; kms:ReEncrypt* matches both halves of it")
}

/// About resources that do not match.
pub(super) fn resource(variables: bool, listed: &[String], met: &str) -> Option<&'static str> {
    let any = |what: &str| listed.iter().any(|text| text.contains(what));
    if met == "*" {
        Some("the action is not about a single key, so only \"*\" or arn:…:ACCOUNT:* matches")
    } else if listed.iter().any(|text| names(text, "alias")) && names(met, "key") {
        Some(
            "the ARN of an alias never matches its key; use the condition key kms:ResourceAliases \
              instead",
        )
    } else if any("${") && variables {
        Some("a variable without a value matches nothing")
    } else if any("${") {
        Some("before Version 2012-10-17, ${…} is plain text")
    } else {
        None
    }
}

/// Whether an ARN names such a thing of KMS.
fn names(arn: &str, kind: &str) -> bool {
    ArnParts::parse(arn).is_some_and(|arn| {
        let named = arn.resource.split_once('/');
        arn.service == "kms" && named.is_some_and(|(word, _)| word == kind)
    })
}

/// About principals: those that do not name the caller, or do not except it.
pub(super) fn principal(
    listed: &[String],
    negated: bool,
    bounded: bool,
    caller: &Principal,
) -> Option<&'static str> {
    let session = matches!(
        caller.kind(),
        PrincipalKind::RoleSession { .. } | PrincipalKind::FederatedUser { .. }
    );
    let read = |text: &String| PrincipalRef::parse_aws(text).map(Form::of);
    let is_id = |text: &String| read(text) == Some(Form::Id);
    let is_wild = |text: &String| text.len() > 1 && text.contains(['*', '?']);
    let name = |arn: &str| arn.rsplit('/').next().map(str::to_owned);
    let namesake = |text: &String| {
        read(text) == Some(Form::Role) && name(text) == name(caller.principal_arn())
    };
    match (negated, session) {
        (true, _) if bounded => {
            Some("NotPrincipal with Deny always denies callers with a permissions boundary")
        }
        (true, true) => Some(
            "a session is excepted only if its own ARN, its role or user, and its account are all \
             listed",
        ),
        (true, false) => Some("a user is excepted only if its ARN and its account are listed"),
        (false, _) if listed.iter().any(is_wild) => {
            Some("wildcards have no effect in the ARN of a principal")
        }
        (false, _) if listed.iter().any(is_id) => Some(
            "a unique id is that of one user or role: if it is deleted and created again under the \
             same name, it has another id",
        ),
        (false, true) if listed.iter().any(namesake) => {
            Some("the ARN of a role includes its path, which must be the same")
        }
        (false, _) => None,
    }
}

/// What a principal entry is, as far as the notes distinguish.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Form {
    Id,
    Role,
    Other,
}

impl Form {
    fn of(principal: PrincipalRef<'_>) -> Self {
        match principal {
            PrincipalRef::Unique(_) => Self::Id,
            PrincipalRef::Role(_) => Self::Role,
            PrincipalRef::Everyone
            | PrincipalRef::Account { .. }
            | PrincipalRef::User(_)
            | PrincipalRef::Session { .. }
            | PrincipalRef::FederatedUser(_)
            | PrincipalRef::Service(_)
            | PrincipalRef::Federated(_)
            | PrincipalRef::CanonicalUser(_) => Self::Other,
        }
    }
}
