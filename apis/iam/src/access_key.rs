//! Access keys of users and of the root user: made, switched, deleted.
//!
//! <https://docs.aws.amazon.com/IAM/latest/APIReference/API_CreateAccessKey.html>

pub mod list;

use keyward_crypto::random;
use keyward_engine::{
    audit::parameters::{Parameter, text},
    directory::{
        purpose,
        records::{self, AccessKeyOwner, AccessKeyRecord, AccountRecord, SecretText, V1},
        units::identity::UserUnit,
    },
    gate::{Denied, Gate, protected::IdentityOnly, supply::Supply},
    operation::{Done, Empty, Output},
    policy::permit::Permit,
};
use keyward_store::{batch::Precondition, revision::Revision, sealed::SealedBatch};
use keyward_types::{action::Action, time::Timestamp, unique_id::AccessKeyId};
use keyward_wire::{
    json::{self, Members},
    xml,
};

use crate::{
    Cx, Iam,
    entity::{Entity, Lookup, Record},
    fault::IamFault,
    names,
    on_one::{OnOne, Operand},
    paths,
    user::named_or_caller,
};

/// The most access keys of a user.
const MAX_ACCESS_KEYS: usize = 2;

/// Whose keys an operation is about.
#[derive(Debug)]
pub enum Owner {
    /// A user.
    User(Lookup<UserUnit>),
    /// The root user, for itself.
    Root {
        /// The account's record.
        record: AccountRecord,
        /// When it was last written.
        revision: Revision,
    },
}

impl Owner {
    fn keys(&self) -> Result<&[AccessKeyId], IamFault> {
        Ok(match self {
            Self::User(user) => &user.get()?.record().access_keys,
            Self::Root { record, .. } => &record.root_access_keys,
        })
    }

    /// The key of that id, which must be the owner's.
    fn key(&self, id: &str) -> Result<&AccessKeyId, IamFault> {
        let found = self.keys()?.iter().find(|known| known.as_str() == id);
        found.ok_or_else(|| no_such_key(id))
    }

    fn inactive_keys(&self) -> Result<&[AccessKeyId], IamFault> {
        Ok(match self {
            Self::User(user) => &user.get()?.record().inactive_access_keys,
            Self::Root { record, .. } => &record.inactive_root_access_keys,
        })
    }

    /// Writes the owner's record with other keys, and those of them that are inactive.
    fn put_keys(
        &self,
        cx: &Cx<'_>,
        batch: &mut SealedBatch,
        (keys, inactive): (Vec<AccessKeyId>, Vec<AccessKeyId>),
    ) -> Result<(), IamFault> {
        match self {
            Self::User(user) => {
                let user = user.get()?;
                let mut record = user.edit(cx)?;
                record.access_keys = keys;
                record.inactive_access_keys = inactive;
                record.put(cx, batch, Some(user.revision()))
            }
            Self::Root { record, revision } => {
                let record = AccountRecord {
                    root_access_keys: keys,
                    inactive_root_access_keys: inactive,
                    ..record.clone()
                };
                let path = paths::account(cx.partition(), cx.account());
                let bytes = records::encode(&record)?;
                batch.put(path, purpose::ACCOUNT, &bytes, Precondition::At(*revision))?;
                Ok(())
            }
        }
    }

    fn user_name(&self) -> Option<&str> {
        match self {
            Self::User(user) => user.found().map(|user| user.record().name.as_str()),
            Self::Root { .. } => None,
        }
    }
}

/// The user whose keys a request is about, or the caller if it names none.
#[derive(Debug)]
pub struct OwnerName(Option<String>);

impl OwnerName {
    fn read(m: &mut Members<'_>) -> Self {
        Self(names::optional_name(m, "UserName", names::EXISTING_USER))
    }
}

impl Operand for OwnerName {
    type Found = Owner;

    async fn find(&self, cx: &Cx<'_>) -> Result<Owner, IamFault> {
        if self.0.is_some() || !cx.caller.principal().is_root() {
            let user = named_or_caller(cx, self.0.as_deref()).await;
            return user.map(Owner::User);
        }
        let found = cx.directory().account(cx.partition(), cx.account()).await?;
        let (record, read) = found.ok_or_else(|| UserUnit::missing("root"))?;
        Ok(Owner::Root {
            record,
            revision: read.revision,
        })
    }

    fn permit<A: Action>(
        &self,
        owner: &Owner,
        gate: &Gate<'_>,
        supply: impl FnOnce(&mut Supply),
    ) -> Result<Permit<A>, Denied> {
        match owner {
            Owner::User(user) => user.permit(gate, supply),
            Owner::Root { record, .. } => {
                let arn = format!("arn:{}:iam::{}:root", record.partition, record.account);
                gate.permit(&IdentityOnly::new(&arn), supply)
            }
        }
    }
}

/// The fault for a key that is not there.
pub fn no_such_key(id: &str) -> IamFault {
    IamFault::missing(format!("The Access Key with id {id} cannot be found."))
}

/// `CreateAccessKey`
#[derive(Debug)]
pub struct CreateAccessKey {
    owner: OwnerName,
}

/// The output of CreateAccessKey, the only one with the secret.
#[derive(Debug)]
pub struct AccessKeyCreated {
    user: Option<String>,
    id: AccessKeyId,
    secret: SecretText,
    created: Timestamp,
}

keyward_types::action!("iam": CreateAccessKey = "iam:CreateAccessKey");

impl OnOne for CreateAccessKey {
    const READ_ONLY: bool = false;
    const PARAMETERS: &'static [Parameter] = &[text("UserName")];
    type Action = Self;
    type Operand = OwnerName;
    type Output = AccessKeyCreated;

    fn read(m: &mut Members<'_>) -> Self {
        let owner = OwnerName::read(m);
        Self { owner }
    }

    fn operand(&self) -> &OwnerName {
        &self.owner
    }

    async fn answer(&self, owner: &Owner, cx: &Cx<'_>) -> Result<Done<AccessKeyCreated>, IamFault> {
        if owner.keys()?.len() >= MAX_ACCESS_KEYS {
            return Err(IamFault::quota("AccessKeysPerUser", MAX_ACCESS_KEYS));
        }
        let record = AccessKeyRecord {
            version: V1,
            id: AccessKeyId::long_term(cx.account(), random::array()),
            account: cx.account(),
            partition: cx.partition(),
            owner: match owner {
                Owner::User(user) => AccessKeyOwner::User(user.get()?.record().id.clone()),
                Owner::Root { .. } => AccessKeyOwner::Root,
            },
            active: true,
            created: cx.now,
            secret: SecretText::generate(),
        };
        let mut batch = cx.batch();
        let keys = owner.keys()?.iter().chain([&record.id]).cloned().collect();
        let inactive = owner.inactive_keys()?.to_vec();
        owner.put_keys(cx, &mut batch, (keys, inactive))?;
        put_key(&mut batch, &record, Precondition::Absent)?;
        let output = AccessKeyCreated {
            user: owner.user_name().map(str::to_owned),
            id: record.id.clone(),
            secret: record.secret,
            created: record.created,
        };
        Ok(Done::changed(output, batch))
    }
}

impl Output<Iam> for AccessKeyCreated {
    fn render(&self, out: &mut xml::Writer<'_>) {
        out.element("AccessKey", |key| {
            if let Some(user) = &self.user {
                key.text("UserName", user);
            }
            key.text("AccessKeyId", self.id.as_str());
            key.text("Status", "Active");
            key.text("SecretAccessKey", self.secret.expose());
            key.timestamp("CreateDate", self.created);
        });
    }

    fn response_elements(&self, elements: &mut json::Writer<'_>) {
        elements.object("accessKey", |key| {
            key.string("accessKeyId", self.id.as_str());
            key.string("status", "Active");
            if let Some(user) = &self.user {
                key.string("userName", user);
            }
            key.string("createDate", &self.created.iso8601());
        });
    }
}

/// `DeleteAccessKey`
#[derive(Debug)]
pub struct DeleteAccessKey {
    owner: OwnerName,
    id: String,
}

keyward_types::action!("iam": DeleteAccessKey = "iam:DeleteAccessKey");

impl OnOne for DeleteAccessKey {
    const READ_ONLY: bool = false;
    const PARAMETERS: &'static [Parameter] = &[text("UserName"), text("AccessKeyId")];
    type Action = Self;
    type Operand = OwnerName;
    type Output = Empty;

    fn read(m: &mut Members<'_>) -> Self {
        let owner = OwnerName::read(m);
        let id = names::access_key_id(m);
        Self { owner, id }
    }

    fn operand(&self) -> &OwnerName {
        &self.owner
    }

    async fn answer(&self, owner: &Owner, cx: &Cx<'_>) -> Result<Done<Empty>, IamFault> {
        let id = owner.key(&self.id)?;
        let mut batch = cx.batch();
        batch.delete(paths::access_key(id), Precondition::Any)?;
        batch.delete(paths::access_key_last_use(id), Precondition::Any)?;
        let without = |keys: &[AccessKeyId]| {
            let left = keys.iter().filter(|key| *key != id);
            left.cloned().collect()
        };
        let left = (without(owner.keys()?), without(owner.inactive_keys()?));
        owner.put_keys(cx, &mut batch, left)?;
        Ok(Done::changed(Empty, batch))
    }
}

/// `UpdateAccessKey`
#[derive(Debug)]
pub struct UpdateAccessKey {
    owner: OwnerName,
    id: String,
    status: &'static str,
}

keyward_types::action!("iam": UpdateAccessKey = "iam:UpdateAccessKey");

impl OnOne for UpdateAccessKey {
    const READ_ONLY: bool = false;
    const PARAMETERS: &'static [Parameter] =
        &[text("UserName"), text("AccessKeyId"), text("Status")];
    type Action = Self;
    type Operand = OwnerName;
    type Output = Empty;

    fn read(m: &mut Members<'_>) -> Self {
        let owner = OwnerName::read(m);
        let id = names::access_key_id(m);
        let states = &["Active", "Inactive", "Expired"];
        let status = m.enumeration("Status", states).required();
        Self { owner, id, status }
    }

    fn checked(self) -> Result<Self, IamFault> {
        if self.status == "Expired" {
            return Err(IamFault::invalid("Status Expired cannot be set."));
        }
        Ok(self)
    }

    fn operand(&self) -> &OwnerName {
        &self.owner
    }

    async fn answer(&self, owner: &Owner, cx: &Cx<'_>) -> Result<Done<Empty>, IamFault> {
        let id = owner.key(&self.id)?;
        let found = cx
            .directory()
            .rare(&paths::access_key(id), purpose::CREDENTIAL)
            .await?;
        let (mut record, revision): (AccessKeyRecord, _) =
            found.ok_or_else(|| no_such_key(&self.id))?;
        let active = self.status == "Active";
        if record.active == active {
            return Ok(Done::unchanged(Empty));
        }
        record.active = active;
        let mut batch = cx.batch();
        put_key(&mut batch, &record, Precondition::At(revision))?;
        let others = owner.inactive_keys()?.iter().filter(|key| *key != id);
        let inactive = others.chain((!active).then_some(id)).cloned().collect();
        owner.put_keys(cx, &mut batch, (owner.keys()?.to_vec(), inactive))?;
        Ok(Done::changed(Empty, batch))
    }
}

/// Writes a key's record, which has the secret.
fn put_key(
    batch: &mut SealedBatch,
    record: &AccessKeyRecord,
    precondition: Precondition,
) -> Result<(), IamFault> {
    let bytes = keyward_crypto::secret::SecretBytes::from_vec(records::encode(record)?);
    let path = paths::access_key(&record.id);
    batch.put(path, purpose::CREDENTIAL, bytes.expose(), precondition)?;
    Ok(())
}
