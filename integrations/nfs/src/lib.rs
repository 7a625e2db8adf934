//! NFS 4.0 and 4.1 exports of mounted directories, as the mount targets of EFS serve them.
//!
//! ```text
//! client ──TCP or TLS──▶ front: address, certificate, right ──▶ nfs-ganesha in a sandbox ──▶ the mounted volume
//!                          └─ while the volume is locked: answers with I/O errors
//! ```
//!
//! [`server::Server`] listens on the addresses of mount targets. Each client is asked about
//! ([`authorize::Authorize`]), and its messages are passed to the nfs-ganesha of the *view* that it has a right
//! to: a directory of the volume, read-only or not, with or without root. Nothing here knows AWS, HTTP, or where
//! volumes come from.
//!
//! - A view's process is alone in its namespaces (`sandbox`): it sees the exported directory and a network that
//!   is only `lo`. Nobody on the machine can connect to it but this program.
//! - What a client says of its user is replaced, if it must be another one (`rpc`): access points force user,
//!   group and secondary groups, which nfs-ganesha could not (it forces a user and a group only).
//! - A volume that is locked has no processes, so that it can be unmounted. Clients are answered by `locked`
//!   instead, on the same connections.
//! - TLS is terminated with a certificate of the server; that of the client is read by `certificate`.
//! - A client that is not root of the whole volume can use only handles that a server has given out (`guard`), since nfs-ganesha does not
//!   check that a handle's file is in the directory that it exports, nor the kernel the way to it.
#![deny(unsafe_code)]

pub mod authorize;
pub mod certificate;
pub mod cidr;
mod connection;
pub mod error;
mod ganesha;
mod guard;
mod known;
mod locked;
mod log_file;
pub mod options;
mod places;
mod questions;
mod quiet;
pub mod record;
mod relay;
pub mod requirements;
mod rights;
mod rooms;
pub mod root;
mod rpc;
mod sandbox;
pub mod server;
mod shared;
mod tls;
mod unshare;
mod view;
mod volume;
mod xdr;

/// For `fuzz/`: whether the calls of a client of an access point are passed on, which arrive in pieces of `step` bytes
/// after their header.
#[doc(hidden)]
pub fn fuzz_guard(call: &[u8], step: usize) -> bool {
    let Ok(parsed) = rpc::Call::parse(call) else {
        return false;
    };
    let (head, rest) = parsed.arguments.split_at(parsed.arguments.len().min(step));
    let head = rpc::Call {
        arguments: head,
        ..parsed
    };
    let mut guard = guard::Guard::default();
    let begun = guard.begin(&head);
    let fed = begun.and_then(|()| {
        rest.chunks(step.max(1))
            .try_for_each(|piece| guard.more(piece))
    });
    fed.and_then(|()| guard.end()).is_ok()
}

/// For `fuzz/`: what a stranger's bytes meet first. Takes a stream as it arrives while a volume is locked, in pieces
/// of `step` bytes, and answers what is sent back; `None` if the connection is closed.
#[doc(hidden)]
pub fn fuzz_locked(stream: &[u8], step: usize) -> Option<Vec<u8>> {
    let mut records = record::Records::default();
    let mut answers = Vec::new();
    for piece in stream.chunks(step.max(1)) {
        let mut heads = Vec::new();
        let fed = records.feed(piece, |piece| {
            if let record::Piece::Head { head, .. } = piece {
                heads.push(head.to_vec());
            }
        });
        fed.ok()?;
        for head in heads {
            answers.extend(locked::answer(&head, locked::Failure::Io)?);
        }
    }
    Some(answers)
}
