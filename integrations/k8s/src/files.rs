//! The system's limit on open files, which include connections.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::limits::{MAX_AT_ONCE, MAX_CHECKS, MAX_CONNECTIONS};

/// Files other than connections of calls and checks: sockets, credentials, certificates, STS.
const OTHER: usize = 64;

/// Raises the process's limit as far as so many keys may need it.
pub fn allow(keys: usize) {
    let wanted = needed(keys);
    let now = getrlimit(Resource::Nofile);
    let enough = |limit: Option<u64>| limit.is_none_or(|limit| limit >= wanted);
    if enough(now.current) {
        return;
    }
    let raised = Rlimit {
        current: now
            .maximum
            .map_or(Some(wanted), |most| Some(most.min(wanted))),
        maximum: now.maximum,
    };
    let raised = setrlimit(Resource::Nofile, raised);
    if raised.is_err() || !enough(now.maximum) {
        tracing::warn!(
            "the system's limit on open files is low: raise it to {wanted} (`ulimit -Hn`, `LimitNOFILE=` of systemd), or connections may be refused"
        );
    }
}

/// The most files that are open at once: for each key its connections and a test, and what all keys share.
fn needed(keys: usize) -> u64 {
    let needed = keys * (MAX_CONNECTIONS + 1) + MAX_AT_ONCE + MAX_CHECKS + OTHER;
    u64::try_from(needed).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limits::MAX_KEYS;

    #[test]
    fn even_many_keys_need_less_than_systems_usually_allow() {
        assert!(needed(1) < 256 && needed(MAX_KEYS) < 1024);
    }
}
