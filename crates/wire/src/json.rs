//! AWS JSON 1.1: a strict decoder, typed access to members with AWS's validation messages, and
//! a writer that renders an answer straight into bytes.
//!
//! <https://smithy.io/2.0/aws/protocols/aws-json-1_1-protocol.html>

mod constraint;
mod decode;
mod members;
mod value;
mod writer;

pub use decode::DecodeError;
pub use decode::Limits;
pub use members::Members;
pub use members::Rejected;
pub use members::lists::Integers;
pub use members::lists::StringMap;
pub use members::lists::Strings;
pub use members::lists::Structure;
pub use members::lists::Structures;
pub use members::scalars::Blob;
pub use members::scalars::Boolean;
pub use members::scalars::Double;
pub use members::scalars::Enumeration;
pub use members::scalars::Integer;
pub use members::scalars::Text;
pub use members::scalars::Time;
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
