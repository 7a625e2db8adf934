//! `keyward audit`

use std::path::PathBuf;

use anyhow::bail;
use clap::{Args, Subcommand};
use keyward_keeper::units::counted;
use keyward_services::bootstrap::{self, accept};
use keyward_trail::verify::Verified;

use crate::{
    cli::{Existing, next::START, stopped::StoppedServer},
    out::{OutError, say},
};

const VERIFY_EXAMPLES: &str = "\
Examples:
  keyward audit verify --data-dir /var/lib/keyward
  keyward audit verify --data-dir /var/lib/keyward --archive /mnt/trail/2025";

const ACCEPT_EXAMPLES: &str = "\
Example:
  keyward audit accept-loss --data-dir /var/lib/keyward";

/// Verify the audit trail, or accept a loss, while the server is stopped
#[derive(Debug, Subcommand)]
pub enum Audit {
    Verify(Verify),
    AcceptLoss(AcceptLoss),
}

/// Verify the MAC of every batch of the audit trail, and compare the trail with the store
///
/// It begins with the first segment that is there. Exits with 0 if everything is authentic and
/// nothing is missing.
#[derive(Debug, Args)]
#[command(after_long_help = VERIFY_EXAMPLES)]
pub struct Verify {
    #[command(flatten)]
    existing: Existing,
    /// A directory to which older segments were moved; they are verified too. Can be repeated
    #[arg(long, value_name = "DIR")]
    archive: Vec<PathBuf>,
}

/// Continue although a part of the audit trail, or events that it did not have yet, are lost
///
/// Whatever is left of the trail and is not authentic is moved aside. The trail records that you
/// accepted the loss.
#[derive(Debug, Args)]
#[command(after_long_help = ACCEPT_EXAMPLES)]
pub struct AcceptLoss {
    #[command(flatten)]
    existing: Existing,
}

impl Audit {
    pub fn run(self) -> anyhow::Result<()> {
        let runtime = tokio::runtime::Runtime::new()?;
        runtime.block_on(async {
            match self {
                Self::Verify(verify) => verify.run().await,
                Self::AcceptLoss(accept) => accept_loss(accept.existing).await,
            }
        })
    }
}

impl Verify {
    async fn run(self) -> anyhow::Result<()> {
        // A directory that does not exist has no segments, which would look as if everything were
        // well.
        if let Some(missing) = self.archive.iter().find(|archive| !archive.is_dir()) {
            bail!(
                "--archive is `{}`: there is no such directory",
                missing.display()
            );
        }
        let server = StoppedServer::open(self.existing.place()).await?;
        let places = (server.audit(), self.archive);
        let found = bootstrap::verify_trail(
            server.store(),
            server.root(),
            server.arena(),
            (&places.0, &places.1),
        )
        .await?;
        Ok(print(&found)?)
    }
}

fn print(found: &Verified) -> Result<(), OutError> {
    say!(
        "Verified {} in {} of {}; {} set aside after a crash.",
        counted(found.events, "event", "events"),
        counted(found.batches, "batch", "batches"),
        counted(found.segments, "segment", "segments"),
        counted(found.set_aside, "piece was", "pieces were")
    )?;
    if let Some(first) = found.first.filter(|first| *first > 1) {
        say!(
            "The first segment here is number {first}: the segments before it were not verified."
        )?;
    }
    for (first, last) in &found.missing {
        if first == last {
            say!("Segment {first} is missing; this loss was accepted.")?;
        } else {
            say!("Segments {first} to {last} are missing; this loss was accepted.")?;
        }
    }
    for segment in &found.after_loss {
        say!("Segment {segment} begins after a loss that was accepted.")?;
    }
    if found.rest > 0 {
        say!(
            "{} after the last batch; the next start sets aside what is not authentic.",
            counted(found.rest, "byte is", "bytes are")
        )?;
    }
    say!(
        "The trail ends with byte {} of segment {}; the store agrees.",
        found.end.at.length,
        found.end.at.segment
    )
}

async fn accept_loss(existing: Existing) -> anyhow::Result<()> {
    let server = StoppedServer::open(existing.place()).await?;
    let lost = accept::accept_loss(&server.stopped(), &server.audit()).await?;
    if let Some(trail) = &lost.trail {
        say!("Accepted: {trail}.")?;
    }
    for file in &lost.set_aside {
        say!("What is not authentic is now in {file}.")?;
    }
    if let Some(segment) = lost.next_segment {
        say!("The trail continues with segment {segment}.")?;
    }
    if lost.events > 0 {
        say!(
            "{} lost.",
            counted(lost.events, "event of a change is", "events of changes are")
        )?;
    }
    Ok(say!("\n{START}")?)
}
