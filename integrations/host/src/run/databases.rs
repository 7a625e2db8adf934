//! Database servers, as the agent has them run and end.

use std::sync::Arc;

use keyward_agent::{
    database::{Course, course},
    local::Local,
    report::DatabaseReport,
    wanted::Wanted,
};
use keyward_types::storage::VolumeId;
use tokio::task::spawn_blocking;

use super::Agent;
use crate::host::Host;

/// Has the database server of a volume be as it is wanted, if the volume can be used, and answers how it is. `free` is how many
/// bytes the volume has left, if it is mounted.
pub fn follow(
    host: &Host,
    wanted: Option<&Wanted>,
    (local, free): (&Local, Option<u64>),
) -> Option<DatabaseReport> {
    let wanted = wanted.filter(|wanted| wanted.database.is_some())?;
    let volume = &wanted.volume;
    if !volume.is_of_database() {
        return None;
    }
    if let Course::Follow(database) = course(Some(wanted), local) {
        host.databases
            .follow(volume, &host.layout.mount(volume), database);
    }
    host.databases.report(volume, free)
}

impl Agent {
    /// Ends the database server of a volume that is gone, whether the server of Keyward has been heard or not.
    pub(super) fn end_database(&mut self, volume: &VolumeId, local: &Local) {
        if !volume.is_of_database()
            || course(None, local) != Course::End
            || !self.host.databases.may_run(volume)
        {
            return;
        }
        let memory = self.memory.entry(volume.clone()).or_default();
        let Some(turn) = memory.ends_database() else {
            return;
        };
        tracing::info!(%volume, "the volume of the database is gone: the database is ended");
        let (databases, volume) = (Arc::clone(&self.host.databases), volume.clone());
        drop(spawn_blocking(move || {
            databases.quit(&volume);
            if let Err(error) = databases.kill(&volume) {
                let error = format!("{error:#}");
                tracing::error!(%volume, error, "something of the database is left");
            }
            drop(turn);
        }));
    }
}
