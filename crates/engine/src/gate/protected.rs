//! What a permit is requested for. Each API says how its own resources are protected; the gate knows none of them.

use std::{fmt, sync::Arc};

use keyward_policy::{
    attributes::Values,
    decision::Named,
    request::{GrantMatch, Resource},
};
use keyward_store::sealed::Generation;
use keyward_types::{account::AccountId, partition::Partition, tag::Tag};
use keyward_wire::json::Fragment;

use crate::{caller::Caller, context::Context, directory::units::organization::Membership};

/// Something that a permit is requested for.
pub trait Protected: fmt::Debug + Sync {
    /// What the policies decide about; `None` if a caller that belongs to no account has no such resource.
    fn resource(&self, caller: &Caller) -> Option<Resource<'_>>;

    /// The text that denials show for the resource where the caller has none.
    fn shown(&self) -> &str;

    /// The grant that allows the request, if there is one.
    fn grant(&self) -> Option<GrantMatch<'_>> {
        None
    }

    /// The place of its account in an organization, if that is not the caller's account.
    fn owner(&self) -> Option<&Membership> {
        None
    }

    /// Its tags: `aws:ResourceTag/…`.
    fn tags(&self) -> &[Tag] {
        &[]
    }

    /// Whether `iam:ResourceTag/…` has them, too.
    fn has_iam_tags(&self) -> bool {
        false
    }

    /// The values of the condition keys that describe it; `None` for keys that do not. `key` is in lower case.
    fn value(&self, _key: &str, _cx: &Context<'_>) -> Option<Values<'_>> {
        None
    }

    /// The generation of the record that its own policy is stored in.
    fn policy_generation(&self) -> Option<Generation> {
        None
    }

    /// Whether resource control policies apply to it, if they cover the action's service.
    fn takes_rcps(&self) -> bool {
        true
    }

    /// How a denial hides whether it exists; `None` if the caller may know.
    fn hidden_from(&self, _caller: &Caller) -> Option<Named> {
        None
    }

    /// The message of a denial, if it is not the usual one.
    fn denial(&self, _caller: &Caller, _action: &str) -> Option<String> {
        None
    }

    /// What events show of it; `None` if they show only its ARN.
    fn in_events(&self) -> Option<Arc<dyn InEvents>> {
        None
    }
}

/// A resource that has its element of an event's `resources` ready.
pub trait InEvents: fmt::Debug + Send + Sync {
    /// Its ARN.
    fn arn(&self) -> &str;

    /// The account that owns it.
    fn account(&self) -> AccountId;

    /// The generation of the record that its own policy is stored in.
    fn policy_generation(&self) -> Generation;

    /// The element.
    fn element(&self) -> &Fragment;
}

/// A resource of the caller's own account without a policy of its own: only identity policies decide.
#[derive(Clone, Copy, Debug)]
pub struct IdentityOnly<'a> {
    arn: &'a str,
    shown: &'a str,
    tags: &'a [Tag],
}

impl<'a> IdentityOnly<'a> {
    /// The resource with that ARN.
    pub fn new(arn: &'a str) -> Self {
        let (shown, tags) = (arn, &[][..]);
        Self { arn, shown, tags }
    }

    /// With tags.
    #[must_use]
    pub fn tagged(mut self, tags: &'a [Tag]) -> Self {
        self.tags = tags;
        self
    }

    /// Shown in denials as AWS does where it has no ARN yet, such as `policy path /`.
    #[must_use]
    pub fn shown_as(mut self, shown: &'a str) -> Self {
        self.shown = shown;
        self
    }
}

impl Protected for IdentityOnly<'_> {
    fn resource(&self, caller: &Caller) -> Option<Resource<'_>> {
        let (partition, account) = own(caller)?;
        Some(Resource::identity_only(self.arn, partition, account).shown_as(self.shown))
    }

    fn shown(&self) -> &str {
        self.shown
    }

    fn tags(&self) -> &[Tag] {
        self.tags
    }

    fn has_iam_tags(&self) -> bool {
        true
    }
}

/// The caller's account as a whole, in its Region or in none, for actions that are not about a single resource.
#[derive(Clone, Debug)]
pub(super) struct AccountWide {
    pub arn: String,
}

impl Protected for AccountWide {
    fn resource(&self, caller: &Caller) -> Option<Resource<'_>> {
        let (partition, account) = own(caller)?;
        Some(Resource::account_wide(&self.arn, partition, account))
    }

    fn shown(&self) -> &str {
        "*"
    }
}

/// The caller's own account. A caller that belongs to no account has no resources of its own.
fn own(caller: &Caller) -> Option<(Partition, AccountId)> {
    let principal = caller.principal();
    Some((principal.partition(), principal.account()?))
}
