//! Policies that are left out of a simulation.

use keyward_wire::json::Members;

use crate::iam::names;

/// A policy that is left out of a simulation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Excluded {
    /// None: what was given with the request is never left out.
    Nothing,
    /// An embedded policy.
    Inline {
        /// Its name.
        policy: String,
        /// What it is embedded in.
        noun: String,
        /// Whose it is.
        name: String,
    },
    /// A managed policy.
    Managed {
        /// Its ARN.
        arn: String,
    },
    /// The permissions boundary.
    Boundary {
        /// Its ARN.
        arn: String,
    },
}

impl Excluded {
    /// A `PolicyIdentifier`.
    pub fn read(m: &mut Members<'_>) -> Self {
        let kinds = &[
            "inline",
            "aws-managed",
            "user-managed",
            "permission-boundary",
            "scp",
            "rcp",
        ];
        let kind = m.enumeration("PolicyType", kinds).optional();
        let arn = names::optional_arn(m, "PolicyArn");
        let inline = m.structure("InlinePolicyIdentifier", |m| Self::Inline {
            policy: names::name(m, "PolicyName", 128),
            noun: m
                .enumeration("AttachmentType", &["user", "group", "role"])
                .required()
                .to_owned(),
            name: names::name(m, "AttachmentName", 128),
        });
        match (inline.optional(), kind, arn) {
            (Some(inline), _, _) => inline,
            (None, Some("permission-boundary"), Some(arn)) => Self::Boundary { arn },
            (None, _, Some(arn)) => Self::Managed { arn },
            (None, _, None) => Self::Nothing,
        }
    }
}
