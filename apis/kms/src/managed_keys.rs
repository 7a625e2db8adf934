//! AWS managed keys: each service has one in an account and Region, under an alias of its own,
//! made when it is first used or looked at.
//!
//! <https://docs.aws.amazon.com/kms/latest/developerguide/concepts.html#aws-managed-key>

use std::sync::Arc;

use keyward_crypto::random;
use keyward_engine::{
    directory::{purpose, records},
    fault::Internal,
    policy::{
        document::{Document, PolicyKind},
        policy::Policy,
        principal::Bindings,
        record::PolicyRecord,
    },
};
use keyward_keys::{
    duty::Duty,
    hierarchy::DomainKeyRecord,
    record::KeyRecord,
    ring::{KeyKind, NewKey},
};
use keyward_store::{batch::Precondition, sealed::SealedBatch};
use keyward_types::{
    account::AccountId,
    alias::AliasName,
    key_id::{KeyArn, KeyId},
    region::Region,
    via_service::{ActingService, SERVICES},
};

use crate::{
    Cx,
    aliases::new_alias,
    fault::{KmsFault, too_large},
    lookup::put_new_key,
    paths,
};

/// An AWS managed key that is to be made.
#[derive(Debug)]
pub struct NewManagedKey {
    alias: AliasName,
    record: KeyRecord,
    policy: Policy,
    domain: Option<DomainKeyRecord>,
}

impl NewManagedKey {
    /// Its ARN.
    pub fn arn(&self) -> KeyArn {
        self.record.arn()
    }

    /// Its record.
    pub fn record(&self) -> &KeyRecord {
        &self.record
    }

    /// Its policy, compiled.
    pub fn policy(&self) -> &Policy {
        &self.policy
    }

    /// Its alias.
    pub fn alias(&self) -> &AliasName {
        &self.alias
    }
}

/// The service whose AWS managed key has that alias.
pub fn service_of(alias: &AliasName) -> Option<&'static ActingService> {
    let name = alias.as_str().strip_prefix("alias/aws/")?;
    let mut services = SERVICES.iter();
    services.find(|service| service.managed_key() == Some(name))
}

/// The policy of a service's AWS managed key in an account and Region.
fn policy_of(service: &ActingService, account: AccountId, region: Region) -> String {
    let (title, partition) = (service.title(), region.partition());
    let id = service.managed_key().unwrap_or(service.name());
    let via = service.regional_name(region);
    format!(
        r#"{{"Version":"2012-10-17","Id":"auto-{id}-2","Statement":[{{"Sid":"Allow access through {title} for all principals in the account that are authorized to use {title}","Effect":"Allow","Principal":{{"AWS":"*"}},"Action":["kms:Encrypt","kms:Decrypt","kms:ReEncrypt*","kms:GenerateDataKey*","kms:CreateGrant","kms:DescribeKey"],"Resource":"*","Condition":{{"StringEquals":{{"kms:CallerAccount":"{account}","kms:ViaService":"{via}"}}}}}},{{"Sid":"Allow direct access to key metadata to the account","Effect":"Allow","Principal":{{"AWS":"arn:{partition}:iam::{account}:root"}},"Action":["kms:Describe*","kms:Get*","kms:List*","kms:RevokeGrant"],"Resource":"*"}}]}}"#
    )
}

impl Cx<'_> {
    /// The AWS managed key of a service in an account and Region, with what it needs; not yet
    /// stored.
    ///
    /// # Errors
    /// When what it needs cannot be read or made.
    pub async fn new_managed_key(
        &self,
        service: &ActingService,
        (region, account): (Region, AccountId),
        alias: AliasName,
    ) -> Result<NewManagedKey, KmsFault> {
        let internal =
            |error: &dyn std::fmt::Display| KmsFault::Internal(Internal::new(error.to_string()));
        let state = self.state();
        let found = state.domain_key(region, account).await?;
        let (domain, new_domain) = match found {
            Some(domain) => (domain, None),
            None => {
                let record = DomainKeyRecord::generate(state.root(), region, account)
                    .map_err(|error| internal(&error))?;
                let domain = state.open_domain_key(&record).await?;
                (Arc::new(domain), Some(record))
            }
        };
        let arn = KeyArn::new(region, account, KeyId::from_random(random::array()));
        let text = policy_of(service, account, region);
        let document = Document::parse(&text, PolicyKind::Key).map_err(|error| internal(&error))?;
        let policy = Policy::compile(&document, &Bindings::default());
        let new = NewKey {
            kind: KeyKind::SYMMETRIC,
            description: format!(
                "Default key that protects my {} data when no other key is defined",
                service.title()
            ),
            policy: PolicyRecord::unbound(text),
            tags: Vec::new(),
        };
        let duty = Duty::to_make_managed(arn, self.now);
        let mut record = state.ring().create_managed(&duty, &domain, new).await?;
        record.aliases.push(alias.clone());
        Ok(NewManagedKey {
            alias,
            record,
            policy,
            domain: new_domain,
        })
    }

    /// A batch that stores a new managed key with its alias.
    ///
    /// # Errors
    /// Never for names that were parsed.
    pub fn put_managed_key(
        &self,
        new: &NewManagedKey,
        (region, account): (Region, AccountId),
    ) -> Result<SealedBatch, KmsFault> {
        let internal =
            |error: &dyn std::fmt::Display| KmsFault::Internal(Internal::new(error.to_string()));
        let mut batch = self.batch();
        let absent = Precondition::Absent;
        if let Some(domain) = &new.domain {
            let path = paths::domain_key(region, account);
            let bytes = records::encode(domain).map_err(|error| internal(&error))?;
            batch
                .put(path, purpose::DOMAIN_KEY, &bytes, absent)
                .map_err(too_large)?;
        }
        put_new_key(&mut batch, &new.record.arn(), &new.record)?;
        let hash = self.state().alias_hash(region, account, &new.alias);
        let path = paths::alias(region, account, &hash);
        let alias = new_alias(&new.alias, &new.record.id, self.now);
        let bytes = records::encode(&alias).map_err(|error| internal(&error))?;
        // Absent: of two first uses at the same time one makes the key, the other finds it.
        batch
            .put(path, purpose::ALIAS, &bytes, absent)
            .map_err(too_large)?;
        Ok(batch)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_policy_of_every_managed_key_is_valid() {
        let account = AccountId::parse("111122223333").unwrap();
        let region = Region::parse("us-west-2").unwrap();
        for service in SERVICES {
            let policy = policy_of(service, account, region);
            let document = Document::parse(&policy, PolicyKind::Key);
            assert!(document.is_ok(), "{policy}");
        }
    }
}
