//! Reads a text as a policy that is stored already, and says precisely what is wrong if it is not
//! valid.

use crate::{
    condition::operator::Operator,
    document::{
        ConditionText, Document, Effect, Listed, PolicyKind, Statement, one_or_many, principal,
        read::{read_principals, scalar, text as text_of},
        validate::{MAX_TEXT, admits_principals, takes_variables},
    },
    json::{
        Json,
        raw::{self, NotMembers},
    },
    principal::PrincipalRef,
    variable::Template,
};

pub(super) fn read(text: &str, kind: PolicyKind) -> Result<Document, String> {
    if text.len() > MAX_TEXT {
        return Err(format!("longer than {MAX_TEXT} bytes"));
    }
    let Some(json) = Json::parse(text) else {
        return Err(not_json(text));
    };
    let Json::Object(members) = &json else {
        return Err("a policy must be a JSON object".to_owned());
    };
    let mut variables = false;
    let mut statements = None;
    let mut faults = Vec::new();
    for (name, value) in members {
        match (name.as_str(), value) {
            ("Version", Json::String(version)) if version == "2012-10-17" => variables = true,
            ("Version", Json::String(version)) if version == "2008-10-17" => {}
            ("Version", _) => return Err("Version must be 2012-10-17 or 2008-10-17".to_owned()),
            ("Id", Json::String(_)) => {}
            ("Id", _) => return Err("Id must be a string".to_owned()),
            ("Statement", value) => statements = Some(one_or_many(value)),
            _ => return Err(format!("{name:?} is not an element of a policy")),
        }
    }
    let Some(statements) = statements else {
        return Err("no Statement".to_owned());
    };
    let read = |(index, value)| {
        let mut reader = Reader {
            kind,
            variables,
            index,
            faults: &mut faults,
        };
        reader
            .statement(value)
            .map_err(|what| format!("Statement[{index}]: {what}"))
    };
    let statements = statements.iter().enumerate().map(read);
    let statements = statements.collect::<Result<_, String>>()?;
    Ok(Document {
        kind,
        variables,
        json,
        statements,
        faults,
    })
}

/// Why the text is not read; the one thing beyond JSON's own grammar is a name twice in an object.
fn not_json(text: &str) -> String {
    match raw::members(text) {
        Err(NotMembers::Twice(name)) => format!("{name:?} occurs twice"),
        Ok(_) | Err(NotMembers::Json | NotMembers::Object) => {
            "not JSON, or a name occurs twice in an object".to_owned()
        }
    }
}

struct Reader<'f> {
    kind: PolicyKind,
    variables: bool,
    index: usize,
    faults: &'f mut Vec<String>,
}

impl Reader<'_> {
    fn statement(&mut self, value: &Json) -> Result<Statement, String> {
        let Json::Object(members) = value else {
            return Err("a statement must be a JSON object".to_owned());
        };
        let mut effect = None;
        let mut statement = Statement {
            sid: None,
            effect: Effect::Deny,
            principals: None,
            actions: None,
            resources: None,
            conditions: Vec::new(),
        };
        for (name, value) in members {
            match name.as_str() {
                "Sid" => match value {
                    Json::String(sid) => statement.sid = Some(sid.clone()),
                    Json::Null
                    | Json::Bool(_)
                    | Json::Number(_)
                    | Json::Array(_)
                    | Json::Object(_) => return Err("Sid is a string".to_owned()),
                },
                "Effect" => {
                    effect = match text_of(value) {
                        Some("Allow") => Some(Effect::Allow),
                        Some("Deny") => Some(Effect::Deny),
                        Some(_) | None => return Err("Effect must be Allow or Deny".to_owned()),
                    }
                }
                "Principal" | "NotPrincipal" => {
                    if !admits_principals(self.kind) {
                        return Err(format!("{name} is not allowed in a policy of this kind"));
                    }
                    let values = read_principals(value)
                        .ok_or_else(|| format!("{name} must be \"*\" or an object of lists"))?;
                    set_once(&mut statement.principals, name, "NotPrincipal", values)?;
                }
                "Action" | "NotAction" => {
                    let values = texts(name, value)?;
                    values.iter().try_for_each(|action| vendor(action))?;
                    set_once(&mut statement.actions, name, "NotAction", values)?;
                }
                "Resource" | "NotResource" => {
                    if self.kind == PolicyKind::Trust {
                        return Err(format!("{name} is not allowed in a trust policy"));
                    }
                    let values = texts(name, value)?;
                    values.iter().try_for_each(|text| self.template(text))?;
                    set_once(&mut statement.resources, name, "NotResource", values)?;
                }
                "Condition" => statement.conditions = self.conditions(value)?,
                _ => return Err(format!("{name:?} is not an element of a statement")),
            }
        }
        statement.effect = effect.ok_or("no Effect")?;
        self.completeness(&statement)?;
        Ok(statement)
    }

    fn completeness(&mut self, statement: &Statement) -> Result<(), String> {
        if admits_principals(self.kind) && statement.principals.is_none() {
            return Err("no Principal".to_owned());
        }
        for (kind, text) in statement.principals.iter().flat_map(|l| &l.values) {
            if principal(*kind, text).is_none() {
                self.fault(format!(
                    "{text:?} is not a valid principal, so it matches nobody"
                ));
            }
        }
        if self.kind == PolicyKind::Rcp {
            let everyone =
                |(kind, text): &(_, String)| principal(*kind, text) == Some(PrincipalRef::Everyone);
            let named = statement.principals.iter().flat_map(|l| &l.values);
            if !named.clone().all(everyone) {
                return Err("Principal must be \"*\" in a resource control policy".to_owned());
            }
        }
        // Key policies were once stored without; there such a statement just has no effect.
        if self.kind != PolicyKind::Key {
            if statement.actions.is_none() {
                self.fault("no Action, so it never applies".to_owned());
            }
            let means_itself = matches!(self.kind, PolicyKind::Trust | PolicyKind::FileSystem);
            if statement.resources.is_none() && !means_itself {
                self.fault("no Resource, so it never applies".to_owned());
            }
        }
        Ok(())
    }

    fn conditions(&mut self, value: &Json) -> Result<Vec<ConditionText>, String> {
        let Json::Object(operators) = value else {
            return Err("Condition must be an object of operators".to_owned());
        };
        let mut conditions = Vec::new();
        for (name, keys) in operators {
            let operator = Operator::parse(name).unwrap_or_else(|| {
                self.fault(format!("{name:?} is not a condition operator"));
                Operator::UNKNOWN
            });
            let Json::Object(keys) = keys else {
                return Err(format!("{name} must be an object of condition keys"));
            };
            if keys.is_empty() && operator == Operator::UNKNOWN {
                conditions.push(ConditionText {
                    operator,
                    name: name.clone(),
                    key: String::new(),
                    values: Vec::new(),
                });
            }
            for (key, values) in keys {
                let values: Option<Vec<String>> = one_or_many(values).iter().map(scalar).collect();
                let values = values.ok_or_else(|| {
                    format!("{name} {key}: values must be strings, numbers or booleans")
                })?;
                if takes_variables(operator.base) {
                    values.iter().try_for_each(|text| self.template(text))?;
                }
                conditions.push(ConditionText {
                    operator,
                    name: name.clone(),
                    key: key.clone(),
                    values,
                });
            }
        }
        Ok(conditions)
    }

    fn template(&self, text: &str) -> Result<(), String> {
        match Template::parse(text, self.variables) {
            Ok(_) => Ok(()),
            Err(_) => Err(format!("malformed variable in {text:?}")),
        }
    }

    fn fault(&mut self, what: String) {
        self.faults
            .push(format!("Statement[{}]: {what}", self.index));
    }
}

fn set_once<T>(
    place: &mut Option<Listed<T>>,
    name: &str,
    not: &str,
    values: Vec<T>,
) -> Result<(), String> {
    let negated = name == not;
    match place.replace(Listed { negated, values }) {
        None => Ok(()),
        Some(_) => Err(format!("{not} cannot be used together with its opposite")),
    }
}

fn texts(name: &str, value: &Json) -> Result<Vec<String>, String> {
    let texts = one_or_many(value)
        .iter()
        .map(|value| text_of(value).map(str::to_owned));
    texts
        .collect::<Option<_>>()
        .ok_or_else(|| format!("{name} must be a string or a list of strings"))
}

fn vendor(action: &str) -> Result<(), String> {
    let legal = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'.';
    match action.split_once(':') {
        None if action == "*" => Ok(()),
        Some((vendor, _)) if !vendor.is_empty() && vendor.bytes().all(legal) => Ok(()),
        Some(_) | None => Err(format!("action {action:?} has no service")),
    }
}
