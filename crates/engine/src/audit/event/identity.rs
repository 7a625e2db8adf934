//! `userIdentity`: who asked.
//!
//! <https://docs.aws.amazon.com/awscloudtrail/latest/userguide/cloudtrail-event-reference-user-identity.html>

use keyward_types::principal::{ANONYMOUS_ACCOUNT, Principal, PrincipalKind};
use keyward_wire::json::Writer;

use super::room::{self, Room};
use crate::{
    caller::{Bearer, Caller, WebIdentity},
    session::{SessionUnit, Subject},
};

/// Writes the caller for the trail of another account whose resource was used: only from which
/// account it is.
pub(super) fn for_owner(identity: &mut Writer<'_>, caller: &Caller) {
    if let Bearer::Service(service) = caller.bearer() {
        identity.string("type", "AWSService");
        identity.string("invokedBy", &service.global_name());
        return;
    }
    identity.string("type", "AWSAccount");
    identity.string("principalId", &caller.user_id());
    identity.string("accountId", caller.principal().account_text());
    if let Some(service) = caller.service() {
        identity.string("invokedBy", &service.global_name());
    }
}

/// Writes the caller for the trail of its own account.
pub(super) fn of_caller(identity: &mut Writer<'_>, caller: &Caller, room: &Room) {
    if let Some(WebIdentity {
        federation, token, ..
    }) = caller.web_identity()
    {
        identity.string("type", "WebIdentityUser");
        identity.string("principalId", caller.principal().arn());
        identity.string("userName", token.subject());
        identity.string("identityProvider", &federation.provider_arn);
        if let Some(service) = caller.service() {
            identity.string("invokedBy", &service.global_name());
        }
        return;
    }
    if let Some(user) = caller.user() {
        let [before, after] = user.in_events();
        identity.fragment(before);
        if let Some(id) = caller.shown_access_key() {
            identity.string("accessKeyId", id);
        }
        identity.fragment(after);
        acting_for(identity, caller, room);
        return;
    }
    let principal: &Principal = caller.principal();
    if *principal.kind() == PrincipalKind::Anonymous {
        identity.string("type", "AWSAccount");
        identity.string("principalId", "");
        identity.string("accountId", ANONYMOUS_ACCOUNT);
        return;
    }
    if let Bearer::Agent(agent) = caller.bearer() {
        identity.string("type", "KeywardAgent");
        if let Some(id) = &agent.id {
            identity.string("principalId", id.as_str());
        }
        identity.string("accountId", agent.account.as_str());
        if let Some(id) = caller.shown_access_key() {
            identity.string("accessKeyId", id);
        }
        return;
    }
    let kind = match principal.kind() {
        PrincipalKind::Root => "Root",
        PrincipalKind::User { .. } => "IAMUser",
        PrincipalKind::RoleSession { .. } => "AssumedRole",
        PrincipalKind::FederatedUser { .. } => "FederatedUser",
        PrincipalKind::WebIdentity { .. } => "WebIdentityUser",
        PrincipalKind::Anonymous => "AWSAccount",
        PrincipalKind::Service { .. } => "AWSService",
    };
    identity.string("type", kind);
    if let Bearer::Service(service) = caller.bearer() {
        identity.string("invokedBy", &service.global_name());
        return;
    }
    identity.string("principalId", &caller.user_id());
    identity.string("arn", principal.arn());
    identity.string("accountId", principal.account_text());
    if let Some(id) = caller.shown_access_key() {
        identity.string("accessKeyId", id);
    }
    acting_for(identity, caller, room);
}

/// Writes how temporary credentials were issued, and who uses them.
fn acting_for(identity: &mut Writer<'_>, caller: &Caller, room: &Room) {
    if let Some(session) = caller.session()
        && session.token_issued().is_some()
    {
        identity.object("sessionContext", |context| {
            session_context(context, caller, session, room);
        });
    }
    if let Some(service) = caller.service() {
        identity.string("invokedBy", &service.global_name());
    }
}

/// CloudTrail's `sessionContext`: who issued the temporary credentials, and when.
fn session_context(context: &mut Writer<'_>, caller: &Caller, session: &SessionUnit, room: &Room) {
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
        (
            Bearer::User(_) | Bearer::Root | Bearer::Service(_) | Bearer::Agent(_) | Bearer::Nobody,
            _,
        ) => None,
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
            room::section(data, "attributes", room.section, |data| {
                data.object("attributes", |attributes| {
                    for (name, values) in &federation.claims {
                        attributes.named_string(name, &values.join(","));
                    }
                });
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
