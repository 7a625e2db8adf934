//! Two builds of Keyward side by side: the same requests, in turns, on the same CPUs.
//!
//! Each has a data directory of its own, so that builds with different formats can be compared.

use std::path::Path;

use crate::{
    clock, compare,
    compare::{Plan, Sample},
    requests, setup,
    setup::World,
    sign::Signer,
};

/// One of the two builds, ready to be asked.
struct Contender {
    world: World,
    user: Signer,
    /// Operations with their bodies.
    bodies: Vec<(String, Vec<u8>)>,
}

impl Contender {
    fn start(plan: &Plan, program: &Path, data_dir: &Path) -> anyhow::Result<Self> {
        let world = World::start(program, data_dir, None, &plan.pinning)?;
        let key = world.create_key()?;
        let user = world.create_user("bench")?;
        let mut bodies = Vec::new();
        for (operation, body) in setup::bodies(&world, &user, &key)? {
            bodies.push((operation, serde_json::to_vec(&body)?));
        }
        bodies.push(("CreateKey".to_owned(), b"{}".to_vec()));
        Ok(Self {
            world,
            user,
            bodies,
        })
    }

    fn measure(
        &self,
        plan: &Plan,
        operation: usize,
        connections: usize,
        scratch: &Path,
    ) -> anyhow::Result<Sample> {
        let Some((name, body)) = self.bodies.get(operation) else {
            anyhow::bail!("there is no operation {operation}");
        };
        // Signed anew each time: a signature lives for five minutes.
        let request = self.user.kms(name, body, clock::now());
        let file = scratch.join("requests");
        requests::write(&file, [request])?;
        compare::load(plan, &self.world.server, &file, connections, None)
    }
}

/// Measures both builds in turns and prints the ratios of the new one to the old one.
pub fn run(plan: &Plan, new: &Path, old: &Path, scratch: &Path) -> anyhow::Result<()> {
    let old = Contender::start(plan, old, &scratch.join("old"))?;
    let new = Contender::start(plan, new, &scratch.join("new"))?;
    let operations: Vec<String> = new.bodies.iter().map(|(name, _)| name.clone()).collect();
    println!("\n## New build against old build\n");
    println!(
        "| operation | conn. | old req/s | new req/s | new/old rate | new/old CPU per request | new/old p99 |"
    );
    println!("|---|---|---|---|---|---|---|");
    for (index, operation) in operations.iter().enumerate() {
        for &connections in &plan.connections {
            let (mut olds, mut news) = (Vec::new(), Vec::new());
            for repetition in 0..=plan.repetitions {
                let before = old.measure(plan, index, connections, scratch)?;
                let after = new.measure(plan, index, connections, scratch)?;
                // The first round warms up.
                if repetition > 0 {
                    olds.push(before);
                    news.push(after);
                }
            }
            println!(
                "| {operation} | {connections} | {:.0} | {:.0} | {:.2} | {:.2} | {:.2} |",
                Sample::median(&olds).rate,
                Sample::median(&news).rate,
                compare::paired(&news, &olds, |sample| sample.rate),
                compare::paired(&news, &olds, |sample| sample.cpu),
                compare::paired(&news, &olds, |sample| sample.p99),
            );
        }
    }
    Ok(())
}
