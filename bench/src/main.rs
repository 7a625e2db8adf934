//! The bench: what Keyward costs beside a bare HTTP server and beside the limit of the work.
//!
//! One program in four roles, each a process of its own: the two baselines, the load generator,
//! and the run that starts them, measures them in turns and writes the report.
#![forbid(unsafe_code)]
#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a tool for the terminal: printing is what it does"
)]

mod bare;
mod client;
mod clock;
mod compare;
mod durable;
mod grants;
mod limit;
mod load;
mod million;
mod process;
mod requests;
mod run;
mod setup;
mod sign;
mod versus;

use clap::Parser;

/// Keyward's, so that the baselines are held to the same means.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// The bench of Keyward.
#[derive(Debug, Parser)]
enum Role {
    /// Baseline (a): hyper that answers a fixed body.
    Bare(bare::Bare),
    /// Baseline (b): hyper that verifies, derives, seals and appends a record; nothing else.
    Limit(limit::Limit),
    /// The storage engine alone: commits batches as CreateKey does.
    Engine(durable::Engine),
    /// The load generator: sends ready-made requests and prints what it saw as JSON.
    Load(load::Load),
    /// Starts the others, measures them in turns and prints the report as Markdown.
    Run(run::Run),
}

fn main() -> anyhow::Result<()> {
    match Role::parse() {
        Role::Bare(bare) => bare::serve(&bare),
        Role::Limit(limit) => limit::serve(limit),
        Role::Engine(engine) => durable::engine(&engine),
        Role::Load(load) => load::run(&load),
        Role::Run(run) => run::run(&run),
    }
}
