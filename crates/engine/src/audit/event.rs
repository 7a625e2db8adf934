//! One audit event: a CloudTrail record, together with how the decision was made.
//!
//! The members are CloudTrail's
//! (<https://docs.aws.amazon.com/awscloudtrail/latest/userguide/cloudtrail-event-reference-record-contents.html>);
//! `keyward` is ours: every decision with the statement that decided and the context it was made in, the
//! generations of the policies that take part, and what changed.

mod identity;
mod of_service;
mod room;

use keyward_store::sealed::Generation;
use keyward_types::{
    account::AccountId, arn::ArnParts, key_id::KeyArn, region::Region, time::Timestamp,
};
use keyward_wire::json::{Elements, Writer};

pub use self::of_service::render_service_event;
use self::room::Room;
use crate::{
    api::ApiDescription,
    audit::parameters::Sent,
    caller::{Bearer, Caller},
    fault::Fault,
    gate::evaluation::{About, By, Evaluation, Outcome},
    protocol::{Dialect, Wire},
    request::{Peer, Source},
    session::SessionUnit,
};

/// CloudTrail's version of the record's shape.
const EVENT_VERSION: &str = "1.11";

/// What is known of a request before its operation runs.
#[derive(Debug)]
pub struct Circumstances<'a> {
    /// The caller.
    pub caller: &'a Caller,
    /// The resource that a service calls for, if it calls on its own behalf.
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
    /// Whose event it is.
    pub audience: Audience<'a>,
}

/// One changed path with its new generation, or `None` if it was deleted.
pub type ChangedPath = (String, Option<Generation>);

/// The operation that an event names.
#[derive(Clone, Copy, Debug)]
pub struct ServedOperation {
    /// Its API.
    pub api: &'static ApiDescription,
    /// Its name.
    pub operation: &'static str,
    /// Whether the audit trail calls it read-only.
    pub read_only: bool,
}

/// What an event shows of an answer.
pub trait EventParts: Sync {
    /// Writes `responseElements`.
    fn response_elements(&self, elements: &mut Writer<'_>);

    /// The key that the call made, which the event names among its resources.
    fn made(&self) -> Option<KeyArn>;

    /// Whose account the event is recorded for if the caller belongs to none and no decision was
    /// about anything of an account.
    fn recipient(&self) -> Option<AccountId>;

    /// Writes `additionalEventData`.
    fn additional_event_data(&self, data: &mut Writer<'_>);
}

/// What came of the request.
#[derive(Clone, Copy)]
pub enum Result<'a> {
    /// It succeeded.
    Success(&'a dyn EventParts),
    /// It failed.
    Failure(&'a Fault),
}

impl std::fmt::Debug for Result<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Success(_) => "Success",
            Self::Failure(_) => "Failure",
        })
    }
}

/// Whose event it is, and what connects it with the other events of the same request.
#[derive(Clone, Copy, Debug)]
pub enum Audience<'a> {
    /// The caller's account; with `sharedEventID`, if another account has an event too.
    Caller(Option<&'a str>),
    /// Another account whose resource was used; with `sharedEventID`.
    Owner(AccountId, &'a str),
}

/// Renders the event of one request as a JSON object without line feed.
pub fn render(
    named: ServedOperation,
    circumstances: &Circumstances<'_>,
    sent: Option<Sent<'_>>,
    result: Result<'_>,
    evaluations: &[Evaluation],
    changes: &[ChangedPath],
) -> Vec<u8> {
    let told = Told {
        named,
        circumstances,
        sent,
        result,
        evaluations,
        changes,
    };
    let line = told.render(&Room::FULL);
    let most = if told.is_allowed() {
        room::MAX_ALLOWED
    } else {
        room::MAX_OTHER
    };
    if line.len() <= most {
        line
    } else {
        told.render(&Room::SHORT)
    }
}

/// What an event shows.
struct Told<'e> {
    named: ServedOperation,
    circumstances: &'e Circumstances<'e>,
    sent: Option<Sent<'e>>,
    result: Result<'e>,
    evaluations: &'e [Evaluation],
    changes: &'e [ChangedPath],
}

impl Told<'_> {
    /// Whether policies allowed the request and it succeeded.
    fn is_allowed(&self) -> bool {
        let allowed = self.evaluations.iter().any(Evaluation::is_allowed);
        matches!(self.result, Result::Success(_)) && allowed
    }

    /// On which account's trail the event belongs: on that of the caller's account. A service
    /// belongs to no account, so what it does is recorded for the account whose resource it uses.
    fn recipient(&self) -> Option<AccountId> {
        let made = || match &self.result {
            Result::Success(output) => output.recipient(),
            Result::Failure(_) => None,
        };
        // What was allowed is shown to the other accounts too; what was denied is not.
        let decided = || match &self.result {
            Result::Success(_) => self.evaluations.first(),
            Result::Failure(_) => self.evaluations.last(),
        };
        let decided = || decided().map(|evaluation| evaluation.about.account());
        let caller = self.circumstances.caller;
        let of_agent = || match caller.bearer() {
            Bearer::Agent(agent) => Some(agent.account),
            _ => None,
        };
        let own = caller.principal().account().or_else(of_agent);
        own.or_else(decided).or_else(made)
    }

    fn render(&self, room: &Room) -> Vec<u8> {
        // The list of changes makes an event longer; the length of everything else is known well
        // enough.
        let capacity = if self.changes.is_empty() { 2048 } else { 4096 };
        Writer::render(capacity, |event| self.write(event, room))
    }

    fn write(&self, event: &mut Writer<'_>, room: &Room) {
        let Circumstances {
            caller,
            source: _,
            region,
            time,
            peer,
            user_agent,
            host,
            request_id,
            event_id,
            audience,
        } = self.circumstances;
        event.string("eventVersion", EVENT_VERSION);
        event.object("userIdentity", |identity| match audience {
            Audience::Caller(_) => identity::of_caller(identity, caller, room),
            Audience::Owner(..) => identity::for_owner(identity, caller),
        });
        event.string("eventTime", &time.iso8601());
        event.string("eventSource", self.named.api.event_source);
        event.string("eventName", self.named.operation);
        event.string("awsRegion", region.as_str());
        match caller.service() {
            // Behind a service the caller's own address is not known.
            Some(service) => {
                event.string("sourceIPAddress", &service.global_name());
                event.string("userAgent", &service.global_name());
            }
            None => {
                event.string("sourceIPAddress", peer.address());
                event.string("userAgent", room::cut(user_agent, room.user_agent));
            }
        }
        if let Result::Failure(fault) = &self.result {
            event.string("errorCode", fault.audit_code());
            if let Some(message) = fault.message() {
                event.string("errorMessage", room::cut(message, room.message));
            }
        }
        match &self.sent {
            Some(sent) => room::section(event, "requestParameters", room.elements, |event| {
                event.object_or_null("requestParameters", |parameters| {
                    sent.describe(parameters, room.member);
                });
            }),
            None => event.null("requestParameters"),
        }
        match &self.result {
            Result::Success(output) => {
                room::section(event, "responseElements", room.elements, |event| {
                    event.object_or_null("responseElements", |e| output.response_elements(e));
                });
                event.object_if_any("additionalEventData", |d| output.additional_event_data(d));
            }
            Result::Failure(_) => event.null("responseElements"),
        }
        event.string("requestID", request_id);
        event.string("eventID", event_id);
        event.boolean("readOnly", self.named.read_only);
        event.array("resources", |resources| self.resources(resources, room));
        event.string("eventType", "AwsApiCall");
        if let Wire::Rest {
            version,
            dialect: Dialect::Aws,
            ..
        } = self.named.api.wire
        {
            event.string("apiVersion", version);
        }
        event.boolean("managementEvent", true);
        let (recipient, shared) = match audience {
            Audience::Caller(shared) => (self.recipient(), *shared),
            Audience::Owner(account, shared) => (Some(*account), Some(*shared)),
        };
        if let Some(recipient) = recipient {
            event.string("recipientAccountId", recipient.as_str());
        }
        if let Some(shared) = shared {
            event.string("sharedEventID", shared);
        }
        event.string("eventCategory", "Management");
        if let Some(tls) = &peer.tls {
            event.object("tlsDetails", |details| {
                details.string("tlsVersion", tls.version);
                details.string("cipherSuite", &tls.cipher_suite);
                details.string("clientProvidedHostHeader", room::cut(host, room.host));
            });
        }
        event.object("keyward", |keyward| self.write_ours(keyward, room));
    }

    fn resources(&self, resources: &mut Elements<'_>, room: &Room) {
        let mut left = room.resources;
        for (index, evaluation) in self.evaluations.iter().enumerate() {
            let arn = evaluation.about.arn();
            let mut before = self.evaluations.iter().take(index);
            if before.any(|other| other.about.arn() == arn) || !self.is_for(evaluation) {
                continue;
            }
            // An ARN has no character that is escaped, unless the caller made it up.
            if room::cut(arn, left).len() < arn.len() {
                continue;
            }
            left -= arn.len();
            match &evaluation.about {
                About::Known(known) => resources.object(|out| out.fragment(known.element())),
                About::Other { arn, account, .. } => {
                    let parts = ArnParts::parse(arn);
                    let Some(kind) = parts.and_then(|arn| (self.named.api.resource_type)(&arn))
                    else {
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
        if let Result::Success(output) = &self.result
            && let Some(key) = output.made()
        {
            resources.object(|resource| {
                resource.string("accountId", key.account().as_str());
                resource.string("type", "AWS::KMS::Key");
                resource.string("ARN", key.as_str());
            });
        }
    }

    /// Whether a decision may be told to those whom the event is for: the owner of a resource
    /// learns what was decided about it, and nothing about other accounts.
    fn is_for(&self, evaluation: &Evaluation) -> bool {
        match self.circumstances.audience {
            // Of a service's request, each account learns what was decided about its own resources.
            Audience::Caller(_) => {
                self.circumstances.caller.principal().account().is_some()
                    || self.recipient() == Some(evaluation.about.account())
            }
            Audience::Owner(account, _) => evaluation.about.account() == account,
        }
    }

    /// What CloudTrail does not have: what decided, and what changed.
    fn write_ours(&self, keyward: &mut Writer<'_>, room: &Room) {
        let Circumstances {
            caller, audience, ..
        } = self.circumstances;
        if room.short {
            keyward.boolean("shortened", true);
        }
        keyward.array("decisions", |decisions| {
            let skipped = self.evaluations.len().saturating_sub(room.decisions);
            for evaluation in self.evaluations.iter().skip(skipped) {
                if self.is_for(evaluation) {
                    decisions.object(|decision| self.decision(decision, evaluation, room));
                }
            }
        });
        if let Audience::Caller(_) = audience {
            room::section(keyward, "policies", room.section, |keyward| {
                keyward.object("policies", |policies| caller.describe_generations(policies));
            });
            if let Some(session) = caller.session() {
                room::section(keyward, "session", room.section, |keyward| {
                    keyward.object_if_any("session", |given| session_policies(given, session));
                });
            }
        }
        if !self.changes.is_empty() {
            room::section(keyward, "changes", room.section, |keyward| {
                keyward.array("changes", |list| {
                    for (path, generation) in self.changes {
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
            });
        }
    }

    fn decision(&self, decision: &mut Writer<'_>, evaluation: &Evaluation, room: &Room) {
        decision.string("action", evaluation.action);
        let arn = evaluation.about.arn();
        decision.string("resource", room::cut(arn, room.arn));
        match &evaluation.outcome {
            Outcome::Allowed(evidence) => {
                decision.string("decision", "Allow");
                self.evidence(decision, evidence, room);
            }
            Outcome::Denied {
                explicit,
                reason,
                by,
            } => {
                let word = if *explicit {
                    "ExplicitDeny"
                } else {
                    "ImplicitDeny"
                };
                decision.string("decision", word);
                decision.string("reason", reason);
                if let Some(by) = by {
                    self.evidence(decision, by, room);
                }
            }
        }
        if let Some(generation) = evaluation.about.policy_generation() {
            decision.hexadecimal("policyGeneration", generation.as_bytes());
        }
        if let Some(membership) = &evaluation.limited_by {
            room::section(
                decision,
                "resourceControlPolicies",
                room.section,
                |decision| {
                    decision.object("resourceControlPolicies", |policies| {
                        membership.describe_resource_generations(policies);
                    });
                },
            );
        }
        room::section(decision, "context", room.section, |decision| {
            decision.object_if_any("context", |context| {
                evaluation.supplied.describe(context);
                self.circumstances.source.describe(context);
            });
        });
    }

    /// What decided. The owner of a resource sees its own policies, not the caller's.
    fn evidence(&self, decision: &mut Writer<'_>, by: &By, room: &Room) {
        if matches!(self.circumstances.audience, Audience::Owner(..)) && !by.is_the_resources() {
            return;
        }
        room::section(decision, "by", room.section, |decision| {
            decision.object("by", |element| by.describe(element));
        });
    }
}

/// What decides for a session and is stored nowhere else: its tags and policies.
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
