//! What decisions about file systems and access points rest on apart from the caller, to explain
//! them.

use keyward_engine::{
    api::{Facts, ResourceQuestion},
    context::Context,
    directory::{paths, purpose},
};
use keyward_types::{account::AccountId, arn::ArnParts, region::Region, storage::VolumeId};

use crate::{
    access_point,
    client_connection::DEFAULT,
    fault::EfsFault,
    file_system,
    records::{AccessPointRecord, FileSystemRecord},
    resource_policy::FileSystemPolicy,
};

/// What is stored of a resource of the caller's account.
///
/// # Errors
/// When it cannot be read.
pub async fn of(cx: &Context<'_>, asked: ResourceQuestion<'_>) -> Result<Option<Facts>, EfsFault> {
    let Some(parts) = ArnParts::parse(asked.arn) else {
        return Ok(None);
    };
    let account = AccountId::parse(parts.account).ok();
    let (Ok(region), Some(account)) = (
        Region::parse(parts.region),
        account.filter(|account| *account == cx.account()),
    ) else {
        return Ok(None);
    };
    match parts.resource.split_once('/') {
        Some(("file-system", id)) => {
            of_file_system(cx, (region, account), (id, asked.action)).await
        }
        Some(("access-point", id)) => {
            let Ok(path) = paths::of_kind(region, account, access_point::KIND, id) else {
                return Ok(None);
            };
            let directory = cx.directory();
            let found = directory.rare::<AccessPointRecord>(&path, purpose::ACCESS_POINT);
            Ok(found.await?.map(|(record, _)| Facts {
                policy: None,
                generation: None,
                tags: record.tags,
                values: Vec::new(),
            }))
        }
        _ => Ok(None),
    }
}

async fn of_file_system(
    cx: &Context<'_>,
    home: (Region, AccountId),
    (id, action): (&str, &str),
) -> Result<Option<Facts>, EfsFault> {
    let Ok(volume) = VolumeId::parse(id) else {
        return Ok(None);
    };
    let path = file_system::path_in(home, id)?;
    let directory = cx.directory();
    let found = directory.rare::<FileSystemRecord>(&path, purpose::FILE_SYSTEM);
    let Some((record, _)) = found.await? else {
        return Ok(None);
    };
    let own = FileSystemPolicy::of(cx, home, &volume).await?;
    let for_clients = action
        .to_ascii_lowercase()
        .starts_with("elasticfilesystem:client");
    let policy = match &own {
        Some(own) => {
            let title = format!("the file system policy of {id}");
            Some((title, own.shown(cx).await?))
        }
        None if for_clients => {
            let title = format!("AWS's default, since {id} has no policy");
            Some((title, DEFAULT.to_owned()))
        }
        None => None,
    };
    Ok(Some(Facts {
        policy,
        generation: own.and_then(|own| own.generation()),
        tags: record.tags,
        values: Vec::new(),
    }))
}
