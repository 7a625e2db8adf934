//! AWS's own managed policies, as far as the table next to this file has them. Every account has
//! them, and nobody can change them.
//!
//! The table is read when a policy is first asked for, and a policy is compiled when it is first
//! needed: most servers need few of them.
//!
//! <https://docs.aws.amazon.com/aws-managed-policy/latest/reference/policy-list.html>

use std::{
    borrow::Cow,
    sync::{Arc, LazyLock, OnceLock},
};

use keyward_policy::{
    document::{Document, PolicyKind},
    policy::Policy,
    principal::Bindings,
};
use keyward_types::{arn::ArnParts, partition::Partition, time::Timestamp, unique_id::UniqueId};

use crate::directory::{reserved::SERVICE_LINKED_PATH, units::identity::ManagedPolicyUnit};

/// One of AWS's own policies.
#[derive(Clone, Debug)]
pub struct AwsPolicy {
    /// Path and name, as they are in the ARN.
    place: &'static str,
    /// Its name.
    pub name: &'static str,
    /// Its path, `/` at both ends.
    pub path: &'static str,
    /// Its unique id: AWS's, or one of Keyward's own where AWS's is not public.
    pub id: UniqueId,
    /// The number of the version that decides.
    pub version: u32,
    /// When it was created.
    pub created: Timestamp,
    /// When the version that decides was made.
    pub updated: Timestamp,
    /// What AWS says it is for.
    pub description: &'static str,
    document: &'static str,
}

impl AwsPolicy {
    /// Reads a line of the table; `None` if it does not have the table's form.
    fn read(line: &'static str) -> Option<Self> {
        let mut columns = line.split('\t');
        let place = columns.next()?;
        let (path, name) = place.split_at(place.rfind('/')? + 1);
        let policy = Self {
            place,
            name,
            path,
            id: UniqueId::parse(columns.next()?).ok()?,
            version: columns.next()?.parse().ok()?,
            created: Timestamp::from_seconds(columns.next()?.parse().ok()?),
            updated: Timestamp::from_seconds(columns.next()?.parse().ok()?),
            description: columns.next()?,
            document: columns.next()?,
        };
        columns.next().is_none().then_some(policy)
    }

    /// Its ARN in a partition.
    pub fn arn(&self, partition: Partition) -> String {
        format!("arn:{partition}:iam::aws:policy{}", self.place)
    }

    /// The document of the version that decides. What it names is in the partition in which it is
    /// read, as at AWS.
    pub fn document(&self, partition: Partition) -> Cow<'static, str> {
        match partition {
            Partition::Aws => Cow::Borrowed(self.document),
            other => Cow::Owned(self.document.replace("arn:aws:", &format!("arn:{other}:"))),
        }
    }

    /// Whether it belongs to service-linked roles, so that nobody can attach it.
    pub fn is_of_services(&self) -> bool {
        self.path == SERVICE_LINKED_PATH
    }

    fn compile(&'static self, partition: Partition) -> Option<Arc<ManagedPolicyUnit>> {
        let text = self.document(partition);
        // Some are longer than customers' may be, or have Sids that customers' may not have.
        let document = Document::parse_stored(&text, PolicyKind::ManagedIdentity).ok()?;
        let policy = Policy::compile(&document, &Bindings::default());
        let arn = self.arn(partition);
        Some(Arc::new(ManagedPolicyUnit::aws(arn, policy, (self, text))))
    }
}

static ROWS: LazyLock<Vec<AwsPolicy>> = LazyLock::new(|| {
    let lines = include_str!("aws_policies/policies.tsv").lines();
    lines.filter_map(AwsPolicy::read).collect()
});

/// For each partition, the units of the rows that were asked for.
static UNITS: LazyLock<Vec<OnceLock<Option<Arc<ManagedPolicyUnit>>>>> = LazyLock::new(|| {
    let places = Partition::ALL.len().saturating_mul(ROWS.len());
    std::iter::repeat_with(OnceLock::new).take(places).collect()
});

/// The table, in the order of the bytes of paths and names.
pub fn all() -> &'static [AwsPolicy] {
    &ROWS
}

/// The policy with that ARN.
pub fn find(arn: &str) -> Option<Arc<ManagedPolicyUnit>> {
    let (partition, row) = place_of(arn)?;
    let numbers = Partition::ALL.iter().position(|known| *known == partition);
    let unit = UNITS.get(numbers? * ROWS.len() + row)?;
    let compile = || ROWS.get(row).and_then(|row| row.compile(partition));
    unit.get_or_init(compile).clone()
}

/// The row of the policy with that ARN.
pub fn find_row(arn: &str) -> Option<&'static AwsPolicy> {
    ROWS.get(place_of(arn)?.1)
}

/// Partition and row of an ARN.
fn place_of(arn: &str) -> Option<(Partition, usize)> {
    let parts = ArnParts::parse(arn)?;
    if (parts.service, parts.region, parts.account) != ("iam", "", "aws") {
        return None;
    }
    let place = parts.resource.strip_prefix("policy")?;
    let partition = Partition::parse(parts.partition)?;
    let row = ROWS.binary_search_by(|row| row.place.cmp(place)).ok()?;
    Some((partition, row))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_line_of_the_table_is_read() {
        let lines = include_str!("aws_policies/policies.tsv").lines().count();
        assert_eq!(all().len(), lines);
        assert!(all().is_sorted_by(|a, b| a.place < b.place));
    }

    #[test]
    fn no_two_policies_have_one_name_or_one_id() {
        let names: std::collections::BTreeSet<&str> = all().iter().map(|row| row.name).collect();
        let ids: std::collections::BTreeSet<&str> =
            all().iter().map(|row| row.id.as_str()).collect();
        assert_eq!((names.len(), ids.len()), (all().len(), all().len()));
    }

    #[test]
    fn every_policy_is_valid_and_found_in_every_partition() {
        for row in all() {
            for partition in Partition::ALL {
                let arn = row.arn(partition);
                let found = find(&arn).unwrap_or_else(|| panic!("{arn} is not found"));
                assert_eq!((found.arn(), found.id()), (arn.as_str(), &row.id));
            }
        }
    }

    #[test]
    fn every_part_of_every_document_is_understood() {
        for row in all() {
            let document = Document::parse_stored(row.document, PolicyKind::ManagedIdentity);
            let document = document.unwrap_or_else(|error| panic!("{}: {error}", row.name));
            assert!(document.faults().is_empty(), "{}", row.name);
        }
    }

    #[test]
    fn an_arn_is_exact() {
        for arn in [
            "arn:aws:iam::aws:policy/administratoraccess",
            "arn:aws:iam::aws:policy/job-function/AdministratorAccess",
            "arn:aws:iam::aws:policy/AdministratorAccess/",
            "arn:aws:iam::aws:policy/ViewOnlyAccess",
            "arn:aws:iam::111122223333:policy/AdministratorAccess",
            "arn:nowhere:iam::aws:policy/AdministratorAccess",
            "arn:aws:s3::aws:policy/AdministratorAccess",
        ] {
            assert!(find(arn).is_none(), "{arn}");
        }
    }

    #[test]
    fn documents_name_the_resources_of_their_partition() {
        let row = all().iter().find(|row| row.name == "AWSLambdaExecute");
        let row = row.expect("the table has it");
        assert!(row.document(Partition::Aws).contains("\"arn:aws:s3:::*\""));
        let other = row.document(Partition::AwsUsGov);
        assert!(other.contains("\"arn:aws-us-gov:s3:::*\"") && !other.contains("arn:aws:"));
    }
}
