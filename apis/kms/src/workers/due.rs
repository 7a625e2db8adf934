//! What is due: scheduled rotations, and the destruction of keys whose deletion date has come.

use std::{collections::HashSet, sync::Arc};

use keyward_engine::{
    audit::service_event::ServiceEvent,
    directory::{purpose, scopes::scopes},
    fault::Internal,
    workers::{NotCommitted, WorkerContext},
};
use keyward_keys::{
    deletion::{DestructionGuard, Reading},
    duty::{Destroy, Duty, Rotate},
    record::{Due, KeyRecord},
};
use keyward_store::{
    batch::Precondition,
    error::CommitError,
    path::Path,
    sealed::{SealedBatch, SealedError},
    store::MAX_RANGE,
};
use keyward_types::{
    account::AccountId,
    key_id::{KeyArn, KeyId},
    key_spec::RotationType,
    region::Region,
    time::Timestamp,
};
use parking_lot::Mutex;

use crate::{
    fault::KmsFault, grants::index::GrantPaths, lookup::put_key, paths, service_events,
    state::KmsState, units::KeyUnit,
};

mod mender;

use mender::Mender;

/// The worker's memory between its rounds.
#[derive(Debug)]
pub struct DueWorker {
    kms: Arc<KmsState>,
    guard: Mutex<DestructionGuard>,
    mender: Mender,
}

impl DueWorker {
    /// Starts from the last reading of the wall clock that the store holds, or from now if it
    /// holds none.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn new(cx: &WorkerContext, kms: Arc<KmsState>) -> Result<Self, SealedError> {
        let now = cx.shared().clock().now();
        let path = paths::clock();
        let recorded = cx.reader().get(&path).await?.value;
        let recorded = match recorded {
            Some(record) => {
                let text = String::from_utf8_lossy(record.bytes_of(purpose::CLOCK)?).into_owned();
                text.parse().map_or(now, Timestamp::from_millis)
            }
            None => now,
        };
        Ok(Self {
            kms,
            guard: Mutex::new(DestructionGuard::new(recorded)),
            mender: Mender::default(),
        })
    }

    /// One round: records the clock, then does what is due.
    pub async fn round(&self, cx: &WorkerContext) {
        let now = Reading {
            wall: cx.shared().clock().now(),
            monotonic: cx.shared().clock().monotonic(),
        };
        let (held, recorded) = {
            let mut guard = self.guard.lock();
            (guard.observe(now), guard.recorded())
        };
        match held {
            Some(held) => tracing::error!(
                recorded = %held.recorded,
                wall = %held.wall,
                "the clock is over a week ahead of the last reading: no key is destroyed until you stop the server and run `keyward store accept-clock`"
            ),
            None => record_clock(cx, recorded).await,
        }
        if let Err(error) = self.do_due(cx, now).await {
            tracing::warn!(%error, "what is due cannot be done yet");
        }
        if let Err(error) = self.mender.round(cx).await {
            tracing::error!(cause = %error, "keys cannot be compared with what is due for them");
        }
    }

    async fn do_due(&self, cx: &WorkerContext, now: Reading) -> Result<(), SealedError> {
        let mut still_due = HashSet::new();
        for scope in scopes(cx.shared()).await? {
            let Some(region) = scope.region else { continue };
            let prefix = paths::all_due(region, scope.account);
            let mut after: Option<Path> = None;
            loop {
                let reader = cx.reader();
                let page = reader
                    .entries(&prefix, after.as_ref(), MAX_RANGE)
                    .await?
                    .value;
                let Some(last) = page.last() else { break };
                after = Some(last.path.clone());
                let due = page
                    .iter()
                    .filter_map(|entry| due_key(&entry.path, region, scope.account));
                let mut later = false;
                for (at, key) in due {
                    if at > now.wall {
                        later = true;
                        break;
                    }
                    still_due.insert(key.clone());
                    self.one(cx, &key, now).await;
                }
                if later {
                    break;
                }
            }
        }
        self.guard.lock().retain(|key| still_due.contains(key));
        Ok(())
    }

    async fn one(&self, cx: &WorkerContext, key: &KeyArn, now: Reading) {
        let unit = match self.kms.key(key).await {
            Ok(Some(unit)) => unit,
            Ok(None) => return,
            Err(error) => {
                tracing::error!(%error, %key, "a key that is due cannot be read");
                return;
            }
        };
        let done = match unit.record().due() {
            Some(Due::Rotation(_)) => rotate((cx, &self.kms), &unit, now.wall).await,
            Some(Due::Destruction(at)) => {
                let cleared = self.guard.lock().clear(key, at, now);
                match cleared
                    .and_then(|cleared| Duty::to_destroy(unit.record(), now.wall, &cleared))
                {
                    Some(duty) => destroy((cx, &self.kms), &unit, &duty).await,
                    None => Ok(()),
                }
            }
            None => Ok(()),
        };
        if let Err(cause) = done {
            tracing::error!(cause = cause.chain(), %key, "what is due for a key cannot be done yet");
        }
    }
}

fn due_key(path: &Path, region: Region, account: AccountId) -> Option<(Timestamp, KeyArn)> {
    let mut segments = path.segments().skip(4);
    let at = Timestamp::from_millis(segments.next()?.parse().ok()?);
    let id = KeyId::parse(segments.next()?).ok()?;
    Some((at, KeyArn::new(region, account, id)))
}

async fn record_clock(cx: &WorkerContext, recorded: Timestamp) {
    let path = paths::clock();
    let mut batch = cx.batch();
    let reading = recorded.millis().to_string();
    if batch
        .put(path, purpose::CLOCK, reading.as_bytes(), Precondition::Any)
        .is_ok()
        && let Err(error) = cx.commit(batch).await
    {
        tracing::warn!(%error, "the clock's reading cannot be recorded");
    }
}

async fn rotate(
    (cx, kms): (&WorkerContext, &KmsState),
    unit: &KeyUnit,
    now: Timestamp,
) -> Result<(), Internal> {
    let Some(duty) = Duty::<Rotate>::to_rotate(unit.record(), now) else {
        return Ok(());
    };
    let record = kms
        .ring()
        .rotate_due(&duty, unit.key())
        .await
        .map_err(Internal::new)?;
    let event = service_events::rotation(unit.record(), &record, RotationType::Automatic);
    let rotated = commit(cx, unit, (&record, &event), |_| Ok(()));
    rotated.await.map(|_| ())
}

async fn destroy(
    (cx, kms): (&WorkerContext, &KmsState),
    unit: &KeyUnit,
    duty: &Duty<Destroy>,
) -> Result<(), Internal> {
    let record = kms
        .ring()
        .destroy(duty, unit.key())
        .await
        .map_err(Internal::new)?;
    let aliases: Vec<Path> = unit
        .record()
        .aliases
        .iter()
        .map(|name| {
            let (region, account) = (unit.record().region, unit.record().account);
            let hash = kms.alias_hash(region, account, name);
            paths::alias(region, account, &hash)
        })
        .collect();
    let last_use = paths::last_use(unit.arn());
    let reader = cx.reader();
    let left = GrantPaths::new(reader, unit.arn()).left();
    let event = service_events::destruction(&record);
    let destroyed = commit(cx, unit, (&record, &event), |batch| {
        // At most 50 aliases: all of it fits one batch. Grants are left to the sweeper.
        for path in aliases.iter().chain([&last_use]) {
            batch
                .delete(path.clone(), Precondition::Any)
                .map_err(Internal::new)?;
        }
        if unit.record().has_grants {
            batch
                .put(left, purpose::DUE, b"{}", Precondition::Any)
                .map_err(Internal::new)?;
        }
        Ok(())
    });
    if !destroyed.await? {
        return Ok(());
    }
    // What was overwritten must not be found in the files either.
    cx.scrub().await.map_err(Internal::new)?;
    tracing::info!(key = %unit.arn(), "a key was destroyed");
    Ok(())
}

/// Commits a changed key with what else belongs to the change, and its event. Returns whether that was
/// done: if somebody has changed the key in the meantime, the next round looks at it again.
async fn commit(
    cx: &WorkerContext,
    unit: &KeyUnit,
    (record, event): (&KeyRecord, &ServiceEvent),
    also: impl FnOnce(&mut SealedBatch) -> Result<(), Internal>,
) -> Result<bool, Internal> {
    let mut batch = cx.batch();
    put_key(&mut batch, unit, record)
        .map_err(|fault: KmsFault| Internal::new(format!("{fault:?}")))?;
    also(&mut batch)?;
    match cx.commit_with(batch, event).await {
        Ok(()) => Ok(true),
        Err(NotCommitted::Commit(CommitError::Conflict { .. })) => Ok(false),
        Err(error) => Err(Internal::new(error)),
    }
}
