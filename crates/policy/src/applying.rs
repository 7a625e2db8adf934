//! Which statements apply to a question, for those who are shown all that determine a decision.

use crate::{
    decision::{Layer, StatementRef},
    document::Effect,
    evaluate::with_request,
    policy::{Policy, Request, Unrecorded},
    request::{Guard, Name, Question},
    work::BUDGET,
};

/// A statement that applies to a question.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Applying {
    /// The statement.
    pub statement: StatementRef,
    /// Whether it denies.
    pub denies: bool,
}

/// Every statement of the resource's own policy and of the identity policies that applies, in the
/// policies' order. [`crate::evaluate::evaluate`] decides what the statements mean together.
pub fn applying(question: &Question<'_>) -> Vec<Applying> {
    with_request(question, BUDGET, |request| {
        let mut found = Vec::new();
        if let Guard::Either { policy }
        | Guard::Policy {
            policy: Some(policy),
            ..
        } = question.resource.guard
        {
            add(&mut found, request, (Layer::Resource, policy, None));
        }
        for attached in question.policies.identity {
            let of = (Layer::Identity, attached.policy, Some(attached.name));
            add(&mut found, request, of);
        }
        found
    })
}

fn add(
    found: &mut Vec<Applying>,
    request: &Request<'_>,
    (layer, policy, name): (Layer, &Policy, Option<Name<'_>>),
) {
    for (index, statement) in policy.statements().iter().enumerate() {
        if statement.applies(request, &mut Unrecorded).is_some() {
            found.push(Applying {
                statement: StatementRef {
                    layer,
                    policy: name.map(Into::into),
                    index,
                    sid: statement.sid.clone(),
                },
                denies: statement.effect == Effect::Deny,
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use keyward_types::{
        account::AccountId, partition::Partition, principal::Principal, unique_id::UniqueId,
    };

    use super::*;
    use crate::{
        attributes::NoAttributes,
        document::{Document, PolicyKind},
        principal::Bindings,
        request::{Attached, Policies, Resource},
    };

    fn compiled(text: &str, kind: PolicyKind) -> Policy {
        let text = format!(r#"{{"Version":"2012-10-17","Statement":[{text}]}}"#);
        Policy::compile(&Document::parse(&text, kind).unwrap(), &Bindings::new())
    }

    #[test]
    fn every_statement_that_applies_is_listed_whatever_it_does() {
        let identity = compiled(
            r#"{"Effect":"Allow","Action":"sts:*","Resource":"*"},
               {"Effect":"Allow","Action":"kms:*","Resource":"*"},
               {"Effect":"Deny","Action":"*","Resource":"*","Sid":"d"},
               {"Effect":"Allow","Action":"kms:Enc*","Resource":"*"}"#,
            PolicyKind::Identity,
        );
        let own = compiled(
            r#"{"Effect":"Allow","Principal":"*","Action":"kms:*","Resource":"*"}"#,
            PolicyKind::Key,
        );
        let account = AccountId::parse("111122223333").unwrap();
        let id = UniqueId::parse("AIDAALICEALICEALICEAL").unwrap();
        let caller = Principal::user(Partition::Aws, account, "/", "alice", id);
        let identity = [Attached {
            policy: &identity,
            name: Name::Inline("p"),
        }];
        let question = Question {
            caller: &caller,
            action: "kms:Encrypt",
            resource: Resource::guarded("*", Partition::Aws, account, Some(&own)),
            context: &NoAttributes,
            policies: Policies {
                identity: &identity,
                ..Policies::default()
            },
        };
        let found: Vec<(Layer, usize, bool)> = applying(&question)
            .into_iter()
            .map(|a| (a.statement.layer, a.statement.index, a.denies))
            .collect();
        let of_identity = [(1, false), (2, true), (3, false)];
        let of_identity = of_identity.map(|(index, denies)| (Layer::Identity, index, denies));
        assert_eq!(found.first(), Some(&(Layer::Resource, 0, false)));
        assert_eq!(found.get(1..), Some(&of_identity[..]));
    }
}
