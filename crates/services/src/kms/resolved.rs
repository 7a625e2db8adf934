//! A key that a request named, as far as it was found.

use std::sync::Arc;

use keyward_types::{alias::AliasName, key_id::KeyArn};

use crate::{
    directory::units::{KeyUnit, organization::Membership},
    fault::Internal,
    grants::lookup::FoundGrant,
    kms::fault::KmsFault,
};

/// A key that a request named. A key of another account that does not exist has a stand-in,
/// which nothing allows, so that it takes the same steps as one that does.
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

    /// With the grant by which the caller may do what it asks, if there is one.
    #[must_use]
    pub fn granted(mut self, grant: Option<FoundGrant>) -> Self {
        self.grant = grant;
        self
    }

    /// The grant by which the caller may do what it asks.
    pub fn grant(&self) -> Option<&FoundGrant> {
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

    /// The place of another account's key in an organization.
    pub fn owner(&self) -> Option<&Membership> {
        self.owner.as_ref()
    }

    /// The alias by which the request named it.
    pub fn alias(&self) -> Option<&AliasName> {
        self.alias.as_ref()
    }

    /// Whether it was found in a ciphertext.
    pub fn is_found_in_ciphertext(&self) -> bool {
        self.found_in_ciphertext
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
