//! A million keys: how long the start takes, how much memory, and how fast data keys come with
//! uniform and skewed use, beside the same with ten keys.

use std::path::Path;

use anyhow::ensure;
use keyward_crypto::random;
use serde_json::json;

use crate::{
    clock, compare,
    compare::{Plan, Sample},
    requests,
    setup::World,
    sign::Signer,
};

/// Requests that are signed ahead for one measurement; what is uniform over a million keys hits
/// this many of them.
const REQUESTS: usize = 150_000;
/// Connections of each measurement.
const CONNECTIONS: usize = 32;

/// Makes the keys, starts anew, and prints the tables.
pub fn run(plan: &Plan, keyward: &Path, scratch: &Path, keys: u64) -> anyhow::Result<()> {
    let config = scratch.join("million.toml");
    std::fs::write(&config, format!("[quotas]\nkeys = {}\n", keys + 1000))?;
    println!("\n## {keys} keys\n");
    println!("| store | start ms | MiB at start | use | req/s | p50 µs | p99 µs | CPU µs | MiB |");
    println!("|---|---|---|---|---|---|---|---|---|");

    let few = store_of(plan, keyward, &scratch.join("few"), &config, 10)?;
    measure(plan, &few, "ten keys", 10, &["uniform"])?;
    drop(few);
    let many = store_of(plan, keyward, &scratch.join("million"), &config, keys)?;
    let name = format!("{keys} keys");
    measure(
        plan,
        &many,
        &name,
        keys,
        &["ten of them", "skewed", "uniform"],
    )
}

/// A Keyward that has just started on a store of so many keys.
fn store_of(
    plan: &Plan,
    keyward: &Path,
    data_dir: &Path,
    config: &Path,
    keys: u64,
) -> anyhow::Result<World> {
    let world = World::start(keyward, data_dir, Some(config), &plan.pinning)?;
    let file = data_dir.with_extension("requests");
    let mut left = keys;
    while left > 0 {
        // A signature lives for five minutes.
        let part = left.min(100_000);
        requests::write(&file, [world.root.kms("CreateKey", b"{}", clock::now())])?;
        let connections = CONNECTIONS.min(usize::try_from(part)?);
        let sample = compare::load(plan, &world.server, &file, connections, Some(part))?;
        left -= part;
        eprintln!("{left} keys to create ({:.0}/s)", sample.rate);
    }
    world.create_user("bench")?;
    drop(world);
    World::start(keyward, data_dir, Some(config), &plan.pinning)
}

fn measure(plan: &Plan, world: &World, name: &str, keys: u64, uses: &[&str]) -> anyhow::Result<()> {
    let (start, resident) = (world.server.took.as_millis(), world.server.resident_mib()?);
    let ids = world.list_keys()?;
    ensure!(ids.len() as u64 == keys, "{} keys are listed", ids.len());
    let root = &world.root;
    for use_ in uses {
        let mut samples = Vec::new();
        for repetition in 0..=plan.repetitions {
            let file = world.data_dir.with_extension("requests");
            requests::write(&file, some_requests(root, &ids, use_))?;
            let sample = compare::load(plan, &world.server, &file, CONNECTIONS, None)?;
            if repetition > 0 {
                samples.push(sample);
            }
        }
        let Sample {
            rate,
            p50,
            p99,
            cpu,
            ..
        } = Sample::median(&samples);
        let after = world.server.resident_mib()?;
        println!(
            "| {name} | {start} | {resident:.0} | {use_} | {rate:.0} | {p50:.0} | {p99:.0} \
             | {cpu:.1} | {after:.0} |"
        );
    }
    Ok(())
}

/// Requests that use the keys in that way, each signed for itself.
fn some_requests<'r>(
    signer: &'r Signer,
    ids: &'r [String],
    use_: &'r str,
) -> impl Iterator<Item = Vec<u8>> + 'r {
    let count = ids.len() as f64;
    let many = if use_ == "ten of them" || ids.len() <= 10 {
        10
    } else {
        REQUESTS
    };
    (0..many).map(move |index| {
        let chance = u64::from_le_bytes(random::array()) as f64 / u64::MAX as f64;
        let at = match use_ {
            "uniform" if many > 10 => chance * count,
            // Zipf's law with exponent 1: the logarithm of the rank is uniform.
            "skewed" => count.powf(chance) - 1.0,
            _ => index as f64,
        };
        let at = (at as usize).min(ids.len().saturating_sub(1));
        let id = ids.get(at).map(String::as_str).unwrap_or_default();
        let body = json!({"KeyId": id, "KeySpec": "AES_256"}).to_string();
        signer.kms("GenerateDataKey", body.as_bytes(), clock::now())
    })
}
