//! Retires grants that were created for a volume that was never created. A server that is killed between the grant, which
//! KMS has committed, and the volume leaves one, and nobody else knows about it.
//!
//! A request that creates a volume looks the same for a moment. So a grant ends only if no volume has had it in
//! several rounds in a row: no request takes that long, and a request of a process that was stopped for a while ends
//! between two rounds.
//!
//! A service of that name that runs outside of the server (`keyward service create`) has grants of its own, which look
//! the same. The server does not know what they are for, so no grant is retired while that service has credentials.

use std::collections::{BTreeMap, BTreeSet};

use keyward_api_kms::grants::{
    index::{GrantPaths, retirable_by_service},
    lookup::stored,
    party::Party,
    record::GrantRecord,
    terms::ContextConstraint,
};
use keyward_engine::{
    directory::{
        ReadError, paths, purpose,
        records::storage::VolumeRecord,
        scopes::{Scope, scopes},
    },
    forward::{NotDone, Resource, by_worker},
    workers::WorkerContext,
};
use keyward_store::{path::Path, store::MAX_RANGE};
use keyward_types::{
    account::AccountId,
    grant::{GrantId, GrantOperation, GrantOperations},
    key_id::{KeyArn, KeyId},
    region::Region,
    via_service::{ActingService, ELASTIC_FILE_SYSTEM, RDS},
};
use keyward_wire::json::Writer;
use parking_lot::Mutex;

use crate::Keyward;

/// In how many rounds in a row no volume has had a grant when it ends.
const ROUNDS: u32 = 3;
/// What RDS may do with the key of an instance or a snapshot.
const RDS_OPERATIONS: &[GrantOperation] = &[
    GrantOperation::DescribeKey,
    GrantOperation::CreateGrant,
    GrantOperation::RetireGrant,
    GrantOperation::Decrypt,
    GrantOperation::Encrypt,
    GrantOperation::GenerateDataKey,
    GrantOperation::GenerateDataKeyWithoutPlaintext,
    GrantOperation::ReEncryptFrom,
    GrantOperation::ReEncryptTo,
];
/// The services whose volumes there are.
const KINDS: [&Kind; 2] = [
    &Kind {
        service: ELASTIC_FILE_SYSTEM,
        name: "aws:elasticfilesystem:filesystem:id",
        resource: "file-system/",
        grants: &[(
            &[],
            &[
                GrantOperation::Encrypt,
                GrantOperation::Decrypt,
                GrantOperation::RetireGrant,
            ],
        )],
    },
    &Kind {
        service: RDS,
        name: "aws:rds:db-id",
        resource: "db:",
        grants: &[
            (&[], RDS_OPERATIONS),
            (&["aws:ebs:id"], &[GrantOperation::Decrypt]),
            // A snapshot's.
            (&["aws:ebs:id"], RDS_OPERATIONS),
        ],
    },
];

/// What the grants of a service's volumes look like.
#[derive(Debug)]
struct Kind {
    service: &'static ActingService,
    /// The name in the encryption context whose value is the volume.
    name: &'static str,
    /// What stands before the volume in the ARN of the resource.
    resource: &'static str,
    /// Each kind of grant: the further names in its encryption context, and what it is for, in the order in which
    /// the service asks for that.
    grants: &'static [(&'static [&'static str], &'static [GrantOperation])],
}

/// Where a grant stands: its key, by its ARN, and its id.
type Named = (String, String);
/// A grant, and the kind of volumes that it may be for.
type Found = (KeyArn, GrantId, &'static Kind);

/// Finds and ends them.
#[derive(Debug, Default)]
pub struct StrayGrants {
    /// In how many rounds in a row no volume has had a grant.
    rounds: Mutex<BTreeMap<Named, u32>>,
}

impl StrayGrants {
    /// One round. It can stop anywhere and continue later.
    pub async fn round(&self, cx: &WorkerContext) {
        let mut found = BTreeMap::new();
        for kind in KINDS {
            match stray(cx, kind).await {
                Ok(stray) => found.extend(stray),
                Err(error) => {
                    tracing::warn!(%error, "grants without a volume cannot be looked for yet");
                    return;
                }
            }
        }
        for (key, grant, kind) in self.due(found) {
            if let Err(error) = end(cx, kind, (&key, &grant)).await {
                let cause = match error {
                    EndError::Read(error) => error.to_string(),
                    EndError::Call(NotDone::Failed(internal)) => internal.chain(),
                    EndError::Call(NotDone::Refused(told)) => told.code.to_owned(),
                };
                tracing::warn!(cause, %key, %grant, "a grant without a volume cannot be retired yet");
            }
        }
    }

    /// Those that were found as often as they must be.
    fn due(&self, stray: BTreeMap<Named, Found>) -> Vec<Found> {
        let mut rounds = self.rounds.lock();
        rounds.retain(|named, _| stray.contains_key(named));
        let mut due = Vec::new();
        for (named, found) in stray {
            let count = rounds.entry(named).or_default();
            *count = count.saturating_add(1);
            if *count >= ROUNDS {
                due.push(found);
            }
        }
        due
    }
}

enum EndError {
    Read(ReadError),
    Call(NotDone),
}

/// The grants that the service may retire and that no volume has.
async fn stray(
    cx: &WorkerContext,
    kind: &'static Kind,
) -> Result<BTreeMap<Named, Found>, ReadError> {
    let scopes = scopes(cx.shared()).await?;
    if is_run_elsewhere(cx, kind, &scopes).await? {
        return Ok(BTreeMap::new());
    }
    let regions: BTreeSet<Region> = scopes.iter().filter_map(|scope| scope.region).collect();
    let mut found = BTreeMap::new();
    // Read before the volumes: a grant is there before its volume.
    for region in regions {
        let prefix = retirable_by_service(region, &kind.service.regional_name(region))?;
        let mut after: Option<Path> = None;
        loop {
            let page = cx.reader().entries(&prefix, after.as_ref(), MAX_RANGE);
            let page = page.await?.value;
            let Some(last) = page.last() else { break };
            after = Some(last.path.clone());
            let parsed = page
                .iter()
                .filter_map(|entry| grant_of(region, prefix.as_str(), &entry.path));
            found.extend(parsed.map(|(key, grant)| {
                let named = (key.to_string(), grant.to_string());
                (named, (key, grant, kind))
            }));
            tokio::task::yield_now().await;
        }
    }
    if found.is_empty() {
        return Ok(found);
    }
    for Scope {
        account, region, ..
    } in scopes
    {
        let Some(region) = region else { continue };
        let prefix = paths::volumes(region, account);
        let directory = cx.shared().directory();
        let volumes = directory.every::<VolumeRecord>(&prefix, purpose::VOLUME);
        for key in volumes.await?.into_iter().filter_map(|volume| volume.key) {
            for grant in key.grants() {
                found.remove(&(key.key.clone(), grant.to_owned()));
            }
        }
    }
    Ok(found)
}

/// Whether a service of that name runs outside of the server, which then knows what its grants are for.
async fn is_run_elsewhere(
    cx: &WorkerContext,
    kind: &Kind,
    scopes: &[Scope],
) -> Result<bool, ReadError> {
    for scope in scopes.iter().filter(|scope| scope.region.is_none()) {
        let path = paths::service(scope.partition, scope.account, kind.service.name())?;
        if cx.reader().get(&path).await?.value.is_some() {
            return Ok(true);
        }
    }
    Ok(false)
}

/// The grant that an entry is about: `ACCOUNT/KEY/GRANT` below the prefix.
fn grant_of(region: Region, prefix: &str, entry: &Path) -> Option<(KeyArn, GrantId)> {
    let mut parts = entry.as_str().strip_prefix(prefix)?.split('/');
    let account = AccountId::parse(parts.next()?).ok()?;
    let key = KeyId::parse(parts.next()?).ok()?;
    let grant = GrantId::parse(parts.next()?).ok()?;
    Some((KeyArn::new(region, account, key), grant))
}

/// Retires a grant as the service, if it is one that the service makes for a volume.
async fn end(
    cx: &WorkerContext,
    kind: &Kind,
    (key, id): (&KeyArn, &GrantId),
) -> Result<(), EndError> {
    let path = GrantPaths::new(cx.reader(), key).grant(id);
    let found = cx.reader().get(&path).await;
    let found = found.map_err(|error| EndError::Read(error.into()))?.value;
    let Some(record) = found else { return Ok(()) };
    let grant = stored(&record).map_err(EndError::Read)?.record;
    let Some(volume) = kind.volume_of(&grant) else {
        return Ok(());
    };
    let (region, account) = (grant.region, grant.issuing_account);
    let partition = region.partition();
    let (service, resource) = (kind.service.name(), kind.resource);
    let arn = format!("arn:{partition}:{service}:{region}:{account}:{resource}{volume}");
    let resource = Resource { arn: &arn, account };
    let body = Writer::render(256, |out| {
        out.string("KeyId", key.as_str());
        out.string("GrantId", id.as_str());
    });
    let named = ("kms", "RetireGrant");
    let retired = by_worker::<Keyward>(cx, region, (kind.service, resource), named, &body);
    match retired.await {
        // It is refused only if the grant or its key was deleted in the meantime.
        Ok(_) | Err(NotDone::Refused(_)) => {
            tracing::info!(%key, grant = %id, volume, "a grant without a volume is retired");
            Ok(())
        }
        Err(failed) => Err(EndError::Call(failed)),
    }
}

impl Kind {
    /// The volume that a grant is for; none if it was made for something else.
    fn volume_of<'g>(&self, grant: &'g GrantRecord) -> Option<&'g str> {
        let (ContextConstraint::Equals(context) | ContextConstraint::Subset(context)) =
            &grant.terms.constraint.context
        else {
            return None;
        };
        let pairs = context.pairs();
        let volume = pairs.iter().find(|(name, _)| name == self.name);
        let (_, volume) = volume?;
        let is_kind = |(further, operations): &(&[&str], &[GrantOperation])| {
            let names = pairs.iter().map(|(name, _)| name.as_str());
            let mut rest = names.filter(|name| *name != self.name);
            pairs.len() == further.len() + 1
                && rest.all(|name| further.contains(&name))
                && grant.terms.operations == GrantOperations::new(operations.iter().copied())
        };
        let by_services = matches!(
            (&grant.grantee, &grant.retiring),
            (Party::Service { .. }, Some(Party::Service { .. }))
        );
        let is_of_volume = by_services && self.grants.iter().any(is_kind);
        is_of_volume.then_some(volume)
    }
}
