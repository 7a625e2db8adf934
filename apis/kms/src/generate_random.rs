//! `GenerateRandom`: random bytes that no key made.
//!
//! <https://docs.aws.amazon.com/kms/latest/APIReference/API_GenerateRandom.html>

use keyward_crypto::{random, secret::SecretBytes};
use keyward_engine::{
    audit::parameters::{Parameter, omitted, secret},
    gate::{Denied, Gate},
    operation::{Done, Operation, Output},
    policy::permit::Permit,
};
use keyward_wire::json::{Members, Object, Writer};

use crate::{Cx, Kms, fault::KmsFault, recipient};

/// The input.
#[derive(Debug)]
pub struct GenerateRandom {
    number_of_bytes: usize,
    custom_key_store: Option<String>,
}

/// The output.
#[derive(Debug)]
pub struct RandomGenerated {
    plaintext: SecretBytes,
}

keyward_types::action!("kms": GenerateRandom = "kms:GenerateRandom");

impl Operation for GenerateRandom {
    const NAME: &'static str = "GenerateRandom";
    const READ_ONLY: bool = true;
    const PARAMETERS: &'static [Parameter] = &[
        omitted("NumberOfBytes"),
        omitted("CustomKeyStoreId"),
        secret("Recipient"),
    ];
    type Api = Kms;
    type Output = RandomGenerated;
    type Fault = KmsFault;
    type Resolved = ();
    type Permits = Permit<Self>;

    fn parse(body: &Object<'_>) -> Result<Self, KmsFault> {
        let mut m = Members::of(body);
        let number_of_bytes = m.integer("NumberOfBytes").range(1, 1024).optional();
        let store = m.string("CustomKeyStoreId").length(1, 64).optional();
        let custom_key_store = store.map(str::to_owned);
        let recipient = recipient::is_given(&mut m);
        m.finish()?;
        recipient::refuse(recipient)?;
        let number_of_bytes = number_of_bytes
            .and_then(|bytes| usize::try_from(bytes).ok())
            .ok_or_else(|| KmsFault::validation("NumberOfBytes is required."))?;
        Ok(Self {
            number_of_bytes,
            custom_key_store,
        })
    }

    async fn resolve(&self, _cx: &Cx<'_>) -> Result<(), KmsFault> {
        Ok(())
    }

    fn authorize(&self, (): &(), gate: &Gate<'_>) -> Result<Self::Permits, Denied> {
        gate.account(|_| ())
    }

    async fn call(
        &self,
        _permit: &Self::Permits,
        (): &(),
        _cx: &Cx<'_>,
    ) -> Result<Done<RandomGenerated>, KmsFault> {
        if self.custom_key_store.is_some() {
            let text = "Custom key stores are not supported by this version of Keyward.";
            return Err(KmsFault::UnsupportedOperation {
                message: Some(text.to_owned()),
            });
        }
        Ok(Done::unchanged(RandomGenerated {
            plaintext: random::secret(self.number_of_bytes),
        }))
    }

    // AWS records no parameters of this one.
}

impl Output<Kms> for RandomGenerated {
    fn render(&self, out: &mut Writer<'_>) {
        out.blob("Plaintext", self.plaintext.expose());
    }
}
