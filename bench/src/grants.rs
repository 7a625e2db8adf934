//! 50,000 grants on a key: what using it costs beside a key that has none, whoever uses it and by
//! whatever right.

use std::path::Path;

use anyhow::{Context, ensure};
use serde_json::{Value, json};

use crate::{
    client::Client,
    clock, compare,
    compare::{Plan, Sample},
    requests,
    setup::World,
    sign::Signer,
};

/// Connections of each measurement.
const CONNECTIONS: usize = 32;
/// Connections that make grants at once.
const MAKERS: usize = 16;

/// One way to use a key.
struct Row<'r> {
    /// What grants the key has.
    key: &'static str,
    /// By what right the caller uses it.
    right: &'static str,
    id: &'r str,
    caller: &'r Signer,
    /// The tenants in the encryption contexts of the requests, which take turns.
    tenants: std::ops::Range<u64>,
    samples: Vec<Sample>,
}

/// Makes the grants, and prints the table.
pub fn run(plan: &Plan, keyward: &Path, scratch: &Path, grants: u64) -> anyhow::Result<()> {
    let world = World::start(keyward, &scratch.join("grants"), None, &plan.pinning)?;
    let allowed = world.create_user("allowed")?;
    let grantee = world.create_grantee("grantee")?;
    let arn = "arn:aws:iam::000000000000:user/grantee";
    let keys = [
        world.create_key()?,
        world.create_key()?,
        world.create_key()?,
        world.create_key()?,
    ];
    let [none, one, spread, same] = &keys;
    make(&world, one, 1, |_| grant(one, arn, json!({})))?;
    // Federated users need not exist to be named.
    let others = |n| format!("arn:aws:sts::000000000000:federated-user/g{n}");
    let to_others = |n| match n {
        0 => grant(spread, arn, json!({})),
        n => grant(spread, &others(n), json!({})),
    };
    let spread_rate = make(&world, spread, grants, to_others)?;
    let to_one = |n: u64| {
        let tenant = json!({"EncryptionContextEquals": {"tenant": n.to_string()}});
        grant(same, arn, tenant)
    };
    let same_rate = make(&world, same, grants, to_one)?;

    let row = |key, right, id, caller, tenants| Row {
        key,
        right,
        id,
        caller,
        tenants,
        samples: Vec::new(),
    };
    let mut rows = [
        row("none", "policy", none.as_str(), &allowed, 0..1),
        row("one", "policy", one, &allowed, 0..1),
        row("one", "grant", one, &grantee, 0..1),
        row("each to another", "policy", spread, &allowed, 0..1),
        row("each to another", "grant", spread, &grantee, 0..1),
        row("all to one", "policy", same, &allowed, 0..1),
        row("all to one", "grant, one context", same, &grantee, 0..1),
        row(
            "all to one",
            "grant, every context",
            same,
            &grantee,
            0..grants,
        ),
    ];
    for repetition in 0..=plan.repetitions {
        for row in &mut rows {
            let file = scratch.join("requests");
            let (caller, id) = (row.caller, row.id);
            let requests = row.tenants.clone().map(|tenant| {
                let context = json!({"tenant": tenant.to_string()});
                let body = json!({"KeyId": id, "KeySpec": "AES_256", "EncryptionContext": context});
                caller.kms("GenerateDataKey", body.to_string().as_bytes(), clock::now())
            });
            requests::write(&file, requests)?;
            let sample = compare::load(plan, &world.server, &file, CONNECTIONS, None)?;
            // The first round warms up.
            if repetition > 0 {
                row.samples.push(sample);
            }
        }
    }
    println!("\n## {grants} grants on a key\n");
    println!(
        "GenerateDataKey at {CONNECTIONS} connections. CreateGrant: {spread_rate:.0}/s each to \
         another, {same_rate:.0}/s all to one. {:.0} MiB in the end.\n",
        world.server.resident_mib()?
    );
    println!(
        "| grants on the key | allowed by | req/s | of the first | p50 µs | p99 µs | CPU µs |"
    );
    println!("|---|---|---|---|---|---|---|");
    let first = rows.first().map_or(&[][..], |row| row.samples.as_slice());
    for row in &rows {
        let s = Sample::median(&row.samples);
        println!(
            "| {} | {} | {:.0} | {:.2} | {:.0} | {:.0} | {:.1} |",
            row.key,
            row.right,
            s.rate,
            compare::paired(&row.samples, first, |sample| sample.rate),
            s.p50,
            s.p99,
            s.cpu
        );
    }
    Ok(())
}

fn grant(key: &str, grantee: &str, constraints: Value) -> Value {
    json!({
        "KeyId": key,
        "GranteePrincipal": grantee,
        "Operations": ["GenerateDataKey", "Decrypt"],
        "Constraints": constraints,
    })
}

/// Makes so many grants on a key by the API; answers how many in a second.
fn make(
    world: &World,
    key: &str,
    count: u64,
    body: impl Fn(u64) -> Value + Sync,
) -> anyhow::Result<f64> {
    let start = clock::start();
    let makers = MAKERS as u64;
    let body = &body;
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..makers)
            .map(|maker| {
                scope.spawn(move || {
                    let mut client = Client::connect(&world.server.host)?;
                    for n in (maker..count).step_by(MAKERS) {
                        let body = body(n).to_string();
                        let request = world.root.kms("CreateGrant", body.as_bytes(), clock::now());
                        client.json(&request)?;
                    }
                    anyhow::Ok(())
                })
            })
            .collect();
        for thread in threads {
            let done = thread.join().ok().context("a maker of grants panicked")?;
            done?;
        }
        anyhow::Ok(())
    })?;
    let page = world.kms(
        &world.root,
        "ListGrants",
        &json!({"KeyId": key, "Limit": 1}),
    )?;
    let truncated = page.get("Truncated") == Some(&Value::Bool(true));
    ensure!(truncated == (count > 1), "the grants are not all there");
    Ok(count as f64 / start.elapsed().as_secs_f64())
}
