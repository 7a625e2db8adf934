//! The end of a server: fast, immediate, and by SIGKILL to everything that runs as its system user.

use std::{thread, time::Duration};

use rustix::process::Signal;

use crate::{
    cgroup::Cgroup,
    error::Error,
    names::Name,
    options::{Bounds, Stopped},
    process::{Family, Process},
    shared_memory, user,
    watch::Watch,
};

/// How often it is looked whether a server has ended that was told so.
const LOOK: Duration = Duration::from_millis(10);

/// How long each phase may take. It is asked again and again, since somebody may want it to be shorter; it fails if the
/// server is to be left as it is.
pub(crate) type CurrentBounds<'b> = &'b dyn Fn() -> Result<Bounds, Error>;

/// Ends a server. Afterwards nothing of it runs, and nobody has its files open.
pub(crate) fn end(
    name: &Name,
    postmaster: Option<&Process>,
    cgroup: &Cgroup,
    bounds: CurrentBounds<'_>,
    watch: &Watch,
) -> Result<Stopped, Error> {
    let by_request = match postmaster {
        Some(postmaster) if !postmaster.has_ended() => shut_down(name, postmaster, bounds, watch)?,
        _ => None,
    };
    let Some(user) = user::find(name)? else {
        return Ok(Stopped::Before);
    };
    let family = Family {
        name,
        user: &user,
        cgroup,
    };
    // After a shutdown this finds nobody, and after the end of a postmaster those that it has left.
    let killed = family.kill(bounds()?.kill, watch);
    // Also if some are left: what others have mapped of it, they keep.
    shared_memory::remove(user.uid);
    let killed = killed?;
    cgroup.remove();
    if killed > 0 {
        tracing::warn!(database = %name, killed, "processes of a database were killed");
        return Ok(Stopped::Killed);
    }
    Ok(by_request.unwrap_or(Stopped::Before))
}

/// Tells a server to end, at first with everything written, then at once; none if it does not.
fn shut_down(
    name: &Name,
    postmaster: &Process,
    bounds: CurrentBounds<'_>,
    watch: &Watch,
) -> Result<Option<Stopped>, Error> {
    // https://www.postgresql.org/docs/15/server-shutdown.html
    for (signal, stopped) in [
        (Signal::INT, Stopped::Fast),
        (Signal::QUIT, Stopped::Immediate),
    ] {
        if let Err(error) = postmaster.signal(signal) {
            tracing::warn!(database = %name, %error, "PostgreSQL cannot be told to end");
            continue;
        }
        let begun = watch.millis();
        loop {
            if postmaster.has_ended() {
                tracing::info!(database = %name, how = ?stopped, "PostgreSQL has ended");
                return Ok(Some(stopped));
            }
            let bounds = bounds()?;
            let within = match stopped {
                Stopped::Fast => bounds.fast,
                _ => bounds.immediate,
            };
            if watch.has_passed(within, begun) {
                break;
            }
            thread::sleep(LOOK);
        }
    }
    Ok(None)
}
