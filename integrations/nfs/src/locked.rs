//! What clients are answered while a volume is locked, or if they may not use it (RFC 7530, RFC 8881).
//!
//! Every COMPOUND gets an answer at once: what keeps a lease or a connection is confirmed, and the first operation
//! that touches the file system fails with NFS4ERR_IO or NFS4ERR_ACCESS. So a client neither hangs nor gives its mount up, and what
//! it asks for fails with EIO. When the volume is unlocked, the real server does not know the client's session and
//! says so, and the client recovers as after a restart of its server.

use crate::{
    rpc::{self, Answer, Call},
    xdr::{Malformed, Reader, Writer},
};

/// The longest tag of a COMPOUND, which the answer repeats.
const MAX_TAG: usize = 256;
/// How many slots nfs-ganesha gives a session, counted from 0.
const HIGHEST_SLOT: u32 = 63;

const OK: u32 = 0;
const MINOR_VERSION_MISMATCH: u32 = 10_021;
const ILLEGAL: u32 = 10_044;

/// Why everything fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Failure {
    /// NFS4ERR_IO: the files cannot be read at present.
    Io,
    /// NFS4ERR_ACCESS: the client may not use the volume.
    Access,
}

impl Failure {
    fn status(self) -> u32 {
        match self {
            Self::Io => 5,
            Self::Access => 13,
        }
    }
}

/// Operations that are told apart; the others fail in the same way.
mod op {
    pub(super) const FIRST: u32 = 3;
    pub(super) const RENEW: u32 = 30;
    pub(super) const SETATTR: u32 = 34;
    pub(super) const LAST_OF_4_0: u32 = 39;
    pub(super) const BIND_CONN_TO_SESSION: u32 = 41;
    pub(super) const DESTROY_SESSION: u32 = 44;
    pub(super) const SEQUENCE: u32 = 53;
    pub(super) const DESTROY_CLIENTID: u32 = 57;
    pub(super) const LAST_OF_4_1: u32 = 58;
    pub(super) const ILLEGAL: u32 = 10_044;
}

/// The answer to a call, of which only the beginning is known, as one record; `None` if the beginning does not
/// tell what to answer, so that the connection must be closed.
pub(crate) fn answer(head: &[u8], failure: Failure) -> Option<Vec<u8>> {
    let call = Call::parse(head).ok()?;
    let answer = answer_call(&call, failure).unwrap_or(Answer::Garbage);
    Some(crate::record::record(&rpc::answer(call.xid, &answer)))
}

fn answer_call(call: &Call<'_>, failure: Failure) -> Result<Answer, Malformed> {
    const NULL: u32 = 0;
    const COMPOUND: u32 = 1;
    if !rpc::is_rpc_version(call.rpc_version) {
        return Ok(Answer::NoRpcVersion);
    }
    if !call.flavor.is_plain() {
        return Ok(Answer::BadCredentials);
    }
    if call.program != rpc::NFS {
        return Ok(Answer::NoProgram);
    }
    if call.version != rpc::NFS_VERSION {
        return Ok(Answer::NoVersion);
    }
    match call.procedure {
        NULL => Ok(Answer::Success(Vec::new())),
        COMPOUND => Ok(Answer::Success(compound(call.arguments, failure)?)),
        _ => Ok(Answer::NoProcedure),
    }
}

/// The results of a COMPOUND.
fn compound(arguments: &[u8], failure: Failure) -> Result<Vec<u8>, Malformed> {
    let mut reader = Reader::new(arguments);
    let tag = reader.opaque(MAX_TAG)?;
    let minor = reader.unsigned()?;
    let count = reader.unsigned()?;
    let mut results = Writer::default();
    let mut done = 0_u32;
    let mut status = OK;
    let last = match minor {
        0 => op::LAST_OF_4_0,
        1 => op::LAST_OF_4_1,
        _ => {
            status = MINOR_VERSION_MISMATCH;
            op::FIRST
        }
    };
    while status == OK && done < count {
        let number = reader.unsigned()?;
        status = operation(number, last, failure, &mut reader, &mut results)?;
        done += 1;
    }
    let mut writer = Writer::default();
    writer.unsigned(status).opaque(tag).unsigned(done);
    let mut bytes = writer.finish();
    bytes.extend(results.finish());
    Ok(bytes)
}

/// Adds the result of one operation, and answers its status.
fn operation(
    number: u32,
    last: u32,
    failure: Failure,
    arguments: &mut Reader<'_>,
    results: &mut Writer,
) -> Result<u32, Malformed> {
    if !(op::FIRST..=last).contains(&number) {
        results.unsigned(op::ILLEGAL).unsigned(ILLEGAL);
        return Ok(ILLEGAL);
    }
    results.unsigned(number);
    match number {
        op::SEQUENCE => {
            let session = arguments.fixed(16)?;
            let sequence = arguments.unsigned()?;
            let slot = arguments.unsigned()?;
            let highest = arguments.unsigned()?;
            let _cache = arguments.unsigned()?;
            results.unsigned(OK).fixed(session).unsigned(sequence);
            results.unsigned(slot).unsigned(highest);
            results.unsigned(highest.max(HIGHEST_SLOT)).unsigned(0);
        }
        op::BIND_CONN_TO_SESSION => {
            let session = arguments.fixed(16)?;
            let wanted = arguments.unsigned()?;
            let _rdma = arguments.unsigned()?;
            // Either direction, or both if the client leaves it to the server.
            let direction = match wanted {
                1 | 2 => wanted,
                _ => 3,
            };
            results.unsigned(OK).fixed(session);
            results.unsigned(direction).unsigned(0);
        }
        // The sessions ended with the server that had them, so that there is nothing to do.
        op::DESTROY_SESSION => {
            arguments.fixed(16)?;
            results.unsigned(OK);
        }
        op::RENEW | op::DESTROY_CLIENTID => {
            arguments.fixed(8)?;
            results.unsigned(OK);
        }
        op::SETATTR => {
            // The set of attributes that were changed follows the status also of a failure.
            results.unsigned(failure.status()).unsigned(0);
            return Ok(failure.status());
        }
        _ => {
            results.unsigned(failure.status());
            return Ok(failure.status());
        }
    }
    Ok(OK)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SESSION: &str = "000102030405060708090a0b0c0d0e0f";

    /// What a COMPOUND is answered, both without what all calls have in common, in hexadecimal.
    fn answered(arguments: &str) -> String {
        let (answer, header) = ask(
            100_003,
            4,
            1,
            &hex::decode(arguments.replace(' ', "")).unwrap(),
        );
        assert_eq!(
            header,
            "12345678 00000001 00000000 00000000 00000000 00000000"
        );
        answer
    }

    fn ask(program: u32, version: u32, procedure: u32, arguments: &[u8]) -> (String, String) {
        let mut call = Writer::default();
        call.unsigned(0x1234_5678).unsigned(0).unsigned(2);
        call.unsigned(program).unsigned(version).unsigned(procedure);
        call.unsigned(1).opaque(&[0; 20]).unsigned(0).opaque(b"");
        let mut call = call.finish();
        call.extend(arguments);
        let record = answer(&call, Failure::Io).unwrap();
        let (mark, message) = record.split_first_chunk().unwrap();
        assert_eq!(*mark, crate::record::mark(message.len(), true));
        let words: Vec<_> = message.chunks(4).map(hex::encode).collect();
        (words[6..].join(" "), words[..6].join(" "))
    }

    #[test]
    fn a_session_is_kept_and_what_it_asks_for_fails() {
        // tag "read", minor version 1, SEQUENCE, PUTFH, READ
        let asked = format!(
            "00000004 72656164 00000001 00000003 \
             00000035 {SESSION} 00000007 00000002 00000005 00000001 \
             00000016 00000004 aabbccdd 00000019"
        );
        assert_eq!(
            answered(&asked),
            "00000005 00000004 72656164 00000002 \
             00000035 00000000 00010203 04050607 08090a0b 0c0d0e0f 00000007 00000002 00000005 0000003f 00000000 \
             00000016 00000005"
        );
    }

    #[test]
    fn a_lease_is_renewed() {
        let of_4_1 = format!(
            "00000000 00000001 00000001 00000035 {SESSION} 00000007 00000000 00000000 00000000"
        );
        assert_eq!(
            answered(&of_4_1),
            "00000000 00000000 00000001 \
             00000035 00000000 00010203 04050607 08090a0b 0c0d0e0f 00000007 00000000 00000000 0000003f 00000000"
        );
        assert_eq!(
            answered("00000000 00000000 00000001 0000001e 1122334455667788"),
            "00000000 00000000 00000001 0000001e 00000000"
        );
    }

    #[test]
    fn a_new_connection_is_bound_to_its_session() {
        for (wanted, given) in [
            ("00000001", "00000001"),
            ("00000002", "00000002"),
            ("00000003", "00000003"),
            ("00000007", "00000003"),
        ] {
            let asked = format!("00000000 00000001 00000001 00000029 {SESSION} {wanted} 00000000");
            let wanted = format!(
                "00000000 00000000 00000001 00000029 00000000 00010203 04050607 08090a0b 0c0d0e0f {given} 00000000"
            );
            assert_eq!(answered(&asked), wanted);
        }
    }

    #[test]
    fn without_a_session_the_first_operation_fails() {
        // PUTROOTFH of 4.0; EXCHANGE_ID of 4.1
        assert_eq!(
            answered("00000000 00000000 00000002 00000018 0000000a"),
            "00000005 00000000 00000001 00000018 00000005"
        );
        assert_eq!(
            answered("00000000 00000001 00000001 0000002a 00000000"),
            "00000005 00000000 00000001 0000002a 00000005"
        );
    }

    #[test]
    fn who_may_not_use_the_volume_is_told_so() {
        // PUTROOTFH of 4.0
        let mut call = Writer::default();
        call.unsigned(9)
            .unsigned(0)
            .unsigned(2)
            .unsigned(100_003)
            .unsigned(4)
            .unsigned(1);
        call.unsigned(0).opaque(b"").unsigned(0).opaque(b"");
        call.opaque(b"").unsigned(0).unsigned(1).unsigned(24);
        let record = answer(&call.finish(), Failure::Access).unwrap();
        let wanted = "0000000d 00000000 00000001 00000018 0000000d";
        assert_eq!(hex::encode(&record[28..]), wanted.replace(' ', ""));
    }

    #[test]
    fn a_client_can_leave() {
        let session = format!("00000000 00000001 00000001 0000002c {SESSION}");
        assert_eq!(
            answered(&session),
            "00000000 00000000 00000001 0000002c 00000000"
        );
        assert_eq!(
            answered("00000000 00000001 00000001 00000039 1122334455667788"),
            "00000000 00000000 00000001 00000039 00000000"
        );
    }

    #[test]
    fn setattr_fails_with_an_empty_set_of_attributes() {
        assert_eq!(
            answered("00000000 00000000 00000001 00000022"),
            "00000005 00000000 00000001 00000022 00000005 00000000"
        );
    }

    #[test]
    fn other_minor_versions_and_operations_are_refused_as_by_the_server() {
        assert_eq!(
            answered("00000000 00000002 00000001 00000035"),
            "00002725 00000000 00000000"
        );
        // SEQUENCE does not exist in 4.0, nor operation 2 at all.
        for number in ["00000035", "00000002"] {
            let asked = format!("00000000 00000000 00000001 {number}");
            assert_eq!(
                answered(&asked),
                "0000273c 00000000 00000001 0000273c 0000273c"
            );
        }
        assert_eq!(
            answered("00000000 00000001 00000000"),
            "00000000 00000000 00000000"
        );
    }

    #[test]
    fn rpc_itself_is_answered() {
        let accepted = |status| format!("12345678 00000001 00000000 00000000 00000000 {status}");
        assert_eq!(
            ask(100_003, 4, 0, b""),
            (String::new(), accepted("00000000"))
        );
        assert_eq!(
            ask(100_003, 4, 2, b""),
            (String::new(), accepted("00000003"))
        );
        assert_eq!(
            ask(100_003, 3, 0, b""),
            ("00000004 00000004".to_owned(), accepted("00000002"))
        );
        // The first that a mount with efs-proxy sends.
        assert_eq!(
            ask(100_200, 1, 1, b""),
            (String::new(), accepted("00000001"))
        );
        // A tag that is longer than its limit.
        assert_eq!(
            ask(100_003, 4, 1, &[1; 8]),
            (String::new(), accepted("00000004"))
        );
    }

    #[test]
    fn kerberos_is_refused_so_that_a_client_tries_auth_sys() {
        let mut call = Writer::default();
        call.unsigned(9)
            .unsigned(0)
            .unsigned(2)
            .unsigned(100_003)
            .unsigned(4)
            .unsigned(0);
        call.unsigned(6).opaque(&[0; 20]).unsigned(0).opaque(b"");
        let record = answer(&call.finish(), Failure::Io).unwrap();
        assert_eq!(
            hex::encode(record),
            "8000001400000009000000010000000100000001000000 01".replace(' ', "")
        );
    }

    #[test]
    fn what_is_no_call_is_not_answered() {
        assert_eq!(answer(b"", Failure::Io), None);
        assert_eq!(answer(&[0; 20], Failure::Io), None);
    }
}
