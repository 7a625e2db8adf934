//! Standard output of commands. A reader that has read enough, as `head` does, ends the command
//! quietly.

use std::{
    fmt,
    io::{self, Write as _},
};

use keyward_types::shown::Text;

/// Nothing more can be printed.
#[derive(Debug, thiserror::Error)]
pub enum OutError {
    /// The reader has read enough.
    #[error("standard output is closed")]
    Closed,
    /// The system's reason.
    #[error("cannot write to standard output")]
    Io(#[source] io::Error),
}

impl From<io::Error> for OutError {
    fn from(error: io::Error) -> Self {
        if error.kind() == io::ErrorKind::BrokenPipe {
            Self::Closed
        } else {
            Self::Io(error)
        }
    }
}

/// Prints a text and flushes it. Control characters in it, but for ends of lines and tabs, are escaped: it may quote
/// what nobody has authenticated.
///
/// # Errors
/// If standard output is closed, or cannot be written.
pub fn text(text: fmt::Arguments<'_>) -> Result<(), OutError> {
    let mut out = io::stdout().lock();
    write!(out, "{}", Text(&text.to_string()))?;
    Ok(out.flush()?)
}

/// Prints a line like `println!`, but answers an error instead of panicking.
macro_rules! say {
    ($($argument:tt)*) => {
        $crate::out::text(format_args!("{}\n", format_args!($($argument)*)))
    };
}
pub(crate) use say;
