//! `keyward audit`

use std::path::PathBuf;

use clap::{Args, Subcommand};
use keyward_services::bootstrap::{self, accept};
use keyward_trail::verify::Verified;

use crate::cli::{Place, stopped::StoppedServer};

/// Check the audit trail
#[derive(Debug, Subcommand)]
pub enum Audit {
    /// Check the MAC of every batch of the trail, from the first segment that is there, and compare
    /// the trail with the store; the server must be stopped
    Verify(Verify),
    /// Go on though a part of the trail, or events that it did not have yet, are lost; what is left
    /// and not authentic is set aside, and the audit trail records it; the server must be stopped
    AcceptLoss(Place),
}

#[derive(Debug, Args)]
pub struct Verify {
    #[command(flatten)]
    place: Place,
    /// A directory that segments were moved to, to be checked with the others; may be given again
    #[arg(long, value_name = "DIR")]
    archive: Vec<PathBuf>,
}

impl Audit {
    pub fn run(self) -> anyhow::Result<()> {
        let runtime = tokio::runtime::Runtime::new()?;
        runtime.block_on(async {
            match self {
                Self::Verify(verify) => verify.run().await,
                Self::AcceptLoss(place) => accept_loss(&place).await,
            }
        })
    }
}

impl Verify {
    async fn run(self) -> anyhow::Result<()> {
        let server = StoppedServer::open(&self.place).await?;
        let places = (server.audit(), self.archive);
        let found = bootstrap::verify_trail(
            server.store(),
            server.root(),
            server.arena(),
            (&places.0, &places.1),
        )
        .await?;
        print(&found);
        Ok(())
    }
}

fn print(found: &Verified) {
    println!(
        "{} events in {} batches of {} segments are whole; {} pieces were set aside after a crash.",
        found.events, found.batches, found.segments, found.set_aside
    );
    if let Some(first) = found.first.filter(|first| *first > 1) {
        println!(
            "They begin with segment {first}: the ones before it are not here and were not seen."
        );
    }
    for (first, last) in &found.missing {
        println!("Segments {first} to {last} are missing; that was accepted.");
    }
    for segment in &found.after_loss {
        println!("Segment {segment} begins after a loss that was accepted.");
    }
    if found.rest > 0 {
        println!(
            "{} bytes after the last batch are not authentic; the next start sets them aside.",
            found.rest
        );
    }
    println!(
        "The trail ends with byte {} of segment {}; the store agrees.",
        found.end.at.length, found.end.at.segment
    );
}

async fn accept_loss(place: &Place) -> anyhow::Result<()> {
    let server = StoppedServer::open(place).await?;
    let lost = accept::accept_loss(&server.stopped(), &server.audit()).await?;
    if let Some(trail) = &lost.trail {
        println!("Accepted: {trail}.");
    }
    for file in &lost.set_aside {
        println!("What is not authentic is set aside in {file}.");
    }
    if let Some(segment) = lost.next_segment {
        println!("The trail goes on with segment {segment}.");
    }
    if lost.events > 0 {
        println!("{} events of changes are lost.", lost.events);
    }
    Ok(())
}
