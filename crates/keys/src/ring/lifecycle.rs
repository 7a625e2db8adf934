//! Changes of a key's state and data: a record goes in, a new record comes out.

use keyward_policy::{permit::Permit, record::PolicyRecord};
use keyward_types::{
    action::{self, Action},
    alias::AliasName,
    tag::Tag,
    time::Timestamp,
};

use crate::{
    duty::{Destroy, Duty},
    key::Key,
    record::{KeyRecord, Lifecycle},
    ring::{Ring, RingError, allowed, on_key},
    state::StatefulOperation,
};

impl Ring {
    /// Enables. Idempotent.
    ///
    /// # Errors
    /// When the state does not allow it.
    pub fn enable(
        &self,
        permit: &Permit<action::EnableKey>,
        key: &Key,
    ) -> Result<KeyRecord, RingError> {
        change(permit, key, StatefulOperation::EnableDisable, |record| {
            record.lifecycle = Lifecycle::Enabled {};
        })
    }

    /// Disables. Idempotent.
    ///
    /// # Errors
    /// When the state does not allow it.
    pub fn disable(
        &self,
        permit: &Permit<action::DisableKey>,
        key: &Key,
    ) -> Result<KeyRecord, RingError> {
        change(permit, key, StatefulOperation::EnableDisable, |record| {
            record.lifecycle = Lifecycle::Disabled {};
        })
    }

    /// Schedules deletion in so many days (7 to 30).
    ///
    /// # Errors
    /// When the state does not allow it.
    pub fn schedule_deletion(
        &self,
        permit: &Permit<action::ScheduleKeyDeletion>,
        key: &Key,
        window_days: u32,
        now: Timestamp,
    ) -> Result<KeyRecord, RingError> {
        change(
            permit,
            key,
            StatefulOperation::ScheduleKeyDeletion,
            |record| {
                let delete_at = now.plus_days(i64::from(window_days));
                record.lifecycle = Lifecycle::PendingDeletion { delete_at };
            },
        )
    }

    /// Takes a scheduled deletion back; the key is then Disabled.
    ///
    /// # Errors
    /// When the key is not pending deletion.
    pub fn cancel_deletion(
        &self,
        permit: &Permit<action::CancelKeyDeletion>,
        key: &Key,
    ) -> Result<KeyRecord, RingError> {
        change(
            permit,
            key,
            StatefulOperation::CancelKeyDeletion,
            |record| {
                record.lifecycle = Lifecycle::Disabled {};
            },
        )
    }

    /// Gives the key another description.
    ///
    /// # Errors
    /// When the state does not allow it.
    pub fn describe(
        &self,
        permit: &Permit<action::UpdateKeyDescription>,
        key: &Key,
        description: &str,
    ) -> Result<KeyRecord, RingError> {
        change(permit, key, StatefulOperation::Tag, |record| {
            description.clone_into(&mut record.description);
        })
    }

    /// Sets tags, over those of the same keys.
    ///
    /// # Errors
    /// When the state does not allow it.
    pub fn tag(
        &self,
        permit: &Permit<action::TagResource>,
        key: &Key,
        tags: &[Tag],
    ) -> Result<KeyRecord, RingError> {
        change(permit, key, StatefulOperation::Tag, |record| {
            for tag in tags {
                match record.tags.iter_mut().find(|old| old.key == tag.key) {
                    Some(old) => old.value.clone_from(&tag.value),
                    None => record.tags.push(tag.clone()),
                }
            }
        })
    }

    /// Removes the tags with these keys; those that do not exist are ignored.
    ///
    /// # Errors
    /// When the state does not allow it.
    pub fn untag(
        &self,
        permit: &Permit<action::UntagResource>,
        key: &Key,
        tag_keys: &[String],
    ) -> Result<KeyRecord, RingError> {
        change(permit, key, StatefulOperation::Tag, |record| {
            record.tags.retain(|tag| !tag_keys.contains(&tag.key));
        })
    }

    /// Replaces the key policy.
    ///
    /// # Errors
    /// When the key is destroyed.
    pub fn put_policy(
        &self,
        permit: &Permit<action::PutKeyPolicy>,
        key: &Key,
        policy: PolicyRecord,
    ) -> Result<KeyRecord, RingError> {
        change(permit, key, StatefulOperation::Always, |record| {
            record.policy = policy
        })
    }

    /// Adds an alias's name.
    ///
    /// # Errors
    /// When the state does not allow it.
    pub fn add_alias(
        &self,
        permit: &Permit<action::CreateAlias>,
        key: &Key,
        alias: &AliasName,
    ) -> Result<KeyRecord, RingError> {
        change(permit, key, StatefulOperation::CreateAlias, |record| {
            push_alias(record, alias)
        })
    }

    /// Moves an alias from one key to another.
    ///
    /// # Errors
    /// When the new key's state does not allow it.
    pub fn move_alias(
        &self,
        (from_permit, from): (&Permit<action::UpdateAlias>, &Key),
        (to_permit, to): (&Permit<action::UpdateAlias>, &Key),
        alias: &AliasName,
    ) -> Result<(KeyRecord, KeyRecord), RingError> {
        let from = change(from_permit, from, StatefulOperation::Always, |record| {
            record.aliases.retain(|name| name != alias);
        })?;
        let to = change(to_permit, to, StatefulOperation::CreateAlias, |record| {
            push_alias(record, alias);
        })?;
        Ok((from, to))
    }

    /// Takes an alias's name away.
    ///
    /// # Errors
    /// When the key is destroyed.
    pub fn remove_alias(
        &self,
        permit: &Permit<action::DeleteAlias>,
        key: &Key,
        alias: &AliasName,
    ) -> Result<KeyRecord, RingError> {
        change(permit, key, StatefulOperation::Always, |record| {
            record.aliases.retain(|name| name != alias);
        })
    }

    /// Notes that there is a grant on the key. Idempotent.
    ///
    /// # Errors
    /// When the state does not allow one to be made.
    pub fn add_grant(
        &self,
        permit: &Permit<action::CreateGrant>,
        key: &Key,
    ) -> Result<KeyRecord, RingError> {
        change(permit, key, StatefulOperation::CreateGrant, |record| {
            record.has_grants = true;
        })
    }

    /// Destroys the key's material for ever. What is left names the aliases that go with it.
    ///
    /// This is asynchronous like the other uses of material, since a backend that holds it elsewhere
    /// has to be asked.
    ///
    /// # Errors
    /// When the duty is another key's, or the key as it is now does not owe it: its deletion may
    /// have been cancelled since the duty was found.
    pub async fn destroy(&self, duty: &Duty<Destroy>, key: &Key) -> Result<KeyRecord, RingError> {
        if duty.key() != key.arn() {
            return Err(RingError::WrongPermit);
        }
        allowed(key.record(), StatefulOperation::CancelKeyDeletion)?;
        if key.record().due().is_none_or(|due| duty.now() < due.at()) {
            return Err(RingError::WrongPermit);
        }
        let mut record = key.record().clone();
        record.lifecycle = Lifecycle::Destroyed { at: duty.now() };
        record.materials.clear();
        record.rotation = None;
        record.description.clear();
        record.tags.clear();
        Ok(record)
    }
}

fn push_alias(record: &mut KeyRecord, alias: &AliasName) {
    if !record.aliases.contains(alias) {
        record.aliases.push(alias.clone());
    }
}

fn change<A: Action>(
    permit: &Permit<A>,
    key: &Key,
    operation: StatefulOperation,
    edit: impl FnOnce(&mut KeyRecord),
) -> Result<KeyRecord, RingError> {
    on_key(permit, key)?;
    allowed(key.record(), operation)?;
    let mut record = key.record().clone();
    edit(&mut record);
    Ok(record)
}
