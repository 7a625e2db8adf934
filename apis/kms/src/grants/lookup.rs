//! The grants that let a caller do something with a key, found by index.
//!
//! A request needs two kinds of unit: which shapes the constraints of a grantee's grants have, and
//! for each shape the first entry of the one bucket that the request falls into. Both are cached,
//! absence too, so that a key with many grants costs what one with a single grant does.

use std::sync::Arc;

use keyward_engine::{
    directory::{ReadError, organizations::TRIES, purpose, records},
    policy::principal::Class,
};
use keyward_store::{
    cache::{Cache, CacheOptions},
    node::Invalidate,
    path::{Path, Prefix},
    reader::Reader,
    revision::Revision,
    sealed::{Generation, Record},
};
use keyward_types::{grant::GrantId, key_id::KeyArn, principal::Principal};

use crate::grants::{
    index::{self, GrantPaths, behind_parents, parent_of_entry},
    party::standings,
    record::{GrantRecord, GrantShapeRecord},
    terms::{Act, GrantQuestion, Shape},
};

/// A grant that allows the request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FoundGrant {
    /// Its id.
    pub id: GrantId,
    /// How strongly it names the caller.
    pub class: Class,
    /// The revision at which it was written, which must still be its revision when its use is
    /// committed.
    pub revision: Option<Revision>,
}

/// A grant with its revision in the store.
#[derive(Clone, Debug)]
pub struct StoredGrant {
    /// The record.
    pub record: GrantRecord,
    /// The revision at which it was written.
    pub revision: Revision,
    /// The generation of that write.
    pub generation: Generation,
}

/// The shapes that constraints of one grantee's grants on one key have.
#[derive(Debug)]
pub struct Shapes(Vec<KnownShape>);

/// One of them.
#[derive(Clone, Debug)]
pub struct KnownShape {
    /// The shape.
    pub shape: Shape,
    /// Where it is.
    pub path: Path,
    /// The revision at which it was last written.
    pub revision: Revision,
}

impl KnownShape {
    /// What represents it in paths.
    pub fn segment(&self) -> &str {
        self.path.segments().last().unwrap_or_default()
    }
}

impl Shapes {
    /// The shapes.
    pub fn iter(&self) -> impl Iterator<Item = &KnownShape> {
        self.0.iter()
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// The caches of what a look-up needs. Cheap to clone.
#[derive(Clone, Debug)]
pub struct GrantCaches {
    shapes: Arc<Cache<Shapes>>,
    entries: Arc<Cache<GrantId>>,
}

/// The most entries that are searched for a grant that allows creating another one. Nobody has
/// grants with one constraint and so many different sets of operations.
const MOST_PARENTS: usize = 256;

/// Roughly how much memory one unit takes, in bytes, with its path and the cache's own overhead.
const UNIT_BYTES: u64 = 640;

impl GrantCaches {
    /// Empty caches for so many units of each kind.
    pub fn new(units: usize) -> Self {
        let max_weight = u64::try_from(units)
            .unwrap_or(u64::MAX)
            .saturating_mul(UNIT_BYTES);
        Self {
            shapes: Cache::new(CacheOptions {
                name: "grant shapes",
                max_weight,
                expected_units: units,
                weigh: |shapes| UNIT_BYTES / 2 * u64::try_from(shapes.len()).unwrap_or(1).max(1),
                unit: index::shape_unit,
            }),
            entries: Cache::new(CacheOptions {
                name: "grants",
                max_weight,
                expected_units: units,
                weigh: |_| UNIT_BYTES / 4,
                unit: index::entry_unit,
            }),
        }
    }

    /// Them, for the node.
    pub fn all(&self) -> [Arc<dyn Invalidate>; 2] {
        [
            Arc::clone(&self.shapes) as _,
            Arc::clone(&self.entries) as _,
        ]
    }

    async fn shapes(&self, reader: &Reader, unit: &str) -> Result<Option<Arc<Shapes>>, ReadError> {
        if let Some(known) = self.shapes.peek(unit) {
            return Ok(known);
        }
        self.shapes
            .get_unit(
                reader,
                &Path::parse(unit)?,
                |found: Vec<Record>| async move {
                    let read = found.iter().map(|record| {
                        let bytes = record.bytes_of(purpose::GRANT_SHAPE)?;
                        let known: GrantShapeRecord = records::decode(bytes)?;
                        Ok::<_, ReadError>(KnownShape {
                            shape: known.shape,
                            path: record.path.clone(),
                            revision: record.revision,
                        })
                    });
                    Ok(Some(Shapes(read.collect::<Result<_, _>>()?)))
                },
            )
            .await
    }

    async fn entry(
        &self,
        reader: &Reader,
        key: &KeyArn,
        unit: &str,
    ) -> Result<Option<Arc<GrantId>>, ReadError> {
        if let Some(known) = self.entries.peek(unit) {
            return Ok(known);
        }
        // The grant may have ended between the two reads: then its entry has gone with it.
        for _ in 1..TRIES {
            let found = self.read_entry(reader, key, unit).await;
            if !matches!(found, Err(ReadError::Disagrees { .. })) {
                return found;
            }
        }
        self.read_entry(reader, key, unit).await
    }

    async fn read_entry(
        &self,
        reader: &Reader,
        key: &KeyArn,
        unit: &str,
    ) -> Result<Option<Arc<GrantId>>, ReadError> {
        self.entries
            .get_first(reader, &Path::parse(unit)?, |record: Record| async move {
                record.bytes_of(purpose::GRANT_INDEX)?;
                let id = grant_of_entry(&record.path)?;
                // An entry counts only with its grant: one that was put back leads to none.
                let places = GrantPaths::new(reader, key);
                let grant = reader.get(&places.grant(&id)).await?.value;
                let disagrees = || ReadError::Disagrees {
                    path: record.path.clone(),
                };
                let grant = stored(&grant.ok_or_else(disagrees)?)?;
                if places.entries_of(&grant.record)?.contains(&record.path) {
                    Ok(id)
                } else {
                    Err(disagrees())
                }
            })
            .await
    }
}

/// The grant that an entry is of.
fn grant_of_entry(path: &Path) -> Result<GrantId, ReadError> {
    let id = path.segments().last().unwrap_or_default();
    GrantId::parse(id).map_err(|_| ReadError::Missing { path: path.clone() })
}

/// The grants of all keys: found by index, and remembered.
#[derive(Debug)]
pub struct Grants {
    reader: Reader,
    caches: GrantCaches,
}

impl Grants {
    /// Grants in the store that is read, and that the caches follow.
    pub fn new(reader: Reader, caches: GrantCaches) -> Self {
        Self { reader, caches }
    }

    /// The strongest grant on the key by which the caller may do that, if any.
    ///
    /// # Errors
    /// When it cannot be looked up.
    pub async fn grant_for(
        &self,
        key: &KeyArn,
        caller: &Principal,
        asked: &GrantQuestion<'_>,
    ) -> Result<Option<FoundGrant>, ReadError> {
        let reader = &self.reader;
        let places = GrantPaths::new(reader, key);
        for standing in standings(reader, caller) {
            let unit = places.shapes(&standing.segment);
            let Some(shapes) = self.caches.shapes(&self.reader, &unit).await? else {
                continue;
            };
            for known in shapes.iter() {
                let Some(bucket) = known.shape.bucket(asked) else {
                    continue;
                };
                let operation = asked.act.operation();
                let shape = known.segment();
                let unit = places.entries(&standing.segment, shape, &bucket, operation);
                let found = match asked.act {
                    Act::Use(..) => {
                        let entry = self.caches.entry(&self.reader, key, &unit).await?;
                        entry.map(|id| ((*id).clone(), None))
                    }
                    Act::Child(_) => self.parent(key, &unit, asked).await?,
                };
                if let Some((id, revision)) = found {
                    // A party that is named more specifically needs no more than one that is named
                    // less specifically.
                    return Ok(Some(FoundGrant {
                        id,
                        class: standing.class,
                        revision,
                    }));
                }
            }
        }
        Ok(None)
    }

    /// A grant among these entries that lets its grantee make that child. Grants whose constraint
    /// is the same may differ in their operations, so here any one will not do; but those with the
    /// same operations stand together, and of each such set one is looked at.
    async fn parent(
        &self,
        key: &KeyArn,
        unit: &str,
        asked: &GrantQuestion<'_>,
    ) -> Result<Option<(GrantId, Option<Revision>)>, ReadError> {
        let unit = Path::parse(unit)?;
        let prefix = Prefix::below(&unit);
        let places = GrantPaths::new(&self.reader, key);
        let reader = &self.reader;
        let mut after: Option<Path> = None;
        for _ in 0..MOST_PARENTS {
            let page = reader.entries(&prefix, after.as_ref(), 1).await?.value;
            let Some(entry) = page.first() else {
                return Ok(None);
            };
            let missing = || ReadError::Missing {
                path: entry.path.clone(),
            };
            let (operations, id) = parent_of_entry(&entry.path).ok_or_else(missing)?;
            let suffices = match asked.act {
                Act::Child(child) => child.operations.is_subset_of(&operations),
                Act::Use(..) => false,
            };
            if !suffices {
                after = Some(behind_parents(&unit, &operations)?);
                continue;
            }
            // The entry leads to the grant, and only the grant itself lets anybody do anything: the
            // entry was not opened, so the grant must say that it is its own.
            if let Some(grant) = self.grant(key, &id).await?
                && places.entries_of(&grant.record)?.contains(&entry.path)
                && grant.record.terms.allow(asked)
            {
                return Ok(Some((id, Some(grant.revision))));
            }
            after = Some(entry.path.clone());
        }
        Ok(None)
    }

    /// A grant, read from the store.
    ///
    /// # Errors
    /// When it cannot be read.
    pub async fn grant(
        &self,
        key: &KeyArn,
        id: &GrantId,
    ) -> Result<Option<StoredGrant>, ReadError> {
        let reader = &self.reader;
        let path = GrantPaths::new(reader, key).grant(id);
        let read = reader.get(&path).await?.value;
        read.map(|record| stored(&record)).transpose()
    }

    /// The shapes of a grantee's grants on a key.
    ///
    /// # Errors
    /// When they cannot be read.
    pub async fn shapes_of(
        &self,
        key: &KeyArn,
        grantee: &str,
    ) -> Result<Option<Arc<Shapes>>, ReadError> {
        let unit = GrantPaths::new(&self.reader, key).shapes(grantee);
        self.caches.shapes(&self.reader, &unit).await
    }
}

/// The grant of a record that was read.
///
/// # Errors
/// When it is none.
pub fn stored(record: &Record) -> Result<StoredGrant, ReadError> {
    Ok(StoredGrant {
        record: records::decode(record.bytes_of(purpose::GRANT)?)?,
        revision: record.revision,
        generation: record.generation,
    })
}
