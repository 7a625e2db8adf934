//! Development tasks behind `./dev`: tests, lints, a server to play with, the demo, the bench.
#![forbid(unsafe_code)]
#![expect(
    clippy::print_stdout,
    reason = "a tool for the terminal: printing is what it does"
)]

mod bench;
mod bench_databases;
mod bench_volumes;
mod demo;
mod keep_store;
mod lint;
mod play;
mod run;
mod server;
mod soak;
mod test;
mod tidy;

use clap::Parser;

/// Development tasks of Keyward.
#[derive(Debug, Parser)]
#[command(bin_name = "cargo xtask")]
enum Task {
    /// All tests: the workspace's, then the AWS clients' against a real server.
    Test(test::Test),
    /// Formatting, clippy for each package, tidy, cargo-deny.
    Lint(lint::Lint),
    /// The house rules that no compiler checks.
    Tidy,
    /// A server to play with; prints what to export.
    Serve(play::Serve),
    /// The product's main job on real data, step by step, with the AWS CLI.
    Demo(demo::Demo),
    /// The small store of this version that later versions must open, in `testdata/stores`.
    KeepStore(keep_store::KeepStore),
    /// The bench against its baselines, as a Markdown report.
    Bench(bench::Bench),
    /// The tests of crashes, damage and random questions, with the counts of `docs/soak.md`.
    Soak(soak::Soak),
}

fn main() -> anyhow::Result<()> {
    match Task::parse() {
        Task::Test(test) => test::run(&test),
        Task::Lint(lint) => lint::run(&lint),
        Task::Tidy => tidy::run(),
        Task::Serve(serve) => play::run(&serve),
        Task::Demo(demo) => demo::run(&demo),
        Task::KeepStore(keep) => keep_store::run(&keep),
        Task::Bench(bench) => bench::run(&bench),
        Task::Soak(soak) => soak::run(&soak),
    }
}
