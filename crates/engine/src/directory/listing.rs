//! Everything of a kind in an account, read whole from the store: what quotas bound.

use keyward_store::{
    path::{Path, Prefix},
    revision::Revision,
    sealed::{Generation, Purpose, Record},
    store::MAX_RANGE,
};
use keyward_types::unique_id::UniqueId;
use serde::de::DeserializeOwned;

use crate::directory::{Directory, ReadError, purpose, records};

impl Directory {
    /// Every record under a prefix, in the order of the paths.
    ///
    /// # Errors
    /// When one cannot be read.
    pub async fn every<R: DeserializeOwned>(
        &self,
        prefix: &Prefix,
        purpose: Purpose,
    ) -> Result<Vec<R>, ReadError> {
        let mut found = Vec::new();
        for record in self.every_record(prefix).await? {
            found.push(records::decode(record.bytes_of(purpose)?)?);
        }
        Ok(found)
    }

    /// As [`every`](Self::every), each with when it was last written.
    ///
    /// # Errors
    /// When one cannot be read.
    pub async fn every_with_revision<R: DeserializeOwned>(
        &self,
        prefix: &Prefix,
        purpose: Purpose,
    ) -> Result<Vec<(R, Revision)>, ReadError> {
        let mut found = Vec::new();
        for record in self.every_record(prefix).await? {
            let read = records::decode(record.bytes_of(purpose)?)?;
            found.push((read, record.revision));
        }
        Ok(found)
    }

    /// The unique ids that the entries of an index under a prefix name last.
    ///
    /// # Errors
    /// When one cannot be read.
    pub async fn members(&self, prefix: &Prefix) -> Result<Vec<UniqueId>, ReadError> {
        let mut found = Vec::new();
        for record in self.every_record(prefix).await? {
            record.bytes_of(purpose::MEMBERSHIP)?;
            let last = record.path.segments().last().unwrap_or_default();
            let id = UniqueId::parse(last).map_err(|_| ReadError::Missing {
                path: record.path.clone(),
            })?;
            found.push(id);
        }
        Ok(found)
    }

    /// A record that is asked for rarely, read from the store, and when it was last written.
    ///
    /// # Errors
    /// When it cannot be read.
    pub async fn rare<R: DeserializeOwned>(
        &self,
        path: &Path,
        purpose: Purpose,
    ) -> Result<Option<(R, Revision)>, ReadError> {
        let found = self.rare_of_generation(path, purpose).await?;
        Ok(found.map(|(read, revision, _)| (read, revision)))
    }

    /// As [`rare`](Self::rare), with its generation, which events name it by.
    ///
    /// # Errors
    /// When it cannot be read.
    pub async fn rare_of_generation<R: DeserializeOwned>(
        &self,
        path: &Path,
        purpose: Purpose,
    ) -> Result<Option<(R, Revision, Generation)>, ReadError> {
        match self.node().sealed().get(path).await?.value {
            Some(record) => {
                let read = records::decode(record.bytes_of(purpose)?)?;
                Ok(Some((read, record.revision, record.generation)))
            }
            None => Ok(None),
        }
    }

    async fn every_record(&self, prefix: &Prefix) -> Result<Vec<Record>, ReadError> {
        let mut found: Vec<Record> = Vec::new();
        loop {
            let after = found.last().map(|record| record.path.clone());
            let sealed = self.node().sealed();
            let page = sealed.range(prefix, after.as_ref(), MAX_RANGE).await?.value;
            let whole = page.len() < MAX_RANGE;
            found.extend(page);
            if whole {
                return Ok(found);
            }
        }
    }
}
