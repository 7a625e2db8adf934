//! `StartDBInstance`, `StopDBInstance` and `RebootDBInstance`: whether a database runs.
//!
//! A start is also what brings back an instance whose key could not be used, if it can be again, within seven days.
//!
//! <https://docs.aws.amazon.com/AmazonRDS/latest/APIReference/API_StartDBInstance.html>

use keyward_engine::{
    audit::parameters::{Parameter, boolean, text},
    directory::records::{
        database::{DatabaseRecord, Happened},
        storage::{Reported, VolumeRecord, VolumeState},
    },
    operation::Done,
};
use keyward_store::batch::Precondition;
use keyward_wire::json::Members;

use crate::{
    Cx,
    fault::RdsFault,
    held_key,
    instance::{Instance, RECOVERABLE_STATUS},
    members::Unserved,
    on_instance::OnInstance,
    shown::Described,
};

/// The statuses that an instance can be started from, as AWS lists them.
const STARTABLE: &str = "stopped, inaccessible-encryption-credentials-recoverable, incompatible-network (only valid for non-SqlServer instances)";

impl Cx<'_> {
    /// A change of the database of an instance.
    ///
    /// # Errors
    /// When the record is too large.
    pub async fn change_database(
        &self,
        found: &Instance,
        change: impl FnOnce(&mut DatabaseRecord) + Send,
    ) -> Result<Done<Described>, RdsFault> {
        let mut database = found.database()?.clone();
        change(&mut database);
        let volume = VolumeRecord {
            database: Some(Box::new(database)),
            ..found.volume.clone()
        };
        let mut batch = self.batch();
        self.put_volume(&mut batch, &volume, Precondition::At(found.volume_revision))?;
        let changed = Instance {
            volume,
            ..found.clone()
        };
        Ok(Done::changed(self.described(changed).await?, batch))
    }

    /// An instance as it is told.
    ///
    /// # Errors
    /// When its group cannot be read.
    pub async fn described(&self, instance: Instance) -> Result<Described, RdsFault> {
        let group = self.subnet_group(&instance.record.subnet_group).await?;
        Ok(Described::new(instance, group, self))
    }
}

/// `StartDBInstance`
#[derive(Debug)]
pub struct StartDBInstance;

keyward_types::action!("rds": StartDBInstance = "rds:StartDBInstance");

impl OnInstance for StartDBInstance {
    const PARAMETERS: &'static [Parameter] = &[
        text("DBInstanceIdentifier"),
        text("DBCapacityReservationIdentifier"),
    ];
    const UNSERVED: Unserved = &[("DBCapacityReservationIdentifier", &[])];

    fn read(_m: &mut Members<'_>) -> Self {
        Self
    }

    async fn answer(&self, found: &Instance, cx: &Cx<'_>) -> Result<Done<Described>, RdsFault> {
        let status = found.status(cx.now);
        if status != "stopped" && status != RECOVERABLE_STATUS {
            let name = &found.record.name;
            return Err(RdsFault::InvalidDbInstanceState(format!(
                "Instance {name} cannot be started as it is not in one of the following statuses: '{STARTABLE}.'"
            )));
        }
        if let Some(key) = &found.volume.key {
            held_key::check(cx, key, &found.volume.source).await?;
        }
        // What was said while it had no key is no answer to this.
        let mut volume = found.volume.clone();
        volume.made = volume.was_made();
        let failed = |reported: &Reported| reported.state == VolumeState::Failed;
        volume.reported = volume.reported.filter(|reported| !failed(reported));
        let found = Instance {
            volume,
            ..found.clone()
        };
        cx.change_database(&found, |database| {
            database.running = true;
            database.locked = None;
            database.reported = None;
        })
        .await
    }
}

/// `StopDBInstance`
#[derive(Debug)]
pub struct StopDBInstance;

keyward_types::action!("rds": StopDBInstance = "rds:StopDBInstance");

impl OnInstance for StopDBInstance {
    const PARAMETERS: &'static [Parameter] = &[
        text("DBInstanceIdentifier"),
        text("DBSnapshotIdentifier"),
        boolean("DetachFromDBCapacityReservation"),
    ];
    const UNSERVED: Unserved = &[
        ("DBSnapshotIdentifier", &[]),
        ("DetachFromDBCapacityReservation", &["false"]),
    ];

    fn read(_m: &mut Members<'_>) -> Self {
        Self
    }

    async fn answer(&self, found: &Instance, cx: &Cx<'_>) -> Result<Done<Described>, RdsFault> {
        let found = found.available(cx.now)?;
        cx.change_database(found, |database| database.running = false)
            .await
    }
}

/// `RebootDBInstance`
#[derive(Debug)]
pub struct RebootDBInstance;

keyward_types::action!("rds": RebootDBInstance = "rds:RebootDBInstance");

impl OnInstance for RebootDBInstance {
    const PARAMETERS: &'static [Parameter] =
        &[text("DBInstanceIdentifier"), boolean("ForceFailover")];
    const UNSERVED: Unserved = &[("ForceFailover", &["false"])];

    fn read(_m: &mut Members<'_>) -> Self {
        Self
    }

    async fn answer(&self, found: &Instance, cx: &Cx<'_>) -> Result<Done<Described>, RdsFault> {
        let found = found.available(cx.now)?;
        if let Some(key) = &found.volume.key {
            held_key::check(cx, key, &found.volume.source).await?;
        }
        cx.change_database(found, |database| {
            database.restart_epoch = database.restart_epoch.saturating_add(1);
        })
        .await
    }
}

/// What `DescribeEvents` says of what may happen to a database: the message and the category.
pub fn told(what: Happened) -> (&'static str, &'static str) {
    match what {
        Happened::Created => ("DB instance created", "creation"),
        Happened::Deleting => ("DB instance deletion started", "deletion"),
        Happened::Failed => ("The DB instance could not be started", "failure"),
        Happened::Started => ("DB instance started", "notification"),
        Happened::Stopped => ("DB instance stopped", "notification"),
        Happened::Restarted => ("DB instance restarted", "availability"),
        Happened::Password => ("Reset master credentials", "configuration change"),
        Happened::Grown => (
            "Finished applying modification to allocated storage",
            "configuration change",
        ),
        Happened::BackingUp => ("Backing up DB instance", "backup"),
        Happened::BackedUp => ("Finished DB Instance backup", "backup"),
        Happened::Locked => (
            "The KMS key of the DB instance cannot be used. The DB instance is stopped. Make the key usable again and start the DB instance within seven days",
            "failure",
        ),
    }
}
