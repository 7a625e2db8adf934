//! ONC RPC (RFC 5531): the header of a call, its credentials, and answers.

use crate::{
    authorize::User,
    xdr::{Malformed, Reader, Writer},
};

const CALL: u32 = 0;
const REPLY: u32 = 1;
const RPC_VERSION: u32 = 2;
/// The program number of NFS.
pub(crate) const NFS: u32 = 100_003;
/// The only version that is served.
pub(crate) const NFS_VERSION: u32 = 4;

/// The longest body of credentials.
const MAX_CREDENTIALS: usize = 400;
/// The most secondary groups that AUTH_SYS has room for.
pub const MAX_GROUPS: usize = 16;

/// How a client says who it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Flavor(u32);

impl Flavor {
    pub(crate) const NONE: Self = Self(0);
    pub(crate) const SYS: Self = Self(1);

    /// Whether it is one that needs no Kerberos.
    pub(crate) fn is_plain(self) -> bool {
        matches!(self, Self::NONE | Self::SYS)
    }
}

/// What a message is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A request.
    Call,
    /// An answer.
    Reply,
}

/// The number of a message, and what it is.
pub(crate) fn kind(head: &[u8]) -> Result<(u32, Kind), Malformed> {
    let mut reader = Reader::new(head);
    let xid = reader.unsigned()?;
    match reader.unsigned()? {
        CALL => Ok((xid, Kind::Call)),
        REPLY => Ok((xid, Kind::Reply)),
        _ => Err(Malformed),
    }
}

/// The header of a call.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Call<'a> {
    /// Its number, which the answer repeats.
    pub(crate) xid: u32,
    /// The version of RPC itself.
    pub(crate) rpc_version: u32,
    pub(crate) program: u32,
    pub(crate) version: u32,
    pub(crate) procedure: u32,
    pub(crate) flavor: Flavor,
    /// As much of the arguments as there is.
    pub(crate) arguments: &'a [u8],
}

impl<'a> Call<'a> {
    /// Reads the header of a call from the beginning of a message.
    pub(crate) fn parse(head: &'a [u8]) -> Result<Self, Malformed> {
        let mut reader = Reader::new(head);
        let xid = reader.unsigned()?;
        if reader.unsigned()? != CALL {
            return Err(Malformed);
        }
        let rpc_version = reader.unsigned()?;
        let program = reader.unsigned()?;
        let version = reader.unsigned()?;
        let procedure = reader.unsigned()?;
        let flavor = Flavor(reader.unsigned()?);
        reader.opaque(MAX_CREDENTIALS)?;
        reader.unsigned()?;
        reader.opaque(MAX_CREDENTIALS)?;
        Ok(Self {
            xid,
            rpc_version,
            program,
            version,
            procedure,
            flavor,
            arguments: reader.rest(),
        })
    }

    /// The same beginning of a message with other credentials: AUTH_SYS of a user, whatever the client said.
    pub(crate) fn as_user(&self, user: &User) -> Vec<u8> {
        let mut body = Writer::default();
        // No stamp, and no name of a machine.
        body.unsigned(0)
            .opaque(b"")
            .unsigned(user.uid)
            .unsigned(user.gid);
        let groups = user.secondary_gids.iter().take(MAX_GROUPS);
        body.unsigned(u32::try_from(groups.len()).unwrap_or_default());
        for group in groups {
            body.unsigned(*group);
        }
        let mut writer = Writer::default();
        writer
            .unsigned(self.xid)
            .unsigned(CALL)
            .unsigned(self.rpc_version)
            .unsigned(self.program)
            .unsigned(self.version)
            .unsigned(self.procedure)
            .unsigned(Flavor::SYS.0)
            .opaque(&body.finish())
            .unsigned(Flavor::NONE.0)
            .opaque(b"");
        let mut head = writer.finish();
        head.extend_from_slice(self.arguments);
        head
    }
}

/// Why a call is not carried out, or its result.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    /// The result of the procedure.
    Success(Vec<u8>),
    /// There is no such program.
    NoProgram,
    /// There is only version 4.
    NoVersion,
    /// There is no such procedure.
    NoProcedure,
    /// The arguments are malformed.
    Garbage,
    /// RPC itself has only version 2.
    NoRpcVersion,
    /// Credentials of this kind are not accepted.
    BadCredentials,
}

/// A whole answer.
pub(crate) fn answer(xid: u32, answer: &Answer) -> Vec<u8> {
    const ACCEPTED: u32 = 0;
    const DENIED: u32 = 1;
    let mut writer = Writer::default();
    writer.unsigned(xid).unsigned(REPLY);
    match answer {
        Answer::NoRpcVersion => {
            const RPC_MISMATCH: u32 = 0;
            writer.unsigned(DENIED).unsigned(RPC_MISMATCH);
            writer.unsigned(RPC_VERSION).unsigned(RPC_VERSION);
            return writer.finish();
        }
        Answer::BadCredentials => {
            const AUTH_ERROR: u32 = 1;
            const AUTH_BADCRED: u32 = 1;
            writer.unsigned(DENIED).unsigned(AUTH_ERROR);
            writer.unsigned(AUTH_BADCRED);
            return writer.finish();
        }
        _ => {}
    }
    writer
        .unsigned(ACCEPTED)
        .unsigned(Flavor::NONE.0)
        .opaque(b"");
    let status = match answer {
        Answer::Success(_) => 0,
        Answer::NoProgram => 1,
        Answer::NoVersion => 2,
        Answer::NoProcedure => 3,
        _ => 4,
    };
    writer.unsigned(status);
    match answer {
        Answer::Success(result) => {
            writer.fixed(result);
        }
        Answer::NoVersion => {
            writer.unsigned(NFS_VERSION).unsigned(NFS_VERSION);
        }
        _ => {}
    }
    writer.finish()
}

/// Whether the version of RPC is the one there is.
pub(crate) fn is_rpc_version(version: u32) -> bool {
    version == RPC_VERSION
}

#[cfg(test)]
mod tests {
    use super::*;

    fn call(flavor: u32, credentials: &[u8]) -> Vec<u8> {
        let mut writer = Writer::default();
        writer
            .unsigned(0x1234)
            .unsigned(CALL)
            .unsigned(2)
            .unsigned(NFS)
            .unsigned(4)
            .unsigned(1);
        writer
            .unsigned(flavor)
            .opaque(credentials)
            .unsigned(0)
            .opaque(b"");
        let mut bytes = writer.finish();
        bytes.extend(b"arguments");
        bytes
    }

    #[test]
    fn a_call_is_read() {
        let bytes = call(1, &[7; 20]);
        let call = Call::parse(&bytes).unwrap();
        assert_eq!((call.xid, call.rpc_version), (0x1234, 2));
        assert_eq!((call.program, call.version, call.procedure), (NFS, 4, 1));
        assert!(call.flavor.is_plain());
        assert_eq!(call.arguments, b"arguments");
        assert_eq!(kind(&bytes), Ok((0x1234, Kind::Call)));
    }

    #[test]
    fn other_credentials_replace_what_the_client_said() {
        for bytes in [call(1, &[7; 20]), call(0, b""), call(6, &[9; 400])] {
            let user = User {
                uid: 1000,
                gid: 2000,
                secondary_gids: vec![3000, 4000],
            };
            let replaced = Call::parse(&bytes).unwrap().as_user(&user);
            let again = Call::parse(&replaced).unwrap();
            assert_eq!(again.flavor, Flavor::SYS);
            assert_eq!(again.arguments, b"arguments");
            let hex = "00000001 0000001c 00000000 00000000 000003e8 000007d0 00000002 00000bb8 \
                00000fa0 00000000 00000000";
            let wanted = hex::decode(hex.replace(' ', "")).unwrap();
            assert_eq!(&replaced[24..replaced.len() - 9], wanted);
        }
    }

    #[test]
    fn no_more_groups_are_written_than_auth_sys_has_room_for() {
        let user = User {
            uid: 1,
            gid: 2,
            secondary_gids: (0..100).collect(),
        };
        let bytes = call(0, b"");
        let replaced = Call::parse(&bytes).unwrap().as_user(&user);
        let again = Call::parse(&replaced).unwrap();
        let header = replaced.len() - again.arguments.len();
        assert_eq!(header, 24 + 8 + 20 + 4 * MAX_GROUPS + 8);
    }

    #[test]
    fn credentials_longer_than_the_standard_allows_are_malformed() {
        assert_eq!(Call::parse(&call(1, &[7; 401])).unwrap_err(), Malformed);
    }
}
