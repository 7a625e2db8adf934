//! What temporary credentials may not call, whatever policies say.
//!
//! <https://docs.aws.amazon.com/IAM/latest/UserGuide/id_credentials_sts-comparison.html>

use keyward_wire::sigv4::AuthError;

use crate::{
    caller::{Bearer, Caller},
    fault::Fault,
    front::dispatch::Target,
    session::Subject,
};

/// Why the caller's credentials may not be used for this; none if they may.
pub fn restricted(caller: &Caller, target: &Target<'_>) -> Option<Fault> {
    if let (Bearer::Service(_), Target::Sts { name, .. }) = (caller.bearer(), target)
        && matches!(name.as_str(), "GetSessionToken" | "GetFederationToken")
    {
        // Sessions are made of users and roles; a service is neither.
        return Some(unauthorized(caller, name));
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
