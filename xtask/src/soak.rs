//! `./dev soak`: the tests of crashes, damage and random questions with counts that are too long for each change.

use std::process::Command;

use crate::run;

/// How often a process is killed.
const KILLS: &str = "100";
/// For how long the server is away while volumes are open: longer than it takes until they ask again.
const AWAY_SECONDS: &str = "65";
/// How many bytes of an image are damaged, one after the other.
const CORRUPTIONS: &str = "1000";
/// How many random histories of a volume are run, each with a handful of crashes.
const HISTORIES: &str = "10000";
/// How many random questions the policy engine and its second evaluator answer.
const QUESTIONS: &str = "1000000";

/// Arguments of `cargo xtask soak`.
#[derive(Debug, clap::Args)]
pub struct Soak {
    /// Which tests; all of them without it.
    #[arg(value_enum)]
    parts: Vec<Part>,
}

/// What can be run by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Part {
    /// The engine of encrypted volumes: random histories with crashes, and damaged images.
    Volume,
    /// The server, the agent and the processes of volumes, killed again and again under load.
    Kills,
    /// Random questions to the policy engine and to its second evaluator.
    Policy,
}

/// Runs them; the runners print their own summaries.
///
/// # Errors
///
/// If a test fails, or a program cannot be started.
pub fn run(soak: &Soak) -> anyhow::Result<()> {
    let wanted = |part| soak.parts.is_empty() || soak.parts.contains(&part);
    if wanted(Part::Volume) {
        println!("== {HISTORIES} histories of a volume, {CORRUPTIONS} corruptions of an image");
        let mut test = run::cargo(["test", "--package", "keyward-volume", "--test", "it"]);
        test.env("PROPTEST_CASES", HISTORIES)
            .env("KEYWARD_CORRUPTIONS", CORRUPTIONS);
        run::run(&mut test)?;
    }
    if wanted(Part::Kills) {
        println!("== {KILLS} kills of each kind of process");
        let server = run::build("keyward", "keyward", false)?;
        let mut pytest = Command::new(run::client("python")?);
        pytest
            .current_dir(run::root())
            .args(["-m", "pytest", "-v", "clients/test_crash.py"])
            .arg("clients/test_volume_crash.py")
            .arg("clients/test_databases_crash.py")
            .arg("clients/test_file_systems.py::test_what_was_flushed_is_there_however_often_everything_is_killed")
            .arg("clients/test_file_systems.py::test_volumes_stay_while_the_server_is_away")
            .env("KEYWARD_BIN", server)
            .env("KEYWARD_KILLS", KILLS)
            .env("KEYWARD_AWAY_SECONDS", AWAY_SECONDS)
            .env("PYTHONDONTWRITEBYTECODE", "1");
        run::run(&mut pytest)?;
    }
    if wanted(Part::Policy) {
        println!("== {QUESTIONS} questions to the policy engine");
        let mut test = run::cargo(["test", "--package", "keyward-policy", "--test", "it"]);
        test.arg("spec::").env("PROPTEST_CASES", QUESTIONS);
        run::run(&mut test)?;
    }
    Ok(())
}
