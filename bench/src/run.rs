//! The run: what is measured, in which order, and the head of the report.

use std::path::PathBuf;

use anyhow::Context;

use crate::{compare, compare::Plan, durable, grants, million, process::Pinning, versus};

/// Arguments of the run.
#[derive(Debug, clap::Args)]
pub struct Run {
    /// The server's program, as released.
    #[arg(long)]
    keyward: PathBuf,
    /// A folder for everything that the run makes; emptied first.
    #[arg(long)]
    scratch: PathBuf,
    /// Instead: this build beside an older one, whose program stands here.
    #[arg(long, value_name = "PROGRAM")]
    against: Option<PathBuf>,
    /// One short round of GenerateDataKey only, to see that all works.
    #[arg(long)]
    quick: bool,
    /// Instead: a million keys.
    #[arg(long)]
    million: bool,
    /// How many keys that is.
    #[arg(long, default_value_t = 1_000_000)]
    keys: u64,
    /// Instead: keys with that many grants.
    #[arg(long, num_args = 0..=1, default_missing_value = "50000")]
    grants: Option<u64>,
    /// Seconds of each measurement.
    #[arg(long, default_value_t = 1.0)]
    seconds: f64,
    /// Measurements of each kind, after one that warms up; their median counts.
    #[arg(long, default_value_t = 9)]
    repetitions: usize,
    /// Connections at once.
    #[arg(long, value_delimiter = ',', default_values_t = [1, 32, 256])]
    connections: Vec<usize>,
}

/// Measures, and prints the report.
pub fn run(run: &Run) -> anyhow::Result<()> {
    if run.scratch.exists() {
        std::fs::remove_dir_all(&run.scratch)?;
    }
    std::fs::create_dir_all(&run.scratch).context("cannot make the scratch folder")?;
    let pinning = Pinning::new()?;
    println!("# Bench\n");
    println!(
        "Servers on CPU {}, load generator on CPU {}; medians of {} measurements of {} s each, \
         in turns, after one that warms up; ratios are the medians of the ratios of each turn.",
        pinning.servers,
        pinning.load,
        if run.quick { 1 } else { run.repetitions },
        run.seconds,
    );
    let plan = Plan {
        connections: if run.quick {
            vec![32]
        } else {
            run.connections.clone()
        },
        seconds: run.seconds,
        repetitions: if run.quick { 1 } else { run.repetitions },
        pinning,
    };
    if let Some(old) = &run.against {
        return versus::run(&plan, &run.keyward, old, &run.scratch);
    }
    if run.million {
        return million::run(&plan, &run.keyward, &run.scratch, run.keys);
    }
    if let Some(count) = run.grants {
        return grants::run(&plan, &run.keyward, &run.scratch, count);
    }
    println!(
        "\n(a) bare hyper, fixed body; (b) the limit: hyper, signature, derive, seal, record;"
    );
    println!("(c) Keyward with signature, policy and audit.");
    compare::run(
        &plan,
        &run.keyward,
        &run.scratch,
        if run.quick { 1 } else { 3 },
    )?;
    if !run.quick {
        compare::policies(&plan, &run.keyward, &run.scratch)?;
        durable::run(&plan, &run.keyward, &run.scratch)?;
    }
    Ok(())
}
