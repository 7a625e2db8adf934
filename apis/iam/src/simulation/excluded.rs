//! Policies that are left out of a simulation: by type, by ARN, or by the name of an embedded
//! policy and of who it is embedded in. What matches nothing is ignored.
//!
//! <https://docs.aws.amazon.com/IAM/latest/APIReference/API_PolicyIdentifier.html>

use keyward_wire::json::Members;

use crate::{
    fault::IamFault,
    names,
    nouns::check_policy_arn,
    simulation::source::{PolicyOrigin, Source},
};

/// Which policies an entry of `PolicyExclusionList` names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Excluded {
    /// Every policy of a type.
    Type(&'static str),
    /// Managed policies that are attached.
    Managed {
        /// Their ARN up to the first `/`.
        head: String,
        /// Their path and name.
        name: Pattern,
    },
    /// Embedded policies.
    Inline {
        /// Their name.
        policy: String,
        /// What they are embedded in: `user`, `group` or `role`.
        noun: String,
        /// Whose they are.
        of: Pattern,
    },
}

/// An entry of `PolicyExclusionList` as it was sent.
#[derive(Debug)]
pub struct Sent {
    kind: Option<&'static str>,
    arn: Option<String>,
    inline: Option<Inline>,
}

#[derive(Debug, Default)]
struct Inline {
    policy: Option<String>,
    noun: Option<&'static str>,
    of: Option<String>,
}

impl Sent {
    /// Reads a `PolicyIdentifier`.
    pub fn read(m: &mut Members<'_>) -> Self {
        let kinds = &[
            "inline",
            "aws-managed",
            "user-managed",
            "permission-boundary",
            "scp",
            "rcp",
        ];
        let kind = m.enumeration("PolicyType", kinds).optional();
        let arn = names::optional_arn(m, "PolicyArn");
        let inline = m.structure("InlinePolicyIdentifier", |m| Inline {
            policy: names::optional_name(m, "PolicyName", 128),
            noun: m
                .enumeration("AttachmentType", &["user", "group", "role"])
                .optional(),
            of: names::name_pattern(m, "AttachmentName", 128),
        });
        let inline = inline.optional();
        Self { kind, arn, inline }
    }

    /// What it names.
    ///
    /// # Errors
    /// `InvalidInput` if it names nothing or several things, or has a wildcard where none may be.
    pub fn checked(self) -> Result<Excluded, IamFault> {
        match (self.kind, self.arn, self.inline) {
            (Some(kind), None, None) => Ok(Excluded::Type(kind)),
            (None, Some(arn), None) => {
                check_policy_arn(&arn)?;
                let invalid = || IamFault::invalid(format!("ARN {arn} is not valid."));
                let (head, name) = arn.split_once('/').ok_or_else(invalid)?;
                if head.contains(['*', '?']) || name.is_empty() {
                    return Err(invalid());
                }
                Ok(Excluded::Managed {
                    head: head.to_owned(),
                    name: Pattern::parse(name).ok_or_else(invalid)?,
                })
            }
            (None, None, Some(inline)) => {
                let invalid = || IamFault::invalid("The inline policy identifier is not valid.");
                let (Some(policy), Some(noun), Some(of)) = (inline.policy, inline.noun, inline.of)
                else {
                    return Err(invalid());
                };
                Ok(Excluded::Inline {
                    policy,
                    noun: noun.to_owned(),
                    of: Pattern::parse(&of).ok_or_else(invalid)?,
                })
            }
            (_, _, _) => Err(IamFault::invalid(
                "A policy identifier must have exactly one of PolicyType, PolicyArn and \
                 InlinePolicyIdentifier.",
            )),
        }
    }
}

impl Excluded {
    /// Whether it leaves out the service control policies.
    pub fn is_organization(&self) -> bool {
        *self == Self::Type("scp")
    }

    /// Whether it leaves out that policy. What was given with the request is never left out.
    pub fn matches(&self, source: &Source) -> bool {
        match (self, &source.place) {
            (_, PolicyOrigin::Given) => false,
            (Self::Type(kind), place) => *kind == place.kind(),
            (Self::Managed { head, name }, PolicyOrigin::Managed { arn }) => {
                let parts = arn.split_once('/');
                parts.is_some_and(|(h, n)| h == head && name.matches(n))
            }
            (
                Self::Inline { policy, noun, of },
                PolicyOrigin::Inline {
                    name,
                    noun: n,
                    of: o,
                },
            ) => policy == name && noun == n && of.matches(o),
            (Self::Managed { .. } | Self::Inline { .. }, _) => false,
        }
    }
}

/// A name in which one `*` matches any characters and each `?` matches one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pattern {
    head: String,
    /// What comes after the `*`, if there is one.
    tail: Option<String>,
}

impl Pattern {
    /// Reads a pattern; `None` if it has several `*`.
    pub fn parse(text: &str) -> Option<Self> {
        let (head, tail) = match text.split_once('*') {
            Some((head, tail)) => (head, Some(tail.to_owned())),
            None => (text, None),
        };
        let several = tail.as_ref().is_some_and(|tail| tail.contains('*'));
        (!several).then(|| Self {
            head: head.to_owned(),
            tail,
        })
    }

    /// Whether the whole name fits.
    pub fn matches(&self, name: &str) -> bool {
        let fits = |pattern: &str, text: &str| {
            let (mut wanted, mut found) = (pattern.chars(), text.chars());
            loop {
                match (wanted.next(), found.next()) {
                    (None, None) => return true,
                    (Some(w), Some(f)) if w == '?' || w == f => {}
                    (_, _) => return false,
                }
            }
        };
        let Some(tail) = &self.tail else {
            return fits(&self.head, name);
        };
        // Names are ASCII, and so are the pieces that they are cut into.
        let rest = name.len().checked_sub(self.head.len() + tail.len());
        let Some(middle) = rest else { return false };
        let head = name.get(..self.head.len());
        let end = name.get(self.head.len() + middle..);
        head.is_some_and(|head| fits(&self.head, head)) && end.is_some_and(|end| fits(tail, end))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_stands_for_any_run_and_a_question_mark_for_one_character() {
        let matches = |pattern: &str, name: &str| Pattern::parse(pattern).unwrap().matches(name);
        for (pattern, name) in [
            ("a", "a"),
            ("*", ""),
            ("*", "anything"),
            ("a*", "a"),
            ("a*c", "abbc"),
            ("a*c", "ac"),
            ("?*?", "ab"),
            ("a?c", "abc"),
            ("*-x", "y-x"),
        ] {
            assert!(matches(pattern, name), "{pattern} {name}");
        }
        for (pattern, name) in [
            ("a", "A"),
            ("a", "ab"),
            ("a*a", "a"),
            ("?*?", "a"),
            ("a?c", "ac"),
            ("*-x", "-xy"),
        ] {
            assert!(!matches(pattern, name), "{pattern} {name}");
        }
        assert_eq!(Pattern::parse("a*b*"), None);
    }
}
