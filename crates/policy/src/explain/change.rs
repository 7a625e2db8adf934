//! Changes that make a denial an allow, as data.

use crate::{decision::Layer, json::write_string};

/// What would allow a call: changes to be made in their order. None of them can be left out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Suggestion {
    /// The changes.
    pub changes: Vec<ProposedChange>,
}

/// One change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ProposedChange {
    /// Add a statement to a policy.
    AddStatement(StatementTarget, NewStatement),
    /// Except the caller from a statement that denies, by one more condition `StringNotEquals` on
    /// `aws:PrincipalArn` (beside values that are there already).
    ExceptCaller(At, String),
    /// Remove a statement that denies.
    RemoveStatement(At),
    /// Make the call with this pair in its encryption context.
    SupplyPair {
        /// The pair's name.
        name: String,
        /// Its value.
        value: String,
        /// The value that the call has under that name.
        instead_of: Option<String>,
    },
    /// Create a grant on the key, without constraints.
    CreateGrant {
        /// The grantee.
        grantee: String,
        /// The one operation that it allows.
        operation: String,
    },
}

/// Where a statement is to be added.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StatementTarget {
    /// The kind of policy.
    pub layer: Layer,
    /// The level of service control policies, from the root at 0.
    pub level: Option<usize>,
    /// The place of the policy among those of its kind (and level); none: a new one.
    pub policy: Option<usize>,
    /// What that policy is called.
    pub name: Option<String>,
}

/// Where a statement is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct At {
    /// The policy.
    pub target: StatementTarget,
    /// The statement's place, from 0, after the changes before this one.
    pub index: usize,
    /// Its Sid.
    pub sid: Option<String>,
}

/// A statement that allows one action.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewStatement {
    /// Whom it names; `None` where policies name nobody.
    pub principal: Option<NewPrincipal>,
    /// The action.
    pub action: String,
    /// The resource; none in trust policies.
    pub resource: Option<String>,
    /// For a service: the resource that it must act for, by `aws:SourceArn`.
    pub source_arn: Option<String>,
}

/// Whom a new statement names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NewPrincipal {
    /// An ARN.
    Aws(String),
    /// The name of a service.
    Service(String),
    /// The ARN of an identity provider.
    Federated(String),
}

impl NewStatement {
    /// The statement as JSON.
    pub fn to_json(&self) -> String {
        let mut out = String::from("{\"Effect\":\"Allow\"");
        match &self.principal {
            Some(NewPrincipal::Aws(arn)) => member(&mut out, "Principal", "AWS", arn),
            Some(NewPrincipal::Service(name)) => member(&mut out, "Principal", "Service", name),
            Some(NewPrincipal::Federated(arn)) => member(&mut out, "Principal", "Federated", arn),
            None => {}
        }
        out.push_str(",\"Action\":");
        write_string(&self.action, &mut out);
        if let Some(resource) = &self.resource {
            out.push_str(",\"Resource\":");
            write_string(resource, &mut out);
        }
        if let Some(arn) = &self.source_arn {
            out.push_str(",\"Condition\":{\"StringEquals\":{\"aws:SourceArn\":");
            write_string(arn, &mut out);
            out.push_str("}}");
        }
        out.push('}');
        out
    }
}

fn member(out: &mut String, outer: &str, inner: &str, value: &str) {
    out.push(',');
    write_string(outer, out);
    out.push_str(":{");
    write_string(inner, out);
    out.push(':');
    write_string(value, out);
    out.push('}');
}
