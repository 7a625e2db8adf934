//! Conditions in words.

use crate::condition::operator::{Base, Operator, Order, Quantifier};

/// A condition as a clause after "if": `kms:EncryptionContext:dept = hr`. What has no short words
/// keeps its operator's name.
pub fn condition(operator: &str, key: &str, listed: &[String]) -> String {
    clause(operator, key, listed, false)
        .unwrap_or_else(|| format!("{operator} {key} {}", listed.join(" | ")))
}

/// What must hold for the condition not to hold, as a clause after "if"; `None` if there are no
/// short words for it.
pub(super) fn opposite(operator: &str, key: &str, listed: &[String]) -> Option<String> {
    clause(operator, key, listed, true)
}

fn clause(operator: &str, key: &str, listed: &[String], opposite: bool) -> Option<String> {
    let operator = Operator::parse(operator)?;
    // `…IfExists` also holds without a value. Its opposite does not, if the operator is negated.
    let plain = !operator.if_exists || opposite && operator.negated;
    if operator.quantifier != Quantifier::None || !plain {
        return None;
    }
    let values = listed.join(" or ");
    let negated = operator.negated != opposite;
    let wild = listed.iter().any(|text| text.contains(['*', '?']));
    Some(match (operator.base, negated) {
        (Base::Null, _) => match (listed, opposite) {
            ([wanted], false) if wanted == "true" => format!("{key} is absent"),
            ([wanted], true) if wanted == "false" => format!("{key} is absent"),
            ([wanted], _) if wanted == "true" || wanted == "false" => {
                format!("{key} is present")
            }
            _ => return None,
        },
        (Base::StringLike, false) if wild => format!("{key} matches {values}"),
        (Base::StringLike, true) if wild => format!("{key} does not match {values}"),
        (Base::Arn, false) if wild => format!("{key} matches {values}"),
        (Base::Arn, true) if wild => format!("{key} does not match {values}"),
        (Base::Ip, false) => format!("{key} is in {values}"),
        (Base::Ip, true) => format!("{key} is not in {values}"),
        (Base::StringEqualsIgnoreCase, false) => format!("{key} = {values}, ignoring case"),
        (Base::StringEqualsIgnoreCase, true) => format!("{key} is not {values}, ignoring case"),
        (
            Base::StringEquals
            | Base::StringLike
            | Base::Arn
            | Base::Binary
            | Base::Numeric(Order::Equal)
            | Base::Date(Order::Equal),
            false,
        ) => format!("{key} = {values}"),
        (
            Base::StringEquals
            | Base::StringLike
            | Base::Arn
            | Base::Binary
            | Base::Numeric(Order::Equal)
            | Base::Date(Order::Equal),
            true,
        ) => format!("{key} is not {values}"),
        (Base::Bool, false) => format!("{key} = {values}"),
        (Base::Numeric(order) | Base::Date(order), false) => {
            format!("{key} {} {values}", sign(order))
        }
        (Base::Bool | Base::Numeric(_) | Base::Date(_), true) | (Base::Unknown, _) => return None,
    })
}

fn sign(order: Order) -> &'static str {
    match order {
        Order::Equal => "=",
        Order::Less => "<",
        Order::LessOrEqual => "<=",
        Order::Greater => ">",
        Order::GreaterOrEqual => ">=",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_condition_reads_as_a_clause() {
        let said = |operator, listed: &[&str]| {
            let listed: Vec<String> = listed.iter().map(|text| (*text).to_owned()).collect();
            condition(operator, "k", &listed)
        };
        for (operator, listed, clause) in [
            ("StringEquals", &["hr"][..], "k = hr"),
            ("StringEquals", &["hr", "it"], "k = hr or it"),
            ("StringNotEquals", &["hr"], "k is not hr"),
            ("StringLike", &["hr-*"], "k matches hr-*"),
            ("StringNotLike", &["hr"], "k is not hr"),
            ("IpAddress", &["10.0.0.0/8"], "k is in 10.0.0.0/8"),
            ("Bool", &["true"], "k = true"),
            ("Null", &["false"], "k is present"),
            ("NumericLessThanEquals", &["3"], "k <= 3"),
            ("StringEqualsIfExists", &["hr"], "StringEqualsIfExists k hr"),
            (
                "ForAnyValue:StringEquals",
                &["a", "b"],
                "ForAnyValue:StringEquals k a | b",
            ),
        ] {
            assert_eq!(said(operator, listed), clause);
        }
    }

    #[test]
    fn the_opposite_of_a_condition_is_said_where_there_are_words_for_it() {
        let said = |operator, value: &str| opposite(operator, "k", &[value.to_owned()]);
        assert_eq!(said("StringNotEquals", "hr").as_deref(), Some("k = hr"));
        assert_eq!(
            said("StringNotEqualsIfExists", "hr").as_deref(),
            Some("k = hr")
        );
        assert_eq!(said("StringEquals", "hr").as_deref(), Some("k is not hr"));
        assert_eq!(said("Null", "true").as_deref(), Some("k is present"));
        assert_eq!(said("StringEqualsIfExists", "hr"), None);
        assert_eq!(said("Bool", "false"), None);
    }
}
