//! Paths and names that AWS reserves. No customer can create anything under them, ignoring case:
//! tools and people believe what an ARN looks like.
//!
//! <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_identifiers.html>

use keyward_engine::directory::reserved;

use crate::fault::IamFault;

/// Refuses a path and a name that only AWS may use.
///
/// # Errors
/// `InvalidInput`.
pub fn check(path: Option<&str>, name: Option<&str>) -> Result<(), IamFault> {
    let kept = path.and_then(reserved::path);
    let message = match kept {
        Some(reserved::SERVICE_LINKED_PATH) => format!(
            "Path prefix '{}' can only be used for AWS Service linked Roles",
            reserved::SERVICE_LINKED_PATH
        ),
        Some(kept) => format!("Path prefix '{kept}' can only be used by AWS"),
        None if name.is_some_and(reserved::is_name) => format!(
            "Names that begin with '{}' can only be used for AWS Service linked Roles",
            reserved::SERVICE_LINKED_NAME
        ),
        None => return Ok(()),
    };
    Err(IamFault::InvalidInput { message })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(path: &str, name: &str) -> Option<String> {
        let refused = check(Some(path), Some(name)).err()?;
        let fault = keyward_engine::fault::Fault::from(refused);
        Some(format!("{}: {}", fault.code(), fault.message().unwrap()))
    }

    #[test]
    fn what_aws_keeps_for_itself_is_refused_in_any_case() {
        for path in ["/aws-service-role/", "/AWS-Service-Role/x.amazonaws.com/"] {
            assert_eq!(
                told(path, "r").unwrap(),
                "InvalidInput: Path prefix '/aws-service-role/' can only be used for AWS Service \
                 linked Roles"
            );
        }
        for path in ["/aws-reserved/", "/Aws-Reserved/sso.amazonaws.com/"] {
            assert_eq!(
                told(path, "r").unwrap(),
                "InvalidInput: Path prefix '/aws-reserved/' can only be used by AWS"
            );
        }
        for name in ["AWSServiceRoleForX", "awsservicerolefor"] {
            assert_eq!(
                told("/", name).unwrap(),
                "InvalidInput: Names that begin with 'AWSServiceRoleFor' can only be used for AWS \
                 Service linked Roles"
            );
        }
    }

    #[test]
    fn what_only_looks_like_it_is_not() {
        for (path, name) in [
            ("/", "AWSServiceRole"),
            ("/service-role/", "MyAWSServiceRoleForX"),
            ("/aws-service-roles/", "r"),
            ("/a:role/aws-service-role/", "r"),
        ] {
            assert_eq!(told(path, name), None, "{path}{name}");
        }
    }
}
