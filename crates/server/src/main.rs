//! The `keyward` binary.
#![forbid(unsafe_code)]

mod aws;
mod certificate;
mod cli;
mod client;
mod clock;
mod config;
mod descriptors;
mod endpoint;
mod exports;
mod http;
mod issuers;
mod opened;
mod out;
mod remembered;
mod telemetry;
mod trust;

use std::{io::Write as _, process::ExitCode};

use clap::Parser as _;

/// Secrets are wiped before their memory is given back, whichever allocator it goes to.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let cli = cli::Cli::parse();
    match cli.run() {
        Ok(code) => code,
        // Whoever reads has read enough, as `head` does.
        Err(error) if matches!(error.downcast_ref(), Some(out::OutError::Closed)) => {
            ExitCode::SUCCESS
        }
        Err(error) => {
            let _ = writeln!(std::io::stderr(), "keyward: {error:#}");
            ExitCode::FAILURE
        }
    }
}
