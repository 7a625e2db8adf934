//! The database engines that agents have, which are those that can be asked for.

use std::collections::BTreeSet;

use keyward_engine::directory::{
    paths, purpose,
    records::{
        database::InstalledEngine,
        storage::{AgentRecord, VolumeRecord},
    },
};
use keyward_store::revision::Revision;

use crate::{Cx, fault::RdsFault};

/// The one engine that is served.
pub const ENGINE: &str = "postgres";

/// A version of the engine that some agent has, such as 15.14.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Version {
    text: String,
    numbers: Vec<u32>,
}

impl Version {
    /// Reads a version; none if it is not numbers with periods between.
    pub fn parse(text: &str) -> Option<Self> {
        let numbers = text.split('.').map(|part| part.parse().ok());
        let numbers: Option<Vec<u32>> = numbers.collect();
        Some(Self {
            text: text.to_owned(),
            numbers: numbers?,
        })
    }

    /// As it is written.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Its first number, which all versions have that can use the same files.
    pub fn major(&self) -> u32 {
        self.numbers.first().copied().unwrap_or_default()
    }

    /// `DBParameterGroupFamily`.
    pub fn family(&self) -> String {
        format!("{ENGINE}{}", self.major())
    }

    /// Its place in a list, which texts have in their order.
    pub fn position(&self) -> String {
        let numbers = self.numbers.iter().map(|number| format!("{number:010}"));
        numbers.collect::<Vec<_>>().join(".")
    }

    /// Whether a request means it: by its whole text, or by its first numbers.
    pub fn is_meant(&self, asked: &str) -> bool {
        let rest = self.text.strip_prefix(asked);
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
    }
}

impl PartialOrd for Version {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Version {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.numbers
            .cmp(&other.numbers)
            .then_with(|| self.text.cmp(&other.text))
    }
}

/// The versions that an agent has, the oldest first.
pub fn of_agent(agent: &AgentRecord) -> impl Iterator<Item = Version> {
    let ours = |one: &&InstalledEngine| one.engine == ENGINE;
    let installed = agent.databases.iter().filter(ours);
    installed.filter_map(|one| Version::parse(&one.version))
}

impl Cx<'_> {
    /// The agents of the caller's account and Region that can run databases, each with when it was last written.
    ///
    /// # Errors
    /// When they cannot be read.
    pub async fn database_agents(&self) -> Result<Vec<(AgentRecord, Revision)>, RdsFault> {
        let prefix = paths::agents(self.region, self.account());
        let directory = self.directory();
        let agents = directory.every_with_revision::<AgentRecord>(&prefix, purpose::AGENT);
        let mut agents = agents.await?;
        // The key of one that never called may have been lost.
        agents.retain(|(agent, _)| agent.called.is_some() && of_agent(agent).next().is_some());
        Ok(agents)
    }

    /// The versions that agents have, the oldest first.
    ///
    /// # Errors
    /// When they cannot be read.
    pub async fn versions(&self) -> Result<Vec<Version>, RdsFault> {
        let agents = self.database_agents().await?;
        let versions = agents.iter().flat_map(|(agent, _)| of_agent(agent));
        let versions: BTreeSet<Version> = versions.collect();
        Ok(versions.into_iter().collect())
    }

    /// The agent that a new database of a version goes to, the one with the fewest of these volumes, and the version:
    /// the newest that is meant.
    ///
    /// # Errors
    /// If there is none.
    pub async fn place(
        &self,
        asked: Option<&str>,
        volumes: &[VolumeRecord],
    ) -> Result<(AgentRecord, Revision, Version), RdsFault> {
        let agents = self.database_agents().await?;
        if agents.is_empty() {
            return Err(RdsFault::NoAgent {
                account: self.account().to_string(),
                region: self.region.to_string(),
            });
        }
        let is_meant = |version: &Version| asked.is_none_or(|asked| version.is_meant(asked));
        let meant = agents.iter().flat_map(|(agent, _)| of_agent(agent));
        let Some(version) = meant.filter(is_meant).max() else {
            let asked = asked.unwrap_or_default();
            return Err(RdsFault::InvalidParameterCombination(format!(
                "Cannot find version {asked} for {ENGINE}"
            )));
        };
        let stored = |agent: &AgentRecord| {
            let of_agent = volumes.iter().filter(|volume| volume.agent == agent.id);
            of_agent.count()
        };
        let has_it =
            |(agent, _): &(AgentRecord, Revision)| of_agent(agent).any(|one| one == version);
        let able = agents.into_iter().filter(has_it);
        let chosen = able.min_by_key(|(agent, _)| (stored(agent), agent.created));
        match chosen {
            Some((agent, revision)) => Ok((agent, revision, version)),
            None => Err(RdsFault::NoAgent {
                account: self.account().to_string(),
                region: self.region.to_string(),
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_numbers_and_may_be_meant_by_the_first_of_them() {
        let version = |text| Version::parse(text).unwrap();
        assert!(version("15.9") < version("15.14") && version("9.6") < version("15.9"));
        assert!(version("15.14").is_meant("15") && version("15.14").is_meant("15.14"));
        assert!(!version("15.14").is_meant("15.1") && !version("15.14").is_meant("1"));
        assert_eq!(version("15.14").family(), "postgres15");
        assert_eq!(Version::parse("15beta1"), None);
    }
}
