//! The `keyward` binary.
#![forbid(unsafe_code)]
#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a command line prints"
)]

mod cli;
mod client;
mod clock;
mod config;
mod descriptors;
mod http;
mod issuers;
mod opened;
mod telemetry;

use std::process::ExitCode;

use clap::Parser as _;

/// Secrets are wiped before their memory is given back, whichever allocator it goes to.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let cli = cli::Cli::parse();
    match cli.run() {
        Ok(code) => code,
        Err(error) => {
            eprintln!("keyward: {error:#}");
            ExitCode::FAILURE
        }
    }
}
