//! `PackedPolicySize`: how much of their room in a token a session's policies and tags take.
//!
//! AWS does not say how it packs. This measure is fitted to answers of AWS
//! (`docs/decisions/0015-packed-sizes-are-fitted.md`): for tags it is accurate to one percent, for
//! policies to about ten percent.
//!
//! <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html>

use keyward_engine::session::SessionPolicies;
use keyward_types::tag::Tag;

use crate::{fault::StsFault, session_tags::SessionTags};

/// The room, in packed bytes.
const ROOM: usize = 457;

/// How much of the room policies and tags take, in percent; `None` if there are neither.
///
/// # Errors
/// `PackedPolicyTooLarge` when it is more than all.
pub fn size(
    policies: Option<&SessionPolicies>,
    tags: &SessionTags,
) -> Result<Option<i64>, StsFault> {
    if policies.is_none() && tags.is_empty() {
        return Ok(None);
    }
    let of_tags: usize = tags.tags.iter().map(tag).sum();
    if percent(of_tags, ROOM) > 100 {
        let percent = percent(of_tags, ROOM);
        let message = format!("Packed size of session tags consumes {percent}% of allotted space.");
        return Err(StsFault::PackedPolicyTooLarge { message });
    }
    let percent = percent(of_tags + policies.map_or(0, self::policies), ROOM);
    if percent > 100 {
        return Err(too_large(percent));
    }
    Ok(Some(i64::try_from(percent).unwrap_or(100)))
}

/// The refusal of an inline policy with more characters than any may have, whatever it is packed
/// to.
pub fn too_long(text: &str) -> StsFault {
    too_large(percent(policy(text), ROOM).max(101))
}

fn too_large(percent: usize) -> StsFault {
    let message =
        format!("Packed policy consumes {percent}% of allotted space, please use smaller policy.");
    StsFault::PackedPolicyTooLarge { message }
}

/// Percents are rounded down: the sizes of two sets of tags add up to one more at times.
fn percent(size: usize, room: usize) -> usize {
    size.saturating_mul(100) / room
}

/// A tag is not compressed, and costs one byte in addition to its text.
fn tag(tag: &Tag) -> usize {
    tag.key.len() + tag.value.len() + 1
}

/// Policies are compressed, to three eighths of what is not white space.
fn policies(policies: &SessionPolicies) -> usize {
    let managed = policies.managed.iter().map(|managed| policy(&managed.arn));
    managed.sum::<usize>() + policies.inline.as_deref().map_or(0, policy)
}

fn policy(text: &str) -> usize {
    text.chars().filter(|c| !c.is_ascii_whitespace()).count() * 3 / 8
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tags(of: &[(&str, &str)]) -> SessionTags {
        let tag = |(key, value): &(&str, &str)| Tag {
            key: (*key).to_owned(),
            value: (*value).to_owned(),
        };
        SessionTags {
            tags: of.iter().map(tag).collect(),
            transitive_keys: Vec::new(),
        }
    }

    fn inline(text: &str) -> SessionPolicies {
        SessionPolicies {
            inline: Some(text.to_owned()),
            managed: Vec::new(),
        }
    }

    fn refused(policies: Option<&SessionPolicies>, tags: &SessionTags) -> String {
        match size(policies, tags) {
            Err(StsFault::PackedPolicyTooLarge { message }) => message,
            other => panic!("{other:?}"),
        }
    }

    const GITHUB: &[(&str, &str)] = &[
        ("actor", "djonser"),
        (
            "job_workflow_ref",
            "catnekaise/example-repo/.github/workflows/test.yaml@refs/heads/main",
        ),
        ("repository", "catnekaise/example-repo"),
        ("run_number", "4"),
        ("environment", "dev"),
        ("run_attempt", "1"),
        ("sha", "abcdef1234abcdef1234abcdef1234abcdef1234"),
    ];

    #[test]
    fn tags_take_what_aws_was_seen_to_answer() {
        assert_eq!(size(None, &tags(&[])).unwrap(), None);
        assert_eq!(size(None, &tags(GITHUB)).unwrap(), Some(47));
        let value = "a".repeat(250);
        let names: Vec<String> = (1..=9).map(|n| format!("T{n}")).collect();
        let nine: Vec<(&str, &str)> = names.iter().map(|name| (name.as_str(), &*value)).collect();
        assert_eq!(
            refused(None, &tags(&nine)),
            "Packed size of session tags consumes 498% of allotted space."
        );
    }

    #[test]
    fn the_tags_of_eks_pod_identity_take_three_quarters() {
        let pod = tags(&[
            (
                "eks-cluster-arn",
                "arn:aws:eks:eu-central-1:111122223333:cluster/production-eu-1",
            ),
            ("eks-cluster-name", "production-eu-1"),
            ("kubernetes-namespace", "data-platform"),
            ("kubernetes-service-account", "ingest-scheduler-worker"),
            (
                "kubernetes-pod-name",
                "ingest-scheduler-worker-6f7c9d5b8d-x2v4q",
            ),
            ("kubernetes-pod-uid", "0f3b7a52-7d9e-4c1b-9a53-5e2c8a7f6d41"),
        ]);
        let percent = size(None, &pod).unwrap().unwrap();
        assert!((65..=75).contains(&percent), "{percent}");
    }

    #[test]
    fn a_policy_takes_what_aws_was_seen_to_answer() {
        let one = inline(
            "{ \"Version\": \"2012-10-17\", \"Statement\": [ { \"Effect\": \"Allow\", \
             \"Action\": [\"ec2:DescribeVpcEndpoints\"], \"Resource\": [\"*\"] } ] }",
        );
        assert_eq!(size(Some(&one), &tags(&[])).unwrap(), Some(9));
        assert_eq!(size(Some(&one), &tags(GITHUB)).unwrap(), Some(56));
    }

    #[test]
    fn what_is_too_large_is_told_by_what_makes_it_so() {
        let large = inline(&"x".repeat(1300));
        assert_eq!(
            refused(Some(&large), &tags(&[])),
            "Packed policy consumes 106% of allotted space, please use smaller policy."
        );
        assert_eq!(
            refused(Some(&inline(&"x".repeat(700))), &tags(GITHUB)),
            "Packed policy consumes 104% of allotted space, please use smaller policy."
        );
        let value = "v".repeat(256);
        let both = tags(&[("a", &value), ("b", &value)]);
        assert_eq!(
            refused(Some(&large), &both),
            "Packed size of session tags consumes 112% of allotted space."
        );
    }
}
