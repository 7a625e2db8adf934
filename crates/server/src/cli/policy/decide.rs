//! `keyward policy decide`

use std::{
    io::{self, ErrorKind, Read, Write},
    process::ExitCode,
    sync::mpsc::{self, Receiver, SyncSender},
    thread,
};

use anyhow::Context as _;
use clap::Args;
use keyward_policy::case::{CaseAnswer, Decider};

use crate::cli::policy::lines::{Chunk, cases, each_chunk};

const EXAMPLES: &str = "\
Example:
  keyward policy decide < cases.jsonl > decisions.jsonl";

/// Decide cases from standard input, and print one line of JSON for each, in the same order
///
/// Every case is answered by a line {"id", "decision", "blockedBy", "by": {"policy",
/// "statement", "sid"}, "errors", "warnings"}, of which only "id" and "decision" are always there. The
/// decision is null if the case cannot be decided, and then "errors" says why. Each case is answered
/// as soon as it arrives. Exits with 0 unless input or output fails.
#[derive(Debug, Args)]
#[command(after_long_help = EXAMPLES)]
pub struct Decide {}

/// How many chunks wait for a worker, or for their turn to be written.
const WAITING: usize = 2;
/// The most threads that decide.
const MOST_WORKERS: usize = 16;

impl Decide {
    pub fn run(self) -> anyhow::Result<ExitCode> {
        let workers = thread::available_parallelism().map_or(1, usize::from);
        stream(io::stdin().lock(), io::stdout(), workers.min(MOST_WORKERS))?;
        Ok(ExitCode::SUCCESS)
    }
}

/// Chunks go to the workers in turn, and their answers are collected in the same order. So the
/// order is kept, and only a few chunks for each worker are in memory.
fn stream(input: impl Read, output: impl Write + Send, workers: usize) -> anyhow::Result<()> {
    thread::scope(|scope| {
        let mut questions: Vec<SyncSender<Chunk>> = Vec::new();
        let mut answers: Vec<Receiver<String>> = Vec::new();
        for _ in 0..workers.max(1) {
            let (ask, asked) = mpsc::sync_channel(WAITING);
            let (answer, answered) = mpsc::sync_channel(WAITING);
            scope.spawn(move || work(&asked, &answer));
            questions.push(ask);
            answers.push(answered);
        }
        let writer = scope.spawn(move || write(&answers, output));
        let mut turns = questions.iter().cycle();
        let read = each_chunk(input, |chunk| {
            turns
                .next()
                .is_some_and(|worker| worker.send(chunk).is_ok())
        });
        drop(questions);
        let written = writer
            .join()
            .unwrap_or_else(|_| Err(io::Error::other("the thread that writes stopped")));
        read.context("cannot read standard input")?;
        match written {
            // The reader has read enough.
            Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(()),
            written => written.context("cannot write to standard output"),
        }
    })
}

fn work(questions: &Receiver<Chunk>, answers: &SyncSender<String>) {
    let mut decider = Decider::new();
    for chunk in questions {
        let mut out = String::new();
        match chunk {
            Chunk::TooLong => line(&CaseAnswer::too_long(), &mut out),
            Chunk::Lines(lines) => {
                for (_, case) in cases(&lines) {
                    line(&decider.answer(case), &mut out);
                }
            }
        }
        if answers.send(out).is_err() {
            return;
        }
    }
}

fn line(answer: &CaseAnswer, out: &mut String) {
    answer.write(out);
    out.push('\n');
}

fn write(answers: &[Receiver<String>], mut output: impl Write) -> io::Result<()> {
    // The first worker without more answers ends the loop, since the chunks were handed out in this
    // order.
    for worker in answers.iter().cycle() {
        let Ok(lines) = worker.recv() else {
            break;
        };
        output.write_all(lines.as_bytes())?;
        output.flush()?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_keep_the_order_of_the_cases_and_malformed_ones_stop_nothing() {
        let case = |id: usize| {
            format!(
                "{{\"id\":\"{id}\",\"principal\":\"arn:aws:iam::111122223333:root\",\
                 \"action\":\"kms:ListKeys\",\"resource\":\"*\"}}\n"
            )
        };
        let mut input = String::new();
        let mut expected = String::new();
        for id in 0..20_000 {
            if id % 1000 == 7 {
                input.push_str("{\n\n");
                expected.push_str(
                    "{\"id\":null,\"decision\":null,\"errors\":[\"the line is not JSON\"]}\n",
                );
            } else {
                input.push_str(&case(id));
                expected.push_str(&format!("{{\"id\":\"{id}\",\"decision\":\"Allow\"}}\n"));
            }
        }
        for workers in [1, 2, 5] {
            let mut output = Vec::new();
            stream(input.as_bytes(), &mut output, workers).unwrap();
            assert_eq!(String::from_utf8(output).unwrap(), expected);
        }
    }
}
