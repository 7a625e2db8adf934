//! Who unwraps the data key of a volume.

use std::{collections::BTreeMap, path::PathBuf};

use anyhow::{Context as _, bail};
use keyward_client::{Client, Connect, reach::Reach};
use keyward_volume::{KeyInfo, Superblock};

use super::key;
use crate::identity::Identity;

/// Who unwraps it.
#[derive(Clone, Debug)]
pub enum KeySource {
    /// KMS, asked with the credentials of the one who attaches the volume.
    Kms(Connect),
    /// The server of an agent, which asks KMS as the service that the volume belongs to.
    Agent(Assigned),
}

/// A volume that is assigned to an agent of this machine.
#[derive(Clone, Debug)]
pub struct Assigned {
    /// Where the server is.
    pub reach: Reach,
    /// What the agent signs with.
    pub credentials: PathBuf,
    /// The volume, as the server calls it.
    pub volume: String,
    /// The encryption context of its data key.
    pub context: BTreeMap<String, String>,
}

impl From<Connect> for KeySource {
    fn from(connect: Connect) -> Self {
        Self::Kms(connect)
    }
}

impl KeySource {
    /// Refuses a superblock whose data key was wrapped for another volume, before anybody is asked.
    ///
    /// # Errors
    /// When it was.
    pub fn check_context(&self, superblock: &Superblock) -> anyhow::Result<()> {
        match self {
            Self::Kms(_) => key::check_context(superblock),
            Self::Agent(assigned) if superblock.key.context == assigned.context => Ok(()),
            Self::Agent(assigned) => bail!(
                "the image is not that of {}: the encryption context in its superblock is another one",
                assigned.volume
            ),
        }
    }
}

impl KeySource {
    /// Who unwraps the data key of a copy of the volume; with `assigned`, the copy is another volume of the same agent.
    ///
    /// # Errors
    /// When the two are not of one kind.
    pub fn of_copy(&self, assigned: Option<String>, key: &KeyInfo) -> anyhow::Result<Self> {
        match (self, assigned) {
            (Self::Kms(_), None) => Ok(self.clone()),
            (Self::Agent(own), Some(volume)) => Ok(Self::Agent(Assigned {
                volume,
                context: key.context.clone(),
                ..own.clone()
            })),
            (Self::Kms(_), Some(_)) => bail!("the volume does not belong to an agent"),
            (Self::Agent(_), None) => bail!(
                "the volume belongs to an agent: only its server has copies made of it (`aws rds create-db-snapshot`)"
            ),
        }
    }
}

impl Assigned {
    /// A client that signs as the agent.
    ///
    /// # Errors
    /// When it has no credentials, or nothing says where the server is.
    pub fn client(&self) -> anyhow::Result<Client> {
        let identity = Identity::read(&self.credentials)?;
        let identity = identity.with_context(|| {
            format!(
                "{} is missing: no agent has registered",
                self.credentials.display()
            )
        })?;
        identity.client(&self.reach)
    }
}
