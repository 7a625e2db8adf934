//! What an attached volume does when KMS answers this or that. `docs/volumes.md` has the same table.

use std::time::Duration;

use keyward_client::answer::Failure;
use keyward_types::time::Monotonic;

/// How soon KMS is asked again that has given no good answer: the key may be gone since, and nobody has said so.
const RETRY: Duration = Duration::from_secs(2);

/// What an answer of KMS means for an attached volume.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The key can be used.
    Fine,
    /// Nobody has said that it may not be used, but nobody has said that it may: the volume stays for a
    /// bounded time.
    Grace,
    /// The key may not be used any more: the volume is cut off at once.
    Cut,
}

/// The verdict about an answer to Decrypt of the volume's own wrapped data key.
///
/// Whatever KMS refuses for a reason that is not named here cuts the volume off, too: only a refusal that
/// passes by itself, or is about the server, is given time.
pub fn verdict(answer: Result<(), &Failure>) -> Verdict {
    let (status, code) = match answer {
        Ok(()) => return Verdict::Fine,
        Err(Failure::NoAnswer(_)) => return Verdict::Grace,
        Err(Failure::Refused { status, code, .. }) => (*status, code.as_str()),
    };
    match code {
        "DisabledException"
        | "KMSInvalidStateException"
        | "AccessDeniedException"
        | "NotFoundException" => Verdict::Cut,
        "ThrottlingException"
        | "Throttling"
        | "TooManyRequestsException"
        | "RequestLimitExceeded"
        | "LimitExceededException"
        | "KeyUnavailableException"
        | "DependencyTimeoutException"
        | "KMSInternalException"
        // Nobody has taken anything away: new credentials of the same caller are due.
        | "ExpiredTokenException" => Verdict::Grace,
        _ if status >= 500 || status == 429 => Verdict::Grace,
        _ => Verdict::Cut,
    }
}

/// How long an attached volume has been without a good answer.
#[derive(Clone, Copy, Debug)]
pub struct Watch {
    grace: Duration,
    answer: Duration,
    fine: Monotonic,
    /// When the first question was asked that has had no good answer since.
    unanswered: Option<Monotonic>,
}

impl Watch {
    /// A volume whose key was good at this time. `answer` is the longest time from a question to its answer.
    pub const fn new(grace: Duration, answer: Duration, now: Monotonic) -> Self {
        Self {
            grace,
            answer,
            fine: now,
            unanswered: None,
        }
    }

    /// Takes it that KMS is asked at this time.
    pub fn asks(&mut self, now: Monotonic) {
        self.unanswered.get_or_insert(now);
    }

    /// Takes a verdict on a question that was asked at this time, and answers whether to cut the volume off.
    pub fn hears(&mut self, verdict: Verdict, asked: Monotonic) -> bool {
        match verdict {
            Verdict::Fine => {
                (self.fine, self.unanswered) = (asked, None);
                false
            }
            Verdict::Grace => self.left(asked).is_zero(),
            Verdict::Cut => true,
        }
    }

    /// After which time KMS is asked again, if it is asked so often while it gives good answers.
    pub fn pause(&self, recheck: Duration) -> Duration {
        match self.unanswered {
            Some(_) => recheck.min(RETRY),
            None => recheck,
        }
    }

    /// Whether the grace has ended even though no answer came that would say so. It does not while nobody has asked,
    /// as when attaching took longer than the grace.
    pub fn is_over(&self, now: Monotonic) -> bool {
        let waited = |since| Duration::from_millis(now.millis_since(since));
        self.left(now).is_zero()
            && self
                .unanswered
                .is_some_and(|asked| waited(asked) > self.answer)
    }

    /// How much of the grace is left, counted from when the last question was asked that had a good answer.
    pub fn left(&self, now: Monotonic) -> Duration {
        let since = Duration::from_millis(now.millis_since(self.fine));
        self.grace.saturating_sub(since)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(status: u16, code: &str) -> Verdict {
        let failure = Failure::Refused {
            status,
            code: code.to_owned(),
            message: None,
        };
        verdict(Err(&failure))
    }

    #[test]
    fn a_good_answer_is_fine() {
        assert_eq!(verdict(Ok(())), Verdict::Fine);
    }

    #[test]
    fn no_answer_has_grace() {
        let failure = Failure::NoAnswer("it did not answer in time".to_owned());
        assert_eq!(verdict(Err(&failure)), Verdict::Grace);
    }

    #[test]
    fn whoever_may_not_use_the_key_is_cut_off() {
        for (status, code) in [
            (400, "DisabledException"),
            (409, "DisabledException"),
            (400, "KMSInvalidStateException"),
            (409, "KMSInvalidStateException"),
            (400, "AccessDeniedException"),
            (403, "AccessDeniedException"),
            (400, "NotFoundException"),
            (404, "NotFoundException"),
            // Not the key that wrapped it, or another context: what is asked for is not this volume's key.
            (400, "IncorrectKeyException"),
            (400, "InvalidCiphertextException"),
            (400, "InvalidKeyUsageException"),
            (400, "ValidationException"),
            // The caller is nobody, or not who it says.
            (403, "UnrecognizedClientException"),
            (400, "UnrecognizedClientException"),
            (403, "InvalidSignatureException"),
            (403, "IncompleteSignatureException"),
            (403, "MissingAuthenticationTokenException"),
            (400, "NobodyKnowsThisException"),
            (301, "NobodyKnowsThisException"),
        ] {
            assert_eq!(refused(status, code), Verdict::Cut, "{status} {code}");
        }
    }

    #[test]
    fn what_passes_by_itself_has_grace() {
        for (status, code) in [
            (400, "ThrottlingException"),
            (429, "ThrottlingException"),
            (400, "Throttling"),
            (400, "TooManyRequestsException"),
            (400, "RequestLimitExceeded"),
            (400, "LimitExceededException"),
            (429, "NobodyKnowsThisException"),
            (500, "KeyUnavailableException"),
            (400, "KeyUnavailableException"),
            (500, "DependencyTimeoutException"),
            (503, "DependencyTimeoutException"),
            (500, "KMSInternalException"),
            (500, "InternalFailure"),
            (503, "ServiceUnavailableException"),
            (500, "NobodyKnowsThisException"),
            (400, "ExpiredTokenException"),
            (403, "ExpiredTokenException"),
        ] {
            assert_eq!(refused(status, code), Verdict::Grace, "{status} {code}");
        }
    }

    #[test]
    fn what_the_server_of_an_agent_answers_is_in_the_same_table() {
        for (status, code) in [
            // What KMS refused the service, with KMS's code.
            (400, "DisabledException"),
            (400, "KMSInvalidStateException"),
            (400, "AccessDeniedException"),
            // The volume is not assigned to the agent, or the key is gone.
            (400, "NotFoundException"),
            // It is to be gone.
            (400, "ValidationException"),
            // The agent was removed.
            (400, "UnrecognizedClientException"),
            (403, "UnrecognizedClientException"),
        ] {
            assert_eq!(refused(status, code), Verdict::Cut, "{status} {code}");
        }
        for (status, code) in [
            (400, "ThrottlingException"),
            // What KMS could not do for the service.
            (500, "KMSInternalException"),
            (503, "ServiceUnavailableException"),
        ] {
            assert_eq!(refused(status, code), Verdict::Grace, "{status} {code}");
        }
    }

    #[test]
    fn a_refusal_counts_more_than_its_status() {
        assert_eq!(refused(500, "DisabledException"), Verdict::Cut);
        assert_eq!(refused(500, "AccessDeniedException"), Verdict::Cut);
    }

    #[test]
    fn grace_is_counted_from_the_last_good_answer_and_ends() {
        let at = Monotonic::from_millis;
        let mut watch = Watch::new(Duration::from_secs(10), Duration::from_secs(2), at(0));
        assert!(!watch.hears(Verdict::Grace, at(4_000)));
        assert!(!watch.hears(Verdict::Fine, at(8_000)));
        assert!(!watch.hears(Verdict::Grace, at(12_000)));
        assert_eq!(watch.left(at(12_000)), Duration::from_secs(6));
        assert!(!watch.hears(Verdict::Grace, at(17_999)));
        assert!(watch.hears(Verdict::Grace, at(18_000)));
        // A good answer saves what has not been cut off yet.
        assert!(!watch.hears(Verdict::Fine, at(18_001)));
        assert!(watch.hears(Verdict::Cut, at(18_002)));
    }

    #[test]
    fn who_gave_no_good_answer_is_asked_again_soon() {
        let at = Monotonic::from_millis;
        let (often, seldom) = (Duration::from_secs(1), Duration::from_secs(60));
        let mut watch = Watch::new(Duration::from_secs(300), Duration::from_secs(20), at(0));
        assert_eq!(watch.pause(seldom), seldom);
        watch.asks(at(60_000));
        assert!(!watch.hears(refused(400, "ThrottlingException"), at(60_000)));
        assert_eq!([often, seldom].map(|one| watch.pause(one)), [often, RETRY]);
        watch.asks(at(62_000));
        assert!(!watch.hears(Verdict::Fine, at(62_000)));
        assert_eq!(watch.pause(seldom), seldom);
    }

    #[test]
    fn grace_ends_also_if_no_answer_ever_comes() {
        let at = Monotonic::from_millis;
        let mut watch = Watch::new(Duration::from_secs(10), Duration::from_secs(2), at(0));
        watch.asks(at(9_000));
        watch.asks(at(10_500));
        assert!(!watch.is_over(at(11_000)));
        assert!(watch.is_over(at(11_001)));
        let mut watch = Watch::new(Duration::from_secs(10), Duration::from_secs(2), at(0));
        watch.asks(at(1_000));
        assert!(!watch.is_over(at(9_999)));
        assert!(watch.is_over(at(10_000)));
    }

    #[test]
    fn grace_does_not_end_before_anybody_has_asked() {
        let at = Monotonic::from_millis;
        let mut watch = Watch::new(Duration::from_secs(10), Duration::from_secs(2), at(0));
        assert!(!watch.is_over(at(100_000)));
        watch.asks(at(100_000));
        assert!(!watch.is_over(at(102_000)));
        assert!(!watch.hears(Verdict::Fine, at(100_000)));
        assert!(!watch.is_over(at(200_000)));
        watch.asks(at(200_000));
        assert!(watch.is_over(at(202_001)));
    }

    #[test]
    fn without_grace_the_first_missing_answer_cuts_off() {
        let at = Monotonic::from_millis;
        let mut watch = Watch::new(Duration::ZERO, Duration::from_secs(20), at(0));
        assert!(!watch.is_over(at(60_000)));
        watch.asks(at(60_000));
        assert!(!watch.is_over(at(80_000)));
        assert!(!watch.hears(Verdict::Fine, at(60_000)));
        watch.asks(at(120_000));
        assert!(watch.hears(Verdict::Grace, at(120_000)));
    }
}
