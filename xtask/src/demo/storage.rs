//! The agent that stores the demo's file system and its database, and what the steps have in common.

use std::{
    fs,
    io::{BufRead as _, BufReader, Read},
    path::Path,
    process::{Child, Command, Stdio},
    thread,
    time::Duration,
};

use anyhow::{Context, bail, ensure};

use super::stage::Stage;

/// How often a step looks whether something has happened, and how many times.
const LOOK: Duration = Duration::from_millis(100);
const LOOKS: u32 = 600;

/// What this machine lacks to store volumes, in one sentence; none if it can.
pub fn missing() -> Option<String> {
    if !rustix::process::geteuid().is_root() {
        return Some("this needs root".to_owned());
    }
    let devices = ["/dev/fuse", "/dev/loop-control"];
    if let Some(device) = devices.iter().find(|path| !Path::new(path).exists()) {
        return Some(format!("this needs {device}"));
    }
    (!is_installed("mkfs.ext4")).then(|| "this needs the package e2fsprogs".to_owned())
}

/// Whether a program is where Debian's packages put it.
pub fn is_installed(program: &str) -> bool {
    ["/usr/sbin", "/sbin", "/usr/bin"]
        .iter()
        .any(|folder| Path::new(folder).join(program).exists())
}

/// An agent that this process owns. Dropping it detaches its volumes and ends it.
#[derive(Debug)]
pub struct Agent(Child);

impl Agent {
    /// Starts one on the server's machine, with state in the demo's folder.
    pub fn start(stage: &Stage) -> anyhow::Result<Self> {
        let words = "agent run --data-dir data --state-dir agent --volume-size 256MiB";
        stage.command(&format!("keyward {words}"));
        let log = fs::File::create(stage.path("agent.log"))?;
        let mut child = Command::new(stage.keyward())
            .args(words.split(' '))
            .current_dir(stage.path(""))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(log)
            .spawn()?;
        let output = child.stdout.take().context("no pipe from the agent")?;
        let agent = Self(child);
        let mut line = String::new();
        BufReader::new(output).read_line(&mut line)?;
        ensure!(
            line.ends_with(" is running\n"),
            "the agent did not start; see agent.log"
        );
        stage.shows(line.trim_end());
        Ok(agent)
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        end(&mut self.0);
    }
}

/// Asks a process to end, and waits for it.
pub fn end(child: &mut Child) {
    let pid = rustix::process::Pid::from_child(child);
    let _ = rustix::process::kill_process(pid, rustix::process::Signal::TERM);
    let _ = child.wait();
}

/// Runs the program, as the operator, and shows what it prints.
pub fn keyward(stage: &Stage, words: &[&str]) -> anyhow::Result<()> {
    stage.command(&format!("keyward {}", words.join(" ")));
    stage.prints(output(stage, words)?.trim_end());
    Ok(())
}

/// Runs the program, and answers what it prints.
pub fn output(stage: &Stage, words: &[&str]) -> anyhow::Result<String> {
    let mut command = Command::new(stage.keyward());
    let output = command.args(words).current_dir(stage.path("")).output()?;
    if !output.status.success() {
        bail!("{}", String::from_utf8_lossy(&output.stderr).trim_end());
    }
    Ok(String::from_utf8(output.stdout)?)
}

/// Waits until something has happened, for a minute at most.
pub fn eventually(
    otherwise: &str,
    mut check: impl FnMut() -> anyhow::Result<bool>,
) -> anyhow::Result<()> {
    for _ in 0..LOOKS {
        if check()? {
            return Ok(());
        }
        thread::sleep(LOOK);
    }
    bail!("{otherwise}")
}

/// Whether a file contains a text. Its holes, which most of an image consists of, are left out.
pub fn contains(path: &Path, text: &str) -> anyhow::Result<bool> {
    let mut file = fs::File::open(path)?;
    let mut at = 0;
    loop {
        at = match rustix::fs::seek(&file, rustix::fs::SeekFrom::Data(at)) {
            Ok(data) => data,
            Err(rustix::io::Errno::NXIO) => return Ok(false),
            Err(error) => return Err(error).context("cannot search the image"),
        };
        let end = rustix::fs::seek(&file, rustix::fs::SeekFrom::Hole(at))?;
        rustix::fs::seek(&file, rustix::fs::SeekFrom::Start(at))?;
        if has(&mut file.by_ref().take(end.saturating_sub(at)), text)? {
            return Ok(true);
        }
        at = end;
    }
}

fn has(data: &mut impl Read, text: &str) -> anyhow::Result<bool> {
    let text = text.as_bytes();
    let (mut piece, mut kept) = (vec![0; 1 << 20], Vec::new());
    loop {
        let read = data.read(&mut piece)?;
        if read == 0 {
            return Ok(false);
        }
        kept.extend_from_slice(piece.get(..read).unwrap_or_default());
        if kept.windows(text.len()).any(|window| window == text) {
            return Ok(true);
        }
        let from = kept.len().saturating_sub(text.len());
        kept.drain(..from);
    }
}

/// Takes away what a demo that was interrupted has left mounted below its folder.
pub fn clean_up(home: &Path) {
    let Ok(mounts) = fs::read_to_string("/proc/self/mounts") else {
        return;
    };
    let below = mounts.lines().filter_map(|line| line.split(' ').nth(1));
    let below: Vec<&str> = below
        .filter(|path| Path::new(path).starts_with(home))
        .collect();
    for path in below.iter().rev() {
        let _ = Command::new("umount").args(["--lazy", path]).status();
    }
}
