//! Which file systems a KMS key protects.

use keyward_engine::{
    context::Context,
    dependents::{Dependent, Dependents},
    directory::{paths, purpose},
};
use keyward_types::key_id::KeyArn;

use crate::{
    file_system::{KIND, arn},
    records::FileSystemRecord,
};

/// The file systems of a key's account and Region that are encrypted under it, those that are being deleted too.
pub fn of<'c>(cx: &'c Context<'_>, key: &'c KeyArn) -> Dependents<'c> {
    Box::pin(async move {
        let (region, account, named) = (key.region(), key.account(), key.to_string());
        let prefix = paths::below_scoped(region, account, [KIND]);
        let all = cx
            .directory()
            .every::<FileSystemRecord>(&prefix, purpose::FILE_SYSTEM);
        let mut all = all.await?;
        all.retain(|one| one.key.as_ref() == Some(&named));
        let shown = |one: FileSystemRecord| Dependent {
            arn: arn(region, account, &one.id),
            kind: "AWS::EFS::FileSystem",
            name: one.name().map(str::to_owned),
        };
        Ok(all.into_iter().map(shown).collect())
    })
}
