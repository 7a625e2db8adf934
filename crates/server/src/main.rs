//! The `keyward` binary.
#![forbid(unsafe_code)]

mod cli;
mod config;
mod descriptors;
mod ending;
mod endpoint;
mod http;
mod issuers;
mod opened;
mod out;
mod privileges;
mod telemetry;

use std::{
    io::{self, Write as _},
    process::ExitCode,
};

use clap::Parser as _;
use keyward_crypto::secret::allocator::Wiping;
use keyward_types::shown::{Text, with_causes};

/// Our own secrets are wiped before their memory is given back. Those that pass through buffers of libraries are
/// wiped by the allocator.
#[global_allocator]
static ALLOCATOR: Wiping<mimalloc::MiMalloc> = Wiping(mimalloc::MiMalloc);

fn main() -> ExitCode {
    let cli = cli::Cli::parse();
    let if_denied = cli.if_denied();
    match cli.run() {
        Ok(code) => code,
        // The reader has read enough, as `head` does.
        Err(error) if matches!(error.downcast_ref(), Some(out::OutError::Closed)) => {
            ExitCode::SUCCESS
        }
        Err(error) => {
            let advice = advice(&error, if_denied).unwrap_or_default();
            let said = format!("keyward: {}{advice}", with_causes(error.as_ref()));
            // It may quote what nobody has authenticated.
            let _ = writeln!(io::stderr(), "{}", Text(&said));
            ending::Ending::status(&error)
        }
    }
}

/// Advice for system errors whose text gives none. `if_denied` is what to do if the system has denied something.
fn advice(error: &anyhow::Error, if_denied: &'static str) -> Option<&'static str> {
    let mut causes = error.chain().filter_map(|cause| cause.downcast_ref());
    causes.find_map(|cause: &io::Error| {
        if keyward_trail::writer::is_disk_full(cause) {
            return Some(": free space on its disk, then try again");
        }
        let denied = cause.kind() == io::ErrorKind::PermissionDenied;
        denied.then_some(if_denied)
    })
}
