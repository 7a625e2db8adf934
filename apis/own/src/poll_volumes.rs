//! `PollVolumes`: an agent asks what is wanted of the volumes that are assigned to it, and waits until that differs
//! from what it knows. One request of each agent waits; a newer one replaces it, and it is told so.
//!
//! It is also told when a key of its volumes or a grant on it has been written: whether it can still open the volume
//! may have changed, and it asks again at once.
//!
//! With each request the agent says whether it has a place for backups, and why that cannot be used, if it cannot; and
//! which databases it can run; and whether it can make volumes from others. All but that reason is stored with it.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use keyward_api_kms::paths::key as key_path;
use keyward_crypto::digest::sha256;
use keyward_engine::{
    audit::parameters::{Parameter, boolean, integer, omitted, structures, text},
    directory::{
        paths, purpose,
        records::storage::{AgentRecord, AgentTokenRecord, VolumeRecord},
    },
    gate::{Denied, Gate},
    operation::{Done, Operation, Output},
};
use keyward_store::{batch::Precondition, path::Path, revision::Revision, sealed::SealedBatch};
use keyward_types::{account::AccountId, network::Network};
use keyward_wire::json::{Members, Object, Writer};

use crate::{
    Cx, Keyward, agents, copies,
    databases::{self, Installed},
    fault::KeywardFault,
    polls::Poll,
    targets::{self, Target},
};

/// The longest that an agent waits, in seconds.
const MAX_WAIT: i64 = 20;

/// The input.
#[derive(Debug)]
pub struct PollVolumes {
    known: Option<String>,
    wait: Duration,
    backs_up: bool,
    /// Why the place for backups cannot be used.
    backup_failure: Option<String>,
    installed: Installed,
    /// Whether it can make volumes from others.
    copies: bool,
}

/// The output.
#[derive(Debug)]
pub struct Volumes {
    account: AccountId,
    volumes: Vec<(VolumeRecord, Vec<Target>, Vec<Network>)>,
    known: String,
    /// What is kept of the agent, if that is not what it says of itself: it never called before, or has a place for
    /// backups now, or has none any more, or other databases.
    outdated: Option<(AgentRecord, Revision)>,
}

impl Operation for PollVolumes {
    const NAME: &'static str = "PollVolumes";
    const READ_ONLY: bool = true;
    const PARAMETERS: &'static [Parameter] = &[
        omitted("Known"),
        integer("WaitSeconds"),
        boolean("BacksUp"),
        text("BackupFailure"),
        structures("Databases", databases::SHOWN_ENGINE),
        omitted("DatabaseAuthority"),
        boolean("Copies"),
    ];
    type Api = Keyward;
    type Output = Volumes;
    type Fault = KeywardFault;
    type Resolved = Volumes;
    type Permits = ();

    fn parse(body: &Object<'_>) -> Result<Self, KeywardFault> {
        let mut m = Members::of(body);
        let known = m.string("Known").length(1, 64).optional();
        let known = known.map(str::to_owned);
        let wait = m.integer("WaitSeconds").range(0, MAX_WAIT).optional();
        // An agent that does not know about backups makes none.
        let backs_up = m.boolean("BacksUp").optional().unwrap_or(false);
        let failure = m.string("BackupFailure").length(0, 1024).optional();
        let backup_failure = failure.map(str::to_owned);
        let installed = Installed::read(&mut m);
        let copies = m.boolean("Copies").optional().unwrap_or(false);
        m.finish()?;
        let wait = u64::try_from(wait.unwrap_or_default()).unwrap_or_default();
        Ok(Self {
            known,
            wait: Duration::from_secs(wait),
            backs_up,
            backup_failure,
            installed,
            copies,
        })
    }

    async fn resolve(&self, cx: &Cx<'_>) -> Result<Volumes, KeywardFault> {
        let (agent, id) = agents::caller(cx)?;
        cx.state().polls.hear(id);
        cx.state()
            .backups
            .hear_of_place(id, self.backup_failure.as_deref());
        let mut changes = cx.directory().volume_changes(agent.region, agent.account);
        let wait = tokio::time::sleep(self.wait);
        tokio::pin!(wait);
        let mut poll: Option<Poll<'_>> = None;
        loop {
            // Noted before it is read, so that changes in the meantime are not missed.
            changes.borrow_and_update();
            let volumes = self.assigned(cx).await?;
            let keys = cx.directory().record_changes(key_paths(cx, &volumes)?);
            let mut found = self.read(cx, volumes).await?;
            if poll.is_some() {
                // It was known before this one waited. Another request of the same agent has reported something
                // else since, and the two must not wake each other.
                found.outdated = None;
            }
            // What it reports about itself is recorded at once.
            let waits = found.outdated.is_none() && !self.wait.is_zero();
            if !waits || self.known.as_ref() != Some(&found.known) {
                if let Some(poll) = &mut poll {
                    poll.answer();
                }
                return Ok(found);
            }
            let poll = poll.get_or_insert_with(|| cx.state().polls.begin(id));
            // It takes no turn from requests that do not wait.
            let changed = cx.wait(async {
                tokio::select! {
                    () = &mut wait => false,
                    () = poll.overtaken() => false,
                    changed = changes.changed() => changed.is_ok(),
                    () = keys.changed() => true,
                }
            });
            if changed.await? == Some(true) {
                continue;
            }
            poll.answer();
            return match poll.is_overtaken() {
                true => Err(KeywardFault::Overtaken { agent: id.clone() }),
                false => Ok(found),
            };
        }
    }

    fn authorize(&self, _volumes: &Volumes, _gate: &Gate<'_>) -> Result<(), Denied> {
        // An agent needs no other permission for what is assigned to it.
        Ok(())
    }

    async fn call(
        &self,
        (): &(),
        volumes: &Volumes,
        cx: &Cx<'_>,
    ) -> Result<Done<Volumes>, KeywardFault> {
        let output = volumes.copy();
        let Some((record, revision)) = &volumes.outdated else {
            return Ok(Done::unchanged(output));
        };
        let (agent, _) = agents::caller(cx)?;
        let place = (agent.region, agent.account);
        let mut batch = cx.batch();
        if record.called.is_none() {
            use_token_up(cx, &mut batch, record).await?;
        }
        let as_it_says = AgentRecord {
            called: record.called.or(Some(cx.now)),
            backs_up: self.backs_up,
            databases: self.installed.engines.clone(),
            database_authority: self.installed.authority.clone(),
            copies: self.copies,
            ..record.clone()
        };
        let at = Precondition::At(*revision);
        agents::put_agent(&mut batch, place, &as_it_says, at)?;
        Ok(Done::changed(output, batch))
    }
}

/// An agent has its access key, so that its token is used up, and it can be given volumes.
async fn use_token_up(
    cx: &Cx<'_>,
    batch: &mut SealedBatch,
    record: &AgentRecord,
) -> Result<(), KeywardFault> {
    let (agent, _) = agents::caller(cx)?;
    let path = match &record.token {
        Some(token) => paths::agent_token(agent.region, agent.account, token),
        None => return Err(KeywardFault::BadToken),
    };
    // A token that was removed in the meantime, or has expired, is not valid.
    let token = cx
        .directory()
        .rare::<AgentTokenRecord>(&path, purpose::AGENT_TOKEN);
    let good = |token: &AgentTokenRecord| {
        cx.now < token.expires && token.agent.as_ref() == Some(&record.id)
    };
    let token = token.await?.filter(|(token, _)| good(token));
    let (_, at) = token.ok_or(KeywardFault::BadToken)?;
    batch
        .delete(path, Precondition::At(at))
        .map_err(agents::too_large)
}

impl PollVolumes {
    /// What is assigned to the agent. One of a version that knows nothing of copies would make them empty, and is not told.
    async fn assigned(&self, cx: &Cx<'_>) -> Result<Vec<VolumeRecord>, KeywardFault> {
        let (agent, id) = agents::caller(cx)?;
        let volumes = agents::volumes(cx, (agent.region, agent.account), id).await?;
        let volumes = volumes.into_iter().map(|(volume, _)| volume);
        let is_told = |volume: &VolumeRecord| {
            self.copies || !(volume.copies.at_rest || volume.unmade_copy().is_some())
        };
        Ok(volumes.filter(is_told).collect())
    }

    async fn read(&self, cx: &Cx<'_>, volumes: Vec<VolumeRecord>) -> Result<Volumes, KeywardFault> {
        let (agent, _) = agents::caller(cx)?;
        let record = agents::record(cx).await?;
        let mut told = String::new();
        let mut written = BTreeMap::new();
        let mut with_targets = Vec::with_capacity(volumes.len());
        for volume in volumes {
            let word = agents::word(volume.wanted);
            told += &format!("{} {} {word}", volume.id, volume.generation);
            for path in volume_key_paths(cx, &volume)? {
                // Many volumes may have one key.
                let at = match written.get(&path) {
                    Some(at) => *at,
                    None => cx.directory().written(&path).await?,
                };
                told += &format!(" {}", at.map_or(0, Revision::number));
                written.insert(path, at);
            }
            let targets = targets::of(&volume, cx.state().vpcs(), agent.region);
            // A debug form names every member, and has no two for different ones.
            let made = volume.was_made();
            let backs_up = volume.backs_up;
            cx.state().failed_volumes.hear(&volume);
            if volume.failed_backup().is_none() {
                cx.state().backups.forget(&volume.id);
            }
            let database = databases::told(&volume, cx.state().vpcs());
            let copy = copies::told(&volume);
            told += &format!(
                " {} {made} {targets:?} {backs_up} {database}{copy}\n",
                volume.authorization
            );
            let networks = databases::networks(&volume, cx.state().vpcs());
            with_targets.push((volume, targets, networks));
        }
        let digest = sha256(told.as_bytes());
        let known = digest.iter().take(16).map(|byte| format!("{byte:02x}"));
        let is_outdated = |agent: &AgentRecord| {
            agent.called.is_none()
                || agent.backs_up != self.backs_up
                || agent.databases != self.installed.engines
                || agent.database_authority != self.installed.authority
                || agent.copies != self.copies
        };
        Ok(Volumes {
            account: agent.account,
            volumes: with_targets,
            known: known.collect(),
            outdated: Some(record).filter(|(agent, _)| is_outdated(agent)),
        })
    }
}

impl Volumes {
    fn copy(&self) -> Self {
        Self {
            account: self.account,
            volumes: self.volumes.clone(),
            known: self.known.clone(),
            outdated: None,
        }
    }
}

/// The paths of the records that decide whether the volumes' data keys can be unwrapped, each once.
fn key_paths(cx: &Cx<'_>, volumes: &[VolumeRecord]) -> Result<Vec<Path>, KeywardFault> {
    let mut paths = BTreeSet::new();
    for volume in volumes {
        paths.extend(volume_key_paths(cx, volume)?);
    }
    Ok(paths.into_iter().collect())
}

/// The KMS key, with its state and its policy, and the service's grants on it.
fn volume_key_paths(cx: &Cx<'_>, volume: &VolumeRecord) -> Result<Vec<Path>, KeywardFault> {
    let Some(key) = &volume.key else {
        return Ok(Vec::new());
    };
    let arn = agents::key_arn(key, cx.region)?;
    let mut paths = agents::grant_paths(cx.directory().reader(), &arn, key)?;
    paths.insert(0, key_path(&arn));
    Ok(paths)
}

impl Output<Keyward> for Volumes {
    fn render(&self, out: &mut Writer<'_>) {
        out.string("Known", &self.known);
        out.array("Volumes", |list| {
            for (volume, targets, networks) in &self.volumes {
                list.object(|out| {
                    out.string("VolumeId", volume.id.as_str());
                    out.string("Service", &volume.service);
                    out.string("AccountId", self.account.as_str());
                    out.integer(
                        "Generation",
                        i64::try_from(volume.generation).unwrap_or(i64::MAX),
                    );
                    out.string("Wanted", agents::word(volume.wanted));
                    out.boolean("Made", volume.was_made());
                    out.integer(
                        "AuthorizationRevision",
                        i64::try_from(volume.authorization).unwrap_or(i64::MAX),
                    );
                    out.boolean("BackUp", volume.backs_up);
                    let backup = volume.backup.as_ref();
                    if let Some(newest) = backup.and_then(|backup| backup.generation) {
                        out.natural("BackupGeneration", newest);
                    }
                    if let Some(newest) = volume.image_generation {
                        out.natural("ImageGeneration", newest);
                    }
                    out.array("Targets", |list| {
                        for target in targets {
                            list.object(|out| target.write(out));
                        }
                    });
                    databases::write(volume, networks, out);
                    copies::write(volume, out);
                    out.boolean("Encrypted", volume.key.is_some());
                    if let Some(key) = &volume.key {
                        out.string("KeyId", &key.key);
                        out.string("CiphertextBlob", &key.ciphertext);
                        out.object("EncryptionContext", |context| {
                            for (name, value) in &key.context {
                                context.named_string(name, value);
                            }
                        });
                    }
                });
            }
        });
    }
}
