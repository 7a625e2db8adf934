//! Durable CreateKey beside the engine's own rate for the same rows: a key's record and the event
//! in the outbox, under paths of the same form and in the sizes that the server really wrote. Like
//! the server, the engine writes an event over one that is done with. Copying it to the trail is the
//! server's cost, not the engine's.

use std::{
    path::{Path, PathBuf},
    process::Stdio,
    sync::Arc,
    time::Duration,
};

use anyhow::{Context, ensure};
use keyward_crypto::random;
use keyward_store::{
    batch::{Batch, Precondition},
    path::{Path as Place, Prefix},
    sealed::value::OVERHEAD_BYTES,
    sqlite::{Sqlite, SqliteOptions},
    store::Store,
};
use keyward_types::key_id::KeyId;
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::{
    clock, compare,
    compare::{Plan, Sample},
    process, requests,
    setup::World,
};

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
    #[command(flatten)]
    rows: Rows,
}

/// The values that CreateKey writes in its one batch.
#[derive(Clone, Copy, Debug, clap::Args)]
pub struct Rows {
    /// Bytes of a key's record, sealed.
    #[arg(long)]
    key_bytes: usize,
    /// Bytes of the event in the outbox, sealed.
    #[arg(long)]
    event_bytes: usize,
}

impl Rows {
    /// What the last CreateKey of this world wrote: the record as it stands in a copy of the
    /// store, the event as the trail has it, which is what stood in the outbox.
    fn of(world: &World, scratch: &Path) -> anyhow::Result<Self> {
        let copy = scratch.join("copy");
        std::fs::create_dir_all(&copy)?;
        for name in ["store.db", "store.db-wal"] {
            std::fs::copy(world.data_dir.join(name), copy.join(name))
                .with_context(|| format!("cannot copy {name}"))?;
        }
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        let key_bytes = runtime.block_on(async {
            let store = Sqlite::open(SqliteOptions::new(copy.join("store.db")))?;
            let keys = Prefix::parse(KEYS)?;
            let found = store.range(&keys, None, 1).await?.value;
            let key = found.first().context("the store has no key")?;
            anyhow::Ok(key.value.len())
        })?;
        let event = world
            .trail()?
            .lines()
            .filter(|line| line.contains(r#""eventName":"CreateKey""#))
            .map(str::len)
            .next_back()
            .context("the trail has no CreateKey")?;
        Ok(Self {
            key_bytes,
            event_bytes: event + OVERHEAD_BYTES,
        })
    }
}

/// Where keys of the bench's account and Region stand.
const KEYS: &str = "aws/000000000000/us-east-1/key/";

/// How the engine did alone.
#[derive(Debug, Serialize, Deserialize)]
struct Alone {
    rate: f64,
    cpu_seconds: f64,
}

/// Commits batches, and prints how many in a second.
pub fn engine(engine: &Engine) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?;
    let rate = runtime.block_on(async {
        let store = Arc::new(Sqlite::open(SqliteOptions::new(&engine.file))?);
        let (start, before) = (clock::start(), process::cpu_seconds("self")?);
        let span = Duration::from_secs_f64(engine.seconds);
        let mut tasks = Vec::new();
        for writer in 0..engine.writers {
            let (store, rows) = (Arc::clone(&store), engine.rows);
            tasks.push(tokio::spawn(async move {
                let mut commits = 0_u64;
                while start.elapsed() < span {
                    let place = writer as u64 * PLACES + commits % PLACES;
                    store.commit(batch(rows, place)?).await?;
                    commits += 1;
                }
                anyhow::Ok(commits)
            }));
        }
        let mut commits = 0;
        for task in tasks {
            commits += task.await??;
        }
        let rate = commits as f64 / start.elapsed().as_secs_f64();
        let cpu_seconds = (process::cpu_seconds("self")? - before) / commits as f64;
        anyhow::Ok(Alone { rate, cpu_seconds })
    })?;
    println!("{}", serde_json::to_string(&rate)?);
    Ok(())
}

/// Places in the outbox that each writer uses in turn: about as many as hold an event of a busy
/// server that is not copied yet.
const PLACES: u64 = 8;

/// A key's record under a new path, and its event in a place.
fn batch(rows: Rows, place: u64) -> anyhow::Result<Batch> {
    let mut batch = Batch::new();
    let key = Place::parse(&format!("{KEYS}{}", KeyId::from_random(random::array())))?;
    let event = Place::parse(&format!("outbox/0123456789abcdef-{place}"))?;
    batch.put(key, vec![b'v'; rows.key_bytes], Precondition::Absent)?;
    batch.put(event, vec![b'v'; rows.event_bytes], Precondition::Any)?;
    Ok(batch)
}

/// Measures both in turns and prints the table.
pub fn run(plan: &Plan, keyward: &Path, scratch: &Path) -> anyhow::Result<()> {
    let world = World::start(keyward, &scratch.join("durable"), None, &plan.pinning)?;
    let user = world.create_user("bench")?;
    world.kms(&user, "CreateKey", &json!({}))?;
    // Until the event is in the trail.
    std::thread::sleep(Duration::from_secs(1));
    let rows = Rows::of(&world, scratch)?;
    println!("\n## CreateKey, durable\n");
    println!(
        "The engine alone commits batches as CreateKey does: a record of {} bytes and an event of \
         {} bytes.\n",
        rows.key_bytes, rows.event_bytes,
    );
    println!(
        "| conn. | CreateKey/s | p50 µs | p99 µs | CPU µs | engine batches/s | CPU µs | ratio | by CPU |"
    );
    println!("|---|---|---|---|---|---|---|---|---|");
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
            rates.push(engine_alone(plan, scratch, connections, rows)?);
        }
        let of_engine = |alone: &Alone| Sample {
            rate: alone.rate,
            cpu: alone.cpu_seconds * 1e6,
            ..Sample::default()
        };
        let engines: Vec<Sample> = rates.iter().map(of_engine).collect();
        let ratio = compare::paired(&samples, &engines, |sample| sample.rate);
        let by_cpu = compare::paired(&engines, &samples, |sample| sample.cpu);
        let engine = Sample::median(&engines);
        let Sample {
            rate,
            p50,
            p99,
            cpu,
            ..
        } = Sample::median(&samples);
        println!(
            "| {connections} | {rate:.0} | {p50:.0} | {p99:.0} | {cpu:.1} | {:.0} | {:.1} | {ratio:.2} | {by_cpu:.2} |",
            engine.rate, engine.cpu,
        );
    }
    Ok(())
}

fn engine_alone(plan: &Plan, dir: &Path, writers: usize, rows: Rows) -> anyhow::Result<Alone> {
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
    command.args(["--writers", &writers.to_string()]);
    command.args(["--key-bytes", &rows.key_bytes.to_string()]);
    command.args(["--event-bytes", &rows.event_bytes.to_string()]);
    command.args(["--seconds", &plan.seconds.to_string()]);
    let output = command.stderr(Stdio::inherit()).output()?;
    ensure!(output.status.success(), "the engine failed");
    let text = String::from_utf8(output.stdout)?;
    serde_json::from_str(&text).context("the engine printed no rate")
}
