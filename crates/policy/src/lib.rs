//! AWS policy text to decision: pure, without clock or I/O.
//!
//! The life of a policy: [`document::Document::parse`] reads and validates the text when it is
//! stored, [`policy::Policy::compile`] turns it into the form that is evaluated,
//! [`evaluate::evaluate`] answers a [`request::Question`] from compiled policies alone. Anybody may
//! ask; only [`permit::Authority`] turns an allow into a [`permit::Permit`], which the key core
//! demands.
//!
//! [`applying::applying`] lists the statements behind an answer, [`explain::explain`] answers the same question with every reason, and [`case`] puts questions
//! in lines of JSON, for policies that are tried out before they are stored anywhere.
//!
//! <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_evaluation-logic.html>
#![forbid(unsafe_code)]
#![deny(clippy::wildcard_enum_match_arm)]

pub mod applying;
pub mod attributes;
pub mod case;
pub mod condition;
pub mod decision;
pub mod document;
pub mod evaluate;
pub mod explain;
pub mod grant;
pub(crate) mod json;
pub mod known;
pub(crate) mod pattern;
pub mod permit;
pub mod policy;
pub mod position;
pub mod principal;
pub mod record;
pub mod render;
pub mod request;
pub(crate) mod variable;
pub(crate) mod work;
