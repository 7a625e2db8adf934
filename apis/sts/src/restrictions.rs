//! What temporary credentials may not call in STS, whatever policies say.
//!
//! <https://docs.aws.amazon.com/IAM/latest/UserGuide/id_credentials_sts-comparison.html>

use keyward_engine::{caller::Caller, fault::Fault, session::Subject};

/// Why temporary credentials may not be used for an operation; `None` if they may.
pub fn restricted(caller: &Caller, subject: &Subject, name: &str) -> Option<Fault> {
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

/// The fault for a caller who cannot use the operation.
pub fn unauthorized(caller: &Caller, name: &str) -> Fault {
    let caller = caller.principal().arn();
    let message = format!("User: {caller} is not authorized to perform: sts:{name}");
    Fault::new("AccessDenied", Some(message)).status(403)
}
