//! Groups that an instance has: parameter and option groups, of which there are only AWS's defaults, and security groups.

use keyward_wire::json::Members;

use crate::{Cx, fault::RdsFault, installed::ENGINE};

/// The most security groups of an instance.
const MAX_GROUPS: usize = 5;

/// `default.postgres15`
pub fn default_parameter_group(family: &str) -> String {
    format!("default.{family}")
}

/// `default:postgres-15`
pub fn default_option_group(family: &str) -> String {
    let major = family.strip_prefix(ENGINE).unwrap_or_default();
    format!("default:{ENGINE}-{major}")
}

/// Checks that security groups are there in a virtual private cloud.
///
/// # Errors
/// If one is not.
pub fn check_security_groups(groups: &[String], vpc: &str, cx: &Cx<'_>) -> Result<(), RdsFault> {
    let vpcs = &cx.state().vpcs;
    match groups.iter().find(|group| !vpcs.has_group(vpc, group)) {
        None => Ok(()),
        Some(group) => Err(RdsFault::InvalidParameterValue(format!(
            "Invalid security group , groupId= {group}, groupName=."
        ))),
    }
}

/// `VpcSecurityGroupIds`.
pub fn read_security_groups(m: &mut Members<'_>) -> Option<Vec<String>> {
    let groups = m.strings("VpcSecurityGroupIds").count(0, MAX_GROUPS);
    let groups = groups.each_length(1, 255).optional()?;
    let mut groups: Vec<String> = groups.into_iter().map(str::to_owned).collect();
    groups.sort_unstable();
    groups.dedup();
    Some(groups)
}
