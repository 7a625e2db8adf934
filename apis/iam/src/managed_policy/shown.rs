//! A managed policy as answers show it: a customer's from its record, one of AWS's own from the
//! table and the account's uses of it.

use keyward_engine::directory::{
    aws_policies::AwsPolicy,
    counting::count_prefix,
    records::{
        V1,
        identity::{ManagedPolicyRecord, PolicyVersionRecord},
    },
    units::identity::ManagedPolicyUnit,
};
use keyward_wire::xml;

use crate::{Cx, entity::Entity, fault::IamFault, paths, shape};

/// A managed policy, a customer's or one of AWS's own, as answers show it.
#[derive(Debug)]
pub struct ShownPolicy {
    /// Its ARN.
    pub arn: String,
    /// Its record; for AWS's own, one made up of the table and the account's uses of it.
    pub record: ManagedPolicyRecord,
}

/// A managed policy with the numbers of its uses in the caller's account.
///
/// # Errors
/// When they cannot be read.
pub async fn show(cx: &Cx<'_>, policy: &ManagedPolicyUnit) -> Result<ShownPolicy, IamFault> {
    match (policy.record(), policy.aws_row()) {
        (Some(record), _) => Ok(ShownPolicy {
            arn: policy.arn().to_owned(),
            record: record.clone(),
        }),
        (None, Some(row)) => {
            let mut shown = ShownPolicy::of_aws(cx, row);
            shown.record.versions = vec![PolicyVersionRecord {
                number: row.version,
                text: policy.default_text().unwrap_or_default().to_owned(),
                created: row.updated,
            }];
            shown.count_uses(cx).await?;
            Ok(shown)
        }
        (None, None) => Err(ManagedPolicyUnit::missing(policy.arn())),
    }
}

impl ShownPolicy {
    /// One of AWS's own as it is listed: without its document, its uses not counted.
    pub fn of_aws(cx: &Cx<'_>, row: &AwsPolicy) -> Self {
        let record = ManagedPolicyRecord {
            version: V1,
            id: row.id.clone(),
            name: row.name.to_owned(),
            path: row.path.to_owned(),
            description: Some(row.description.to_owned()),
            created: row.created,
            updated: row.updated,
            tags: Vec::new(),
            versions: Vec::new(),
            default_version: row.version,
            last_version: row.version,
            attachments: 0,
            boundaries: 0,
        };
        let arn = row.arn(cx.partition());
        Self { arn, record }
    }

    /// Counts the uses of one of AWS's own in the caller's account. Customers' policies have their
    /// numbers in their records.
    ///
    /// # Errors
    /// When they cannot be read.
    pub async fn count_uses(&mut self, cx: &Cx<'_>) -> Result<(), IamFault> {
        let (partition, account) = cx.caller.home();
        let attachments = paths::policy_attachments(partition, account, &self.record.id);
        let boundaries = paths::policy_boundaries(partition, account, &self.record.id);
        let attachments = count_prefix(cx.shared(), &attachments).await?;
        let boundaries = count_prefix(cx.shared(), &boundaries).await?;
        self.record.attachments = u32::try_from(attachments).unwrap_or(u32::MAX);
        self.record.boundaries = u32::try_from(boundaries).unwrap_or(u32::MAX);
        Ok(())
    }

    /// Writes the members of `Policy` that lists have.
    pub fn render_in_list(&self, out: &mut xml::Writer<'_>) {
        let record = &self.record;
        out.text("PolicyName", &record.name);
        out.text("PolicyId", record.id.as_str());
        out.text("Arn", &self.arn);
        out.text("Path", &record.path);
        out.text(
            "DefaultVersionId",
            &shape::version_id(record.default_version),
        );
        out.integer("AttachmentCount", i64::from(record.attachments));
        out.integer(
            "PermissionsBoundaryUsageCount",
            i64::from(record.boundaries),
        );
        out.boolean("IsAttachable", true);
        out.timestamp("CreateDate", record.created);
        out.timestamp("UpdateDate", record.updated);
    }
}
