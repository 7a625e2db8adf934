//! The end of a request: its event on the audit trail, its changes in the store, the counters. It is
//! the same for all operations, and compiled once.

use keyward_metrics::Ended;
use keyward_store::{batch::Precondition, error::CommitError, sealed::SealedBatch};
use keyward_trail::refused::Refusal;
use keyward_types::key_id::KeyArn;
use smallvec::{SmallVec, smallvec};
use uuid::{Uuid, fmt::Hyphenated};

use crate::{
    api::ApiDescription,
    audit::{
        event::{self, Audience, Circumstances, EventParts, ServedOperation},
        outbox::places::Slot,
        parameters::Sent,
        service_event::{self, ServiceEvent},
        shares::Shares,
    },
    caller::WebIdentity,
    context::Context,
    counts::Counted,
    directory::purpose,
    fault::{Fault, Internal},
    gate::evaluation::Evaluation,
    protocol::AnswerTo,
    request::{Answer, Told},
    usage::LastUse,
};

/// Records the outcome of one request.
#[derive(Clone, Copy, Debug)]
pub(super) struct Recorder<'a> {
    cx: &'a Context<'a>,
    named: ServedOperation,
}

/// What a successful request does in addition to its answer.
pub(super) struct Effects<'d> {
    /// What changes, if anything.
    pub changes: Option<SealedBatch>,
    /// The keys that were used.
    pub used: &'d [KeyArn],
    /// What there is one more of by the changes.
    pub counted: &'d [Counted],
    /// What they do that has an event of its own.
    pub events: &'d [ServiceEvent],
}

/// What came of recording a request that succeeded.
pub(super) enum Recorded {
    /// It is on the trail, and its changes are in the store.
    Written,
    /// Neither is, and this is the answer.
    Failed(Answer),
    /// Another request was faster.
    Conflict,
}

enum Failed {
    Conflict,
    Internal(Internal),
}

impl<'a> Recorder<'a> {
    /// For a request to an operation.
    pub fn new(cx: &'a Context<'a>, named: ServedOperation) -> Self {
        Self { cx, named }
    }

    /// The operation.
    pub fn named(&self) -> ServedOperation {
        self.named
    }

    /// Commits the changes, records the event and counts the request.
    pub async fn success(
        &self,
        sent: Sent<'_>,
        parts: &dyn EventParts,
        effects: Effects<'_>,
        evaluations: &[Evaluation],
    ) -> Recorded {
        let (cx, ServedOperation { api, operation, .. }) = (self.cx, self.named);
        let shares = Shares::of(cx.caller, evaluations);
        let recorded = match effects.changes {
            Some(batch) => {
                let changes = (batch, effects.events);
                self.commit(sent, parts, evaluations, changes, &shares)
                    .await
            }
            None => {
                let lines = self.events(sent, parts, evaluations, &[], &shares);
                let recorded = match lines.into_inner() {
                    Ok([line]) => cx.shared.writer.record(line).await,
                    Err(lines) => cx.shared.writer.record_all(lines).await,
                };
                recorded.map_err(|error| Failed::Internal(Internal::new(error)))
            }
        };
        match recorded {
            Ok(()) => {}
            Err(Failed::Conflict) => return Recorded::Conflict,
            Err(Failed::Internal(internal)) => {
                let fault = api.failure(internal);
                return Recorded::Failed(self.fault(Some(sent), fault, evaluations).await);
            }
        }
        cx.shared.turns.note(cx.peer, cx.caller);
        self.note_use(effects.used, &shares);
        for counted in effects.counted {
            cx.shared.counts.made(*counted);
        }
        let metrics = &cx.shared.metrics;
        metrics.request(api.service, operation, Ended::Success);
        Recorded::Written
    }

    /// Commits changes and their events in one batch.
    async fn commit(
        &self,
        sent: Sent<'_>,
        parts: &dyn EventParts,
        evaluations: &[Evaluation],
        (mut batch, events): (SealedBatch, &[ServiceEvent]),
        shares: &Shares,
    ) -> Result<(), Failed> {
        let shared = self.cx.shared;
        service_event::check_untold(&batch).map_err(Failed::Internal)?;
        let changes = service_event::changes(&batch);
        for event in events {
            event
                .put(&mut batch, self.cx.now)
                .map_err(Failed::Internal)?;
        }
        let internal =
            |error: &dyn std::fmt::Display| Failed::Internal(Internal::new(error.to_string()));
        let mut places = SmallVec::<[Slot<'_>; 1]>::new();
        for line in self.events(sent, parts, evaluations, &changes, shares) {
            let place = shared.outbox.take().map_err(|error| internal(&error))?;
            // Whatever is stored there is on the trail.
            let path = place.path().clone();
            let generation = batch
                .put(path, purpose::OUTBOX, &line, Precondition::Any)
                .map_err(|error| internal(&error))?;
            place.keep(generation, line);
            places.push(place);
        }
        match shared.directory.node().commit(batch).await {
            Ok(_) => {
                places.into_iter().for_each(Slot::committed);
                Ok(())
            }
            Err(CommitError::Conflict { .. }) => {
                places.into_iter().for_each(Slot::refused);
                Err(Failed::Conflict)
            }
            Err(error) => Err(Failed::Internal(Internal::new(error))),
        }
    }

    /// Records a fault and counts the request. Returns the fault, or the failure to record it.
    pub async fn fault(
        &self,
        sent: Option<Sent<'_>>,
        fault: Fault,
        evaluations: &[Evaluation],
    ) -> Answer {
        let (cx, ServedOperation { api, operation, .. }) = (self.cx, self.named);
        if let Some(cause) = fault.internal_cause() {
            let cause = cause.chain();
            tracing::error!(request_id = %cx.request_id, operation, cause, "request failed");
        }
        if let Some(identity) = cx.caller.web_identity()
            && !evaluations.iter().any(Evaluation::is_allowed)
        {
            return self.refuse_stranger(identity, &fault.for_strangers());
        }
        let is_refused = fault.internal_cause().is_none();
        let is_counted_only = cx.repeats || fault.is_unrecorded() || fault.repeated_for().is_some();
        let fault = if is_refused && is_counted_only {
            self.sample_repeated(&fault);
            fault
        } else {
            let failed = event::Result::Failure(&fault);
            let of = (cx.event_id, Audience::Caller(None));
            let line = self.event(of, sent, failed, evaluations, &[]);
            match cx.shared.writer.record(line).await {
                Ok(()) => fault,
                Err(error) => api.failure(Internal::new(error)),
            }
        };
        let ended = match (fault.http_status(), fault.audit_code()) {
            (500.., _) => Ended::Failure,
            (_, code) if fault.is_unrecorded() && code == api.throttled.0 => Ended::Throttled,
            (_, "AccessDenied") => Ended::Denied,
            (_, _) => Ended::Fault,
        };
        cx.shared.metrics.request(api.service, operation, ended);
        answer(cx, api, &fault)
    }

    /// Samples a refusal that repeats one that is recorded, for the address of the stranger.
    fn sample_repeated(&self, fault: &Fault) {
        let cx = self.cx;
        let Some(source_ip) = fault.repeated_for() else {
            return;
        };
        cx.shared.metrics.unauthenticated(fault.code());
        cx.shared.refusals.sample(&Refusal {
            at: cx.now,
            source_ip,
            code: fault.code(),
            access_key_id: None,
            operation: Some(self.named.operation),
            identity: None,
        });
    }

    /// Answers a web identity that no trust policy allows: anybody can get a token of a public
    /// provider, so its holder is a stranger here.
    fn refuse_stranger(&self, identity: &WebIdentity, fault: &Fault) -> Answer {
        let cx = self.cx;
        cx.shared.metrics.unauthenticated(fault.code());
        cx.shared.refusals.sample(&Refusal {
            at: cx.now,
            source_ip: cx.peer.source_ip,
            code: fault.code(),
            access_key_id: None,
            operation: Some(self.named.operation),
            identity: Some((&identity.federation.provider_arn, identity.token.subject())),
        });
        answer(cx, self.named.api, fault)
    }

    /// The events of a request that succeeded: the caller's, and one for each other account whose
    /// resource was used.
    fn events(
        &self,
        sent: Sent<'_>,
        parts: &dyn EventParts,
        evaluations: &[Evaluation],
        changes: &[event::ChangedPath],
        shares: &Shares,
    ) -> SmallVec<[Vec<u8>; 1]> {
        let render = |of| {
            let result = event::Result::Success(parts);
            self.event(of, Some(sent), result, evaluations, changes)
        };
        let Some(id) = shares.id() else {
            return smallvec![render((self.cx.event_id, Audience::Caller(None)))];
        };
        let mut text = [0; Hyphenated::LENGTH];
        let id: &str = id.hyphenated().encode_lower(&mut text);
        let mut lines = smallvec![render((self.cx.event_id, Audience::Caller(Some(id))))];
        for (owner, event) in shares.owners() {
            lines.push(render((*event, Audience::Owner(*owner, id))));
        }
        lines
    }

    fn event(
        &self,
        (id, audience): (Uuid, Audience<'_>),
        sent: Option<Sent<'_>>,
        result: event::Result<'_>,
        evaluations: &[Evaluation],
        changes: &[event::ChangedPath],
    ) -> Vec<u8> {
        let cx = self.cx;
        let (mut request_id, mut event_id) = ([0; Hyphenated::LENGTH], [0; Hyphenated::LENGTH]);
        let circumstances = Circumstances {
            caller: cx.caller,
            source: cx.source,
            region: cx.region,
            time: cx.now,
            peer: cx.peer,
            user_agent: cx.user_agent,
            host: cx.host,
            request_id: cx.request_id.hyphenated().encode_lower(&mut request_id),
            event_id: id.hyphenated().encode_lower(&mut event_id),
            audience,
        };
        event::render(
            self.named,
            &circumstances,
            sent,
            result,
            evaluations,
            changes,
        )
    }

    fn note_use(&self, used: &[KeyArn], shares: &Shares) {
        let cx = self.cx;
        for key in used {
            // A key's owner is pointed to the event that it can see.
            let event_id = shares.event_of(key.account()).unwrap_or(cx.event_id);
            let usage = LastUse {
                operation: self.named.operation,
                at: cx.now,
                event_id,
                request_id: cx.request_id,
            };
            cx.shared.usage.note(key, usage);
        }
    }
}

fn answer(cx: &Context<'_>, api: &ApiDescription, fault: &Fault) -> Answer {
    let request_id = cx.request_id.to_string();
    let asked = AnswerTo::of(api.wire, &request_id, cx.form);
    let body = (api.render_fault)(fault, &asked);
    let content_type = (api.content_type)(cx.form);
    let mut answer = Answer::new(fault.http_status(), content_type, cx.request_id, body)
        .with_code(api.wire.style(), fault.code().into());
    answer.told = Some(Box::new(Told {
        code: fault.code(),
        message: fault.message().map(str::to_owned),
    }));
    answer
}

/// Records the refusal of a proven caller's request that no operation serves, or that its
/// credentials may not be used for, and answers it.
pub(crate) async fn refuse(
    cx: &Context<'_>,
    (api, operation): (&'static ApiDescription, &'static str),
    fault: Fault,
    ended: Ended,
) -> Answer {
    let fault = refused(cx, (api, operation), (api.service, fault), ended).await;
    answer(cx, api, &fault)
}

/// As [`refuse`], counted for a service of that name. Returns the fault, or the failure to record
/// it.
pub(crate) async fn refused(
    cx: &Context<'_>,
    (api, operation): (&'static ApiDescription, &'static str),
    (service, fault): (&'static str, Fault),
    ended: Ended,
) -> Fault {
    let named = ServedOperation {
        api,
        operation,
        read_only: true,
    };
    let recorder = Recorder::new(cx, named);
    let of = (cx.event_id, Audience::Caller(None));
    let line = recorder.event(of, None, event::Result::Failure(&fault), &[], &[]);
    let fault = match cx.shared.writer.record(line).await {
        Ok(()) => fault,
        Err(error) => api.failure(Internal::new(error)),
    };
    let ended = if fault.http_status() >= 500 {
        Ended::Failure
    } else {
        ended
    };
    cx.shared.metrics.request(service, operation, ended);
    fault
}
