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

/// An error with its causes, in one line. A cause is left out if what is before it has its words already: some errors
/// quote their own cause.
pub fn with_causes(error: &anyhow::Error) -> String {
    let mut said = error.to_string();
    for cause in error.chain().skip(1).map(ToString::to_string) {
        if !said.contains(&cause) {
            said.push_str(": ");
            said.push_str(&cause);
        }
    }
    said
}

/// Prints a line like `println!`, but answers an error instead of panicking.
macro_rules! say {
    ($($argument:tt)*) => {
        $crate::out::text(format_args!("{}\n", format_args!($($argument)*)))
    };
}
pub(crate) use say;

#[cfg(test)]
mod tests {
    use anyhow::Context as _;

    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("cannot open `x`: {source}")]
    struct Quoting {
        source: io::Error,
    }

    #[test]
    fn a_cause_that_is_quoted_is_not_said_twice() {
        let denied = || io::Error::from(io::ErrorKind::PermissionDenied);
        let quoting = Err::<(), _>(Quoting { source: denied() });
        let quoting = quoting.context("it is not sent").unwrap_err();
        assert_eq!(
            with_causes(&quoting),
            "it is not sent: cannot open `x`: permission denied"
        );
        let plain = Err::<(), _>(denied()).context("cannot open `x`");
        assert_eq!(
            with_causes(&plain.unwrap_err()),
            "cannot open `x`: permission denied"
        );
    }
}
