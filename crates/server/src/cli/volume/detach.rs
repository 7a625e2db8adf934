//! `keyward volume detach`

use std::{path::PathBuf, time::Duration};

use anyhow::{Context as _, anyhow, bail};
use clap::Args;
use keyward_attach::{
    attachment::{self, cut_off},
    error::Error,
};
use keyward_keeper::{
    control::{Request, ask},
    state::{Found, Phase, StateArgs},
};

use super::STATE;
use crate::out::say;

/// How long shutting the file system down may take.
const PATIENCE: Duration = Duration::from_secs(5);

fn after_help() -> String {
    format!(
        "Examples:
  keyward volume detach /mnt/customers
  keyward volume detach customers.img --force

Environment:
  {STATE}"
    )
}

/// Unmount a volume, close it and wipe its keys
///
/// Writes everything first. If the volume is in use, it says by which processes, and changes nothing. A
/// volume that is cut off is not brought back any more. Needs root.
#[derive(Debug, Args)]
#[command(after_long_help = after_help())]
pub struct Detach {
    /// The directory that it is mounted on, or its image
    #[arg(value_name = "DIR|IMAGE")]
    target: PathBuf,
    /// Cut the volume off even if it is in use: data that is not on disk yet is lost. Also cleans up after a
    /// volume's process that was killed
    #[arg(long)]
    force: bool,
    #[command(flatten)]
    state: StateArgs,
}

impl Detach {
    pub fn run(self) -> anyhow::Result<()> {
        if !rustix::process::geteuid().is_root() {
            bail!("detaching needs root: run it with sudo");
        }
        let shown = self.target.display();
        let found = self.state.states()?.find_by_path(&self.target)?;
        let found = found.with_context(|| {
            format!("no volume is attached at {shown} or from it: give the directory or the image as it was given to `keyward volume attach`, and the same --state-dir")
        })?;
        if self.force {
            force(&found)
        } else {
            clean(&found)
        }
    }
}

fn clean(found: &Found) -> anyhow::Result<()> {
    let image = found.process.image.display();
    if !found.lives {
        bail!(
            "the process of {image} is dead. What was flushed is safe in the image: attach it again, or take away what is left with `keyward volume detach --force {image}`"
        );
    }
    let ended = match found.process.phase {
        // There is nothing that would have to be written.
        Phase::CutOff => Ok(()),
        Phase::Starting | Phase::Attached => attachment::detach(&found.folder.place()?),
    };
    match ended {
        Err(busy @ Error::Busy { .. }) => bail!(
            "{busy}: nothing was changed. End what uses it, then try again. `keyward volume detach --force` cuts it off, and what was not written to disk is lost"
        ),
        ended => ended?,
    }
    ask(&found.folder, &Request::Finish, &mut |_, _| {})?;
    Ok(say!("{image} is detached.")?)
}

fn force(found: &Found) -> anyhow::Result<()> {
    let image = found.process.image.display();
    if found.lives && ask(&found.folder, &Request::CutOff, &mut |_, _| {}).is_ok() {
        return Ok(say!("{image} is cut off.")?);
    }
    let done = cut_off(&found.folder.place()?, PATIENCE);
    if let Some(error) = done.failures.into_iter().next() {
        return Err(anyhow!(error).context(format!(
            "{image} is cut off, but not all of it is taken away"
        )));
    }
    if found.lives {
        // It could not take everything away itself.
        if ask(&found.folder, &Request::Finish, &mut |_, _| {}).is_ok() {
            return Ok(say!("{image} is cut off.")?);
        }
        bail!(
            "{image} is cut off, but its process {} does not answer: end it with `kill -9 {}`",
            found.process.pid,
            found.process.pid
        );
    }
    found.folder.forget()?;
    Ok(say!(
        "What the dead process of {image} had left is taken away."
    )?)
}
