//! The texts that stored policies are shown as: principals turned back into today's ARNs, laid out
//! as KMS lays key policies out, or without white space as IAM does trust policies.

use keyward_types::{partition::Partition, unique_id::UniqueId};

use crate::{
    document::{Document, one_or_many},
    json::Json,
    principal::{Bindings, PrincipalRef},
};

/// Renders a stored document. `arn_of` returns the ARN that a unique id has today, or `None` if it
/// was deleted: then the id itself is shown. Bare account ids become the account's ARN in
/// `partition`.
pub fn for_display(
    document: &Document,
    bindings: &Bindings,
    partition: Partition,
    arn_of: &dyn Fn(&UniqueId) -> Option<String>,
) -> String {
    let mut out = String::new();
    write(&today(document, bindings, partition, arn_of), 0, &mut out);
    out
}

/// As [`for_display`], without white space outside texts.
pub fn compact(
    document: &Document,
    bindings: &Bindings,
    partition: Partition,
    arn_of: &dyn Fn(&UniqueId) -> Option<String>,
) -> String {
    let mut out = String::new();
    write_compact(&today(document, bindings, partition, arn_of), &mut out);
    out
}

/// The document as it was written, without white space outside texts.
pub fn without_space(document: &Document) -> String {
    let mut out = String::new();
    write_compact(&document.json, &mut out);
    out
}

/// The document with principals as they are called today.
fn today(
    document: &Document,
    bindings: &Bindings,
    partition: Partition,
    arn_of: &dyn Fn(&UniqueId) -> Option<String>,
) -> Json {
    let shown = |text: &str| match PrincipalRef::parse_aws(text) {
        Some(PrincipalRef::Account {
            partition: None,
            account,
        }) => format!("arn:{partition}:iam::{account}:root"),
        Some(PrincipalRef::User(arn) | PrincipalRef::Role(arn)) => match bindings.get(arn) {
            Some(id) => arn_of(id).unwrap_or_else(|| id.to_string()),
            None => arn.to_owned(),
        },
        Some(PrincipalRef::Unique(id)) => arn_of(&id).unwrap_or_else(|| id.to_string()),
        Some(
            PrincipalRef::Everyone
            | PrincipalRef::Account { .. }
            | PrincipalRef::Session { .. }
            | PrincipalRef::FederatedUser(_)
            | PrincipalRef::Service(_)
            | PrincipalRef::Federated(_)
            | PrincipalRef::CanonicalUser(_),
        )
        | None => text.to_owned(),
    };
    let mut json = document.json.clone();
    if let Json::Object(members) = &mut json {
        for (name, value) in members {
            if name == "Statement" {
                *value = Json::Array(one_or_many(value).to_vec());
                for_each_aws_principal(value, &shown);
            }
        }
    }
    json
}

fn for_each_aws_principal(statements: &mut Json, shown: &dyn Fn(&str) -> String) {
    for element in members_of_each(statements) {
        if let (name, Json::Object(words)) = element
            && matches!(name.as_str(), "Principal" | "NotPrincipal")
        {
            for (word, value) in words {
                if word == "AWS" {
                    for_each_text(value, shown);
                }
            }
        }
    }
}

fn members_of_each(statements: &mut Json) -> impl Iterator<Item = &mut (String, Json)> {
    let list = match statements {
        Json::Array(list) => list.as_mut_slice(),
        Json::Null | Json::Bool(_) | Json::Number(_) | Json::String(_) | Json::Object(_) => &mut [],
    };
    list.iter_mut().flat_map(|statement| match statement {
        Json::Object(members) => members.as_mut_slice(),
        Json::Null | Json::Bool(_) | Json::Number(_) | Json::String(_) | Json::Array(_) => &mut [],
    })
}

fn for_each_text(value: &mut Json, shown: &dyn Fn(&str) -> String) {
    match value {
        Json::String(text) => *text = shown(text),
        Json::Array(values) => {
            for value in values {
                for_each_text(value, shown);
            }
        }
        Json::Null | Json::Bool(_) | Json::Number(_) | Json::Object(_) => {}
    }
}

fn write(value: &Json, depth: usize, out: &mut String) {
    match value {
        Json::Null => out.push_str("null"),
        Json::Bool(value) => out.push_str(if *value { "true" } else { "false" }),
        Json::Number(text) => out.push_str(text),
        Json::String(text) => write_string(text, out),
        Json::Array(values) => {
            out.push('[');
            for (index, value) in values.iter().enumerate() {
                out.push_str(if index == 0 { " " } else { ", " });
                write(value, depth, out);
            }
            out.push_str(" ]");
        }
        Json::Object(members) => {
            out.push('{');
            for (index, (name, value)) in members.iter().enumerate() {
                if index > 0 {
                    out.push(',');
                }
                new_line(depth + 1, out);
                write_string(name, out);
                out.push_str(" : ");
                write(value, depth + 1, out);
            }
            if members.is_empty() {
                out.push(' ');
            } else {
                new_line(depth, out);
            }
            out.push('}');
        }
    }
}

fn write_compact(value: &Json, out: &mut String) {
    match value {
        Json::Null | Json::Bool(_) | Json::Number(_) | Json::String(_) => write(value, 0, out),
        Json::Array(values) => {
            out.push('[');
            for (index, value) in values.iter().enumerate() {
                if index > 0 {
                    out.push(',');
                }
                write_compact(value, out);
            }
            out.push(']');
        }
        Json::Object(members) => {
            out.push('{');
            for (index, (name, value)) in members.iter().enumerate() {
                if index > 0 {
                    out.push(',');
                }
                write_string(name, out);
                out.push(':');
                write_compact(value, out);
            }
            out.push('}');
        }
    }
}

fn new_line(depth: usize, out: &mut String) {
    out.push('\n');
    for _ in 0..depth {
        out.push_str("  ");
    }
}

fn write_string(text: &str, out: &mut String) {
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            // The policy language's alphabet ends at U+00FF, whatever an escape in the text said.
            '\u{20}'..='\u{7e}' | '\u{a0}'..='\u{ff}' => out.push(c),
            _ => {
                for unit in c.encode_utf16(&mut [0; 2]) {
                    out.push_str(&format!("\\u{unit:04x}"));
                }
            }
        }
    }
    out.push('"');
}
