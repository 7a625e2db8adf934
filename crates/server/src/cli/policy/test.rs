//! `keyward policy test`

use std::{
    fs::File,
    io::{self, Read, Write},
    path::{Path, PathBuf},
    process::ExitCode,
};

use clap::{Args, ValueEnum};
use keyward_policy::{
    case::{CaseAnswer, Decider, explain},
    explain::{json, text},
};

use crate::{
    cli::policy::lines::{Chunk, cases, each_chunk},
    out::OutError,
};

const EXAMPLES: &str = "\
Examples:
  keyward policy test cases.jsonl
  keyward policy explain … --output case | keyward policy test -";

/// Decide the cases in files, and report those that are not decided as they expect
///
/// Each of them is reported with an explanation: every policy that takes part, what in each statement
/// does not match and on which value, and for a denial the smallest changes that would allow the
/// call.
///
/// Exits with 0 if all cases are decided as they expect, with 1 if one is not or cannot be decided or
/// if a file has no cases, and with 2 if a file cannot be read. A case without `expect` is decided, but
/// cannot fail.
#[derive(Debug, Args)]
#[command(after_long_help = EXAMPLES)]
pub struct Test {
    /// Files of cases, one line of JSON for each case; - is standard input
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// The output format: text, or one line of JSON for each case
    #[arg(long, value_enum, default_value = "text")]
    output: Output,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Output {
    Text,
    Json,
}

/// The exit code for wrong arguments.
const USAGE: u8 = 2;

impl Test {
    pub fn run(self) -> anyhow::Result<ExitCode> {
        let mut run = Run {
            decider: Decider::new(),
            output: self.output,
            out: io::stdout().lock(),
            agreed: 0,
            differed: 0,
            open: 0,
        };
        let mut without_cases = false;
        for path in &self.files {
            let before = run.cases();
            match run.file(path) {
                Ok(()) => {}
                Err(Stop::Read(error)) => {
                    complain(path, &format!("cannot be read: {error}"));
                    return Ok(ExitCode::from(USAGE));
                }
                Err(Stop::Write(error)) => return Err(OutError::from(error).into()),
            }
            // Most likely the wrong file, or one that was never written: nothing was tested.
            if run.cases() == before {
                complain(path, "has no cases");
                without_cases = true;
            }
        }
        let agreed = run.finish().map_err(OutError::from)?;
        Ok(if agreed && !without_cases {
            ExitCode::SUCCESS
        } else {
            ExitCode::FAILURE
        })
    }
}

/// Says what is wrong with a file.
fn complain(path: &Path, what: &str) {
    let shown = match path.to_str() {
        Some("-") => "standard input".into(),
        Some(_) | None => path.to_string_lossy(),
    };
    // Nobody can be told if this fails.
    let _ = writeln!(io::stderr(), "keyward: {shown} {what}");
}

struct Run<W> {
    decider: Decider,
    output: Output,
    out: W,
    agreed: u64,
    differed: u64,
    /// Cases that expect nothing.
    open: u64,
}

/// The place of a case in its file.
#[derive(Clone, Copy)]
struct CaseLine<'a> {
    path: &'a Path,
    line: usize,
}

enum Stop {
    Read(io::Error),
    Write(io::Error),
}

impl<W: Write> Run<W> {
    fn file(&mut self, path: &Path) -> Result<(), Stop> {
        let input: Box<dyn Read> = if path == Path::new("-") {
            Box::new(io::stdin().lock())
        } else {
            Box::new(File::open(path).map_err(Stop::Read)?)
        };
        let mut lines_before = 0;
        let mut written = Ok(());
        let read = each_chunk(input, |chunk| {
            written = self.chunk(path, &mut lines_before, chunk);
            written.is_ok()
        });
        read.map_err(Stop::Read)?;
        written.map_err(Stop::Write)
    }

    fn chunk(&mut self, path: &Path, lines_before: &mut usize, chunk: Chunk) -> io::Result<()> {
        match chunk {
            Chunk::TooLong => {
                *lines_before += 1;
                let line = *lines_before;
                self.judge(CaseLine { path, line }, &CaseAnswer::too_long(), b"")?;
            }
            Chunk::Lines(lines) => {
                for (index, case) in cases(&lines) {
                    let answer = self.decider.answer(case);
                    let line = *lines_before + index + 1;
                    self.judge(CaseLine { path, line }, &answer, case)?;
                }
                *lines_before += lines.iter().filter(|byte| **byte == b'\n').count();
            }
        }
        Ok(())
    }

    fn judge(&mut self, place: CaseLine<'_>, answer: &CaseAnswer, case: &[u8]) -> io::Result<()> {
        let differs = match (answer.decision, answer.expected) {
            (Some(decision), Some(expected)) => decision != expected,
            (Some(_), None) => {
                self.open += 1;
                false
            }
            (None, _) => true,
        };
        if differs {
            self.differed += 1;
        } else if answer.expected.is_some() {
            self.agreed += 1;
        }
        match self.output {
            Output::Text => self.tell(place, answer, differs, case),
            Output::Json if differs || !answer.errors.is_empty() || !answer.warnings.is_empty() => {
                self.tell_json(place, answer, case)
            }
            Output::Json => Ok(()),
        }
    }

    fn tell(
        &mut self,
        place: CaseLine<'_>,
        answer: &CaseAnswer,
        differs: bool,
        case: &[u8],
    ) -> io::Result<()> {
        let id = answer.id.as_deref().unwrap_or("case without id");
        let place = format!("{}:{}: {id}", place.path.display(), place.line);
        if differs && let (Some(decision), Some(expected)) = (answer.decision, answer.expected) {
            writeln!(self.out, "{place}: {decision}, expected {expected}")?;
        }
        let undecided = match answer.decision {
            None => "cannot be decided: ",
            Some(_) => "",
        };
        for error in &answer.errors {
            writeln!(self.out, "{place}: {undecided}{error}")?;
        }
        // An explanation contains them too.
        for warning in answer.warnings.iter().filter(|_| !differs) {
            writeln!(self.out, "{place}: warning: {warning}")?;
        }
        if differs && let Ok(explanation) = explain(case) {
            for line in text::render(&explanation).lines() {
                let indent = if line.is_empty() { "" } else { "    " };
                writeln!(self.out, "{indent}{line}")?;
            }
            writeln!(self.out)?;
        }
        Ok(())
    }

    fn tell_json(
        &mut self,
        place: CaseLine<'_>,
        answer: &CaseAnswer,
        case: &[u8],
    ) -> io::Result<()> {
        let file = json::string(&place.path.display().to_string());
        let expected = answer.expected.map_or_else(
            || "null".to_owned(),
            |expected| json::string(expected.as_str()),
        );
        let mut line = String::new();
        answer.write(&mut line);
        let explanation = explain(case).map_or_else(|_| "null".to_owned(), |it| json::render(&it));
        writeln!(
            self.out,
            "{{\"file\":{file},\"line\":{},\"expect\":{expected},\"answer\":{line},\
             \"explanation\":{explanation}}}",
            place.line
        )
    }

    /// How many cases there have been.
    fn cases(&self) -> u64 {
        self.agreed + self.differed + self.open
    }

    /// Prints the sum, and answers whether all cases are decided as they expect.
    fn finish(mut self) -> io::Result<bool> {
        let Self {
            agreed,
            differed,
            open,
            ..
        } = self;
        if self.output == Output::Text {
            write!(self.out, "{agreed} as expected, {differed} not")?;
            if open > 0 {
                write!(self.out, ", {open} without expectation")?;
            }
            writeln!(self.out)?;
        }
        Ok(differed == 0)
    }
}
