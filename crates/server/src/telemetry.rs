//! The log, on standard error: text on a terminal, otherwise one JSON object on each line.

mod apart;
mod flood;

use std::{
    ffi::OsString,
    io::{self, IsTerminal as _},
    thread,
    time::Duration,
};

use apart::Apart;
use clap::{Args, ValueEnum};
use flood::Flood;
use tracing_subscriber::{
    EnvFilter, Layer as _,
    fmt::{self, MakeWriter},
    layer::SubscriberExt as _,
    util::SubscriberInitExt as _,
};

/// How often the log says how many lines were left out.
const COUNT_EVERY: Duration = Duration::from_secs(5);

/// The levels, from the one that logs least.
const LEVELS: [&str; 6] = ["off", "error", "warn", "info", "debug", "trace"];

// What is logged, and how.
#[derive(Clone, Debug, Args)]
pub struct Logging {
    /// What is logged: off, error, warn, info, debug (adds a line for each request) or trace. Or
    /// levels of parts of the program, such as warn,keyward=debug
    #[arg(long, value_name = "LEVEL", env = "KEYWARD_LOG", hide_env_values = true, default_value = "info", value_parser = checked)]
    log: String,
    /// How log lines are written [default: text on a terminal, else json]
    #[arg(
        long,
        value_enum,
        value_name = "FORMAT",
        env = "KEYWARD_LOG_FORMAT",
        hide_env_values = true
    )]
    log_format: Option<Format>,
}

/// How log lines are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Format {
    /// To be read by people
    Text,
    /// One JSON object per line
    Json,
}

/// Checks a filter. The library would take a misspelled level for the name of a module.
fn checked(text: &str) -> Result<String, String> {
    for part in text.split(',').map(str::trim) {
        let is_level = LEVELS.iter().any(|level| part.eq_ignore_ascii_case(level));
        if !is_level && !part.contains(['=', '[']) {
            return Err(format!(
                "`{part}` is not a level: use off, error, warn, info, debug or trace, or PART=LEVEL"
            ));
        }
    }
    match EnvFilter::builder().parse(text) {
        Ok(_) => Ok(text.to_owned()),
        Err(error) => Err(error.to_string()),
    }
}

impl Logging {
    /// The flags that say the same.
    pub fn arguments(&self) -> Vec<OsString> {
        let format = self
            .log_format
            .and_then(|format| format.to_possible_value());
        let format = format.map(|format| ["--log-format".into(), format.get_name().into()]);
        let level = ["--log".into(), OsString::from(&self.log)];
        level
            .into_iter()
            .chain(format.into_iter().flatten())
            .collect()
    }

    /// The same with another level.
    #[must_use]
    pub fn with_level(self, level: &str) -> Self {
        Self {
            log: level.to_owned(),
            ..self
        }
    }

    /// Starts logging.
    pub fn start(&self) {
        self.begin(io::stderr);
    }

    /// Starts logging by a thread of its own: whoever logs waits for nobody, whether the log is read or not. Lines that
    /// find no place are counted. What is left is written, for a moment, when the answer is dropped.
    ///
    /// # Errors
    /// When there is no thread.
    pub fn start_apart(&self) -> io::Result<Apart> {
        let report = |count| {
            tracing::warn!(count, "lines of this log were lost because nobody read it");
        };
        let apart = Apart::start(io::stderr(), report)?;
        self.begin(apart.lines());
        Ok(apart)
    }

    fn begin(&self, writer: impl for<'w> MakeWriter<'w> + Send + Sync + 'static) {
        let terminal = io::stderr().is_terminal();
        let format = self
            .log_format
            .unwrap_or(if terminal { Format::Text } else { Format::Json });
        // A log that cannot be written must not end the server.
        let lines = fmt::layer().with_writer(writer).log_internal_errors(false);
        let lines = match format {
            Format::Text => lines.with_ansi(terminal).with_target(false).boxed(),
            Format::Json => lines.json().boxed(),
        };
        let flood = Flood::default();
        let counts = flood.clone();
        tracing_subscriber::registry()
            .with(EnvFilter::new(&self.log))
            .with(flood)
            .with(lines)
            .init();
        thread::spawn(move || {
            loop {
                thread::sleep(COUNT_EVERY);
                counts.count();
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_misspelled_level_is_refused() {
        for good in [
            "info",
            "DEBUG",
            "off",
            "warn,keyward=debug",
            "keyward::http=trace, info",
        ] {
            assert_eq!(checked(good), Ok(good.to_owned()));
        }
        assert_eq!(
            checked("verbose").unwrap_err(),
            "`verbose` is not a level: use off, error, warn, info, debug or trace, or PART=LEVEL"
        );
        assert!(checked("keyward=verbose").is_err());
        assert!(checked("").is_err());
    }
}
