//! Conditions: an operator, a key and the values listed for it, compiled.
//!
//! <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_condition_operators.html>

mod arn;
mod binary;
mod bool;
mod date;
mod ip;
mod null;
mod numeric;
pub(crate) mod operator;
mod string;

use operator::{Base, Operator, Quantifier};

use crate::{
    attributes::{Scope, Values},
    variable::Malformed,
};

/// A compiled condition.
#[derive(Clone, Debug)]
pub(crate) struct Condition {
    /// The key in lower case.
    key: Box<str>,
    quantifier: Quantifier,
    if_exists: bool,
    /// Whether the operator holds when *no* listed value matches.
    negated: bool,
    values: Listed,
}

/// The values listed under a key, by the operator's family.
#[derive(Clone, Debug)]
enum Listed {
    Equal(Box<[string::Text]>),
    EqualIgnoreCase(Box<[string::Text]>),
    Like(Box<[string::Pattern]>),
    Numeric(operator::Order, Box<[numeric::Decimal]>),
    Date(operator::Order, Box<[date::Instant]>),
    Bool(Box<[string::Text]>),
    Binary(Box<[Box<[u8]>]>),
    Ip(Box<[ip::Block]>),
    Arn(Box<[arn::Pattern]>),
    Null(null::Presence),
    /// Unknown: to be safe, a condition of a denial holds and one of an allow does not.
    Unknown,
}

impl Condition {
    /// Compiles the values of one key of one operator. Values of a wrong type match nothing and are
    /// left out.
    pub(crate) fn compile(
        operator: Operator,
        key: &str,
        values: &[String],
        variables: bool,
    ) -> Result<Self, Malformed> {
        let text = |value: &String| string::Text::compile(value, variables);
        let listed = match operator.base {
            Base::StringEquals => Listed::Equal(each(values, text)?),
            Base::StringEqualsIgnoreCase => Listed::EqualIgnoreCase(each(values, text)?),
            Base::StringLike => Listed::Like(each(values, |value| {
                string::Pattern::compile(value, variables)
            })?),
            Base::Numeric(order) => Listed::Numeric(order, typed(values, numeric::Decimal::parse)),
            Base::Date(order) => Listed::Date(order, typed(values, date::Instant::parse)),
            Base::Bool => Listed::Bool(each(values, text)?),
            Base::Binary => Listed::Binary(typed(values, binary::decode)),
            Base::Ip => Listed::Ip(typed(values, ip::Block::parse)),
            Base::Arn => Listed::Arn(each(values, |value| {
                arn::Pattern::compile(value, variables)
            })?),
            Base::Null => Listed::Null(null::Presence::new(values)),
            Base::Unknown => Listed::Unknown,
        };
        Ok(Self {
            key: key.to_lowercase().into(),
            quantifier: operator.quantifier,
            if_exists: operator.if_exists,
            negated: operator.negated,
            values: listed,
        })
    }

    /// A condition that cannot be read.
    pub(crate) fn unknown() -> Self {
        Self {
            key: Box::default(),
            quantifier: Quantifier::None,
            if_exists: false,
            negated: false,
            values: Listed::Unknown,
        }
    }

    /// Whether the condition holds, in a statement that denies or one that allows.
    pub(crate) fn holds(&self, scope: &Scope<'_>, denies: bool) -> bool {
        scope.work.charge(8);
        if let Listed::Unknown = &self.values {
            return denies;
        }
        let values = scope.context.values(&self.key);
        if let Listed::Null(wanted) = &self.values {
            return wanted.holds(&values);
        }
        match values {
            Values::Absent => self.holds_if_absent(),
            Values::One(value) => self.holds_for(&value, scope),
            Values::Many(values) if values.is_empty() => self.holds_if_absent(),
            Values::Many(values) => match self.quantifier {
                // AWS documents nothing for a multivalued key without a set operator. A statement
                // that allows does not apply; one that denies does if any value meets it
                // (docs/decisions/0011).
                Quantifier::None => denies && values.iter().any(|v| self.holds_for(v, scope)),
                Quantifier::ForAllValues => values.iter().all(|v| self.holds_for(v, scope)),
                Quantifier::ForAnyValue => values.iter().any(|v| self.holds_for(v, scope)),
            },
            Values::Clash(values) if denies => values.iter().any(|v| self.holds_for(v, scope)),
            Values::Clash(values) => values.iter().all(|v| self.holds_for(v, scope)),
        }
    }

    fn holds_if_absent(&self) -> bool {
        match self.quantifier {
            Quantifier::None => self.if_exists || self.negated,
            Quantifier::ForAllValues => true,
            Quantifier::ForAnyValue => self.if_exists,
        }
    }

    fn holds_for(&self, value: &str, scope: &Scope<'_>) -> bool {
        self.is_listed(value, scope) != self.negated
    }

    /// Whether any listed value matches.
    fn is_listed(&self, value: &str, scope: &Scope<'_>) -> bool {
        match &self.values {
            Listed::Equal(list) => list.iter().any(|text| text.equals(value, scope)),
            Listed::EqualIgnoreCase(list) => list
                .iter()
                .any(|text| text.equals_ignoring_case(value, scope)),
            Listed::Like(list) => list.iter().any(|pattern| pattern.matches(value, scope)),
            Listed::Numeric(order, list) => {
                scope.work.charge(1 + list.len());
                numeric::Decimal::parse(value)
                    .is_some_and(|value| list.iter().any(|l| order.holds(value.cmp(l))))
            }
            Listed::Date(order, list) => {
                scope.work.charge(1 + list.len());
                date::Instant::parse(value)
                    .is_some_and(|value| list.iter().any(|l| order.holds(value.cmp(l))))
            }
            Listed::Bool(list) => bool::parse(value).is_some_and(|value| {
                list.iter()
                    .any(|text| text.with(scope, bool::parse) == Some(Some(value)))
            }),
            Listed::Binary(list) => {
                scope.work.charge(1 + list.len() + value.len());
                binary::decode(value).is_some_and(|value| list.contains(&value))
            }
            Listed::Ip(list) => {
                scope.work.charge(1 + list.len());
                ip::parse(value).is_some_and(|value| list.iter().any(|b| b.contains(value)))
            }
            Listed::Arn(list) => match arn::split(value) {
                Some(parts) => list.iter().any(|pattern| pattern.matches(&parts, scope)),
                None => false,
            },
            Listed::Null(_) | Listed::Unknown => false,
        }
    }
}

fn each<T>(
    values: &[String],
    compile: impl Fn(&String) -> Result<T, Malformed>,
) -> Result<Box<[T]>, Malformed> {
    values.iter().map(compile).collect()
}

fn typed<T>(values: &[String], parse: impl Fn(&str) -> Option<T>) -> Box<[T]> {
    values.iter().filter_map(|value| parse(value)).collect()
}

/// Whether the text is one that date operators read.
pub(crate) fn is_date(text: &str) -> bool {
    date::Instant::parse(text).is_some()
}
