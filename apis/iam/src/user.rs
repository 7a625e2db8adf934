//! IAM users: made, shown, deleted.
//!
//! <https://docs.aws.amazon.com/IAM/latest/APIReference/API_CreateUser.html>

pub mod list;

use std::collections::BTreeMap;

use keyward_crypto::random;
use keyward_engine::{
    audit::parameters::{Parameter, structures, text},
    directory::{
        paths, purpose,
        records::{AccountRecord, UserRecord, V1, cdp::CdpAccessKeysRecord},
        units::identity::UserUnit,
    },
    gate::{Denied, Gate, protected::IdentityOnly},
    operation::{Done, Empty, Operation, Output},
    policy::permit::Permit,
};
use keyward_store::batch::Precondition;
use keyward_types::unique_id::{UniqueId, UniqueIdKind};
use keyward_wire::{
    json::{self, Members},
    query::Params,
    xml,
};

use crate::{
    Cx, Iam, boundary,
    entity::{Entity, EntityName, Lookup, Record, entity_action},
    fault::IamFault,
    names,
    newborn::{Creates, New, Particulars, enroll, unmake},
    on_one::{On, OnOne},
    shape, tags,
};

/// `CreateUser`
#[derive(Debug)]
pub struct CreateUser(Particulars);

/// A user with its ARN.
#[derive(Debug)]
pub struct ShownUser {
    arn: String,
    record: UserRecord,
}

keyward_types::action!("iam": CreateUser = "iam:CreateUser");

impl Creates for CreateUser {
    const PARAMETERS: &'static [Parameter] = &[
        text("Path"),
        text("UserName"),
        text("PermissionsBoundary"),
        structures("Tags", names::SHOWN_TAG),
    ];
    type Entity = UserUnit;
    type Tagging = tags::TagUser;
    type Output = ShownUser;

    fn read(m: &mut Members<'_>) -> Self {
        Self(Particulars {
            path: names::path(m),
            name: names::name(m, "UserName", names::USER),
            boundary: names::optional_boundary(m),
            tags: names::tags(m),
        })
    }

    fn wanted(&self) -> &Particulars {
        &self.0
    }

    async fn create(&self, new: &New, cx: &Cx<'_>) -> Result<Done<ShownUser>, IamFault> {
        new.check_free(UserUnit::NOUN)?;
        let boundary = new.boundary()?;
        let record = UserRecord {
            version: V1,
            id: UniqueId::from_random(UniqueIdKind::User, random::array()),
            name: self.0.name.clone(),
            path: self.0.path.clone(),
            created: cx.now,
            tags: self.0.tags.clone(),
            access_keys: Vec::new(),
            inactive_access_keys: Vec::new(),
            inline_policies: BTreeMap::new(),
            attached_policies: Vec::new(),
            boundary: boundary.map(|policy| policy.reference()),
            groups: Vec::new(),
        };
        let mut batch = cx.batch();
        let counted = enroll(cx, &mut batch, &record)?;
        if let Some(policy) = boundary {
            boundary::bind(cx, &mut batch, (policy, &record.id))?;
        }
        record.put(cx, &mut batch, None)?;
        let arn = new.arn().to_owned();
        Ok(Done::changed(ShownUser { arn, record }, batch).counting(counted))
    }
}

impl Output<Iam> for ShownUser {
    fn render(&self, out: &mut xml::Writer<'_>) {
        out.element("User", |user| shape::user(user, (&self.arn, &self.record)));
    }

    fn response_elements(&self, elements: &mut json::Writer<'_>) {
        elements.object("user", |user| {
            user.string("path", &self.record.path);
            user.string("userName", &self.record.name);
            user.string("userId", self.record.id.as_str());
            user.string("arn", &self.arn);
            user.string("createDate", &self.record.created.iso8601());
        });
    }
}

/// The user that an operation names, or the caller if it names none.
///
/// # Errors
/// `NoSuchEntity` if the caller is not a user and names none.
pub async fn named_or_caller(
    cx: &Cx<'_>,
    name: Option<&str>,
) -> Result<Lookup<UserUnit>, IamFault> {
    match (name, cx.caller.user()) {
        (Some(name), _) => Lookup::find(cx, name).await,
        (None, Some(user)) => {
            let record = user.record();
            let (partition, account) = cx.caller.home();
            let found = cx.directory().user(partition, account, &record.id).await?;
            match found {
                Some(found) => Ok(Lookup::of(&record.name, found)),
                None => Err(UserUnit::missing(&record.name)),
            }
        }
        (None, None) => Err(IamFault::Validation {
            message: "Must specify userName when calling with non-User credentials".to_owned(),
        }),
    }
}

/// `GetUser`
#[derive(Debug)]
pub struct GetUser {
    name: Option<String>,
}

/// The user to be shown: the root user shows itself.
#[derive(Debug)]
pub enum WantedUser {
    /// A user.
    User(Lookup<UserUnit>),
    /// The root user, with its account's record.
    Root(AccountRecord),
}

/// The output of GetUser.
#[derive(Debug)]
pub enum UserFound {
    /// A user.
    User(Box<ShownUser>),
    /// The root user.
    Root(AccountRecord),
}

fn root_arn(record: &AccountRecord) -> String {
    format!("arn:{}:iam::{}:root", record.partition, record.account)
}

entity_action!(GetUser = "iam:GetUser", UserUnit, names::EXISTING_USER);

impl Operation for GetUser {
    const NAME: &'static str = "GetUser";
    const READ_ONLY: bool = true;
    const PARAMETERS: &'static [Parameter] = &[text("UserName")];
    type Api = Iam;
    type Output = UserFound;
    type Fault = IamFault;
    type Resolved = WantedUser;
    type Permits = Permit<Self>;

    fn parse(params: &Params<'_>) -> Result<Self, IamFault> {
        let mut m = params.members();
        let name = names::optional_name(&mut m, "UserName", names::EXISTING_USER);
        m.finish()?;
        Ok(Self { name })
    }

    async fn resolve(&self, cx: &Cx<'_>) -> Result<WantedUser, IamFault> {
        if self.name.is_none() && cx.caller.principal().is_root() {
            let (partition, account) = cx.caller.home();
            let found = cx.directory().account(partition, account).await?;
            let (record, _) = found.ok_or_else(|| UserUnit::missing("root"))?;
            return Ok(WantedUser::Root(record));
        }
        named_or_caller(cx, self.name.as_deref())
            .await
            .map(WantedUser::User)
    }

    fn authorize(&self, shown: &WantedUser, gate: &Gate<'_>) -> Result<Self::Permits, Denied> {
        match shown {
            WantedUser::User(user) => user.permit(gate, |_| ()),
            WantedUser::Root(record) => gate.permit(&IdentityOnly::new(&root_arn(record)), |_| ()),
        }
    }

    async fn call(
        &self,
        _permit: &Self::Permits,
        shown: &WantedUser,
        _cx: &Cx<'_>,
    ) -> Result<Done<UserFound>, IamFault> {
        Ok(Done::unchanged(match shown {
            WantedUser::User(user) => {
                let user = user.get()?;
                UserFound::User(Box::new(ShownUser {
                    arn: user.arn().to_owned(),
                    record: user.record().clone(),
                }))
            }
            WantedUser::Root(record) => UserFound::Root(record.clone()),
        }))
    }
}

impl Output<Iam> for UserFound {
    fn render(&self, out: &mut xml::Writer<'_>) {
        match self {
            Self::User(user) => user.render(out),
            // AWS shows no path and no name for the root user.
            Self::Root(record) => out.element("User", |user| {
                user.text("UserId", record.account.as_str());
                user.text("Arn", &root_arn(record));
                user.timestamp("CreateDate", record.created);
            }),
        }
    }
}

/// `DeleteUser`
#[derive(Debug)]
pub struct DeleteUser(EntityName<Self>);

entity_action!(
    DeleteUser = "iam:DeleteUser",
    UserUnit,
    names::EXISTING_USER
);

impl OnOne for DeleteUser {
    const READ_ONLY: bool = false;
    const PARAMETERS: &'static [Parameter] = &[text("UserName")];
    type Action = Self;
    type Operand = EntityName<Self>;
    type Output = Empty;

    fn read(m: &mut Members<'_>) -> Self {
        Self(EntityName::read(m))
    }

    fn operand(&self) -> &EntityName<Self> {
        &self.0
    }

    async fn answer(&self, user: &On<Self>, cx: &Cx<'_>) -> Result<Done<Empty>, IamFault> {
        let user = user.get()?;
        let record = user.record();
        let (home, directory) = (cx.caller.home(), cx.directory());
        let path = paths::cdp_access_keys(home.0, home.1, &record.id);
        let keys = directory.rare::<CdpAccessKeysRecord>(&path, purpose::CDP_ACCESS_KEYS);
        let has_keys = keys.await?.is_some();
        let left = [
            (has_keys, "delete access keys of CDP"),
            (!record.attached_policies.is_empty(), "detach all policies"),
            (!record.inline_policies.is_empty(), "delete policies"),
            (!record.access_keys.is_empty(), "delete access keys"),
            (!record.groups.is_empty(), "remove users from group"),
        ];
        IamFault::check_nothing_left(&left)?;
        let mut batch = cx.batch();
        if let Some(policy) = boundary::current(cx, record.boundary.as_ref()).await? {
            boundary::release(cx, &mut batch, (&policy, &record.id))?;
        }
        // One may be created at this moment.
        let path = paths::cdp_access_keys(home.0, home.1, &record.id);
        batch.check(path, Precondition::Absent)?;
        unmake(cx, &mut batch, (&**user, record))?;
        Ok(Done::changed(Empty, batch))
    }
}
