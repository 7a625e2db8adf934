//! The APIs that Keyward serves: one line for each.

use std::sync::Arc;

use crate::{
    iam::Iam,
    keyward::{Keyward, KeywardState},
    kms::{Kms, state::KmsState},
    organizations::Organizations,
    service::{Service, Services},
    sts::{Sts, StsState},
};

/// All of them. Clients that name no API speak to STS, as at AWS.
pub fn services(kms: Arc<KmsState>, sts: StsState) -> Services {
    let stateless = || Arc::new(());
    Services::new::<Sts>(
        Service::new::<Keyward>(Arc::new(KeywardState {
            kms: Arc::clone(&kms),
        })),
        [
            Service::new::<Kms>(kms),
            Service::new::<Iam>(stateless()),
            Service::new::<Sts>(Arc::new(sts)),
            Service::new::<Organizations>(stateless()),
        ],
    )
}
