//! The services that have service-linked roles, with the names and policies of the roles.
//!
//! The table next to this file has one line for each service, in the order of its bytes: the
//! service's principal, the role's name, its policy among AWS's own, `suffix` if more than one such
//! role can be created, and the service's description of the role, if it has one. Names, policies
//! and suffixes are as roles in AWS accounts have them.
//!
//! <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_aws-services-that-work-with-iam.html>

use std::sync::LazyLock;

/// A service that may have a role linked to it.
#[derive(Debug)]
pub struct LinkedService {
    /// The service's principal.
    pub service: &'static str,
    /// The role's name, without a suffix.
    pub role: &'static str,
    /// The name of the policy that the role has.
    pub policy: &'static str,
    /// Whether the role's name may have a suffix, so that there can be several.
    pub takes_suffix: bool,
    /// What the role's description says.
    pub description: Option<&'static str>,
}

impl LinkedService {
    /// Reads a line of the table; `None` if it does not have the table's form.
    fn read(line: &'static str) -> Option<Self> {
        let mut columns = line.split('\t');
        let linked = Self {
            service: columns.next()?,
            role: columns.next()?,
            policy: columns.next()?,
            takes_suffix: columns.next()? == "suffix",
            description: columns.next().filter(|text| !text.is_empty()),
        };
        columns.next().is_none().then_some(linked)
    }

    /// The role's name with a suffix or without.
    pub fn role_name(&self, suffix: Option<&str>) -> String {
        match suffix {
            Some(suffix) => format!("{}_{suffix}", self.role),
            None => self.role.to_owned(),
        }
    }
}

static ROWS: LazyLock<Vec<LinkedService>> = LazyLock::new(|| {
    let lines = include_str!("linked_services.tsv").lines();
    lines.filter_map(LinkedService::read).collect()
});

/// The row of a service's principal.
pub fn find(service: &str) -> Option<&'static LinkedService> {
    let row = ROWS.binary_search_by(|row| row.service.cmp(service)).ok()?;
    ROWS.get(row)
}

#[cfg(test)]
mod tests {
    use keyward_engine::directory::{aws_policies, reserved};
    use keyward_types::partition::Partition;

    use super::*;

    #[test]
    fn every_line_of_the_table_is_read() {
        assert_eq!(
            ROWS.len(),
            include_str!("linked_services.tsv").lines().count()
        );
        assert!(ROWS.is_sorted_by(|a, b| a.service < b.service));
    }

    #[test]
    fn every_role_has_a_legal_name_of_its_own_and_a_policy_that_exists() {
        let names: std::collections::BTreeSet<&str> = ROWS.iter().map(|row| row.role).collect();
        assert_eq!(names.len(), ROWS.len());
        for row in ROWS.iter() {
            assert!(row.role.starts_with("AWSServiceRoleFor") && row.role.len() <= 64);
            let arn = format!(
                "arn:{}:iam::aws:policy{}{}",
                Partition::Aws,
                reserved::SERVICE_LINKED_PATH,
                row.policy
            );
            assert!(aws_policies::find(&arn).is_some(), "{arn}");
        }
    }

    #[test]
    fn only_what_the_table_has_is_found() {
        assert!(find("autoscaling.amazonaws.com").is_some_and(|row| row.takes_suffix));
        assert!(find("Autoscaling.amazonaws.com").is_none());
        assert!(find("").is_none());
    }
}
