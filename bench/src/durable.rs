//! Durable CreateKey beside the engine's own rate for the same rows.

use std::path::Path;
use std::path::PathBuf;
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use anyhow::ensure;
use keyward_crypto::random;
use keyward_store::batch::Batch;
use keyward_store::batch::Precondition;
use keyward_store::path::Path as Place;
use keyward_store::sqlite::Sqlite;
use keyward_store::sqlite::SqliteOptions;
use keyward_store::store::Store;

use crate::clock;
use crate::compare;
use crate::compare::Plan;
use crate::compare::Sample;
use crate::process;
use crate::requests;
use crate::setup::World;

/// Arguments of the engine's role.
#[derive(Debug, clap::Args)]
pub struct Engine {
    /// The database file.
    #[arg(long)]
    file: PathBuf,
    /// Commits at once.
    #[arg(long)]
    writers: usize,
    /// For how long.
    #[arg(long)]
    seconds: f64,
    /// Bytes of each value that one batch writes.
    #[arg(long, value_delimiter = ',')]
    values: Vec<usize>,
}

/// Commits batches, and prints how many in a second.
pub fn engine(engine: &Engine) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?;
    let rate = runtime.block_on(async {
        let store = Arc::new(Sqlite::open(SqliteOptions::new(&engine.file))?);
        let start = clock::start();
        let span = Duration::from_secs_f64(engine.seconds);
        let mut tasks = Vec::new();
        for _ in 0..engine.writers {
            let (store, values) = (Arc::clone(&store), engine.values.clone());
            tasks.push(tokio::spawn(async move {
                let mut commits = 0_u64;
                while start.elapsed() < span {
                    store.commit(batch(&values)?).await?;
                    commits += 1;
                }
                anyhow::Ok(commits)
            }));
        }
        let mut commits = 0;
        for task in tasks {
            commits += task.await??;
        }
        anyhow::Ok(commits as f64 / start.elapsed().as_secs_f64())
    })?;
    println!("{rate}");
    Ok(())
}

/// Values under new paths of the length that keys have.
fn batch(values: &[usize]) -> anyhow::Result<Batch> {
    let mut batch = Batch::new();
    let id = hex::encode(random::array::<16>());
    for (index, bytes) in values.iter().enumerate() {
        let path = Place::parse(&format!("aws/000000000000/us-east-1/bench/{id}/{index}"))?;
        batch.put(path, vec![b'v'; *bytes], Precondition::Absent)?;
    }
    Ok(batch)
}

/// Measures both in turns and prints the table. `values` are the sizes of what CreateKey writes.
pub fn run(plan: &Plan, keyward: &Path, scratch: &Path, values: &str) -> anyhow::Result<()> {
    let world = World::start(keyward, &scratch.join("durable"), None, &plan.pinning)?;
    let user = world.create_user("bench")?;
    println!("\n## CreateKey, durable\n");
    println!("The engine alone commits batches of values of {values} bytes.\n");
    println!("| conn. | CreateKey/s | p50 µs | p99 µs | engine batches/s | ratio |");
    println!("|---|---|---|---|---|---|");
    for connections in [1, 32] {
        let (mut samples, mut rates) = (Vec::new(), Vec::new());
        for _ in 0..plan.repetitions {
            let file = scratch.join("requests");
            requests::write(&file, [user.kms("CreateKey", b"{}", clock::now())])?;
            samples.push(compare::load(
                plan,
                &world.server,
                &file,
                connections,
                None,
            )?);
            rates.push(engine_alone(plan, scratch, connections, values)?);
        }
        rates.sort_unstable_by(f64::total_cmp);
        let engine = rates.get(rates.len() / 2).copied().unwrap_or_default();
        let Sample { rate, p50, p99, .. } = Sample::median(&samples);
        let ratio = rate / engine;
        println!("| {connections} | {rate:.0} | {p50:.0} | {p99:.0} | {engine:.0} | {ratio:.2} |");
    }
    Ok(())
}

fn engine_alone(plan: &Plan, dir: &Path, writers: usize, values: &str) -> anyhow::Result<f64> {
    let home = dir.join("engine");
    if home.exists() {
        std::fs::remove_dir_all(&home)?;
    }
    std::fs::create_dir_all(&home)?;
    let mut command = process::pinned(&plan.pinning.servers, std::env::current_exe()?);
    command
        .arg("engine")
        .arg("--file")
        .arg(home.join("store.sqlite"));
    command.args(["--writers", &writers.to_string(), "--values", values]);
    command.args(["--seconds", &plan.seconds.to_string()]);
    let output = command.stderr(Stdio::inherit()).output()?;
    ensure!(output.status.success(), "the engine failed");
    let text = String::from_utf8(output.stdout)?;
    text.trim().parse().context("the engine printed no rate")
}
