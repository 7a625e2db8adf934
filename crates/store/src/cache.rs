//! A bounded cache of units that never shows a value that an acknowledged change has replaced.
//!
//! A *unit* is what is read, cached and dropped as a whole: one record, or everything below one
//! path. The absence of a unit is cached too. A hit takes a read lock on one of many shards and
//! clones an [`Arc`]; it does no I/O and allocates nothing.

use std::{fmt, sync::Arc};

use quick_cache::{DefaultHashBuilder, Weighter, sync::DefaultLifecycle};

use crate::{
    node::Invalidate,
    path::{Path, Prefix, Split},
    reader::Reader,
    sealed::{Record, SealedError},
    store::MAX_RANGE,
};

/// How a cache is made.
pub struct CacheOptions<U> {
    /// What it holds, for metrics and logs.
    pub name: &'static str,
    /// The most that all units may weigh together.
    pub max_weight: u64,
    /// Roughly how many units that is.
    pub expected_units: usize,
    /// The weight of a unit: roughly its bytes. Its path and the cache's own overhead are added.
    pub weigh: fn(&U) -> u64,
    /// The unit that a path belongs to: the path itself, or the beginning of it
    /// ([`Split::first`]). Nothing if this cache does not hold such paths.
    pub unit: for<'p> fn(&Split<'p>) -> Option<&'p str>,
}

/// A bounded cache of one kind of unit.
pub struct Cache<U> {
    name: &'static str,
    unit: for<'p> fn(&Split<'p>) -> Option<&'p str>,
    // INVARIANT: `remove` and `clear` win over a placeholder: what it is filled with afterwards is
    // not kept. The tests check that the library does this.
    units: quick_cache::sync::Cache<Path, Option<Arc<U>>, Weigh<U>>,
}

impl<U: Send + Sync + 'static> Cache<U> {
    /// An empty cache, to be handed to [`Node::start`](crate::node::Node::start).
    pub fn new(options: CacheOptions<U>) -> Arc<Self> {
        let units = quick_cache::sync::Cache::with(
            options.expected_units,
            options.max_weight,
            Weigh(options.weigh),
            DefaultHashBuilder::default(),
            DefaultLifecycle::default(),
        );
        Arc::new(Self {
            name: options.name,
            unit: options.unit,
            units,
        })
    }

    /// What the cache knows of a unit: nothing, that it is absent, or the unit.
    pub fn peek(&self, unit: &str) -> Option<Option<Arc<U>>> {
        self.units.get(unit)
    }

    /// The unit that is the record at `path`: from the cache, or else read and created by `load`.
    /// Concurrent requests wait for one load. Errors are not cached.
    pub async fn get<E, F>(
        &self,
        reader: &Reader,
        path: &Path,
        load: impl FnOnce(Record) -> F + Send,
    ) -> Result<Option<Arc<U>>, E>
    where
        E: From<SealedError> + Send,
        F: Future<Output = Result<U, E>> + Send,
    {
        if let Some(known) = self.units.get(path) {
            return Ok(known);
        }
        let place = match self.units.get_value_or_guard_async(path).await {
            Ok(known) => return Ok(known),
            Err(place) => place,
        };
        let record = reader.node().read_record(path).await?;
        let made = match record {
            Some(record) => Some(Arc::new(load(record).await?)),
            None => None,
        };
        // Rejected if the unit has changed since the placeholder was created. Whoever waited for
        // this fill began before that change was acknowledged, and may use it.
        let _ = place.insert(made.clone());
        Ok(made)
    }

    /// The unit of everything below `unit`, in the order of the paths: from the cache, or else read
    /// at one revision and created by `load`. It is absent if there are no records.
    pub async fn get_unit<E, F>(
        &self,
        reader: &Reader,
        unit: &Path,
        load: impl FnOnce(Vec<Record>) -> F + Send,
    ) -> Result<Option<Arc<U>>, E>
    where
        E: From<SealedError> + Send,
        F: Future<Output = Result<Option<U>, E>> + Send,
    {
        if let Some(known) = self.units.get(unit) {
            return Ok(known);
        }
        let place = match self.units.get_value_or_guard_async(unit).await {
            Ok(known) => return Ok(known),
            Err(place) => place,
        };
        let records = reader
            .node()
            .read_below(&Prefix::below(unit), MAX_RANGE)
            .await?;
        let made = if records.is_empty() {
            None
        } else if records.len() == MAX_RANGE {
            let unit = unit.clone();
            return Err(SealedError::UnitTooLarge { unit }.into());
        } else {
            load(records).await?.map(Arc::new)
        };
        let _ = place.insert(made.clone());
        Ok(made)
    }

    /// The first record below `unit`, whatever else is there: for units of which any record will
    /// do. A change of any record below it drops the unit, as for all units.
    pub async fn get_first<E, F>(
        &self,
        reader: &Reader,
        unit: &Path,
        load: impl FnOnce(Record) -> F + Send,
    ) -> Result<Option<Arc<U>>, E>
    where
        E: From<SealedError> + Send,
        F: Future<Output = Result<U, E>> + Send,
    {
        if let Some(known) = self.units.get(unit) {
            return Ok(known);
        }
        let place = match self.units.get_value_or_guard_async(unit).await {
            Ok(known) => return Ok(known),
            Err(place) => place,
        };
        let records = reader.node().read_below(&Prefix::below(unit), 1).await?;
        let made = match records.into_iter().next() {
            Some(record) => Some(Arc::new(load(record).await?)),
            None => None,
        };
        let _ = place.insert(made.clone());
        Ok(made)
    }

    /// Its name.
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// The number of units.
    pub fn len(&self) -> usize {
        self.units.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.units.is_empty()
    }

    /// Their total weight.
    pub fn weight(&self) -> u64 {
        self.units.weight()
    }
}

impl<U: Send + Sync + 'static> Invalidate for Cache<U> {
    fn changed(&self, path: &Split<'_>) {
        if let Some(unit) = (self.unit)(path) {
            self.units.remove(unit);
        }
    }

    fn clear(&self) {
        self.units.clear();
    }
}

impl<U> fmt::Debug for Cache<U> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cache")
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}

impl<U> fmt::Debug for CacheOptions<U> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CacheOptions")
            .field("name", &self.name)
            .field("max_weight", &self.max_weight)
            .finish_non_exhaustive()
    }
}

/// Roughly what an entry costs in addition to its content: the cache's own bookkeeping.
const ENTRY_BYTES: u64 = 128;

struct Weigh<U>(fn(&U) -> u64);

impl<U> Clone for Weigh<U> {
    fn clone(&self) -> Self {
        Self(self.0)
    }
}

impl<U> Weighter<Path, Option<Arc<U>>> for Weigh<U> {
    fn weight(&self, path: &Path, unit: &Option<Arc<U>>) -> u64 {
        let content = unit.as_ref().map_or(0, |unit| (self.0)(unit));
        let path = u64::try_from(path.as_str().len()).unwrap_or(u64::MAX);
        ENTRY_BYTES.saturating_add(path).saturating_add(content)
    }
}
