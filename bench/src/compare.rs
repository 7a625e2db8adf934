//! Keyward beside the two baselines: the same requests, in turns, on the same CPUs.

use std::{
    path::Path,
    process::{Command, Stdio},
};

use anyhow::{Context, ensure};

use crate::{
    client::Client,
    clock,
    load::Seen,
    process,
    process::{Pinning, Server},
    requests, setup,
    setup::World,
    sign::Signer,
};

/// Requests that tell the size of an operation's record.
const PROBES: u64 = 200;

/// One measurement, or the medians of several.
#[derive(Clone, Debug, Default)]
pub struct Sample {
    /// Answers in a second.
    pub rate: f64,
    /// Median latency in microseconds.
    pub p50: f64,
    /// The latency that one answer in a hundred exceeds, in microseconds.
    pub p99: f64,
    /// Microseconds of the server's CPU for each request.
    pub cpu: f64,
    /// The share of its CPUs that the load generator used.
    pub load: f64,
}

impl Sample {
    /// The median of each figure.
    pub fn median(samples: &[Self]) -> Self {
        let median = |figure: fn(&Self) -> f64| {
            let mut figures: Vec<f64> = samples.iter().map(figure).collect();
            figures.sort_unstable_by(f64::total_cmp);
            figures.get(figures.len() / 2).copied().unwrap_or_default()
        };
        Self {
            rate: median(|sample| sample.rate),
            p50: median(|sample| sample.p50),
            p99: median(|sample| sample.p99),
            cpu: median(|sample| sample.cpu),
            load: median(|sample| sample.load),
        }
    }
}

/// The median of the ratios of a figure, round by round: what disturbs a machine for longer than a
/// round disturbs both alike.
pub fn paired(of: &[Sample], to: &[Sample], figure: fn(&Sample) -> f64) -> f64 {
    let pairs = of.iter().zip(to);
    let mut ratios: Vec<f64> = pairs.map(|(of, to)| figure(of) / figure(to)).collect();
    ratios.sort_unstable_by(f64::total_cmp);
    ratios.get(ratios.len() / 2).copied().unwrap_or_default()
}

/// How to measure.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Connections at once, one measurement for each number.
    pub connections: Vec<usize>,
    /// Seconds of one measurement.
    pub seconds: f64,
    /// Measurements of each kind; the median counts.
    pub repetitions: usize,
    /// CPUs.
    pub pinning: Pinning,
}

/// Lets the load generator send the requests of a file for a while.
pub fn load(
    plan: &Plan,
    server: &Server,
    file: &Path,
    connections: usize,
    count: Option<u64>,
) -> anyhow::Result<Sample> {
    let mut command = process::pinned(&plan.pinning.load, std::env::current_exe()?);
    command
        .arg("load")
        .args(["--host", &server.host])
        .arg("--requests")
        .arg(file);
    command.args(["--connections", &connections.to_string()]);
    command.args(["--threads", &plan.pinning.load_threads.to_string()]);
    match count {
        Some(count) => command.args(["--count", &count.to_string(), "--seconds", "36000"]),
        None => command.args(["--seconds", &plan.seconds.to_string()]),
    };
    let before = server.cpu_seconds()?;
    let output = command
        .stderr(Stdio::inherit())
        .output()
        .context("cannot start the load")?;
    let cpu = server.cpu_seconds()? - before;
    ensure!(output.status.success(), "the load generator failed");
    let seen: Seen = serde_json::from_slice(&output.stdout)?;
    ensure!(
        seen.errors == 0,
        "{} of {} requests were refused",
        seen.errors,
        seen.requests
    );
    ensure!(seen.requests > 0, "no request was answered");
    let threads = plan.pinning.load_threads as f64;
    Ok(Sample {
        rate: seen.requests as f64 / seen.seconds,
        p50: seen.p50,
        p99: seen.p99,
        cpu: cpu * 1e6 / seen.requests as f64,
        load: seen.cpu_seconds / (seen.seconds * threads),
    })
}

/// Measures every operation and prints its table.
pub fn run(plan: &Plan, keyward: &Path, scratch: &Path, operations: usize) -> anyhow::Result<()> {
    let world = World::start(keyward, &scratch.join("compare"), None, &plan.pinning)?;
    let key = world.create_key()?;
    let user = world.create_user("bench")?;
    for (operation, body) in setup::bodies(&world, &user, &key)?.iter().take(operations) {
        let body = serde_json::to_vec(body)?;
        let before = world.trail_bytes()?;
        let mut client = Client::connect(&user.host)?;
        let mut answer = 0;
        for _ in 0..PROBES {
            answer = client
                .send(&user.kms(operation, &body, clock::now()))?
                .len();
        }
        let record = (world.trail_bytes()? - before) / PROBES;
        let operation = Measured {
            name: operation,
            body: &body,
            answer: &answer.to_string(),
            record: &record.to_string(),
        };
        operation.run(plan, &world, &user, scratch)?;
    }
    Ok(())
}

/// GenerateDataKey with keys whose policies have 1, 20 and 200 statements. All but the first deny
/// the action to everybody under a condition that does not hold, so each must be looked at.
pub fn policies(plan: &Plan, keyward: &Path, scratch: &Path) -> anyhow::Result<()> {
    const CONNECTIONS: usize = 32;
    let world = World::start(keyward, &scratch.join("policies"), None, &plan.pinning)?;
    let user = world.create_user("bench")?;
    let mut keys = Vec::new();
    for statements in [1, 20, 200] {
        let parameters = serde_json::json!({"Policy": key_policy(statements)});
        keys.push((statements, world.create_key_of(&parameters)?));
    }
    let mut samples: Vec<Vec<Sample>> = vec![Vec::new(); keys.len()];
    for repetition in 0..=plan.repetitions {
        for ((_, key), samples) in keys.iter().zip(&mut samples) {
            let body = serde_json::json!({
                "KeyId": key,
                "KeySpec": "AES_256",
                "EncryptionContext": {"tenant": "blue"},
            });
            let request = user.kms("GenerateDataKey", body.to_string().as_bytes(), clock::now());
            let file = scratch.join("requests");
            requests::write(&file, [request])?;
            let sample = load(plan, &world.server, &file, CONNECTIONS, None)?;
            if repetition > 0 {
                samples.push(sample);
            }
        }
    }
    println!("\n## Statements in the key policy\n");
    println!("GenerateDataKey at {CONNECTIONS} connections.\n");
    println!("| statements | req/s | p50 µs | p99 µs | server CPU µs | of 1 statement's rate |");
    println!("|---|---|---|---|---|---|");
    let first = samples.first().cloned().unwrap_or_default();
    for ((statements, _), samples) in keys.iter().zip(&samples) {
        let s = Sample::median(samples);
        println!(
            "| {statements} | {:.0} | {:.0} | {:.0} | {:.1} | {:.2} |",
            s.rate,
            s.p50,
            s.p99,
            s.cpu,
            paired(samples, &first, |sample| sample.rate),
        );
    }
    Ok(())
}

/// The default key policy and denials under conditions, so many statements in all.
fn key_policy(statements: usize) -> String {
    let root = serde_json::json!({
        "Effect": "Allow",
        "Principal": {"AWS": "arn:aws:iam::000000000000:root"},
        "Action": "kms:*",
        "Resource": "*",
    });
    let denial = |number: usize| {
        serde_json::json!({
            "Effect": "Deny",
            "Principal": "*",
            "Action": "kms:GenerateDataKey",
            "Resource": "*",
            "Condition": {
                "StringEquals": {"kms:EncryptionContext:tenant": format!("t{number:03}")},
            },
        })
    };
    let all: Vec<_> = std::iter::once(root)
        .chain((1..statements).map(denial))
        .collect();
    serde_json::json!({"Version": "2012-10-17", "Statement": all}).to_string()
}

struct Measured<'o> {
    name: &'o str,
    body: &'o [u8],
    /// Bytes of the answer's body.
    answer: &'o str,
    /// Bytes of the audit record.
    record: &'o str,
}

impl Measured<'_> {
    fn run(&self, plan: &Plan, world: &World, user: &Signer, dir: &Path) -> anyhow::Result<()> {
        let log = dir.join("baselines.log");
        let role = |role: &str| -> anyhow::Result<Command> {
            let mut command = process::pinned(&plan.pinning.servers, std::env::current_exe()?);
            command.args([role, "--body-bytes", self.answer]);
            Ok(command)
        };
        let bare = Server::start(role("bare")?, &log)?;
        let mut limit = role("limit")?;
        limit.args(["--record-bytes", self.record, "--secret", &user.secret]);
        limit.arg("--file").arg(dir.join("limit-records"));
        let limit = Server::start(limit, &log)?;
        let servers = [
            ("a bare", &bare),
            ("b limit", &limit),
            ("c Keyward", &world.server),
        ];

        let (answer, record) = (self.answer, self.record);
        println!("\n### {}\n", self.name);
        println!("Answer {answer} bytes, record {record} bytes.\n");
        println!("| conn. | server | req/s | p50 µs | p99 µs | server CPU µs | load CPU |");
        println!("|---|---|---|---|---|---|---|");
        let mut ratios = Vec::new();
        for &connections in &plan.connections {
            let mut samples = [Vec::new(), Vec::new(), Vec::new()];
            for repetition in 0..=plan.repetitions {
                for ((_, server), samples) in servers.iter().zip(&mut samples) {
                    // Signed anew each time: a signature lives for five minutes.
                    let signer = Signer {
                        host: server.host.clone(),
                        ..user.clone()
                    };
                    let file = dir.join("requests");
                    let request = signer.kms(self.name, self.body, clock::now());
                    requests::write(&file, [request])?;
                    let sample = load(plan, server, &file, connections, None)?;
                    // The first round warms up.
                    if repetition > 0 {
                        samples.push(sample);
                    }
                }
            }
            let [a, b, c] = &samples;
            let rate: fn(&Sample) -> f64 = |sample| sample.rate;
            ratios.push(format!(
                "{connections} conn.: c/a {:.2}, c/b {:.2} (CPU per request b/c {:.2})",
                paired(c, a, rate),
                paired(c, b, rate),
                paired(b, c, |sample| sample.cpu),
            ));
            let medians = samples.map(|samples| Sample::median(&samples));
            for ((name, _), s) in servers.iter().zip(&medians) {
                println!(
                    "| {connections} | {name} | {:.0} | {:.0} | {:.0} | {:.1} | {:.0} % |",
                    s.rate,
                    s.p50,
                    s.p99,
                    s.cpu,
                    s.load * 100.0,
                );
            }
        }
        println!();
        for ratio in ratios {
            println!("- {ratio}");
        }
        Ok(())
    }
}
