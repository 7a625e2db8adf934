//! `ReportVolumes`: an agent reports the state of its volumes.

use keyward_engine::{
    audit::parameters::{Parameter, boolean, integer, structure, structures, text},
    directory::records::storage::{
        BackupReport, MOST_BELONGINGS, Reported, TargetState, VolumeRecord, VolumeState, Wanted,
    },
    gate::{Denied, Gate},
    operation::{Done, Operation, Output},
};
use keyward_store::{
    batch::{MAX_BATCH_CHANGES, Precondition},
    path::Path,
    revision::Revision,
};
use keyward_types::{storage::VolumeId, time::Timestamp};
use keyward_wire::json::{Members, Object, Writer};

use crate::{
    Cx, Keyward, agents,
    copies::{self, Made},
    databases,
    fault::KeywardFault,
    targets::{self, Served},
    unwrapped,
};

/// The most volumes in one report: their changes are one batch with the event, of so many lines and of so many
/// bytes, which is why there are not more.
const MOST: usize = 20;
/// The lines of a batch that a volume takes that is gone, with what ends with it. Any other takes one, or two if it is a
/// snapshot: that of its origin as well.
const LINES: usize = 1 + MOST_BELONGINGS;
const _: () = assert!(MOST * LINES < MAX_BATCH_CHANGES, "one line is the event's");
/// The states that an agent reports.
const STATES: &[&str] = &["FAILED", "GONE", "READY"];
/// The states of mount targets that it reports.
const TARGET_STATES: &[&str] = &["FAILED", "READY"];
/// The most mount targets of a volume in a report: more than a Region has Availability Zones.
const MOST_TARGETS: usize = 26;
/// The last second that a backup can be of: that of the year 9999.
const LATEST: i64 = 253_402_300_799;

/// The input.
#[derive(Debug)]
pub struct ReportVolumes {
    reports: Vec<Report>,
}

#[derive(Debug)]
struct Report {
    volume: Result<VolumeId, String>,
    generation: u64,
    state: &'static str,
    bytes: Option<u64>,
    message: Option<String>,
    /// The mount targets that it serves, or fails to; `None` if it does not report them.
    targets: Option<Vec<Served>>,
    /// How its backups are; `None` if it does not report them.
    backup: Option<BackupReport>,
    /// How its database is; none if it says nothing of it.
    database: Option<databases::Told>,
    /// The generation of its image; none if it has none, or the agent does not know it.
    image_generation: Option<u64>,
}

/// The output: the volumes for which something else is wanted by now.
#[derive(Debug)]
pub struct Stale(Vec<VolumeId>);

impl Operation for ReportVolumes {
    const NAME: &'static str = "ReportVolumes";
    const READ_ONLY: bool = false;
    const PARAMETERS: &'static [Parameter] = &[structures(
        "Volumes",
        &[
            text("VolumeId"),
            integer("Generation"),
            text("State"),
            integer("Bytes"),
            text("Message"),
            structures(
                "Targets",
                &[text("MountTargetId"), text("State"), text("Message")],
            ),
            structure(
                "Backup",
                &[
                    integer("Tried"),
                    integer("Time"),
                    integer("Generation"),
                    text("Message"),
                    boolean("ByHand"),
                ],
            ),
            structure("Database", databases::SHOWN_REPORT),
            integer("ImageGeneration"),
        ],
    )];
    type Api = Keyward;
    type Output = Stale;
    type Fault = KeywardFault;
    type Resolved = Vec<(VolumeRecord, Revision)>;
    type Permits = ();

    fn parse(body: &Object<'_>) -> Result<Self, KeywardFault> {
        let mut m = Members::of(body);
        let reports = m.structures("Volumes", |report| {
            let volume = report.string("VolumeId").length(1, 64).required();
            let generation = report.integer("Generation").range(1, i64::MAX).required();
            let state = report.enumeration("State", STATES).required();
            let bytes = report.integer("Bytes").range(0, i64::MAX).optional();
            let message = report.string("Message").length(0, 1024).optional();
            let targets = report.structures("Targets", |target| {
                let id = target.string("MountTargetId").length(1, 64).required();
                let state = target.enumeration("State", TARGET_STATES).required();
                let message = target.string("Message").length(0, 1024).optional();
                let state = match state {
                    "READY" => TargetState::Available,
                    _ => TargetState::Error,
                };
                Served {
                    id: id.to_owned(),
                    state,
                    message: message.map(str::to_owned),
                }
            });
            let targets = targets.count(0, MOST_TARGETS).optional();
            let backup = report.structure("Backup", |backup| {
                let tried = backup.integer("Tried").range(0, LATEST).required();
                let at = backup.integer("Time").range(0, LATEST).optional();
                let generation = backup.integer("Generation").range(1, i64::MAX).optional();
                let message = backup.string("Message").length(0, 1024).optional();
                let by_hand = backup.boolean("ByHand").optional().unwrap_or(false);
                BackupReport {
                    tried: Timestamp::from_seconds(tried),
                    at: at.map(Timestamp::from_seconds),
                    generation: generation.and_then(|number| u64::try_from(number).ok()),
                    failure: message.map(str::to_owned),
                    by_hand,
                }
            });
            let backup = backup.optional();
            let database = report.structure("Database", databases::Told::read);
            let database = database.optional();
            let image = report.integer("ImageGeneration").range(1, i64::MAX);
            let image = image.optional();
            Report {
                volume: VolumeId::parse(volume).map_err(|_| volume.to_owned()),
                generation: u64::try_from(generation).unwrap_or_default(),
                state,
                bytes: bytes.and_then(|bytes| u64::try_from(bytes).ok()),
                message: message.map(str::to_owned),
                targets,
                backup,
                database,
                image_generation: image.and_then(|number| u64::try_from(number).ok()),
            }
        });
        let reports = reports.count(1, MOST).required();
        m.finish()?;
        Ok(Self { reports })
    }

    async fn resolve(&self, cx: &Cx<'_>) -> Result<Self::Resolved, KeywardFault> {
        let (agent, id) = agents::caller(cx)?;
        let place = (agent.region, agent.account);
        let mut found = Vec::with_capacity(self.reports.len());
        for (at, report) in self.reports.iter().enumerate() {
            let volume = report.volume.as_ref();
            let volume = volume.map_err(|text| KeywardFault::NoSuchVolume {
                volume: text.clone(),
            })?;
            let before = self.reports.iter().take(at);
            if before
                .flat_map(|other| &other.volume)
                .any(|other| other == volume)
            {
                return Err(KeywardFault::twice(volume));
            }
            found.push(agents::volume(cx, place, (id, volume)).await?);
        }
        Ok(found)
    }

    fn authorize(&self, _volumes: &Self::Resolved, _gate: &Gate<'_>) -> Result<(), Denied> {
        // An agent needs no other permission for what is assigned to it.
        Ok(())
    }

    async fn call(
        &self,
        (): &(),
        volumes: &Self::Resolved,
        cx: &Cx<'_>,
    ) -> Result<Done<Stale>, KeywardFault> {
        let (agent, _) = agents::caller(cx)?;
        let place = (agent.region, agent.account);
        let mut batch = cx.batch();
        let mut stale = Vec::new();
        let made = self.made(volumes);
        let mut written = Vec::new();
        for (at, (report, (volume, revision))) in self.reports.iter().zip(volumes).enumerate() {
            // What the event and the reports after this one leave of the batch.
            let others = LINES * self.reports.len().saturating_sub(at + 1) + made.count() + 1;
            let room = MAX_BATCH_CHANGES.saturating_sub(batch.len() + others);
            if report.generation != volume.generation {
                stale.push(volume.id.clone());
                continue;
            }
            let state = match (report.state, volume.wanted) {
                ("GONE", Wanted::Absent)
                    if volume.belongings.len() >= room
                        || agents::has_grant(cx.directory().reader(), agent.region, volume)
                            .await? =>
                {
                    VolumeState::Gone
                }
                ("GONE", Wanted::Absent) => {
                    cx.state().backups.forget(&volume.id);
                    cx.state().failed_volumes.forget(&volume.id);
                    agents::end(&mut batch, place, (volume, *revision))?;
                    continue;
                }
                ("READY", Wanted::Present) => VolumeState::Ready,
                ("FAILED", _) => VolumeState::Failed,
                (state, wanted) => {
                    return Err(KeywardFault::unwanted(
                        &volume.id,
                        state,
                        agents::word(wanted),
                    ));
                }
            };
            let reported = Reported {
                generation: report.generation,
                state,
                at: cx.now,
                bytes: report.bytes,
                message: report.message.clone(),
            };
            let before = volume.backup.as_ref().map(|backup| backup.tried);
            let mut volume = VolumeRecord {
                made: volume.was_made() || state == VolumeState::Ready,
                available_on: match state {
                    VolumeState::Ready => Some(volume.agent.clone()),
                    _ => volume.available_on.clone(),
                },
                reported: Some(reported),
                backup: match report.backup.clone() {
                    Some(backup) => Some(backup.after(volume.backup.as_ref(), cx.now)),
                    None => volume.backup.clone(),
                },
                image_generation: report.image_generation.max(volume.image_generation),
                ..volume.clone()
            };
            let told = report.database.as_ref();
            let asks = databases::may_be_locked(&volume, state == VolumeState::Failed, told);
            let is_locked = asks && unwrapped::is_locked(cx, agent.account, &volume).await?;
            if let Some(database) = &mut volume.database {
                if let Some(told) = report.database.clone() {
                    told.hear(database, cx.now);
                }
                if is_locked {
                    databases::lock(database, cx.now);
                }
            }
            cx.state().failed_volumes.hear(&volume);
            if let Some(backup) = &report.backup {
                cx.state().backups.hear(&volume.id, backup);
                // Its place has taken a backup since it was said to be unusable.
                if backup.failure.is_none() && before.is_none_or(|before| before < backup.tried) {
                    cx.state().backups.hear_of_place(&volume.agent, None);
                }
            }
            if let Some(targets) = &report.targets {
                for path in targets::report(&mut volume, targets, room.saturating_sub(1)) {
                    let path = Path::parse(&path)?;
                    batch
                        .delete(path, Precondition::Any)
                        .map_err(agents::too_large)?;
                }
            }
            copies::hear(&mut volume, state, cx.now);
            made.apply(&mut volume, cx.now);
            written.push(volume.id.clone());
            agents::put(&mut batch, place, (&volume, *revision))?;
        }
        made.put_others(&mut batch, &written, cx).await?;
        let output = Stale(stale);
        if batch.is_empty() {
            return Ok(Done::unchanged(output));
        }
        Ok(Done::changed(output, batch))
    }
}

impl ReportVolumes {
    /// The snapshots that are there for the first time.
    fn made(&self, volumes: &[(VolumeRecord, Revision)]) -> Made {
        let mut made = Made::default();
        for (report, (volume, _)) in self.reports.iter().zip(volumes) {
            if report.state == "READY" && report.generation == volume.generation {
                made.hear(volume);
            }
        }
        made
    }
}

impl Output<Keyward> for Stale {
    fn render(&self, out: &mut Writer<'_>) {
        out.strings("Stale", self.0.iter().map(VolumeId::as_str));
    }
}
