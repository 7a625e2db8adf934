//! What clients of file systems may do: the server decides, and the agent asks.

use keyward_client::answer::Failure;
use keyward_keeper::verdict::{Verdict, verdict};
use keyward_nfs::authorize::{
    AccessPoint, Answer, Authorize, Creation, Question, Refused, Rights, User,
};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::talk::{Server, TIMEOUT};

/// Asks the server of an agent.
#[derive(Clone, Debug)]
pub struct Clients(Server);

/// The answer to AuthorizeMount.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Authorized {
    write: bool,
    root: bool,
    access_point: Option<Point>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Point {
    path: String,
    posix_user: Option<PosixUser>,
    creation_info: Option<CreationInfo>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct PosixUser {
    uid: u32,
    gid: u32,
    #[serde(default)]
    secondary_gids: Vec<u32>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct CreationInfo {
    owner_uid: u32,
    owner_gid: u32,
    permissions: String,
}

impl Clients {
    /// The clients of an agent.
    pub const fn new(server: Server) -> Self {
        Self(server)
    }

    /// What somebody on this machine may do, without NFS. The way is as safe as the machine.
    ///
    /// # Errors
    /// When nothing may be done, or nobody could be asked.
    pub async fn local(
        &self,
        volume: &str,
        access_point: Option<&str>,
        again: bool,
    ) -> Result<Rights, Refused> {
        let mut input = json!({
            "VolumeId": volume,
            "SecureTransport": true,
            "ClientAddress": "127.0.0.1",
            "Again": again,
        });
        add(&mut input, "AccessPointId", access_point.map(Into::into));
        self.ask(&input).await
    }

    async fn ask(&self, input: &Value) -> Result<Rights, Refused> {
        let answer = self.0.call("AuthorizeMount", input, TIMEOUT).await;
        let unread = || Refused::Unanswered {
            reason: "the server did not answer as Keyward does".to_owned(),
        };
        match answer {
            Ok(answer) => {
                let answer: Option<Authorized> = serde_json::from_slice(&answer).ok();
                answer.and_then(rights).ok_or_else(unread)
            }
            Err(failure) => Err(refused(&failure)),
        }
    }
}

impl Authorize for Clients {
    fn authorize(&self, question: Question) -> Answer<'_> {
        Box::pin(async move {
            let mut input = json!({
                "VolumeId": question.volume,
                "MountTargetId": question.target,
                "SecureTransport": question.tls,
                "ClientAddress": question.client.to_canonical().to_string(),
                "Again": question.again,
            });
            if let Some(certificate) = question.certificate {
                let point = certificate.access_point.map(Into::into);
                add(&mut input, "FileSystemId", Some(question.volume.into()));
                add(&mut input, "AccessPointId", point);
                if let Some(identity) = certificate.identity {
                    let mut signed = json!({
                        "AccessKeyId": identity.access_key_id,
                        "DateTime": identity.date_time,
                        "Signature": identity.signature,
                        "PublicKeyHash": certificate.public_key_hash,
                    });
                    let token = identity.session_token.map(Into::into);
                    add(&mut signed, "SessionToken", token);
                    add(&mut input, "Identity", Some(signed));
                }
            }
            self.ask(&input).await
        })
    }
}

fn add(input: &mut Value, name: &str, value: Option<Value>) {
    if let (Some(members), Some(value)) = (input.as_object_mut(), value) {
        members.insert(name.to_owned(), value);
    }
}

/// What the server has decided; none if it cannot be understood.
fn rights(answer: Authorized) -> Option<Rights> {
    let access_point = match answer.access_point {
        None => None,
        Some(point) => Some(AccessPoint {
            path: point.path,
            user: point.posix_user.map(|user| User {
                uid: user.uid,
                gid: user.gid,
                secondary_gids: user.secondary_gids,
            }),
            creation: match point.creation_info {
                None => None,
                Some(made) => Some(Creation {
                    owner_uid: made.owner_uid,
                    owner_gid: made.owner_gid,
                    permissions: u32::from_str_radix(&made.permissions, 8).ok()?,
                }),
            },
        }),
    };
    Some(Rights {
        write: answer.write,
        root: answer.root,
        access_point,
    })
}

/// A refusal ends connections, and everything that has grace for keys has it here.
fn refused(failure: &Failure) -> Refused {
    let reason = failure.to_string();
    match verdict(Err(failure)) {
        Verdict::Cut => Refused::Denied { reason },
        Verdict::Grace | Verdict::Fine => Refused::Unanswered { reason },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_server_decides_is_understood() {
        let read = |text: &str| rights(serde_json::from_str(text).unwrap());
        let plain = read(r#"{"Write":true,"Root":false}"#).unwrap();
        assert!(plain.write && !plain.root && plain.access_point.is_none());
        let through = read(
            r#"{"Write":true,"Root":true,"AccessPoint":{"AccessPointId":"fsap-1","Path":"/a",
                "PosixUser":{"Uid":1,"Gid":2,"SecondaryGids":[3]},
                "CreationInfo":{"OwnerUid":4,"OwnerGid":5,"Permissions":"0755"}}}"#,
        );
        let point = through.unwrap().access_point.unwrap();
        assert_eq!(
            (point.path.as_str(), point.user.unwrap().secondary_gids),
            ("/a", vec![3])
        );
        assert_eq!(point.creation.unwrap().permissions, 0o755);
        let odd = r#"{"Write":true,"Root":true,"AccessPoint":{"Path":"/a",
            "CreationInfo":{"OwnerUid":4,"OwnerGid":5,"Permissions":"rwx"}}}"#;
        assert_eq!(read(odd), None);
    }

    #[test]
    fn a_refusal_ends_a_connection_and_a_missing_answer_does_not() {
        let of = |status, code: &str| {
            refused(&Failure::Refused {
                status,
                code: code.to_owned(),
                message: None,
            })
        };
        for code in [
            "AccessDeniedException",
            "NotFoundException",
            "UnrecognizedClientException",
        ] {
            assert!(matches!(of(400, code), Refused::Denied { .. }), "{code}");
        }
        for (status, code) in [(400, "ThrottlingException"), (500, "KMSInternalException")] {
            assert!(
                matches!(of(status, code), Refused::Unanswered { .. }),
                "{code}"
            );
        }
        let none = refused(&Failure::NoAnswer("no answer in time".to_owned()));
        assert!(matches!(none, Refused::Unanswered { .. }));
    }
}
