//! Which DB instances a KMS key protects.

use keyward_engine::{
    context::Context,
    dependents::{Backups, Dependent, Dependents},
    directory::{paths, purpose},
};
use keyward_types::key_id::KeyArn;

use crate::{
    instance::{KIND, arn},
    records::DbInstanceRecord,
};

/// The DB instances of a key's account and Region that are encrypted under it, those that are being deleted too.
pub fn of<'c>(cx: &'c Context<'_>, key: &'c KeyArn) -> Dependents<'c> {
    Box::pin(async move {
        let (region, account, named) = (key.region(), key.account(), key.to_string());
        let prefix = paths::below_scoped(region, account, [KIND]);
        let directory = cx.directory();
        let all = directory.every::<DbInstanceRecord>(&prefix, purpose::DB_INSTANCE);
        let mut all = all.await?;
        all.retain(|one| one.key.as_ref() == Some(&named));
        let shown = |one: DbInstanceRecord| Dependent {
            arn: arn(region, account, &one.name),
            kind: "AWS::RDS::DBInstance",
            name: Some(one.name),
            backups: Backups::Unknown,
        };
        Ok(all.into_iter().map(shown).collect())
    })
}
