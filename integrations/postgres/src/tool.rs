//! Runs programs that end by themselves, with a bound on their time and on what they say.

use std::{
    io::{Read, Write as _},
    os::unix::process::CommandExt as _,
    process::{Child, Command, ExitStatus, Stdio},
    thread,
    time::Duration,
};

use keyward_types::shown::Text;
use rustix::process::{Pid, Signal, kill_process_group};

use crate::{
    error::{At as _, Error},
    watch::Watch,
};

/// How much is kept of what a program says.
const MAX_SAID: usize = 4096;
/// How much is read of it in all; then it is no longer listened to.
const MAX_READ: u64 = 1024 * 1024;
/// How often it is looked whether it has ended.
const LOOK: Duration = Duration::from_millis(10);

/// A program's name, and how long it may take.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Task {
    pub(crate) program: &'static str,
    pub(crate) within: Duration,
}

/// An environment that does not depend on who has started this program.
pub(crate) fn clean(command: &mut Command) {
    command
        .env_clear()
        .env("LC_ALL", "C")
        .env("TZ", "UTC")
        .env("HOME", "/nonexistent")
        .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin")
        .current_dir("/");
}

/// Runs a program, and answers its output if it has succeeded. Its input must fit into a pipe (64 KiB).
pub(crate) fn run(
    task: Task,
    mut command: Command,
    input: &str,
    watch: &Watch,
) -> Result<String, Error> {
    command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .process_group(0);
    let mut child = command.spawn().at("start", task.program)?;
    if let Some(mut stdin) = child.stdin.take() {
        // Who does not read its input says why by its end.
        let _ = stdin.write_all(input.as_bytes());
    }
    let output = reader(child.stdout.take());
    let errors = reader(child.stderr.take());
    let ended = wait(task, &mut child, watch);
    if ended.is_err() {
        end(&mut child);
    }
    let output = output.join().unwrap_or_default();
    let errors = errors.join().unwrap_or_default();
    let status = ended?;
    if status.success() {
        return Ok(String::from_utf8_lossy(&output).into_owned());
    }
    Err(Error::Program {
        program: task.program,
        status: status.to_string(),
        said: last(&[output, errors].concat()),
    })
}

fn wait(task: Task, child: &mut Child, watch: &Watch) -> Result<ExitStatus, Error> {
    let begun = watch.millis();
    loop {
        if let Some(status) = child.try_wait().at("wait for", task.program)? {
            return Ok(status);
        }
        watch.pause(LOOK)?;
        if watch.has_passed(task.within, begun) {
            return Err(Error::Slow {
                program: task.program,
                seconds: task.within.as_secs(),
            });
        }
    }
}

/// Kills a program and what it has started.
fn end(child: &mut Child) {
    let group = i32::try_from(child.id()).ok().and_then(Pid::from_raw);
    if let Some(group) = group {
        // It is not waited for yet, so that nobody else has its number.
        let _ = kill_process_group(group, Signal::KILL);
    }
    let _ = child.wait();
}

fn reader(source: Option<impl Read + Send + 'static>) -> thread::JoinHandle<Vec<u8>> {
    thread::spawn(move || {
        let mut read = Vec::new();
        if let Some(mut source) = source {
            let _ = source.by_ref().take(MAX_READ).read_to_end(&mut read);
            // Or the program waits for a reader.
            let _ = std::io::copy(&mut source, &mut std::io::sink());
        }
        read
    })
}

fn last(bytes: &[u8]) -> String {
    let from = bytes.len().saturating_sub(MAX_SAID);
    let bytes = bytes.get(from..).unwrap_or_default();
    Text(String::from_utf8_lossy(bytes).trim()).to_string()
}

#[cfg(test)]
pub(crate) mod tests {
    use std::{sync::Arc, time::Instant};

    use keyward_types::time::{Clock, Monotonic, Timestamp};

    use super::*;

    /// The machine's clocks.
    #[derive(Debug)]
    pub(crate) struct Real(Instant);

    #[expect(clippy::disallowed_methods, reason = "real programs are waited for")]
    impl Real {
        pub(crate) fn watch() -> Watch {
            Watch::new(Arc::new(Self(Instant::now())))
        }
    }

    impl Clock for Real {
        fn now(&self) -> Timestamp {
            Timestamp::from_seconds(1_700_000_000)
        }

        fn monotonic(&self) -> Monotonic {
            let millis = self.0.elapsed().as_millis();
            Monotonic::from_millis(u64::try_from(millis).unwrap())
        }
    }

    fn shell(script: &str) -> Command {
        let mut command = Command::new("/bin/sh");
        command.args(["-c", script]);
        clean(&mut command);
        command
    }

    fn task(within: Duration) -> Task {
        Task {
            program: "sh",
            within,
        }
    }

    #[test]
    fn what_a_program_says_is_kept_if_it_fails() {
        let watch = Real::watch();
        let long = task(Duration::from_secs(60));
        let said = run(long, shell("cat; echo more >&2"), "one\n", &watch);
        assert_eq!(said.unwrap(), "one\n");
        let script = "printf 'a\\033b\\n'; echo more >&2; exit 3";
        assert_eq!(
            run(long, shell(script), "", &watch)
                .unwrap_err()
                .to_string(),
            "sh failed (exit status: 3): a\\u001bb\nmore"
        );
        let long_output = run(long, shell("yes | head -c 3000000"), "", &watch).unwrap();
        assert_eq!(long_output.len(), 1024 * 1024);
    }

    #[test]
    fn a_program_that_takes_too_long_is_ended_with_its_children() {
        let watch = Real::watch();
        let slow = run(
            task(Duration::from_millis(50)),
            shell("sleep 1000 & wait"),
            "",
            &watch,
        );
        assert_eq!(
            slow.unwrap_err().to_string(),
            "sh was not ready after 0 s, and was ended"
        );
        watch.interrupt();
        let given_up = run(
            task(Duration::from_secs(60)),
            shell("sleep 1000"),
            "",
            &watch,
        );
        assert!(matches!(given_up, Err(Error::Interrupted)));
    }
}
