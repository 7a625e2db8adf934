//! AWS JSON 1.1: a strict decoder, typed access to members with AWS's validation messages, and
//! a writer that renders an answer straight into bytes.
//!
//! <https://smithy.io/2.0/aws/protocols/aws-json-1_1-protocol.html>

mod constraint;
mod decode;
mod lists;
mod members;
mod scalars;
mod value;
mod writer;

pub use decode::DecodeError;
pub use decode::Limits;
pub use lists::StringMap;
pub use lists::Strings;
pub use lists::Structure;
pub use lists::Structures;
pub use members::Members;
pub use members::Rejected;
pub use scalars::Blob;
pub use scalars::Boolean;
pub use scalars::Enumeration;
pub use scalars::Integer;
pub use scalars::Text;
pub use scalars::Time;
pub use value::Number;
pub use value::Object;
pub use value::Value;
pub use writer::Elements;
pub use writer::Fragment;
pub use writer::Mark;
pub use writer::Name;
pub use writer::Slot;
pub use writer::Writer;
pub(crate) use writer::write_integer;
pub(crate) use writer::write_string;

/// The members of a Query request, decoded to the tree of JSON.
pub(crate) fn members_of_query<'o>(object: &'o Object<'o>, shows_values: bool) -> Members<'o> {
    Members::with(object, members::Protocol::Query, shows_values)
}
