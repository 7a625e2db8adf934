//! `DescribeKeyImpact`: what would become unreadable without a key, and who has used it lately: for use before a key
//! is disabled or deleted.
//!
//! Each API says which of its own resources a key protects ([`Api::dependents`](keyward_engine::api::Api)). The
//! trail says who has used it.

mod users;

use keyward_api_kms::{fault::KmsFault, members};
use keyward_engine::{
    audit::parameters::{Parameter, integer, text},
    dependents::{Backups, Dependent},
    fault::Internal,
    gate::{Denied, Gate},
    operation::{Done, Operation, Output},
    policy::permit::Permit,
};
use keyward_types::time::Timestamp;
use keyward_wire::json::{Members, Object, Writer};

use self::users::{MOST_USERS, User, users};
use crate::{Cx, Keyward, fault::KeywardFault};

/// How many days of the trail are read, if nothing is said of it.
const DAYS: i64 = 30;
/// The most days.
const MAX_DAYS: i64 = 400;
/// How many resources an answer has by default, and at most.
const MAX_LIMIT: i64 = 100;
/// The note about backups, about which the server knows little.
const BACKUPS: &str = "Backups and other copies of a file system are under its key, and would become unreadable with it. \
    The server knows only the newest backup that an agent has told it of. It knows nothing of backups of file systems \
    that were deleted, nor of copies by `keyward volume send`.";
const DAY_MILLIS: i64 = 24 * 3600 * 1000;

/// The input.
#[derive(Debug)]
pub struct DescribeKeyImpact {
    key_id: String,
    days: i64,
    limit: usize,
    /// The ARN of the last resource of the page before.
    after: Option<String>,
}

/// The output.
#[derive(Debug)]
pub struct Impact {
    key: String,
    resources: Vec<Dependent>,
    /// Whether there are more resources.
    truncated: bool,
    /// Who has used the key, and since when the trail was read; only on the first page.
    users: Option<(Vec<User>, Timestamp)>,
    notes: Vec<String>,
}

keyward_types::action!("keyward": DescribeKeyImpact = "keyward:DescribeKeyImpact");

impl Operation for DescribeKeyImpact {
    const NAME: &'static str = "DescribeKeyImpact";
    const READ_ONLY: bool = true;
    const PARAMETERS: &'static [Parameter] = &[
        text("KeyId"),
        integer("Days"),
        integer("Limit"),
        text("Marker"),
    ];
    type Api = Keyward;
    type Output = Impact;
    type Fault = KeywardFault;
    type Resolved = ();
    type Permits = Permit<Self>;

    fn parse(body: &Object<'_>) -> Result<Self, KeywardFault> {
        let mut m = Members::of(body);
        let key_id = members::key_id(&mut m, "KeyId");
        let days = m.integer("Days").range(1, MAX_DAYS).optional();
        let limit = m.integer("Limit").range(1, MAX_LIMIT).optional();
        let after = m.string("Marker").length(1, 1024).optional();
        let after = after.map(str::to_owned);
        m.finish()?;
        let limit = usize::try_from(limit.unwrap_or(MAX_LIMIT));
        Ok(Self {
            key_id,
            days: days.unwrap_or(DAYS),
            limit: limit
                .map_err(|_| KmsFault::validation("Limit is not a valid number of resources."))?,
            after,
        })
    }

    async fn resolve(&self, _cx: &Cx<'_>) -> Result<(), KeywardFault> {
        Ok(())
    }

    fn authorize(&self, (): &(), gate: &Gate<'_>) -> Result<Self::Permits, Denied> {
        // About the account, since it shows resources and what is on the trail.
        gate.account(|_| ())
    }

    async fn call(
        &self,
        _permit: &Self::Permits,
        (): &(),
        cx: &Cx<'_>,
    ) -> Result<Done<Impact>, KeywardFault> {
        let turn = cx.state().scans().turn().await?;
        let unit = cx.own_key(&self.key_id).await?;
        let mut resources = cx.dependents(unit.arn()).await?;
        if let Some(after) = &self.after {
            resources.retain(|one| one.arn > *after);
        }
        let truncated = resources.len() > self.limit;
        resources.truncate(self.limit);
        let key = unit.arn().to_string();
        let mut notes = vec![
            "Resources of other accounts are not listed, and nothing is known of what callers \
             have encrypted for themselves: see who has used the key."
                .to_owned(),
        ];
        if self.after.is_none() {
            notes.push(BACKUPS.to_owned());
        }
        let users = match self.after {
            Some(_) => None,
            None => {
                let since = cx.now.plus_millis(-self.days * DAY_MILLIS);
                let (directory, account) = (
                    cx.shared().audit_directory().to_owned(),
                    cx.account().to_string(),
                );
                let named = key.clone();
                // Reading takes a while, so not on a thread that serves requests.
                let found = tokio::task::spawn_blocking(move || {
                    let _turn = turn;
                    users(&directory, (&named, &account), since)
                });
                let found = found
                    .await
                    .map_err(|error| Internal::new(error.to_string()))?;
                let found = found.map_err(|error| Internal::new(error.to_string()))?;
                if found.others > 0 {
                    notes.push(format!(
                        "More than {MOST_USERS} have used the key: {} uses of others are not \
                         shown.",
                        found.others
                    ));
                }
                Some((found.users, since))
            }
        };
        Ok(Done::unchanged(Impact {
            key,
            resources,
            truncated,
            users,
            notes,
        }))
    }
}

impl Output<Keyward> for Impact {
    fn render(&self, out: &mut Writer<'_>) {
        out.string("KeyId", &self.key);
        out.array("Resources", |list| {
            for resource in &self.resources {
                list.object(|out| {
                    out.string("Arn", &resource.arn);
                    out.string("Type", resource.kind);
                    if let Some(name) = &resource.name {
                        out.string("Name", name);
                    }
                    if let Backups::Newest { at, generation } = resource.backups {
                        out.object("NewestBackup", |out| {
                            out.string("Time", &at.iso8601());
                            if let Some(generation) = generation {
                                out.natural("Generation", generation);
                            }
                        });
                    }
                });
            }
        });
        if let Some((users, since)) = &self.users {
            out.array("Users", |list| {
                for user in users {
                    list.object(|out| {
                        out.string("Principal", &user.principal);
                        out.natural("Uses", user.uses);
                        out.string("LastUse", &user.last);
                        out.strings("Operations", &user.operations);
                        out.strings("Via", &user.via);
                    });
                }
            });
            out.string("Since", &since.iso8601());
        }
        out.strings("Notes", &self.notes);
        out.boolean("Truncated", self.truncated);
        if let Some(last) = self.resources.last().filter(|_| self.truncated) {
            out.string("NextMarker", &last.arn);
        }
    }
}
