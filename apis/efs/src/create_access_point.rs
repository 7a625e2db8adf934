//! `CreateAccessPoint`: an entry into a file system.
//!
//! <https://docs.aws.amazon.com/efs/latest/ug/API_CreateAccessPoint.html>

use keyward_crypto::random;
use keyward_engine::{
    audit::parameters::{Parameter, integer, integers, structure, structures, text},
    directory::{
        purpose,
        records::{self, V1},
    },
    fault::Internal,
    gate::{Denied, Gate},
    operation::{Done, Operation, Output},
    policy::permit::Permit,
};
use keyward_store::batch::Precondition;
use keyward_types::tag::Tag;
use keyward_wire::json::{Members, Object, Writer};

use crate::{
    Cx, Efs,
    access_point::{self, DescribedAccessPoint, OneAccessPoint},
    condition_keys,
    create_file_system::digits,
    fault::EfsFault,
    file_system::OneFileSystem,
    members,
    records::{AccessPointRecord, CreationInfo, CreationTokenRecord, PosixUser},
    tags::TagResource,
};

/// The most access points of a file system.
const MOST: usize = 120;
const PATH: &str = r"^(\/|(\/(?!\.)+[^$#<>;`|&?{}^*/\n]+){1,4})$";
const PERMISSIONS: &str = "^[0-7]{3,4}$";
/// The greatest id of a user or group.
const MAX_ID: i64 = 4_294_967_295;

/// The input, and the id that it gets.
#[derive(Debug)]
pub struct CreateAccessPoint {
    token: String,
    tags: Vec<Tag>,
    file_system: String,
    posix_user: Option<PosixUser>,
    path: String,
    creation_info: Option<CreationInfo>,
    id: String,
}

/// What a new access point is about.
#[derive(Debug)]
pub struct New {
    file_system: OneFileSystem,
    one: OneAccessPoint,
}

keyward_types::action!("elasticfilesystem": CreateAccessPoint = "elasticfilesystem:CreateAccessPoint");

impl Operation for CreateAccessPoint {
    const NAME: &'static str = "CreateAccessPoint";
    const READ_ONLY: bool = false;
    const PARAMETERS: &'static [Parameter] = &[
        text("ClientToken"),
        structures("Tags", members::SHOWN_TAG),
        text("FileSystemId"),
        structure(
            "PosixUser",
            &[integer("Uid"), integer("Gid"), integers("SecondaryGids")],
        ),
        structure(
            "RootDirectory",
            &[
                text("Path"),
                structure(
                    "CreationInfo",
                    &[
                        integer("OwnerUid"),
                        integer("OwnerGid"),
                        text("Permissions"),
                    ],
                ),
            ],
        ),
    ];
    type Api = Efs;
    type Output = DescribedAccessPoint;
    type Fault = EfsFault;
    type Resolved = New;
    type Permits = (Permit<Self>, Option<Permit<TagResource>>);

    fn parse(body: &Object<'_>) -> Result<Self, EfsFault> {
        let mut m = Members::of(body);
        let token = m.string("ClientToken").length(1, 64).required().to_owned();
        let tags = members::tags(&mut m).unwrap_or_default();
        let file_system = members::file_system_id(&mut m);
        let posix_user = m.structure("PosixUser", |user| PosixUser {
            uid: id(user, "Uid"),
            gid: id(user, "Gid"),
            secondary_gids: user
                .integers("SecondaryGids")
                .count(0, 16)
                .each_range(0, MAX_ID)
                .optional()
                .unwrap_or_default()
                .into_iter()
                .filter_map(|gid| u32::try_from(gid).ok())
                .collect(),
        });
        let posix_user = posix_user.optional();
        let root = m.structure("RootDirectory", |root| {
            let path = root.string("Path").length(1, 100).pattern(PATH, is_path);
            let path = path.optional().map(str::to_owned);
            let info = root.structure("CreationInfo", |info| CreationInfo {
                uid: id(info, "OwnerUid"),
                gid: id(info, "OwnerGid"),
                permissions: info
                    .string("Permissions")
                    .length(3, 4)
                    .pattern(PERMISSIONS, |text| {
                        text.bytes().all(|byte| (b'0'..=b'7').contains(&byte))
                    })
                    .required()
                    .to_owned(),
            });
            (path, info.optional())
        });
        let (path, creation_info) = root.optional().unwrap_or_default();
        m.finish()?;
        Ok(Self {
            token,
            tags: members::checked(tags)?,
            file_system,
            posix_user,
            path: path.unwrap_or_else(|| "/".to_owned()),
            creation_info,
            id: format!("fsap-{}", digits(random::array())),
        })
    }

    async fn resolve(&self, cx: &Cx<'_>) -> Result<New, EfsFault> {
        Ok(New {
            file_system: cx.named_file_system(&self.file_system).await?,
            one: OneAccessPoint::to_be_made(cx, &self.id),
        })
    }

    fn authorize(&self, new: &New, gate: &Gate<'_>) -> Result<Self::Permits, Denied> {
        let permit = gate.permit(&new.file_system, |supply| supply.request_tags(&self.tags))?;
        if self.tags.is_empty() {
            return Ok((permit, None));
        }
        let tagging = gate.permit(&new.one, |supply| {
            supply.one(condition_keys::CREATE_ACTION, Self::NAME);
            supply.request_tags(&self.tags);
        })?;
        Ok((permit, Some(tagging)))
    }

    async fn call(
        &self,
        _permits: &Self::Permits,
        new: &New,
        cx: &Cx<'_>,
    ) -> Result<Done<DescribedAccessPoint>, EfsFault> {
        let file_system = new.file_system.get()?.available()?;
        if let Some(id) = cx.access_point_with(&self.token).await? {
            return Err(EfsFault::AccessPointAlreadyExists { id });
        }
        let all = cx.access_points().await?;
        let of_it = all
            .iter()
            .filter(|one| one.file_system == new.file_system.id);
        if of_it.count() >= MOST {
            return Err(EfsFault::AccessPointLimitExceeded);
        }
        let record = AccessPointRecord {
            version: V1,
            id: self.id.clone(),
            token: self.token.clone(),
            file_system: file_system.record.id.clone(),
            created: cx.now,
            posix_user: self.posix_user.clone(),
            path: self.path.clone(),
            creation_info: self.creation_info.clone(),
            tags: self.tags.clone(),
        };
        let mut batch = cx.batch();
        cx.put_access_point(&mut batch, &record, Precondition::Absent)?;
        let token = CreationTokenRecord {
            version: V1,
            id: self.id.clone(),
        };
        let bytes = records::encode(&token).map_err(Internal::new)?;
        let path = access_point::token_path(cx, &self.token);
        let mut belongings = file_system.volume.belongings.clone();
        belongings.push(path.as_str().to_owned());
        belongings.push(access_point::path(cx, &self.id)?.as_str().to_owned());
        batch.put(path, purpose::CREATION_TOKEN, &bytes, Precondition::Absent)?;
        cx.change_belongings(&mut batch, file_system, belongings)?;
        Ok(Done::changed(DescribedAccessPoint::new(record, cx), batch))
    }
}

/// An id of a user or group.
fn id(m: &mut Members<'_>, name: &'static str) -> u32 {
    let id = m.integer(name).range(0, MAX_ID).required();
    u32::try_from(id).unwrap_or_default()
}

/// Whether the text is a path of up to four names, none of which begins with a full stop.
fn is_path(text: &str) -> bool {
    if text == "/" {
        return true;
    }
    let Some(names) = text.strip_prefix('/') else {
        return false;
    };
    let names: Vec<&str> = names.split('/').collect();
    let is_name = |name: &&str| {
        !name.is_empty()
            && !name.starts_with('.')
            && !name.contains(|c| "$#<>;`|&?{}^*\n".contains(c))
    };
    names.len() <= 4 && names.iter().all(is_name)
}

impl Output<Efs> for DescribedAccessPoint {
    fn render(&self, out: &mut Writer<'_>) {
        self.write(out);
    }

    fn response_elements(&self, elements: &mut Writer<'_>) {
        elements.string("clientToken", &self.record.token);
        elements.string("accessPointId", &self.record.id);
        elements.string("fileSystemId", &self.record.file_system);
        elements.string("lifeCycleState", "available");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_has_up_to_four_visible_names() {
        for path in ["/", "/a", "/a b/c.d/-/_"] {
            assert!(is_path(path), "{path}");
        }
        for path in [
            "",
            "a",
            "//",
            "/a/",
            "/.a",
            "/a/..",
            "/a/b/c/d/e",
            "/a*",
            "/a\n",
        ] {
            assert!(!is_path(path), "{path}");
        }
    }
}
