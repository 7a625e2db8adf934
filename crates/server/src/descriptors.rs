//! The system's limit on open files, which include connections.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::{config::Connections, http::peers::Places};

/// The default limit on connections.
const USUAL: usize = 4096;
/// Files other than connections: the store, the trail, connections to issuers and from operators.
const OTHER: usize = 192;
/// The smallest sensible limit on connections.
const FEWEST: usize = 16;

/// The system's limit does not allow the configured number.
#[derive(Debug, thiserror::Error)]
#[error(
    "`limits.connections` is `{connections}`: the system allows this process {files} open files, of which {OTHER} are needed for other things; raise its limit (`ulimit -Hn`, `LimitNOFILE=` of systemd) to {}, or use at most {}",
    connections + OTHER,
    files.saturating_sub(OTHER)
)]
pub struct TooFew {
    connections: usize,
    files: usize,
}

/// Raises the process's limit as far as necessary, and answers how many connections are allowed.
///
/// # Errors
/// If the system does not allow as many as are configured.
pub fn places(configured: &Connections) -> Result<Places, TooFew> {
    let wanted = configured.all.unwrap_or(USUAL);
    let files = raise(wanted.saturating_add(OTHER));
    let places = divide(configured, files)?;
    if places.all < wanted {
        tracing::warn!(
            connections = places.all,
            files,
            "fewer connections than usual: the system's limit on open files is low (`ulimit -Hn`, `LimitNOFILE=` of systemd)"
        );
    }
    Ok(places)
}

fn divide(configured: &Connections, files: usize) -> Result<Places, TooFew> {
    let most = files.saturating_sub(OTHER);
    let all = match configured.all {
        Some(connections) if connections > most => return Err(TooFew { connections, files }),
        Some(connections) => connections,
        None if most < FEWEST => {
            let connections = FEWEST;
            return Err(TooFew { connections, files });
        }
        None => most.min(USUAL),
    };
    let strangers = configured.strangers.unwrap_or(all - all / 4);
    Ok(Places {
        all,
        strangers: strangers.min(all),
        per_address: configured.per_address,
    })
}

/// Raises the limit to this many files, or as close to it as possible, and answers the new limit.
fn raise(wanted: usize) -> usize {
    let count = |limit: Option<u64>| {
        let limit = limit.map(|limit| usize::try_from(limit).unwrap_or(usize::MAX));
        limit.unwrap_or(usize::MAX)
    };
    let now = getrlimit(Resource::Nofile);
    if count(now.current) >= wanted {
        return count(now.current);
    }
    let most = wanted.min(count(now.maximum));
    let raised = Rlimit {
        current: u64::try_from(most).ok(),
        maximum: now.maximum,
    };
    match setrlimit(Resource::Nofile, raised) {
        Ok(()) => most,
        Err(error) => {
            tracing::warn!(%error, "cannot raise the limit on open files");
            count(now.current)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn configured(all: Option<usize>, strangers: Option<usize>) -> Connections {
        Connections {
            all,
            strangers,
            per_address: 10,
        }
    }

    #[test]
    fn a_quarter_of_the_places_is_kept_for_clients() {
        let places = |all, strangers, files| {
            let places = divide(&configured(all, strangers), files).unwrap();
            (places.all, places.strangers)
        };
        assert_eq!(places(None, None, usize::MAX), (4096, 3072));
        assert_eq!(places(None, None, 1024), (832, 624));
        assert_eq!(places(None, Some(100), 1024), (832, 100));
        assert_eq!(places(None, Some(1000), 1024), (832, 832));
        assert_eq!(places(Some(1), None, 1024), (1, 1));
        assert_eq!(places(Some(64), None, 256), (64, 48));
    }

    #[test]
    fn more_connections_than_the_system_allows_are_refused() {
        let error = divide(&configured(Some(4096), None), 1024).unwrap_err();
        assert_eq!(
            error.to_string(),
            "`limits.connections` is `4096`: the system allows this process 1024 open files, of \
             which 192 are needed for other things; raise its limit (`ulimit -Hn`, `LimitNOFILE=` of \
             systemd) to 4288, or use at most 832"
        );
        assert!(divide(&configured(None, None), 200).is_err());
    }
}
