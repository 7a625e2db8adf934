//! What temporary credentials and services may not call, whatever policies say.
//!
//! <https://docs.aws.amazon.com/IAM/latest/UserGuide/id_credentials_sts-comparison.html>

use keyward_wire::sigv4::AuthError;

use crate::{
    caller::{Bearer, Caller},
    fault::Fault,
    front::dispatch::Target,
    iam, keyward, kms,
    operation::Api,
    organizations,
    pipeline::Row,
    session::Subject,
    sts,
};

/// Why the caller's credentials may not be used for this; none if they may.
pub fn restricted(caller: &Caller, target: &Target<'_>) -> Option<Fault> {
    if let Bearer::Service(_) = caller.bearer() {
        return beyond_service(caller, target);
    }
    let subject = caller.session()?.subject();
    match target {
        Target::Kms { .. } | Target::Keyward { .. } | Target::Organizations { .. } => None,
        Target::Iam { .. } => match subject {
            Subject::Role { .. } => None,
            // Without a multi-factor device, and there is none. AWS takes them for unknown.
            Subject::Root | Subject::User(_) | Subject::Federated { .. } => {
                let message = AuthError::UnknownAccessKey.to_string();
                let fault = Fault::new("InvalidClientTokenId", Some(message));
                Some(fault.status(403))
            }
        },
        Target::Sts { name, .. } => restricted_in_sts(caller, subject, name),
    }
}

/// What a service may call by itself: operations on one key, which the key's own side decides,
/// and those that services are there for. It belongs to no account, so nothing that an operation
/// does in the caller's own account is for it, and nothing of one is read for it.
const OF_SERVICES: &[(&str, &[&str])] = &[
    (
        "kms",
        &[
            "CancelKeyDeletion",
            "CreateGrant",
            "Decrypt",
            "DescribeKey",
            "DisableKey",
            "DisableKeyRotation",
            "EnableKey",
            "EnableKeyRotation",
            "Encrypt",
            "GenerateDataKey",
            "GenerateDataKeyWithoutPlaintext",
            "GetKeyLastUsage",
            "GetKeyPolicy",
            "GetKeyRotationStatus",
            "ListGrants",
            "ListKeyPolicies",
            "ListKeyRotations",
            "ListResourceTags",
            "PutKeyPolicy",
            "ReEncrypt",
            "RetireGrant",
            "RevokeGrant",
            "RotateKeyOnDemand",
            "ScheduleKeyDeletion",
            "TagResource",
            "UntagResource",
            "UpdateKeyDescription",
        ],
    ),
    ("keyward", &["CreateForwardAccessSession"]),
    ("sts", &["AssumeRole", "GetCallerIdentity"]),
];

fn beyond_service(caller: &Caller, target: &Target<'_>) -> Option<Fault> {
    let (service, name) = (target.service(), target.name());
    let known = match target {
        Target::Kms { .. } => is_served(kms::OPERATIONS, name),
        Target::Keyward { .. } => is_served(keyward::OPERATIONS, name),
        Target::Organizations { .. } => is_served(organizations::OPERATIONS, name),
        Target::Iam { .. } => is_served(iam::OPERATIONS, name),
        Target::Sts { .. } => is_served(sts::OPERATIONS, name),
    };
    let mut of_services = OF_SERVICES.iter();
    let allowed = of_services.any(|(of, names)| *of == service && names.contains(&name));
    // What is not known is refused as such.
    if allowed || !known {
        return None;
    }
    let principal = caller.principal().arn();
    let (code, status) = match target {
        Target::Kms { .. } | Target::Keyward { .. } | Target::Organizations { .. } => {
            ("AccessDeniedException", 400)
        }
        Target::Iam { .. } => ("AccessDenied", 403),
        // Sessions are made of users and roles; a service is neither.
        Target::Sts { .. } => return Some(unauthorized(caller, name)),
    };
    let message = format!(
        "User: {principal} is not authorized to perform: {service}:{name} on resource: * because \
         no identity-based policy allows the {service}:{name} action"
    );
    let fault = Fault::new(code, Some(message)).status(status);
    Some(fault.audited_as("AccessDenied"))
}

fn is_served<A: Api>(table: &[Row<A>], name: &str) -> bool {
    table.iter().any(|row| row.name == name)
}

fn restricted_in_sts(caller: &Caller, subject: &Subject, name: &str) -> Option<Fault> {
    let message = match (subject, name) {
        (_, "GetCallerIdentity") => return None,
        (_, "GetSessionToken" | "GetFederationToken") => {
            format!("Cannot call {name} with session credentials")
        }
        (Subject::Role { .. }, _) | (Subject::Root | Subject::User(_), "AssumeRole") => {
            return None;
        }
        (Subject::Root | Subject::User(_) | Subject::Federated { .. }, _) => {
            return Some(unauthorized(caller, name));
        }
    };
    Some(Fault::new("AccessDenied", Some(message)).status(403))
}

fn unauthorized(caller: &Caller, name: &str) -> Fault {
    let caller = caller.principal().arn();
    let message = format!("User: {caller} is not authorized to perform: sts:{name}");
    Fault::new("AccessDenied", Some(message)).status(403)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_service_calls_what_is_about_one_key_and_nothing_of_an_account() {
        let (_, ours) = OF_SERVICES.iter().find(|(of, _)| *of == "kms").unwrap();
        assert!(ours.is_sorted_by(|a, b| a < b));
        let all: Vec<&str> = kms::OPERATIONS.iter().map(|row| row.name).collect();
        assert!(ours.iter().all(|name| all.contains(name)));
        let rest: Vec<&str> = all
            .into_iter()
            .filter(|name| !ours.contains(name))
            .collect();
        assert_eq!(
            rest,
            [
                "CreateAlias",
                "CreateKey",
                "DeleteAlias",
                "DescribeCustomKeyStores",
                "GenerateRandom",
                "ListAliases",
                "ListKeys",
                "ListRetirableGrants",
                "UpdateAlias",
            ]
        );
    }
}
