//! Who has used a key, according to the trail.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs::File,
    io::{self, BufRead as _, BufReader},
    path::Path,
};

use keyward_trail::segment;
use keyward_types::time::Timestamp;
use serde_json::Value;

use crate::explain_recorded_decision::text;

/// The most principals that are listed.
pub const MOST_USERS: usize = 1000;
/// The operations that fail without the key. Others only read or change its metadata.
const OPERATIONS: [&str; 14] = [
    "Decrypt",
    "DeriveSharedSecret",
    "Encrypt",
    "GenerateDataKey",
    "GenerateDataKeyPair",
    "GenerateDataKeyPairWithoutPlaintext",
    "GenerateDataKeyWithoutPlaintext",
    "GenerateMac",
    "ReEncrypt",
    "ReEncryptFrom",
    "ReEncryptTo",
    "Sign",
    "Verify",
    "VerifyMac",
];

/// Somebody who has used the key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct User {
    /// A user, a role (of all its sessions), a service, or another account.
    pub principal: String,
    /// How often.
    pub uses: u64,
    /// When last, as the trail writes it.
    pub last: String,
    /// By which operations.
    pub operations: BTreeSet<String>,
    /// Through which services.
    pub via: BTreeSet<String>,
}

/// All of them.
#[derive(Debug, Default)]
pub struct Found {
    /// Those who used it last come first.
    pub users: Vec<User>,
    /// How often it was used by those who are too many.
    pub others: u64,
}

/// Reads the trail of an account, the newest segment first, for successful uses of a key since then.
///
/// # Errors
/// When it cannot be read.
pub fn users(
    directory: &Path,
    (key, account): (&str, &str),
    since: Timestamp,
) -> io::Result<Found> {
    let since = since.iso8601();
    let mut found: BTreeMap<String, User> = BTreeMap::new();
    let mut others = 0;
    for segment in segment::paths(directory)?.iter().rev() {
        let mut reader = BufReader::with_capacity(1 << 18, File::open(segment)?);
        let (mut line, mut began) = (String::new(), None);
        loop {
            line.clear();
            if reader.read_line(&mut line)? == 0 {
                break;
            }
            // Most lines are about something else, and are not parsed.
            let may_be = line.contains(key);
            if began.is_some() && !may_be {
                continue;
            }
            let Ok(event) = serde_json::from_str::<Value>(&line) else {
                continue;
            };
            let Some(time) = text(&event, "/eventTime") else {
                continue;
            };
            began.get_or_insert_with(|| time.to_owned());
            if time < since.as_str() || !is_use(&event, (key, account)) {
                continue;
            }
            let principal = principal(&event);
            if found.len() >= MOST_USERS && !found.contains_key(&principal) {
                others += 1;
                continue;
            }
            let user = found.entry(principal.clone()).or_insert_with(|| User {
                principal,
                uses: 0,
                last: String::new(),
                operations: BTreeSet::new(),
                via: BTreeSet::new(),
            });
            user.uses += 1;
            if user.last.as_str() < time {
                time.clone_into(&mut user.last);
            }
            let name = text(&event, "/eventName").unwrap_or_default();
            user.operations.insert(name.to_owned());
            let via = text(&event, "/userIdentity/invokedBy");
            let via = via.filter(|via| *via != user.principal);
            user.via.extend(via.map(str::to_owned));
        }
        // What is older is in older segments.
        if began.is_some_and(|began| began.as_str() < since.as_str()) {
            break;
        }
    }
    let mut users: Vec<User> = found.into_values().collect();
    users.sort_by(|a, b| (&b.last, &a.principal).cmp(&(&a.last, &b.principal)));
    Ok(Found { users, others })
}

/// Whether an event is a successful use of the key, in the trail of the key's account.
fn is_use(event: &Value, (key, account): (&str, &str)) -> bool {
    let resources = event.pointer("/resources").and_then(Value::as_array);
    let mut resources = resources.into_iter().flatten();
    let name = text(event, "/eventName").unwrap_or_default();
    text(event, "/recipientAccountId") == Some(account)
        && text(event, "/eventSource") == Some("kms.amazonaws.com")
        && event.pointer("/errorCode").is_none()
        && OPERATIONS.contains(&name)
        && resources.any(|resource| text(resource, "/ARN") == Some(key))
}

/// Who that is. All sessions of a role are the role: they come and go.
fn principal(event: &Value) -> String {
    let name = match text(event, "/userIdentity/type") {
        Some("AWSService") => text(event, "/userIdentity/invokedBy"),
        // For other accounts, no more is shown.
        Some("AWSAccount") => text(event, "/userIdentity/accountId"),
        Some("AssumedRole") => text(event, "/userIdentity/sessionContext/sessionIssuer/arn"),
        _ => None,
    };
    let name = name.or_else(|| text(event, "/userIdentity/arn"));
    name.unwrap_or("unknown").to_owned()
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    const KEY: &str = "arn:aws:kms:us-east-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab";
    const OTHER: &str =
        "arn:aws:kms:us-east-1:111122223333:key/0000abcd-12ab-34cd-56ef-1234567890ab";
    const ACCOUNT: &str = "111122223333";

    /// A line of the trail: who, what, when, with which key.
    fn line(who: &str, (name, time): (&str, &str), key: &str, more: &str) -> String {
        format!(
            r#"{{"userIdentity":{who},"eventTime":"{time}","eventSource":"kms.amazonaws.com","eventName":"{name}",{more}"resources":[{{"ARN":"{key}"}}],"recipientAccountId":"{ACCOUNT}"}}"#
        ) + "\n"
    }

    fn user(name: &str) -> String {
        format!(r#"{{"type":"IAMUser","arn":"arn:aws:iam::{ACCOUNT}:user/{name}"}}"#)
    }

    fn read(segments: &[String]) -> Found {
        let home = tempfile::tempdir().unwrap();
        for (number, text) in (1..).zip(segments) {
            let path = home.path().join(format!("trail-{number:08}.jsonl"));
            fs::write(path, text).unwrap();
        }
        // 2026-11-01T00:00:00Z
        let since = Timestamp::from_millis(1_793_491_200_000);
        assert_eq!(&since.iso8601(), "2026-11-01T00:00:00Z");
        users(home.path(), (KEY, ACCOUNT), since).unwrap()
    }

    #[test]
    fn successful_uses_of_the_key_are_counted_by_principal_and_not_what_is_older() {
        let role = format!(
            r#"{{"type":"AssumedRole","arn":"arn:aws:sts::{ACCOUNT}:assumed-role/app/s1","sessionContext":{{"sessionIssuer":{{"arn":"arn:aws:iam::{ACCOUNT}:role/app"}}}},"invokedBy":"elasticfilesystem.amazonaws.com"}}"#
        );
        let service = r#"{"type":"AWSService","invokedBy":"elasticfilesystem.amazonaws.com"}"#;
        let foreign = r#"{"type":"AWSAccount","accountId":"444455556666"}"#;
        let denied = r#""errorCode":"AccessDenied","#;
        let old = line(&user("old"), ("Decrypt", "2026-10-31T23:59:59Z"), KEY, "");
        let found = read(&[
            line(&user("older"), ("Decrypt", "2026-11-20T00:00:00Z"), KEY, ""),
            old.clone() + &line(&user("a"), ("Decrypt", "2026-11-01T00:00:00Z"), KEY, ""),
            line(&user("a"), ("Encrypt", "2026-11-03T00:00:00Z"), KEY, "")
                + &line(&user("a"), ("Decrypt", "2026-11-02T00:00:00Z"), KEY, "")
                + &line(&user("b"), ("DescribeKey", "2026-11-02T00:00:00Z"), KEY, "")
                + &line(&user("c"), ("Decrypt", "2026-11-02T00:00:00Z"), OTHER, "")
                + &line(&user("d"), ("Decrypt", "2026-11-02T00:00:00Z"), KEY, denied)
                + "torn {"
                + "\n"
                + &line(&role, ("GenerateDataKey", "2026-11-04T00:00:00Z"), KEY, "")
                + &line(service, ("Decrypt", "2026-11-05T00:00:00Z"), KEY, "")
                + &line(foreign, ("Decrypt", "2026-11-06T00:00:00Z"), KEY, ""),
        ]);
        let shown: Vec<String> = (found.users.iter())
            .map(|user| {
                let words =
                    |set: &BTreeSet<String>| set.iter().cloned().collect::<Vec<_>>().join("+");
                let (operations, via) = (words(&user.operations), words(&user.via));
                format!(
                    "{} {} {} {operations} {via}",
                    user.principal, user.uses, user.last
                )
            })
            .collect();
        assert_eq!(
            shown,
            [
                "444455556666 1 2026-11-06T00:00:00Z Decrypt ".to_owned(),
                "elasticfilesystem.amazonaws.com 1 2026-11-05T00:00:00Z Decrypt ".to_owned(),
                format!(
                    "arn:aws:iam::{ACCOUNT}:role/app 1 2026-11-04T00:00:00Z GenerateDataKey elasticfilesystem.amazonaws.com"
                ),
                format!("arn:aws:iam::{ACCOUNT}:user/a 3 2026-11-03T00:00:00Z Decrypt+Encrypt "),
            ]
        );
        assert_eq!(found.others, 0);
    }

    #[test]
    fn there_is_a_most_of_principals() {
        let time = "2026-11-02T00:00:00Z";
        let lines = (0..MOST_USERS + 5)
            .map(|number| line(&user(&format!("u{number}")), ("Decrypt", time), KEY, ""));
        let found = read(&[lines.collect()]);
        assert_eq!((found.users.len(), found.others), (MOST_USERS, 5));
    }
}
