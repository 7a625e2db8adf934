//! What an agent signs with: kept in one file of its state directory, for its user alone.

use std::{fmt, fs, io, path::Path};

use anyhow::{Context as _, bail};
use keyward_agent::{authentic::NoteKey, files::write_whole};
use keyward_client::{
    Client,
    aws::Credentials,
    reach::{Reach, Reached},
};
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

/// The version of the file.
const VERSION: u32 = 1;

/// An agent that has registered.
pub struct Identity {
    /// Its id.
    pub agent: String,
    /// What the operator calls it.
    pub name: String,
    /// The account whose volumes it stores.
    pub account: String,
    /// The Region that it stores them in.
    pub region: String,
    /// Where it registered.
    pub server: Reached,
    access_key_id: String,
    secret: Zeroizing<String>,
}

impl fmt::Debug for Identity {
    // The rest is secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Identity")
            .field("agent", &self.agent)
            .field("name", &self.name)
            .field("account", &self.account)
            .field("region", &self.region)
            .field("server", &self.server)
            .field("access_key_id", &self.access_key_id)
            .finish_non_exhaustive()
    }
}

/// The file. It borrows the secret, which must not be in memory twice.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Stored<S> {
    version: u32,
    agent_id: String,
    agent_name: String,
    account_id: String,
    region: String,
    server: Reached,
    access_key_id: String,
    secret_access_key: S,
}

/// The answer to RegisterAgent.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Registered {
    agent_id: String,
    agent_name: String,
    account_id: String,
    region: String,
    access_key_id: String,
    secret_access_key: String,
}

impl Identity {
    /// Takes the answer to RegisterAgent of that server.
    ///
    /// # Errors
    /// When it is none.
    pub fn of_answer(answer: &[u8], server: Reached) -> anyhow::Result<Self> {
        // The error could quote the answer.
        let answer: Registered = serde_json::from_slice(answer)
            .ok()
            .context("the server did not answer as Keyward does")?;
        Ok(Self {
            agent: answer.agent_id,
            name: answer.agent_name,
            account: answer.account_id,
            region: answer.region,
            server,
            access_key_id: answer.access_key_id,
            secret: Zeroizing::new(answer.secret_access_key),
        })
    }

    /// Reads it; `None` if no agent has registered with this state directory.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn read(path: &Path) -> anyhow::Result<Option<Self>> {
        let shown = path.display();
        let text = match fs::read(path) {
            Ok(text) => Zeroizing::new(text),
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error).with_context(|| format!("cannot read {shown}")),
        };
        // The error could quote the file.
        let stored: Option<Stored<String>> = serde_json::from_slice(&text).ok();
        let stored = stored.with_context(|| {
            format!("{shown} is damaged: restore it, or remove the agent and register again")
        })?;
        let secret = Zeroizing::new(stored.secret_access_key);
        if stored.version != VERSION {
            bail!(
                "{shown} was written by another version of this program (format {})",
                stored.version
            );
        }
        Ok(Some(Self {
            agent: stored.agent_id,
            name: stored.agent_name,
            account: stored.account_id,
            region: stored.region,
            server: stored.server,
            access_key_id: stored.access_key_id,
            secret,
        }))
    }

    /// Writes it, durably.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn write(&self, path: &Path) -> anyhow::Result<()> {
        let stored = Stored {
            version: VERSION,
            agent_id: self.agent.clone(),
            agent_name: self.name.clone(),
            account_id: self.account.clone(),
            region: self.region.clone(),
            server: self.server.clone(),
            access_key_id: self.access_key_id.clone(),
            secret_access_key: self.secret.as_str(),
        };
        let bytes = Zeroizing::new(serde_json::to_vec(&stored)?);
        write_whole(path, &bytes).with_context(|| format!("cannot write {}", path.display()))
    }

    /// What authenticates the agent's own files.
    pub fn note_key(&self) -> NoteKey {
        NoteKey::new(self.secret.as_bytes(), &self.agent)
    }

    /// A client that signs as the agent.
    ///
    /// # Errors
    /// If nothing says where the server is.
    pub fn client(&self, reach: &Reach) -> anyhow::Result<Client> {
        let credentials = Credentials {
            access_key_id: self.access_key_id.clone(),
            secret: self.secret.clone(),
            session_token: None,
        };
        reach
            .find(Some(&self.server))?
            .client(self.region.clone(), credentials)
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    const ANSWER: &str = r#"{"AgentId":"agent-1","AgentName":"storage-1","AccountId":"111122223333",
        "Region":"us-east-1","AccessKeyId":"AKIAEXAMPLE","SecretAccessKey":"the-secret"}"#;

    fn identity() -> Identity {
        let server = Reached {
            endpoint: "http://127.0.0.1:1".to_owned(),
            ca_file: None,
            plaintext: false,
        };
        Identity::of_answer(ANSWER.as_bytes(), server).unwrap()
    }

    #[test]
    fn what_an_agent_signs_with_is_kept_for_its_user_alone() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("credentials.json");
        assert!(Identity::read(&path).unwrap().is_none());
        identity().write(&path).unwrap();
        let mode = fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        let read = Identity::read(&path).unwrap().unwrap();
        assert_eq!(read.agent, "agent-1");
        assert_eq!(read.secret.as_str(), "the-secret");
        assert_eq!(read.server, identity().server);
    }

    #[test]
    fn an_error_about_the_file_quotes_nothing_of_it() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("credentials.json");
        identity().write(&path).unwrap();
        let text = fs::read_to_string(&path).unwrap();
        for wrong in [
            text.replace("\"the-secret\"", "[\"the-secret\"]"),
            text.replace("\"version\":1", "\"version\":2"),
        ] {
            fs::write(&path, wrong).unwrap();
            let error = Identity::read(&path).err().unwrap();
            assert!(!format!("{error:?}").contains("the-secret"), "{error:?}");
        }
    }
}
