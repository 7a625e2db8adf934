//! `OpenVolume`: an agent is given the data key of a volume that is assigned to it.
//!
//! The server unwraps it as the service that the volume belongs to: the service's grant decides, and
//! the call of `Decrypt` has an event of its own. The agent cannot call KMS itself, and so cannot
//! present the wrapped key of another agent's volume.
//!
//! The cut-off of an open volume depends on this answer. So each volume has a rate of its own, and a caller that
//! exceeds it is still told what KMS refuses: only the data key is not given out, and nothing is recorded.
//!
//! A snapshot is not used. Its data key is given only until it is there, and while another volume is to be made from it.

use keyward_crypto::secret::SecretBytes;
use keyward_engine::{
    audit::parameters::{Parameter, text},
    directory::records::storage::{VolumeRecord, Wanted},
    gate::{Denied, Gate},
    operation::{Done, Operation, Output},
};
use keyward_store::revision::Revision;
use keyward_types::storage::VolumeId;
use keyward_wire::json::{Members, Object, Writer};

use crate::{Cx, Keyward, agents, copies, fault::KeywardFault, unwrapped};

/// The input.
#[derive(Debug)]
pub struct OpenVolume {
    volume: String,
}

/// The output.
#[derive(Debug)]
pub struct Opened {
    volume: VolumeId,
    generation: u64,
    plaintext: SecretBytes,
}

impl Operation for OpenVolume {
    const NAME: &'static str = "OpenVolume";
    const READ_ONLY: bool = true;
    const PARAMETERS: &'static [Parameter] = &[text("VolumeId")];
    type Api = Keyward;
    type Output = Opened;
    type Fault = KeywardFault;
    type Resolved = (VolumeRecord, Revision);
    type Permits = ();

    fn parse(body: &Object<'_>) -> Result<Self, KeywardFault> {
        let mut m = Members::of(body);
        let volume = m.string("VolumeId").length(1, 64).required().to_owned();
        m.finish()?;
        Ok(Self { volume })
    }

    async fn resolve(&self, cx: &Cx<'_>) -> Result<Self::Resolved, KeywardFault> {
        let found = self.find(cx).await;
        found.map_err(|fault| match fault {
            KeywardFault::NoSuchVolume { .. } if !cx.admits(None) => {
                KeywardFault::Unrecorded(Box::new(fault))
            }
            fault => fault,
        })
    }

    fn authorize(&self, _volume: &Self::Resolved, _gate: &Gate<'_>) -> Result<(), Denied> {
        // Being the agent that it is assigned to is the permission; KMS decides about the key.
        Ok(())
    }

    async fn call(
        &self,
        (): &(),
        (volume, _): &Self::Resolved,
        cx: &Cx<'_>,
    ) -> Result<Done<Opened>, KeywardFault> {
        let (agent, _) = agents::caller(cx)?;
        let key = volume.key.as_ref();
        let key = key.filter(|_| volume.wanted == Wanted::Present);
        let key = key.ok_or_else(|| KeywardFault::nothing_to_open(&volume.id))?;
        if !cx.admits(Some(volume.id.as_str())) {
            let would_be = unwrapped::would_be(cx, agent.account, (volume, key)).await;
            let told = would_be.map_or_else(KeywardFault::from, |()| KeywardFault::NoTurn);
            return Err(KeywardFault::Unrecorded(Box::new(told)));
        }
        let place = (agent.region, agent.account);
        if volume.copies.at_rest
            && volume.was_made()
            && !copies::is_being_copied(cx, place, &volume.id).await?
        {
            return Err(KeywardFault::at_rest(&volume.id));
        }
        let plaintext = unwrapped::data_key(cx, agent.account, (volume, key)).await?;
        Ok(Done::unchanged(Opened {
            volume: volume.id.clone(),
            generation: volume.generation,
            plaintext,
        }))
    }
}

impl OpenVolume {
    async fn find(&self, cx: &Cx<'_>) -> Result<(VolumeRecord, Revision), KeywardFault> {
        let (agent, id) = agents::caller(cx)?;
        let Ok(volume) = VolumeId::parse(&self.volume) else {
            return Err(KeywardFault::NoSuchVolume {
                volume: self.volume.clone(),
            });
        };
        agents::volume(cx, (agent.region, agent.account), (id, &volume)).await
    }
}

impl Output<Keyward> for Opened {
    fn render(&self, out: &mut Writer<'_>) {
        out.string("VolumeId", self.volume.as_str());
        out.integer(
            "Generation",
            i64::try_from(self.generation).unwrap_or(i64::MAX),
        );
        out.blob("Plaintext", self.plaintext.expose());
    }
}
