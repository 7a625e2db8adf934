//! Creating and deleting a grant with everything that leads to it, in one batch.

use keyward_engine::{
    directory::{
        ReadError,
        counting::count_prefix,
        purpose,
        records::{self, V1},
    },
    operation::Done,
};
use keyward_store::{
    batch::Precondition,
    path::{Path, PathError},
    sealed::SealedBatch,
};
use keyward_types::key_id::KeyArn;

use crate::{
    Cx,
    fault::{KmsFault, too_large},
    grants::{
        index::GrantPaths,
        lookup::{Shapes, StoredGrant},
        record::{GrantNameRecord, GrantRecord, GrantShapeRecord},
    },
};

/// The most shapes that constraints of one grantee's grants on one key may have: a request looks
/// into each.
const MAX_SHAPES: usize = 100;

impl Cx<'_> {
    /// Refuses another grant on a key that has reached the limit; requests in flight may exceed it.
    ///
    /// # Errors
    /// `LimitExceededException`.
    pub async fn check_grants_of(&self, key: &KeyArn) -> Result<(), KmsFault> {
        let most = self.shared().quotas().grants_per_key;
        let count = match self.state().grant_counts().of(key) {
            // Nobody is refused for what was only noted.
            Some(known) if known.count < most || known.counted => known.count,
            Some(_) | None => {
                let places = GrantPaths::new(self.directory().reader(), key);
                let count = count_prefix(self.shared(), &places.grantees()).await;
                let count = count.map_err(ReadError::from)?;
                let full = count >= most;
                self.state().grant_counts().gathered(key, count, full);
                count
            }
        };
        if count < most {
            return Ok(());
        }
        Err(KmsFault::LimitExceeded {
            message: format!("Cannot exceed quota of {most} grants for key {key}"),
        })
    }

    /// Writes the shapes of a new grant's constraint beside those that its grantee's grants have.
    /// If there are too many, those that no grant has any more are removed.
    ///
    /// # Errors
    /// `LimitExceededException` when none can be removed.
    pub async fn put_shapes(
        &self,
        batch: &mut SealedBatch,
        grant: &GrantRecord,
        known: Option<&Shapes>,
    ) -> Result<(), KmsFault> {
        let reader = self.directory().reader();
        let key = grant.key_arn();
        let places = GrantPaths::new(reader, &key);
        let wanted = places.shapes_of(grant).map_err(ReadError::from)?;
        let is_known = |path: &Path| known.is_some_and(|k| k.iter().any(|s| s.path == *path));
        let added = wanted.iter().filter(|(path, _)| !is_known(path)).count();
        let mut over = (known.map_or(0, Shapes::len) + added).saturating_sub(MAX_SHAPES);
        if added > 0 && over > 0 {
            let grantee = grant.grantee.segment(reader);
            for shape in known.iter().flat_map(|known| known.iter()) {
                let needed = wanted.iter().any(|(path, _)| *path == shape.path);
                if over == 0 || needed {
                    continue;
                }
                let entries = places.entries_of_shape(&grantee, shape.segment());
                let entries = entries.map_err(ReadError::from)?;
                let read = reader.entries(&entries, None, 1).await;
                if read.map_err(ReadError::from)?.value.is_empty() {
                    // A grant made meanwhile writes its shape again, and then this does not hold.
                    let precondition = Precondition::At(shape.revision);
                    batch
                        .delete(shape.path.clone(), precondition)
                        .map_err(too_large)?;
                    over -= 1;
                }
            }
            if over > 0 {
                return Err(KmsFault::LimitExceeded {
                    message: format!(
                        "Cannot exceed quota of {MAX_SHAPES} kinds of grant constraint for one grantee and key {key}"
                    ),
                });
            }
        }
        for (path, shape) in wanted {
            let version = V1;
            let record = GrantShapeRecord { version, shape };
            let bytes = records::encode(&record).map_err(ReadError::from)?;
            // Written each time, so that nobody who found it unused removes it now.
            batch
                .put(path, purpose::GRANT_SHAPE, &bytes, Precondition::Any)
                .map_err(too_large)?;
        }
        Ok(())
    }

    /// The end of a grant, unless it was ended since it was read. Once it is committed, the grants of the key are one
    /// less.
    ///
    /// # Errors
    /// Never for a stored grant.
    pub fn end_grant<T>(
        &self,
        output: T,
        (key, grant): (&KeyArn, &StoredGrant),
    ) -> Result<Done<T>, KmsFault> {
        let places = GrantPaths::new(self.directory().reader(), key);
        let mut batch = self.batch();
        let path = places.grant(&grant.record.id);
        let precondition = Precondition::At(grant.revision);
        batch.delete(path, precondition).map_err(too_large)?;
        for path in leading_to(&places, &grant.record).map_err(ReadError::from)? {
            batch.delete(path, Precondition::Any).map_err(too_large)?;
        }
        Ok(Done::changed(output, batch))
    }
}

/// Writes a grant with all that leads to it, but for its shapes: at most 22 changes.
///
/// # Errors
/// When the record is larger than any can be.
pub fn put_grant(
    batch: &mut SealedBatch,
    places: &GrantPaths<'_>,
    grant: &GrantRecord,
) -> Result<(), KmsFault> {
    let mut put = |path: Path, purpose, bytes: &[u8]| {
        let put = batch.put(path, purpose, bytes, Precondition::Absent);
        put.map(|_| ()).map_err(too_large)
    };
    let bytes = records::encode(grant).map_err(ReadError::from)?;
    put(places.grant(&grant.id), purpose::GRANT, &bytes)?;
    for entry in places.entries_of(grant).map_err(ReadError::from)? {
        put(entry, purpose::GRANT_INDEX, b"{}")?;
    }
    let grantee = places.grantee_of(grant).map_err(ReadError::from)?;
    put(grantee, purpose::GRANT_LIST, b"{}")?;
    if let Some(retirable) = places.retirable_of(grant).map_err(ReadError::from)? {
        put(retirable, purpose::GRANT_LIST, b"{}")?;
    }
    if let Some(name) = places.name_of(grant) {
        let leads = GrantNameRecord {
            version: V1,
            id: grant.id.clone(),
        };
        let bytes = records::encode(&leads).map_err(ReadError::from)?;
        put(name, purpose::GRANT_NAME, &bytes)?;
    }
    Ok(())
}

/// Every path that leads to a grant; shapes stay, for others of the grantee may have them.
///
/// # Errors
/// Never for a stored grant.
pub fn leading_to(places: &GrantPaths<'_>, grant: &GrantRecord) -> Result<Vec<Path>, PathError> {
    let mut paths = places.entries_of(grant)?;
    paths.push(places.grantee_of(grant)?);
    paths.extend(places.retirable_of(grant)?);
    paths.extend(places.name_of(grant));
    Ok(paths)
}
