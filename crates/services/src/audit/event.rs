//! One audit event: a CloudTrail record, with what decided beside it.
//!
//! The members are CloudTrail's
//! (<https://docs.aws.amazon.com/awscloudtrail/latest/userguide/cloudtrail-event-reference-record-contents.html>);
//! `keyward` is ours: every decision with the statement that decided and the context it was made
//! in, the generations of the policies in play, and what changed.

use keyward_store::sealed::Generation;
use keyward_types::{
    principal::{Principal, PrincipalKind},
    region::Region,
    time::Timestamp,
};
use keyward_wire::json::Writer;

use crate::{
    caller::{Bearer, Caller, WebIdentity},
    fault::Fault,
    front::{Peer, authenticate::Source},
    gate::evaluation::{About, Evaluation, Outcome},
    operation::{Api, Operation, Output},
    session::{SessionUnit, Subject},
};

/// CloudTrail's version of the record's shape.
const EVENT_VERSION: &str = "1.11";
/// The longest user agent kept, in bytes.
const MAX_USER_AGENT: usize = 512;

/// What is known of a request before its operation runs.
#[derive(Debug)]
pub struct Circumstances<'a> {
    /// Who asks.
    pub caller: &'a Caller,
    /// For whose resource, if a service calls by itself.
    pub source: &'a Source,
    /// The Region of the call.
    pub region: Region,
    /// When.
    pub time: Timestamp,
    /// From where.
    pub peer: &'a Peer,
    /// The client's word for itself.
    pub user_agent: &'a str,
    /// The `Host` header.
    pub host: &'a str,
    /// The request's id.
    pub request_id: &'a str,
    /// The event's id.
    pub event_id: &'a str,
}

/// One changed path with its new generation, or none if it was deleted.
pub type Changed = (String, Option<Generation>);

/// What came of the request.
#[derive(Debug)]
pub enum Result<'a, T> {
    /// It succeeded.
    Success(&'a T),
    /// It failed.
    Failure(&'a Fault),
}

/// Renders the event of one request as a JSON object without line feed.
pub fn render<O: Operation>(
    circumstances: &Circumstances<'_>,
    operation: Option<&O>,
    result: Result<'_, O::Output>,
    evaluations: &[Evaluation],
    changes: &[Changed],
) -> Vec<u8> {
    render_named(
        O::NAME,
        circumstances,
        operation,
        result,
        evaluations,
        changes,
    )
}

/// As [`render`], under a name of its own: for what was asked and no operation serves.
pub fn render_named<O: Operation>(
    name: &str,
    circumstances: &Circumstances<'_>,
    operation: Option<&O>,
    result: Result<'_, O::Output>,
    evaluations: &[Evaluation],
    changes: &[Changed],
) -> Vec<u8> {
    // What changed makes an event longer, which is otherwise known well enough.
    let room = if changes.is_empty() { 2048 } else { 4096 };
    Writer::render(room, |event| {
        let Circumstances {
            caller,
            source,
            region,
            time,
            peer,
            user_agent,
            host,
            request_id,
            event_id,
        } = circumstances;
        event.string("eventVersion", EVENT_VERSION);
        event.object("userIdentity", |identity| user_identity(identity, caller));
        event.string("eventTime", &time.iso8601());
        event.string("eventSource", <O::Api as Api>::EVENT_SOURCE);
        event.string("eventName", name);
        event.string("awsRegion", region.as_str());
        match caller.service() {
            // Behind a service the caller's own address is not known.
            Some(service) => {
                event.string("sourceIPAddress", &service.global_name());
                event.string("userAgent", &service.global_name());
            }
            None => {
                event.string("sourceIPAddress", peer.address());
                event.string("userAgent", bounded(user_agent, MAX_USER_AGENT));
            }
        }
        if let Result::Failure(fault) = &result {
            event.string("errorCode", fault.audit_code());
            if let Some(message) = fault.message() {
                event.string("errorMessage", message);
            }
        }
        match operation {
            Some(operation) => {
                event.object_or_null("requestParameters", |parameters| {
                    operation.describe(parameters)
                });
            }
            None => event.null("requestParameters"),
        }
        match &result {
            Result::Success(output) => {
                event.object_or_null("responseElements", |e| output.response_elements(e));
                event.object_if_any("additionalEventData", |d| output.additional_event_data(d));
            }
            Result::Failure(_) => event.null("responseElements"),
        }
        event.string("requestID", request_id);
        event.string("eventID", event_id);
        event.boolean("readOnly", O::READ_ONLY);
        event.array("resources", |resources| {
            for (index, evaluation) in evaluations.iter().enumerate() {
                let arn = evaluation.about.arn();
                if evaluations.iter().take(index).any(|e| e.about.arn() == arn) {
                    continue;
                }
                match &evaluation.about {
                    About::Key(key) => resources.object(|out| out.fragment(key.in_events())),
                    About::Other { arn, account, .. } => {
                        let Some(kind) = resource_type(arn) else {
                            continue;
                        };
                        resources.object(|resource| {
                            resource.string("accountId", account.as_str());
                            resource.string("type", kind);
                            resource.string("ARN", arn);
                        });
                    }
                }
            }
            if let Result::Success(output) = &result
                && let Some(key) = output.made()
            {
                resources.object(|resource| {
                    resource.string("accountId", key.account().as_str());
                    resource.string("type", "AWS::KMS::Key");
                    resource.string("ARN", key.as_str());
                });
            }
        });
        event.string("eventType", "AwsApiCall");
        event.boolean("managementEvent", true);
        event.string("recipientAccountId", caller.principal().account().as_str());
        event.string("eventCategory", "Management");
        if let Some(tls) = &peer.tls {
            event.object("tlsDetails", |details| {
                details.string("tlsVersion", tls.version);
                details.string("cipherSuite", &tls.cipher_suite);
                details.string("clientProvidedHostHeader", bounded(host, MAX_USER_AGENT));
            });
        }
        event.object("keyward", |keyward| {
            keyward.array("decisions", |decisions| {
                for evaluation in evaluations {
                    decisions.object(|decision| describe_decision(decision, evaluation, source));
                }
            });
            keyward.object("policies", |policies| caller.describe_generations(policies));
            if let Some(session) = caller.session() {
                keyward.object_if_any("session", |given| session_policies(given, session));
            }
            if !changes.is_empty() {
                keyward.array("changes", |list| {
                    for (path, generation) in changes {
                        list.object(|change| {
                            change.string("path", path);
                            match generation {
                                Some(generation) => {
                                    change.hexadecimal("generation", generation.as_bytes());
                                }
                                None => change.string("generation", "deleted"),
                            }
                        });
                    }
                });
            }
        });
    })
}

/// A service event: what the system itself did to a key, as AWS records it.
pub fn render_service_event(
    (name, source): (&str, &str),
    (region, account, key): (Region, &str, Option<&str>),
    (time, event_id): (Timestamp, &str),
    details: impl FnOnce(&mut Writer<'_>),
    changes: &[Changed],
) -> Vec<u8> {
    Writer::render(1024, |event| {
        event.string("eventVersion", EVENT_VERSION);
        event.object("userIdentity", |identity| {
            identity.string("accountId", account);
            identity.string("invokedBy", "AWS Internal");
        });
        event.string("eventTime", &time.iso8601());
        event.string("eventSource", source);
        event.string("eventName", name);
        event.string("awsRegion", region.as_str());
        event.string("sourceIPAddress", "AWS Internal");
        event.string("userAgent", "AWS Internal");
        event.null("requestParameters");
        event.null("responseElements");
        event.string("eventID", event_id);
        event.boolean("readOnly", false);
        event.array("resources", |resources| {
            let Some(key) = key else { return };
            resources.object(|resource| {
                resource.string("accountId", account);
                resource.string("type", "AWS::KMS::Key");
                resource.string("ARN", key);
            });
        });
        event.string("eventType", "AwsServiceEvent");
        event.boolean("managementEvent", true);
        event.string("recipientAccountId", account);
        event.object("serviceEventDetails", details);
        event.string("eventCategory", "Management");
        event.object("keyward", |keyward| {
            keyward.array("changes", |list| {
                for (path, generation) in changes {
                    list.object(|change| {
                        change.string("path", path);
                        let generation = generation.as_ref().map(ToString::to_string);
                        change.string("generation", generation.as_deref().unwrap_or("deleted"));
                    });
                }
            });
        });
    })
}

fn user_identity(identity: &mut Writer<'_>, caller: &Caller) {
    if let Some(WebIdentity {
        federation, token, ..
    }) = caller.web_identity()
    {
        identity.string("type", "WebIdentityUser");
        identity.string("principalId", caller.principal().arn());
        identity.string("userName", token.subject());
        identity.string("identityProvider", &federation.provider_arn);
        return;
    }
    if let Some(user) = caller.user() {
        let [before, after] = user.in_events();
        identity.fragment(before);
        if let Some(id) = caller.access_key_id() {
            identity.string("accessKeyId", id.as_str());
        }
        identity.fragment(after);
        acting_for(identity, caller);
        return;
    }
    let principal: &Principal = caller.principal();
    let kind = match principal.kind() {
        PrincipalKind::Root => "Root",
        PrincipalKind::User { .. } => "IAMUser",
        PrincipalKind::RoleSession { .. } => "AssumedRole",
        PrincipalKind::FederatedUser { .. } => "FederatedUser",
        PrincipalKind::WebIdentity { .. } => "WebIdentityUser",
        PrincipalKind::Service { .. } => "AWSService",
    };
    identity.string("type", kind);
    if let Bearer::Service(service) = caller.bearer() {
        identity.string("invokedBy", &service.global_name());
        return;
    }
    identity.string("principalId", &caller.user_id());
    identity.string("arn", principal.arn());
    identity.string("accountId", principal.account().as_str());
    if let Some(id) = caller.access_key_id() {
        identity.string("accessKeyId", id.as_str());
    }
    acting_for(identity, caller);
}

/// Writes what temporary credentials say of how they came to be, and who uses them.
fn acting_for(identity: &mut Writer<'_>, caller: &Caller) {
    if let Some(session) = caller.session() {
        if session.token_issued().is_some() {
            identity.object("sessionContext", |context| {
                session_context(context, caller, session);
            });
        }
        if let Some(service) = caller.service() {
            identity.string("invokedBy", &service.global_name());
        }
    }
}

/// CloudTrail's `sessionContext`: who issued the temporary credentials, and when.
fn session_context(context: &mut Writer<'_>, caller: &Caller, session: &SessionUnit) {
    let account = session.account();
    let issuer = match (caller.bearer(), session.subject()) {
        (Bearer::Role(role), _) => {
            let record = role.record();
            Some((
                "Role",
                record.id.as_str(),
                role.arn().to_owned(),
                record.name.as_str(),
            ))
        }
        (Bearer::User(user), Subject::Federated { .. }) => {
            let record = user.record();
            let arn = user.principal().arn().to_owned();
            Some(("IAMUser", record.id.as_str(), arn, record.name.as_str()))
        }
        (Bearer::Root, Subject::Federated { .. }) => {
            let arn = format!("arn:{}:iam::{account}:root", session.partition());
            Some(("Root", account.as_str(), arn, ""))
        }
        (Bearer::User(_) | Bearer::Root | Bearer::Service(_) | Bearer::Nobody, _) => None,
    };
    if let Some((kind, id, arn, name)) = issuer {
        context.object("sessionIssuer", |issuer| {
            issuer.string("type", kind);
            issuer.string("principalId", id);
            issuer.string("arn", &arn);
            issuer.string("accountId", account.as_str());
            if !name.is_empty() {
                issuer.string("userName", name);
            }
        });
    }
    if let Some(federation) = session.federation() {
        context.object("webIdFederationData", |data| {
            data.string("federatedProvider", &federation.provider_arn);
            data.object("attributes", |attributes| {
                for (name, values) in &federation.claims {
                    attributes.named_string(name, &values.join(","));
                }
            });
        });
    }
    context.object("attributes", |attributes| {
        let issued = session.token_issued().unwrap_or_else(|| session.issued());
        attributes.string("creationDate", &issued.iso8601());
        attributes.string("mfaAuthenticated", "false");
    });
    if let Some(source_identity) = session.source_identity() {
        context.string("sourceIdentity", source_identity);
    }
}

/// What decides for a session and rests nowhere else: its tags and policies.
fn session_policies(given: &mut Writer<'_>, session: &SessionUnit) {
    if !session.tags().is_empty() {
        given.object("tags", |tags| {
            for tag in session.tags() {
                tags.named_string(&tag.key, &tag.value);
            }
        });
    }
    if let Some(policies) = session.policies() {
        given.object("policies", |set| {
            if let Some(inline) = &policies.record.inline {
                set.string("inline", inline);
            }
            let arns = policies.record.managed.iter();
            set.strings("managed", arns.map(|policy| policy.arn.as_str()));
        });
    }
}

fn describe_decision(decision: &mut Writer<'_>, evaluation: &Evaluation, source: &Source) {
    decision.string("action", evaluation.action);
    decision.string("resource", evaluation.about.arn());
    match &evaluation.outcome {
        Outcome::Allowed(evidence) => {
            decision.string("decision", "Allow");
            decision.object("by", |by| evidence.describe(by));
        }
        Outcome::Denied {
            explicit,
            reason,
            by,
        } => {
            decision.string(
                "decision",
                if *explicit {
                    "ExplicitDeny"
                } else {
                    "ImplicitDeny"
                },
            );
            decision.string("reason", reason);
            if let Some(by) = by {
                decision.object("by", |element| by.describe(element));
            }
        }
    }
    if let Some(generation) = evaluation.about.policy_generation() {
        decision.hexadecimal("policyGeneration", generation.as_bytes());
    }
    if let Some(membership) = &evaluation.limited_by {
        decision.object("resourceControlPolicies", |policies| {
            membership.describe_resource_generations(policies);
        });
    }
    decision.object_if_any("context", |context| {
        evaluation.supplied.describe(context);
        source.describe(context);
    });
}

fn resource_type(arn: &str) -> Option<&'static str> {
    // What stands after the fifth colon may have more of them, in the path of a user.
    match arn.splitn(6, ':').nth(5)?.split_once('/')? {
        ("key", _) => Some("AWS::KMS::Key"),
        ("alias", _) => Some("AWS::KMS::Alias"),
        ("user", _) => Some("AWS::IAM::User"),
        ("role", _) => Some("AWS::IAM::Role"),
        _ => None,
    }
}

/// The longest prefix of at most so many bytes that ends at a character's end.
fn bounded(text: &str, bytes: usize) -> &str {
    let end = (0..=bytes.min(text.len()))
        .rev()
        .find(|end| text.is_char_boundary(*end));
    end.and_then(|end| text.get(..end)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_type_of_a_resource_is_that_of_its_arn() {
        let of =
            |resource: &str| resource_type(&format!("arn:aws:x:us-east-1:111122223333:{resource}"));
        assert_eq!(of("key/1"), Some("AWS::KMS::Key"));
        assert_eq!(of("alias/a/b"), Some("AWS::KMS::Alias"));
        assert_eq!(of("user/a:b/c"), Some("AWS::IAM::User"));
        assert_eq!(of("role/user/c"), Some("AWS::IAM::Role"));
        assert_eq!(of("*"), None);
        assert_eq!(resource_type("*"), None);
    }
}
