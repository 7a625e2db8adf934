//! A key that a request named, as far as it was found.

use std::sync::Arc;

use keyward_engine::{
    caller::Caller,
    context::Context,
    directory::units::organization::Membership,
    fault::Internal,
    gate::{
        attributes::account_of,
        protected::{InEvents, Protected},
    },
    policy::{
        attributes::Values,
        decision::Named,
        policy::Policy,
        request::{GrantMatch, Resource},
    },
};
use keyward_store::sealed::Generation;
use keyward_types::{alias::AliasName, key_id::KeyArn, key_spec::KeyManager, tag::Tag};

use crate::{fault::KmsFault, grants::lookup::FoundGrant, units::KeyUnit};

/// The most aliases with which `kms:ResourceAliases` has a value: AWS's quota for a key.
const MOST_ALIASES: usize = 50;

/// A key that a request named. A key of another account that does not exist has a stand-in, which
/// nothing allows, so that both cases take the same steps.
#[derive(Debug)]
pub struct ResolvedKey {
    arn: KeyArn,
    unit: Option<Arc<KeyUnit>>,
    owner: Option<Membership>,
    alias: Option<AliasName>,
    found_in_ciphertext: bool,
    other: bool,
    grant: Option<FoundGrant>,
}

impl ResolvedKey {
    /// A key that exists.
    pub fn found(unit: Arc<KeyUnit>) -> Self {
        let arn = unit.arn().clone();
        Self {
            arn,
            unit: Some(unit),
            owner: None,
            alias: None,
            found_in_ciphertext: false,
            other: false,
            grant: None,
        }
    }

    /// The stand-in for one that does not.
    pub fn absent(arn: KeyArn) -> Self {
        Self {
            arn,
            unit: None,
            owner: None,
            alias: None,
            found_in_ciphertext: false,
            other: false,
            grant: None,
        }
    }

    /// With the place of its account in an organization, which is asked for keys of other
    /// accounts.
    #[must_use]
    pub fn owned_in(mut self, owner: Option<Membership>) -> Self {
        self.owner = owner;
        self
    }

    /// Named by an alias.
    #[must_use]
    pub fn by_alias(mut self, alias: AliasName) -> Self {
        self.alias = Some(alias);
        self
    }

    /// Found in a ciphertext instead of being named.
    #[must_use]
    pub fn in_ciphertext(mut self) -> Self {
        self.found_in_ciphertext = true;
        self
    }

    /// Named by the request, while the ciphertext names another key.
    #[must_use]
    pub fn not_the_ciphertexts(mut self) -> Self {
        self.other = true;
        self
    }

    /// With the grant that allows the request, if there is one.
    #[must_use]
    pub fn granted(mut self, grant: Option<FoundGrant>) -> Self {
        self.grant = grant;
        self
    }

    /// The grant that allows the request.
    pub fn found_grant(&self) -> Option<&FoundGrant> {
        self.grant.as_ref()
    }

    /// The ARN.
    pub fn arn(&self) -> &KeyArn {
        &self.arn
    }

    /// The unit, if the key exists.
    pub fn found_unit(&self) -> Option<&Arc<KeyUnit>> {
        self.unit.as_ref()
    }

    /// The alias by which the request named it.
    pub fn alias(&self) -> Option<&AliasName> {
        self.alias.as_ref()
    }

    /// Whether it was found in a ciphertext.
    pub fn is_found_in_ciphertext(&self) -> bool {
        self.found_in_ciphertext
    }

    /// The key with the policy that it would have.
    pub fn with_policy<'a>(&'a self, policy: &'a Policy) -> WithPolicy<'a> {
        let (key, policy) = (self, Some(policy));
        WithPolicy { key, policy }
    }

    /// The key for an action on which its key policy has no effect: only a grant can allow it.
    pub fn by_grant_alone(&self) -> WithPolicy<'_> {
        let (key, policy) = (self, None);
        WithPolicy { key, policy }
    }

    /// The unit of a key that a permit was given for.
    ///
    /// # Errors
    /// Never after `authorize`: nothing allows the use of a stand-in.
    pub fn unit(&self) -> Result<&Arc<KeyUnit>, KmsFault> {
        self.unit
            .as_ref()
            .ok_or_else(|| KmsFault::Internal(Internal::new("an absent key was permitted")))
    }

    /// Refuses a key that is not the ciphertext's.
    ///
    /// # Errors
    /// `IncorrectKeyException`.
    pub fn refuse_other_key(&self) -> Result<(), KmsFault> {
        if self.other {
            Err(KmsFault::IncorrectKey)
        } else {
            Ok(())
        }
    }
}

impl Protected for ResolvedKey {
    fn resource(&self, _caller: &Caller) -> Option<Resource<'_>> {
        let arn = &self.arn;
        let resource = match &self.unit {
            Some(unit) => Resource::key(arn, unit.policy()),
            None => Resource::absent_key(arn.as_str(), arn.partition(), arn.account()),
        };
        Some(if self.found_in_ciphertext {
            resource.found_in_ciphertext()
        } else {
            resource
        })
    }

    fn shown(&self) -> &str {
        self.arn.as_str()
    }

    fn grant(&self) -> Option<GrantMatch<'_>> {
        self.grant.as_ref().map(|grant| GrantMatch {
            id: grant.id.as_str(),
            class: grant.class,
        })
    }

    fn owner(&self) -> Option<&Membership> {
        self.owner.as_ref()
    }

    fn tags(&self) -> &[Tag] {
        let unit = self.unit.as_ref();
        unit.map(|unit| unit.record().tags.as_slice())
            .unwrap_or_default()
    }

    fn value(&self, key: &str, cx: &Context<'_>) -> Option<Values<'_>> {
        match key {
            "kms:requestalias" => {
                let alias = self.alias.as_ref();
                return Some(alias.map_or(Values::Absent, |alias| Values::one(alias.as_str())));
            }
            "kms:calleraccount" => return Some(account_of(cx.caller.principal())),
            _ => {}
        }
        let record = self.unit.as_ref()?.record();
        Some(match key {
            "kms:keyspec" | "kms:customermasterkeyspec" => Values::one(record.spec.as_str()),
            "kms:keyusage" | "kms:customermasterkeyusage" => Values::one(record.usage.as_str()),
            "kms:keyorigin" => Values::one(record.origin.as_str()),
            "kms:multiregion" => Values::one(if record.id.is_multi_region() {
                "true"
            } else {
                "false"
            }),
            "kms:resourcealiases" if record.aliases.len() <= MOST_ALIASES => {
                Values::many(record.aliases.iter().map(|alias| alias.as_str()))
            }
            _ => return None,
        })
    }

    fn policy_generation(&self) -> Option<Generation> {
        self.unit.as_ref().map(|unit| unit.generation())
    }

    /// Resource control policies are not compared with AWS managed keys.
    fn takes_rcps(&self) -> bool {
        let unit = self.unit.as_ref();
        unit.is_none_or(|unit| unit.record().manager != KeyManager::Aws)
    }

    fn hidden_from(&self, caller: &Caller) -> Option<Named> {
        if self.unit.is_some() {
            return None;
        }
        // A stand-in behaves like a key of another account, which may or may not exist. One of the
        // caller's own that no ciphertext names is a key that is about to be created.
        if self.found_in_ciphertext {
            return Some(Named::ByCiphertext);
        }
        let foreign = caller.principal().account() != Some(self.arn.account());
        foreign.then_some(Named::Directly)
    }

    fn in_events(&self) -> Option<Arc<dyn InEvents>> {
        let unit = Arc::clone(self.unit.as_ref()?);
        Some(unit as Arc<dyn InEvents>)
    }
}

/// A key with another policy than it has: with the one it would have, or with none, where grants
/// alone let the caller in.
#[derive(Clone, Copy, Debug)]
pub struct WithPolicy<'a> {
    key: &'a ResolvedKey,
    policy: Option<&'a Policy>,
}

impl Protected for WithPolicy<'_> {
    fn resource(&self, _caller: &Caller) -> Option<Resource<'_>> {
        let arn = self.key.arn();
        let home = (arn.partition(), arn.account());
        Some(Resource::guarded(arn.as_str(), home.0, home.1, self.policy))
    }

    fn shown(&self) -> &str {
        self.key.shown()
    }

    fn grant(&self) -> Option<GrantMatch<'_>> {
        match self.policy {
            // It is not asked about a caller.
            Some(_) => None,
            None => self.key.grant(),
        }
    }

    fn owner(&self) -> Option<&Membership> {
        Protected::owner(self.key)
    }

    fn tags(&self) -> &[Tag] {
        self.key.tags()
    }

    fn value(&self, key: &str, cx: &Context<'_>) -> Option<Values<'_>> {
        self.key.value(key, cx)
    }

    fn policy_generation(&self) -> Option<Generation> {
        self.key.policy_generation()
    }

    fn takes_rcps(&self) -> bool {
        self.key.takes_rcps()
    }

    fn hidden_from(&self, caller: &Caller) -> Option<Named> {
        self.key.hidden_from(caller)
    }

    fn in_events(&self) -> Option<Arc<dyn InEvents>> {
        self.key.in_events()
    }
}
