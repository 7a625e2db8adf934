//! The names of condition operators, taken apart.

use std::cmp::Ordering;

/// An operator as named in a Condition block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Operator {
    pub(crate) quantifier: Quantifier,
    pub(crate) base: Base,
    /// The name says `Not`.
    pub(crate) negated: bool,
    /// The name ends in `IfExists`.
    pub(crate) if_exists: bool,
}

/// The set operator before the name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Quantifier {
    None,
    ForAllValues,
    ForAnyValue,
}

/// What a listed value is compared with a request's value by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Base {
    StringEquals,
    StringEqualsIgnoreCase,
    StringLike,
    Numeric(Order),
    Date(Order),
    Bool,
    Binary,
    Ip,
    Arn,
    Null,
    /// A name that is not an operator's, in a document that is stored nevertheless.
    Unknown,
}

/// How a request's value compares with a listed one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Order {
    Equal,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

impl Order {
    /// Whether a comparison of the request's value with the listed one came out so.
    pub(crate) fn holds(self, ordering: Ordering) -> bool {
        match self {
            Self::Equal => ordering.is_eq(),
            Self::Less => ordering.is_lt(),
            Self::LessOrEqual => ordering.is_le(),
            Self::Greater => ordering.is_gt(),
            Self::GreaterOrEqual => ordering.is_ge(),
        }
    }
}

/// Every operator with its base and whether it is negated, in AWS's order.
const OPERATORS: &[(&str, Base, bool)] = &[
    ("StringEquals", Base::StringEquals, false),
    ("StringNotEquals", Base::StringEquals, true),
    (
        "StringEqualsIgnoreCase",
        Base::StringEqualsIgnoreCase,
        false,
    ),
    (
        "StringNotEqualsIgnoreCase",
        Base::StringEqualsIgnoreCase,
        true,
    ),
    ("StringLike", Base::StringLike, false),
    ("StringNotLike", Base::StringLike, true),
    ("NumericEquals", Base::Numeric(Order::Equal), false),
    ("NumericNotEquals", Base::Numeric(Order::Equal), true),
    ("NumericLessThan", Base::Numeric(Order::Less), false),
    (
        "NumericLessThanEquals",
        Base::Numeric(Order::LessOrEqual),
        false,
    ),
    ("NumericGreaterThan", Base::Numeric(Order::Greater), false),
    (
        "NumericGreaterThanEquals",
        Base::Numeric(Order::GreaterOrEqual),
        false,
    ),
    ("DateEquals", Base::Date(Order::Equal), false),
    ("DateNotEquals", Base::Date(Order::Equal), true),
    ("DateLessThan", Base::Date(Order::Less), false),
    ("DateLessThanEquals", Base::Date(Order::LessOrEqual), false),
    ("DateGreaterThan", Base::Date(Order::Greater), false),
    (
        "DateGreaterThanEquals",
        Base::Date(Order::GreaterOrEqual),
        false,
    ),
    ("Bool", Base::Bool, false),
    ("BinaryEquals", Base::Binary, false),
    ("IpAddress", Base::Ip, false),
    ("NotIpAddress", Base::Ip, true),
    ("ArnEquals", Base::Arn, false),
    ("ArnNotEquals", Base::Arn, true),
    ("ArnLike", Base::Arn, false),
    ("ArnNotLike", Base::Arn, true),
    ("Null", Base::Null, false),
];

impl Operator {
    /// The replacement for an unknown operator: it holds in a statement that denies, but not in one
    /// that allows.
    pub(crate) const UNKNOWN: Self = Self {
        quantifier: Quantifier::None,
        base: Base::Unknown,
        negated: false,
        if_exists: false,
    };

    /// Reads a name, whatever its case. `Null` takes neither a set operator nor `IfExists`.
    pub(crate) fn parse(name: &str) -> Option<Self> {
        let (quantifier, name) = match strip_prefix(name, "ForAllValues:") {
            Some(rest) => (Quantifier::ForAllValues, rest),
            None => match strip_prefix(name, "ForAnyValue:") {
                Some(rest) => (Quantifier::ForAnyValue, rest),
                None => (Quantifier::None, name),
            },
        };
        let (if_exists, name) = match strip_suffix(name, "IfExists") {
            Some(rest) => (true, rest),
            None => (false, name),
        };
        let (_, base, negated) = OPERATORS
            .iter()
            .find(|(known, _, _)| known.eq_ignore_ascii_case(name))?;
        let bare = quantifier == Quantifier::None && !if_exists;
        (*base != Base::Null || bare).then_some(Self {
            quantifier,
            base: *base,
            negated: *negated,
            if_exists,
        })
    }
}

fn strip_prefix<'t>(text: &'t str, prefix: &str) -> Option<&'t str> {
    let (head, rest) = text.split_at_checked(prefix.len())?;
    head.eq_ignore_ascii_case(prefix).then_some(rest)
}

fn strip_suffix<'t>(text: &'t str, suffix: &str) -> Option<&'t str> {
    let (rest, tail) = text.split_at_checked(text.len().checked_sub(suffix.len())?)?;
    tail.eq_ignore_ascii_case(suffix).then_some(rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_a_set_operator_a_base_and_if_exists() {
        assert_eq!(
            Operator::parse("ForAnyValue:StringNotLikeIfExists"),
            Some(Operator {
                quantifier: Quantifier::ForAnyValue,
                base: Base::StringLike,
                negated: true,
                if_exists: true,
            })
        );
        assert_eq!(
            Operator::parse("stringequals"),
            Operator::parse("StringEquals")
        );
    }

    #[test]
    fn unknown_operators_are_none() {
        for name in [
            "",
            "IfExists",
            "StringEqual",
            "NullIfExists",
            "ForAllValues:Null",
            "ForAnyValue:",
            "ForAllValues:ForAnyValue:StringLike",
            "StringLikeIfExistsIfExists",
            "BoolNot",
            "é",
        ] {
            assert_eq!(Operator::parse(name), None, "{name}");
        }
    }
}
