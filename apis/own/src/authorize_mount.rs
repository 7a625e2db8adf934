//! `AuthorizeMount`: the agent that serves a volume asks what a client may do with it: whether it may mount the
//! file system, write to it, and be root in it. It asks about every new connection, and again about open ones.
//!
//! Who the client is, the certificate says that it presented: an access key signed the client's public key, as
//! `mount.efs` has it sign with the option `iam`. That signature is verified here like any other. A client
//! without one is unknown. The service that the volume belongs to decides, by an operation that only clients
//! come to, and records it.
//!
//! What strangers are refused is recorded once in ten minutes for an address, so that they cannot fill the disk.
//!
//! <https://docs.aws.amazon.com/efs/latest/ug/mounting-IAM-option.html>

use std::net::IpAddr;

use keyward_engine::{
    audit::parameters::{Parameter, boolean, secret, structure, text},
    directory::records::storage::{VolumeRecord, Wanted},
    fault::Internal,
    forward::{NotDone, for_client},
    front::authenticate::{Expected, Proven, Refused, note_use, prove},
    gate::{Denied, Gate},
    operation::{Done, Operation, Output},
    request::Told,
    turns::network,
};
use keyward_store::revision::Revision;
use keyward_types::storage::VolumeId;
use keyward_wire::{
    json::{Members, Object, Writer},
    sigv4::Request,
};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use crate::{Cx, Keyward, agents, fault::KeywardFault, targets};

/// What clients sign for.
const SERVICE: &str = "elasticfilesystem";
/// For how long a signature in a certificate is good, in seconds: what `mount.efs` signs with.
const EXPIRES: u32 = 86_400;
/// The most characters of a session token.
const MAX_TOKEN: usize = 32 << 10;
/// All but the unreserved characters of RFC 3986.
const RESERVED: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');

/// The input.
#[derive(Debug)]
pub struct AuthorizeMount {
    volume: String,
    file_system: Option<String>,
    target: Option<String>,
    secure: bool,
    address: IpAddr,
    access_point: Option<String>,
    identity: Option<Identity>,
    again: bool,
}

/// The identity in the client's certificate.
#[derive(Debug)]
struct Identity {
    access_key: String,
    at: String,
    signature: String,
    token: Option<String>,
    key_hash: String,
}

/// The output: the service's answer, unchanged.
#[derive(Debug)]
pub struct Rights(bytes::Bytes);

impl Operation for AuthorizeMount {
    const NAME: &'static str = "AuthorizeMount";
    const READ_ONLY: bool = true;
    const PARAMETERS: &'static [Parameter] = &[
        text("VolumeId"),
        text("FileSystemId"),
        text("MountTargetId"),
        boolean("SecureTransport"),
        text("ClientAddress"),
        text("AccessPointId"),
        structure(
            "Identity",
            &[
                text("AccessKeyId"),
                text("DateTime"),
                secret("Signature"),
                secret("SessionToken"),
                text("PublicKeyHash"),
            ],
        ),
        boolean("Again"),
    ];
    type Api = Keyward;
    type Output = Rights;
    type Fault = KeywardFault;
    type Resolved = (VolumeRecord, Revision);
    type Permits = ();

    fn parse(body: &Object<'_>) -> Result<Self, KeywardFault> {
        let mut m = Members::of(body);
        let id = |m: &mut Members<'_>, name| {
            let id = m.string(name).length(1, 128).optional();
            id.map(str::to_owned)
        };
        let volume = m.string("VolumeId").length(1, 64).required().to_owned();
        let file_system = id(&mut m, "FileSystemId");
        let target = id(&mut m, "MountTargetId");
        let secure = m.boolean("SecureTransport").required();
        let address = m.string("ClientAddress").length(2, 45);
        let address = address.pattern("an IP address", |text| text.parse::<IpAddr>().is_ok());
        let address = address.required().parse();
        let access_point = id(&mut m, "AccessPointId");
        let identity = m.structure("Identity", Identity::read).optional();
        let again = m.boolean("Again").optional().unwrap_or(false);
        m.finish()?;
        Ok(Self {
            volume,
            file_system,
            target,
            secure,
            address: address.map_err(Internal::new)?,
            access_point,
            identity,
            again,
        })
    }

    async fn resolve(&self, cx: &Cx<'_>) -> Result<Self::Resolved, KeywardFault> {
        let (agent, id) = agents::caller(cx)?;
        let no_volume = || KeywardFault::NoSuchVolume {
            volume: self.volume.clone(),
        };
        let volume = VolumeId::parse(&self.volume).map_err(|_| no_volume())?;
        let found = agents::volume(cx, (agent.region, agent.account), (id, &volume)).await?;
        // A volume that is being deleted cannot be mounted.
        if found.0.wanted == Wanted::Absent {
            return Err(no_volume());
        }
        Ok(found)
    }

    fn authorize(&self, _volume: &Self::Resolved, _gate: &Gate<'_>) -> Result<(), Denied> {
        // The agent that serves it may ask; the decision is about the client.
        Ok(())
    }

    async fn call(
        &self,
        (): &(),
        (volume, _): &Self::Resolved,
        cx: &Cx<'_>,
    ) -> Result<Done<Rights>, KeywardFault> {
        // Another volume, another address and a change of what is allowed get an event.
        let kind = (
            (volume.id.as_str(), volume.authorization),
            network(self.address),
            (self.secure, self.target.as_deref()),
        );
        let repeats = cx.state().repeats.has(&kind, cx.now);
        let (is_known, decided) = self.decide(volume, repeats, cx).await;
        let fault = match decided {
            Ok(rights) => return Ok(Done::unchanged(rights)),
            Err(fault) => fault,
        };
        if is_known {
            return Err(fault);
        }
        if repeats {
            let address = self.address;
            return Err(fault.repeated(address));
        }
        cx.state().repeats.note(&kind, cx.now);
        Err(fault)
    }
}

impl AuthorizeMount {
    /// Decides about the client; returns also whether the client is known. If a refusal of one that is not `repeats`
    /// another, the service does not record it.
    async fn decide(
        &self,
        volume: &VolumeRecord,
        repeats: bool,
        cx: &Cx<'_>,
    ) -> (bool, Result<Rights, KeywardFault>) {
        let client = match &self.identity {
            Some(identity) => match identity.prove(volume.id.as_str(), cx).await {
                Ok(proven) => Some(proven),
                Err(fault) => return (false, Err(fault)),
            },
            None => None,
        };
        let repeats = repeats && client.is_none();
        let rights = self.ask(volume, (client.as_ref(), repeats), cx).await;
        (client.is_some(), rights)
    }

    /// Has the service decide about a client.
    async fn ask(
        &self,
        volume: &VolumeRecord,
        (client, repeats): (Option<&Proven>, bool),
        cx: &Cx<'_>,
    ) -> Result<Rights, KeywardFault> {
        let (agent, _) = agents::caller(cx)?;
        if let Some(target) = &self.target {
            let served = targets::of(volume, cx.state().vpcs(), agent.region);
            if !served.iter().any(|one| one.id() == target) {
                return Err(KeywardFault::NoSuchTarget {
                    target: target.clone(),
                });
            }
        }
        // A volume has the id of what it holds.
        let id = volume.id.as_str();
        if self.file_system.as_ref().is_some_and(|named| named != id) {
            return Err(KeywardFault::client(
                "The certificate is for another file system.",
            ));
        }
        let body = Writer::render(512, |out| {
            out.string("OwnerId", agent.account.as_str());
            out.string("FileSystemId", id);
            if let Some(target) = &self.target {
                out.string("MountTargetId", target);
            }
            out.boolean("SecureTransport", self.secure);
            if let Some(point) = &self.access_point {
                out.string("AccessPointId", point);
            }
        });
        let operation = match self.again {
            true => "UpdateClientConnection",
            false => "NewClientConnection",
        };
        let named = (volume.service.as_str(), operation);
        let client = (client, agent.account);
        let address = (self.address, repeats);
        let rights = for_client(cx, client, address, named, &body).await;
        let rights = rights.map_err(|not_done| match not_done {
            NotDone::Refused(Told { code, message }) if code != "AccessDeniedException" => {
                KeywardFault::NothingToMount { message }
            }
            NotDone::Refused(told) => KeywardFault::client(&told.message.unwrap_or_default()),
            NotDone::Failed(internal) => internal.into(),
        })?;
        Ok(Rights(rights))
    }
}

impl Identity {
    fn read(told: &mut Members<'_>) -> Self {
        let hexadecimal = |text: &str| text.bytes().all(|byte| byte.is_ascii_hexdigit());
        let is_time = |text: &str| {
            let legal = |byte: u8| byte.is_ascii_digit() || byte == b'T' || byte == b'Z';
            text.bytes().all(legal)
        };
        let is_id = |text: &str| {
            text.bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
        };
        let access_key = told.string("AccessKeyId").length(16, 128);
        let access_key = access_key.pattern(r"\w+", is_id).required().to_owned();
        let at = told.string("DateTime").length(16, 16);
        let at = at.pattern("[0-9TZ]+", is_time).required().to_owned();
        let signature = told.string("Signature").sensitive().length(64, 64);
        let signature = signature.pattern("[0-9a-fA-F]+", hexadecimal).required();
        let signature = signature.to_ascii_lowercase();
        let token = told.string("SessionToken").sensitive().length(1, MAX_TOKEN);
        let token = token.optional().map(str::to_owned);
        let key_hash = told.string("PublicKeyHash").length(40, 64);
        let key_hash = key_hash.pattern("[0-9a-fA-F]+", hexadecimal).required();
        Self {
            access_key,
            at,
            signature,
            token,
            key_hash: key_hash.to_ascii_lowercase(),
        }
    }

    /// Proves who signed the client's public key, for that file system, in the Region of the agent.
    async fn prove(&self, file_system: &str, cx: &Cx<'_>) -> Result<Proven, KeywardFault> {
        let query = self.query(cx.region.as_str());
        let headers = [("host", file_system.as_bytes())];
        let request = Request::new("GET", "/", Some(&query), None, headers, b"");
        let request = request.map_err(KeywardFault::from_client)?;
        let expected = Expected::of_client(SERVICE);
        match prove(cx.shared(), &request, expected).await {
            // A service, or another agent, is not a client of a file system.
            Ok(proven)
                if proven.region() != cx.region
                    || proven.caller().principal().account().is_none() =>
            {
                Err(KeywardFault::client(
                    "The certificate was not signed by anybody who may be a client.",
                ))
            }
            Ok(proven) => {
                note_use(cx.shared(), &proven, SERVICE);
                Ok(proven)
            }
            Err(Refused::Auth(error, _)) => Err(KeywardFault::from_client(error)),
            Err(Refused::Internal(internal)) => Err(internal.into()),
        }
    }

    /// The query that `mount.efs` signs, with the signature. All its characters are escaped here, so that
    /// nothing of a certificate can be a parameter of its own.
    fn query(&self, region: &str) -> String {
        let date = self.at.get(..8).unwrap_or_default();
        let scope = format!("{}/{date}/{region}/{SERVICE}/aws4_request", self.access_key);
        let escaped = |text: &str| utf8_percent_encode(text, RESERVED).to_string();
        let token = self
            .token
            .as_deref()
            .map(|token| format!("&X-Amz-Security-Token={}", escaped(token)));
        format!(
            "Action=Connect&PublicKeyHash={}&X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential={}&X-Amz-Date={}&X-Amz-Expires={EXPIRES}{}&X-Amz-SignedHeaders=host&X-Amz-Signature={}",
            self.key_hash,
            escaped(&scope),
            self.at,
            token.unwrap_or_default(),
            self.signature,
        )
    }
}

impl Output<Keyward> for Rights {
    fn render(&self, out: &mut Writer<'_>) {
        out.members_of(&self.0);
    }
}
