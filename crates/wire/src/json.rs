//! AWS JSON 1.1: a strict decoder, typed access to members with AWS's validation messages, and
//! a writer that renders an answer straight into bytes.
//!
//! <https://smithy.io/2.0/aws/protocols/aws-json-1_1-protocol.html>

mod constraint;
mod decode;
mod members;
mod value;
mod writer;

pub use decode::{DecodeError, Limits};
pub use members::{
    Members, Rejected,
    lists::{Integers, StringMap, Strings, Structure, Structures},
    scalars::{Blob, Boolean, Double, Enumeration, Integer, Text, Time},
};
pub use value::{Number, Object, Value};
pub use writer::{Elements, Fragment, Mark, Name, Slot, Writer};
pub(crate) use writer::{write_integer, write_string};

/// The members of a Query request, decoded to the tree of JSON.
pub(crate) fn members_of_query<'o>(object: &'o Object<'o>, shows_values: bool) -> Members<'o> {
    Members::with(object, members::Protocol::Query, shows_values)
}
