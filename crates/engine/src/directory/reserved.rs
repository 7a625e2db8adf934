//! Paths and names of IAM that AWS keeps for itself.
//!
//! <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_identifiers.html>

/// The path of service-linked roles and of their policies.
pub const SERVICE_LINKED_PATH: &str = "/aws-service-role/";
/// The path of AWS's other roles.
pub const OTHER_PATH: &str = "/aws-reserved/";
/// What the names of roles that are linked to services begin with.
pub const SERVICE_LINKED_NAME: &str = "AWSServiceRoleFor";

/// The reserved path that a path begins with, in any case.
pub fn path(path: &str) -> Option<&'static str> {
    let kept = [SERVICE_LINKED_PATH, OTHER_PATH];
    kept.into_iter().find(|kept| begins(path, kept))
}

/// Whether only AWS may use that name, ignoring case.
pub fn is_name(name: &str) -> bool {
    begins(name, SERVICE_LINKED_NAME)
}

fn begins(text: &str, with: &str) -> bool {
    text.get(..with.len())
        .is_some_and(|head| head.eq_ignore_ascii_case(with))
}
