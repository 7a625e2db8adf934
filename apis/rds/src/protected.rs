//! What policies may ask of the resources of RDS, and those that no record is needed for.

use keyward_engine::{
    caller::Caller,
    context::Context,
    gate::protected::Protected,
    policy::{attributes::Values, request::Resource},
};
use keyward_types::tag::Tag;

use crate::installed::ENGINE;

/// What policies may ask of an instance, also of one that is to be made.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Traits {
    /// `rds:DatabaseClass`.
    pub class: Option<String>,
    /// `rds:DatabaseName`.
    pub database: Option<String>,
    /// `rds:StorageEncrypted`.
    pub encrypted: Option<bool>,
    /// `rds:StorageSize`, in GiB.
    pub storage: Option<u32>,
    /// The tags that a request gives it: `rds:req-tag/…`.
    pub request_tags: Vec<Tag>,
}

impl Traits {
    /// The condition keys that say so, each with its value; none of what is not there.
    pub fn pairs(&self) -> Vec<(&'static str, String)> {
        let Some(class) = &self.class else {
            return Vec::new();
        };
        let mut pairs = vec![
            ("rds:BackupTarget", "region".to_owned()),
            ("rds:DatabaseClass", class.clone()),
            ("rds:DatabaseEngine", ENGINE.to_owned()),
            ("rds:ManageMasterUserPassword", "false".to_owned()),
            ("rds:MultiAz", "false".to_owned()),
            ("rds:Piops", "0".to_owned()),
            ("rds:Vpc", "true".to_owned()),
        ];
        if let Some(database) = &self.database {
            pairs.push(("rds:DatabaseName", database.clone()));
        }
        if let Some(encrypted) = self.encrypted {
            pairs.push(("rds:StorageEncrypted", encrypted.to_string()));
        }
        if let Some(storage) = self.storage {
            pairs.push(("rds:StorageSize", storage.to_string()));
        }
        pairs
    }

    /// The value of a condition key in small letters; none if it is another one's.
    pub fn value(&self, key: &str) -> Option<Values<'_>> {
        if let Some(name) = key.strip_prefix("rds:req-tag/") {
            return Some(tagged(&self.request_tags, name));
        }
        let pairs = self.pairs().into_iter();
        let mut found = pairs.filter(|(name, _)| name.eq_ignore_ascii_case(key));
        found.next().map(|(_, value)| Values::one(value))
    }
}

/// The value of the tag of that name, in small letters.
pub fn tagged<'t>(tags: &'t [Tag], name: &str) -> Values<'t> {
    let same = |tag: &&Tag| tag.key.to_lowercase() == name;
    Values::found(tags.iter().filter(same).map(|tag| tag.value.as_str()))
}

/// A resource of RDS that no record is needed for: a group that is used, or all resources of a kind.
#[derive(Clone, Debug)]
pub struct Named {
    arn: String,
    traits: Traits,
    /// Those of a DB subnet group.
    tags: Vec<Tag>,
}

impl Named {
    /// The resource of that kind and name, such as `db` and `*`, of the caller's account and Region.
    pub fn new(cx: &Context<'_>, kind: &str, name: &str) -> Self {
        let (partition, region, account) = (cx.region.partition(), cx.region, cx.account());
        Self {
            arn: format!("arn:{partition}:rds:{region}:{account}:{kind}:{name}"),
            traits: Traits::default(),
            tags: Vec::new(),
        }
    }

    /// Used for an instance that is to be made.
    #[must_use]
    pub fn used_for(mut self, traits: &Traits) -> Self {
        self.traits = traits.clone();
        self
    }

    /// With tags.
    #[must_use]
    pub fn tagged(mut self, tags: &[Tag]) -> Self {
        self.tags = tags.to_vec();
        self
    }

    /// Its ARN.
    pub fn arn(&self) -> &str {
        &self.arn
    }
}

impl Protected for Named {
    fn resource(&self, caller: &Caller) -> Option<Resource<'_>> {
        let principal = caller.principal();
        let (partition, account) = (principal.partition(), principal.account()?);
        Some(Resource::identity_only(&self.arn, partition, account))
    }

    fn shown(&self) -> &str {
        &self.arn
    }

    fn tags(&self) -> &[Tag] {
        &self.tags
    }

    fn value(&self, key: &str, _cx: &Context<'_>) -> Option<Values<'_>> {
        match key.strip_prefix("rds:subgrp-tag/") {
            Some(name) => Some(tagged(&self.tags, name)),
            None => self.traits.value(key),
        }
    }
}
