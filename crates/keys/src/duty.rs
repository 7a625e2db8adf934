//! Duties: proof that the system itself has to do something to a key now. Workers have no caller
//! and no permit; they hold a duty, which exists only if a record says that it is due.

use std::marker::PhantomData;

use keyward_types::{key_id::KeyArn, time::Timestamp};

use crate::{
    deletion::Cleared,
    record::{Due, KeyRecord},
};

/// Rotation by schedule.
#[derive(Debug)]
pub enum Rotate {}

/// Destruction of the material.
#[derive(Debug)]
pub enum Destroy {}

/// Making a service's own key of an account and Region, on the first use of that service there.
#[derive(Debug)]
pub enum MakeManaged {}

/// Proof that an act on a key is due.
#[derive(Debug)]
pub struct Duty<D> {
    key: KeyArn,
    now: Timestamp,
    duty: PhantomData<fn() -> D>,
}

impl<D> Duty<D> {
    /// The key.
    pub fn key(&self) -> &KeyArn {
        &self.key
    }

    /// When the duty was found.
    pub fn now(&self) -> Timestamp {
        self.now
    }
}

impl Duty<Rotate> {
    /// The duty to rotate a key, if its schedule says so.
    pub fn to_rotate(record: &KeyRecord, now: Timestamp) -> Option<Self> {
        match record.due() {
            Some(Due::Rotation(at)) if at <= now => Some(Self {
                key: record.arn(),
                now,
                duty: PhantomData,
            }),
            Some(Due::Rotation(_) | Due::Destruction(_)) | None => None,
        }
    }
}

impl Duty<MakeManaged> {
    /// The duty to create the key with that ARN, which does not exist yet: a caller's request
    /// reached a service that has no key for the caller's account and Region.
    pub fn to_make_managed(key: KeyArn, now: Timestamp) -> Self {
        Self {
            key,
            now,
            duty: PhantomData,
        }
    }
}

impl Duty<Destroy> {
    /// The duty to destroy a key's material, if its date has come and the clocks were cleared
    /// for it.
    pub fn to_destroy(record: &KeyRecord, now: Timestamp, cleared: &Cleared) -> Option<Self> {
        match record.due() {
            Some(Due::Destruction(at)) if at <= now && cleared.key() == &record.arn() => {
                Some(Self {
                    key: record.arn(),
                    now,
                    duty: PhantomData,
                })
            }
            Some(Due::Rotation(_) | Due::Destruction(_)) | None => None,
        }
    }
}
