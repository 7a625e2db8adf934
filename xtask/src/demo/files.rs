//! An encrypted file system: stored by an agent, mounted, and gone from sight while its key is disabled.

use std::{
    fs,
    io::{BufRead as _, BufReader, Read as _},
    os::unix::fs::FileExt as _,
    path::Path,
    process::{Child, Command, Stdio},
    thread,
    time::Duration,
};

use anyhow::{Context, bail, ensure};

use super::{aws::Aws, stage::Stage, text};

/// What is written into the file system.
const TEXT: &str = "the merger is on Tuesday";
/// How often it is looked whether something has happened, and how many times.
const LOOK: Duration = Duration::from_millis(100);
const LOOKS: u32 = 300;

/// What this machine lacks, in one sentence; none if it can store file systems.
pub fn missing() -> Option<String> {
    if !rustix::process::geteuid().is_root() {
        return Some("this needs root".to_owned());
    }
    let devices = ["/dev/fuse", "/dev/loop-control"];
    if let Some(device) = devices.iter().find(|path| !Path::new(path).exists()) {
        return Some(format!("this needs {device}"));
    }
    let folders = ["/usr/sbin", "/sbin", "/usr/bin"];
    let found = folders
        .iter()
        .any(|folder| Path::new(folder).join("mkfs.ext4").exists());
    (!found).then(|| "this needs the package e2fsprogs".to_owned())
}

/// An agent that this process owns. Dropping it detaches its volumes and ends it.
struct Agent(Child);

impl Agent {
    fn start(stage: &Stage) -> anyhow::Result<Self> {
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
        let pid = rustix::process::Pid::from_child(&self.0);
        let _ = rustix::process::kill_process(pid, rustix::process::Signal::TERM);
        let _ = self.0.wait();
    }
}

/// Shows it all, with the key that is given.
pub fn show(stage: &Stage, root: &Aws, key: &str) -> anyhow::Result<()> {
    let agent = Agent::start(stage)?;
    let made = root.call(&[
        "efs",
        "create-file-system",
        "--creation-token",
        "demo",
        "--encrypted",
        "--kms-key-id",
        key,
    ])?;
    let file_system = text(&made, "/FileSystemId")?;
    let describe = [
        "efs",
        "describe-file-systems",
        "--file-system-id",
        &file_system,
    ];
    eventually("the file system is not there", || {
        let found = root.quietly(&describe)?;
        Ok(text(&found, "/FileSystems/0/LifeCycleState")? == "available")
    })?;
    let folder = stage.path("files");
    fs::create_dir(&folder)?;
    keyward(
        stage,
        &["mount", &file_system, "files", "--state-dir", "agent"],
    )?;
    let file = folder.join("plan.txt");
    stage.command(&format!("echo '{TEXT}' > files/plan.txt && sync"));
    fs::write(&file, TEXT)?;
    fs::File::open(&file)?.sync_all()?;
    let image = stage.path(&format!("agent/volumes/{file_system}.img"));
    ensure!(!contains(&image, TEXT)?, "the plaintext is on the disk");
    stage.shows("the file system's image was searched from end to end: the text is not in it");
    let open = fs::File::open(&file)?;
    root.call(&["kms", "disable-key", "--key-id", key])?;
    let mut said = None;
    eventually("the file can still be read", || {
        said = open.read_at(&mut [0; 1], 0).err();
        Ok(said.is_some())
    })?;
    drop(open);
    if let Some(said) = said {
        stage.shows(&format!("a program that has the file open reads: {said}"));
    }
    root.call(&["kms", "enable-key", "--key-id", key])?;
    eventually("the file has not come back", || {
        Ok(fs::read(&file).is_ok_and(|read| read == TEXT.as_bytes()))
    })?;
    stage.shows("enabled again: the file is back, without a new mount");
    keyward(stage, &["unmount", "files", "--state-dir", "agent"])?;
    root.call(&[
        "efs",
        "delete-file-system",
        "--file-system-id",
        &file_system,
    ])?;
    eventually("the image is still there", || Ok(!image.exists()))?;
    stage.shows("deleted: the grant is retired, and the image is gone");
    drop(agent);
    Ok(())
}

/// Runs the program, as the operator.
fn keyward(stage: &Stage, words: &[&str]) -> anyhow::Result<()> {
    stage.command(&format!("keyward {}", words.join(" ")));
    let mut command = Command::new(stage.keyward());
    let output = command.args(words).current_dir(stage.path("")).output()?;
    if !output.status.success() {
        bail!("{}", String::from_utf8_lossy(&output.stderr).trim_end());
    }
    stage.prints(String::from_utf8_lossy(&output.stdout).trim_end());
    Ok(())
}

fn eventually(
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

/// Whether a file has a text in it.
fn contains(path: &Path, text: &str) -> anyhow::Result<bool> {
    let mut file = fs::File::open(path)?;
    let (mut piece, mut kept) = (vec![0; 1 << 20], Vec::new());
    loop {
        let read = file.read(&mut piece)?;
        if read == 0 {
            return Ok(false);
        }
        kept.extend_from_slice(piece.get(..read).unwrap_or_default());
        let mut windows = kept.windows(text.len());
        if windows.any(|window| window == text.as_bytes()) {
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
