//! Why an agent beside a server has ended, as far as its parent must know: by the exit status of its process.

use std::{fmt, process::ExitCode};

use keyward_agent::layout::LayoutError;
use keyward_host::run::Removed;
use keyward_types::shown::with_causes;

/// The agent cannot run until somebody has done what it says: starting it again changes nothing.
pub const FOR_GOOD: u8 = 78;
/// Something else runs with its state directory, which may end.
pub const IN_USE: u8 = 75;

/// An error after which the process ends with a status of its own.
#[derive(Debug)]
pub struct Ending {
    status: u8,
    said: String,
}

impl Ending {
    /// The same error, with the status that tells the parent what kind it is, if it must know.
    pub fn of(error: anyhow::Error) -> anyhow::Error {
        let of_layout = error.chain().find_map(|cause| cause.downcast_ref());
        let status = match of_layout {
            Some(LayoutError::InUse(_)) => IN_USE,
            Some(LayoutError::NotItsVolumes { .. } | LayoutError::NotPrivate(_)) => FOR_GOOD,
            _ if error.is::<Removed>() => FOR_GOOD,
            _ => return error,
        };
        let said = with_causes(error.as_ref());
        Self { status, said }.into()
    }

    /// The status of a process that ends with an error.
    pub fn status(error: &anyhow::Error) -> ExitCode {
        let ending = error.downcast_ref();
        ending.map_or(ExitCode::FAILURE, |ending: &Self| {
            ExitCode::from(ending.status)
        })
    }
}

impl fmt::Display for Ending {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.said)
    }
}

impl std::error::Error for Ending {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_does_not_mend_itself_has_a_status_of_its_own() {
        let removed = Ending::of(anyhow::Error::new(Removed::new("it was removed")));
        assert_eq!(removed.to_string(), "it was removed");
        assert_eq!(Ending::status(&removed), ExitCode::from(FOR_GOOD));
        let held = Ending::of(LayoutError::InUse("/state".into()).into());
        assert_eq!(Ending::status(&held), ExitCode::from(IN_USE));
        let private = Ending::of(LayoutError::NotPrivate("/state".into()).into());
        assert_eq!(Ending::status(&private), ExitCode::from(FOR_GOOD));
        let other = Ending::of(anyhow::anyhow!("no answer"));
        assert_eq!(Ending::status(&other), ExitCode::FAILURE);
    }
}
