//! How far a command is that takes long.

use std::io::{self, IsTerminal as _, Write as _};

/// Progress on a terminal, in percent.
pub struct Meter {
    what: &'static str,
    shown: Option<u64>,
}

impl Meter {
    /// Nothing is shown yet. `what` says what is done with something, such as `verified`.
    pub const fn new(what: &'static str) -> Self {
        Self { what, shown: None }
    }

    /// Shows how much of how much is done.
    pub fn show(&mut self, done: u64, total: u64) {
        let percent = (u128::from(done) * 100).checked_div(u128::from(total));
        let percent = percent.map_or(100, |percent| u64::try_from(percent).unwrap_or(100));
        let mut err = io::stderr();
        if self.shown != Some(percent) && err.is_terminal() {
            self.shown = Some(percent);
            let _ = write!(err, "\r{percent} % {}", self.what);
        }
    }

    /// Begins a new line, if anything was shown.
    pub fn end(&self) {
        if self.shown.is_some() {
            let _ = writeln!(io::stderr());
        }
    }
}
