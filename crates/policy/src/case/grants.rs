//! The grants of a case.

use crate::{
    grant::{Constraints, GRANT_OPERATIONS, Grant, Party},
    json::Json,
    principal::{Bindings, PrincipalRef},
};

/// A grant as the case writes it.
#[derive(Debug, Default)]
pub(super) struct GrantCase {
    grantee: String,
    operations: Vec<String>,
    constraints: Constraints,
    retiring: Option<String>,
    issuer: Option<String>,
}

impl GrantCase {
    pub(super) fn read(text: &str) -> Result<Self, String> {
        let Some(Json::Object(members)) = Json::parse(text) else {
            return Err("a grant must be a JSON object, with each member once".to_owned());
        };
        let mut grant = Self::default();
        for (name, value) in members {
            if value == Json::Null {
                continue;
            }
            match name.as_str() {
                "grantee" => grant.grantee = party(&name, value)?,
                "retiringPrincipal" => grant.retiring = Some(party(&name, value)?),
                "issuingAccount" => grant.issuer = Some(account(&name, value)?),
                "operations" => grant.operations = operations(value)?,
                "encryptionContextEquals" => {
                    grant.constraints.equals = Some(pairs(&name, value)?);
                }
                "encryptionContextSubset" => {
                    grant.constraints.subset = Some(pairs(&name, value)?);
                }
                "sourceArn" => grant.constraints.source_arn = Some(string(&name, value)?),
                _ => return Err(format!("{name:?} is not a member of a grant")),
            }
        }
        if grant.grantee.is_empty() {
            return Err("grantee is missing".to_owned());
        }
        if grant.operations.is_empty() {
            return Err("operations is missing".to_owned());
        }
        let Constraints { equals, subset, .. } = &grant.constraints;
        if equals.is_some() && subset.is_some() {
            return Err(
                "encryptionContextEquals and encryptionContextSubset cannot be used \
                 together"
                    .to_owned(),
            );
        }
        Ok(grant)
    }

    /// The grant at that place, its principals bound. None never: they were read before.
    pub(super) fn grant(&self, index: usize, bindings: &Bindings) -> Option<Grant> {
        let read = |text: &String| Party::parse(text, bindings);
        Some(Grant {
            id: format!("grants[{index}]"),
            grantee: read(&self.grantee)?,
            operations: self.operations.clone(),
            constraints: self.constraints.clone(),
            retiring: self.retiring.as_ref().and_then(read),
            issuer: self.issuer.as_ref().and_then(read),
        })
    }
}

fn string(name: &str, value: Json) -> Result<String, String> {
    match value {
        Json::String(text) => Ok(text),
        Json::Null | Json::Bool(_) | Json::Number(_) | Json::Array(_) | Json::Object(_) => {
            Err(format!("{name} must be a string"))
        }
    }
}

fn party(name: &str, value: Json) -> Result<String, String> {
    let text = string(name, value)?;
    match Party::parse(&text, &Bindings::new()) {
        Some(_) => Ok(text),
        None => Err(format!(
            "{name} must be the ARN of an account's root, a user, a role, a session or a federated \
             user, or the name of a service"
        )),
    }
}

fn account(name: &str, value: Json) -> Result<String, String> {
    let text = string(name, value)?;
    match PrincipalRef::parse_aws(&text) {
        Some(PrincipalRef::Account { .. }) => Ok(text),
        Some(
            PrincipalRef::Everyone
            | PrincipalRef::User(_)
            | PrincipalRef::Role(_)
            | PrincipalRef::Session { .. }
            | PrincipalRef::FederatedUser(_)
            | PrincipalRef::Unique(_)
            | PrincipalRef::Service(_)
            | PrincipalRef::Federated(_)
            | PrincipalRef::CanonicalUser(_),
        )
        | None => Err(format!(
            "{name} must be an account's root ARN or twelve digits"
        )),
    }
}

fn operations(value: Json) -> Result<Vec<String>, String> {
    const FORM: &str = "operations must be a list of grant operations, such as Decrypt";
    let Json::Array(values) = value else {
        return Err(FORM.to_owned());
    };
    values
        .into_iter()
        .map(|value| {
            let name = string("operations", value).map_err(|_| FORM)?;
            match GRANT_OPERATIONS.contains(&name.as_str()) {
                true => Ok(name),
                false => Err(format!("{name:?} is not a grant operation")),
            }
        })
        .collect()
}

fn pairs(name: &str, value: Json) -> Result<Vec<(String, String)>, String> {
    let wrong = || format!("{name} must be an object of strings");
    let Json::Object(members) = value else {
        return Err(wrong());
    };
    let pairs = members.into_iter().map(|(key, value)| match value {
        Json::String(text) => Ok((key, text)),
        Json::Null | Json::Bool(_) | Json::Number(_) | Json::Array(_) | Json::Object(_) => {
            Err(wrong())
        }
    });
    pairs.collect()
}
