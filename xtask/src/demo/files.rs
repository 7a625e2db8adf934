//! An encrypted file system: stored by an agent, mounted, and unreadable while its key is disabled.

use std::{fs, os::unix::fs::FileExt as _, path::PathBuf};

use anyhow::{Context as _, ensure};

use super::{
    aws::Aws,
    stage::Stage,
    storage::{self, contains, eventually, keyward},
    text,
};

/// What is written into the file system.
const TEXT: &str = "the merger is on Tuesday";

/// The file system, mounted at `files`.
#[derive(Debug)]
pub struct Files {
    id: String,
    folder: PathBuf,
    image: PathBuf,
    /// A program's file that is open all the time.
    open: Option<fs::File>,
}

impl Files {
    /// Creates it under a key, mounts it, and writes a file.
    pub fn create(stage: &Stage, caller: &Aws, key: &str) -> anyhow::Result<Self> {
        let made = caller.call(&[
            "efs",
            "create-file-system",
            "--creation-token",
            "demo",
            "--encrypted",
            "--kms-key-id",
            key,
        ])?;
        let id = text(&made, "/FileSystemId")?;
        let describe = ["efs", "describe-file-systems", "--file-system-id", &id];
        eventually("the file system is not there", || {
            let found = caller.quietly(&describe)?;
            Ok(text(&found, "/FileSystems/0/LifeCycleState")? == "available")
        })?;
        let folder = stage.path("files");
        fs::create_dir(&folder)?;
        keyward(stage, &["mount", &id, "files", "--state-dir", "agent"])?;
        let file = folder.join("plan.txt");
        stage.command(&format!("echo '{TEXT}' > files/plan.txt && sync"));
        fs::write(&file, TEXT)?;
        fs::File::open(&file)?.sync_all()?;
        let image = stage.path(&format!("agent/volumes/{id}.img"));
        ensure!(!contains(&image, TEXT)?, "the plaintext is on the disk");
        stage.shows("the file system's image was searched from end to end: the text is not in it");
        let open = Some(fs::File::open(&file)?);
        Ok(Self {
            id,
            folder,
            image,
            open,
        })
    }

    /// Its key was disabled: the file cannot be read, not even by a program that has it open.
    pub fn is_unreadable(&self, stage: &Stage) -> anyhow::Result<()> {
        let open = self.open.as_ref().context("no file is open")?;
        let mut said = None;
        eventually("the file can still be read", || {
            said = open.read_at(&mut [0; 1], 0).err();
            Ok(said.is_some())
        })?;
        if let Some(said) = said {
            stage.shows(&format!(
                "file: a program that has files/plan.txt open reads: {said}"
            ));
        }
        ensure!(fs::read(self.file()).is_err(), "the file can be opened");
        Ok(())
    }

    /// Its key was enabled: the file is back.
    pub fn is_back(&mut self, stage: &Stage) -> anyhow::Result<()> {
        eventually("the file has not come back", || {
            Ok(fs::read(self.file()).is_ok_and(|read| read == TEXT.as_bytes()))
        })?;
        stage.shows("file: it is back, without a new mount");
        self.open = Some(fs::File::open(self.file())?);
        Ok(())
    }

    /// Unmounts and deletes it.
    pub fn delete(mut self, stage: &Stage, caller: &Aws) -> anyhow::Result<()> {
        self.open = None;
        keyward(stage, &["unmount", "files", "--state-dir", "agent"])?;
        caller.call(&["efs", "delete-file-system", "--file-system-id", &self.id])?;
        let image = &self.image;
        eventually("the image is still there", || Ok(!image.exists()))
    }

    fn file(&self) -> PathBuf {
        self.folder.join("plan.txt")
    }
}

impl Drop for Files {
    /// Unmounts it, if a step has failed: the agent cannot detach a volume that is in use.
    fn drop(&mut self) {
        self.open = None;
        storage::clean_up(&self.folder);
    }
}
