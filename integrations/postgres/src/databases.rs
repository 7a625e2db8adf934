//! All database servers of a machine.

use std::{collections::BTreeMap, fs, path::Path, sync::Arc};

use keyward_types::time::Clock;
use parking_lot::Mutex;

use crate::{
    authority::Authority,
    cgroup::Cgroup,
    error::{At as _, Error},
    files::{self, Access},
    names::Name,
    options::{Bounds, Options, Status, Stopped, Wanted},
    process::Record,
    requirements, stop,
    supervisor::{Supervisor, Task},
    user,
    watch::Watch,
};

/// The database servers of a machine, each on a volume of its own.
///
/// When this is dropped, the servers go on, and are found again by the next one with the same directories.
#[derive(Debug)]
pub struct Databases {
    options: Arc<Options>,
    authority: Arc<Authority>,
    clock: Arc<dyn Clock>,
    supervisors: Mutex<BTreeMap<Name, Arc<Supervisor>>>,
}

impl Databases {
    /// Makes the directories and the certificate authority if there are none. No server need be installed yet.
    ///
    /// # Errors
    /// When the machine lacks something else, or the kernel refuses.
    pub fn open(mut options: Options, clock: Arc<dyn Clock>) -> Result<Self, Error> {
        let missing = requirements::of_system();
        if !missing.is_empty() {
            return Err(Error::Requirements(missing));
        }
        files::folder(&options.state, Access::root(0o700))?;
        files::folder(&options.runtime, Access::root(0o711))?;
        options.runtime = options
            .runtime
            .canonicalize()
            .at("open", &options.runtime)?;
        let authority = Authority::open(&options.state, clock.now())?;
        Ok(Self {
            options: Arc::new(options),
            authority: Arc::new(authority),
            clock,
            supervisors: Mutex::default(),
        })
    }

    /// The certificate of the authority that has signed the certificates of all servers, in PEM.
    pub fn authority(&self) -> &str {
        self.authority.pem()
    }

    /// Has a server as it is wanted, on a mounted volume, from now on. Does not wait for it: [`Databases::status`] says
    /// how it is. An earlier wish for it is replaced.
    ///
    /// # Errors
    /// When what is wanted cannot be, or the server is on another volume: [`Databases::stop`] it first.
    pub fn run(&self, name: &Name, volume: &Path, wanted: Wanted) -> Result<(), Error> {
        wanted.check()?;
        let volume = volume.canonicalize().at("open", volume)?;
        let mut supervisors = self.supervisors.lock();
        if let Some(supervisor) = supervisors.get(name) {
            if *supervisor.volume() != volume {
                return Err(Error::OtherVolume {
                    name: name.to_string(),
                    volume: supervisor.volume().clone(),
                });
            }
            if supervisor.want(wanted.clone()) {
                return Ok(());
            }
            supervisor.join();
        }
        let task = Task {
            name: name.clone(),
            volume,
            options: Arc::clone(&self.options),
            authority: Arc::clone(&self.authority),
        };
        let supervisor = Supervisor::start(task, wanted, self.watch())?;
        supervisors.insert(name.clone(), Arc::new(supervisor));
        Ok(())
    }

    /// How a server is; none if nobody has wanted it since this was opened, or it was stopped.
    pub fn status(&self, name: &Name) -> Option<Status> {
        let supervisors = self.supervisors.lock();
        supervisors.get(name).map(|supervisor| supervisor.status())
    }

    /// Those that an earlier run of this program, or this one, has started and not forgotten.
    ///
    /// # Errors
    /// When the kernel refuses.
    pub fn known(&self) -> Result<Vec<Name>, Error> {
        let runtime = &self.options.runtime;
        let mut names = Vec::new();
        for entry in fs::read_dir(runtime).at("read", runtime)? {
            let entry = entry.at("read", runtime)?;
            names.extend(
                entry
                    .file_name()
                    .to_str()
                    .and_then(|name| Name::parse(name).ok()),
            );
        }
        names.sort_unstable();
        Ok(names)
    }

    /// Ends a server, and waits for that: at most as long as the bounds say together, and a second or two. Afterwards
    /// nothing uses its volume. It also ends one that an earlier run of this program has started.
    ///
    /// # Errors
    /// When processes do not end even though they are killed. It is then tried again until [`Databases::run`].
    pub fn stop(&self, name: &Name, bounds: Bounds) -> Result<Stopped, Error> {
        let supervisor = self.supervisors.lock().get(name).cloned();
        let Some(supervisor) = supervisor else {
            return self.stop_unsupervised(name, bounds);
        };
        let stopped = supervisor.stop(bounds)?;
        let mut supervisors = self.supervisors.lock();
        // Unless it is wanted again meanwhile.
        if let Some(found) = supervisors.get(name)
            && Arc::ptr_eq(found, &supervisor)
            && supervisor.is_done()
        {
            supervisor.join();
            supervisors.remove(name);
        }
        Ok(stopped)
    }

    fn stop_unsupervised(&self, name: &Name, bounds: Bounds) -> Result<Stopped, Error> {
        end(&self.options.runtime, name, bounds, Arc::clone(&self.clock))
    }

    /// Removes what is on this machine of a server that is stopped, except for its volume: its system user, its control
    /// group, and what it was told.
    ///
    /// # Errors
    /// When it is not stopped, or a program fails.
    pub fn forget(&self, name: &Name) -> Result<(), Error> {
        if self.supervisors.lock().contains_key(name) {
            return Err(Error::NotStopped(name.to_string()));
        }
        // Whatever runs as the user is of the server, whoever has started it. The user stays as long as anything does: the
        // next one may get its number.
        self.stop_unsupervised(name, self.options.bounds)?;
        Cgroup::make(name).remove();
        let runtime = self.options.runtime.join(name.as_str());
        // Before the user, whose group may read it.
        files::remove(&runtime.join("server.pem"))?;
        user::remove(name, &self.watch())?;
        files::remove_all(&runtime)
    }

    fn watch(&self) -> Watch {
        Watch::new(Arc::clone(&self.clock))
    }
}

/// Ends a server, whoever supervises it, and everything that runs as its system user: for a program that takes its volume
/// away. It waits at most as long as the bounds say together, and a moment. A supervisor that goes on starts it again.
///
/// `runtime` is that of [`Options`].
///
/// # Errors
/// When processes do not end even though they are killed: they wait for the volume.
pub fn end(
    runtime: &Path,
    name: &Name,
    bounds: Bounds,
    clock: Arc<dyn Clock>,
) -> Result<Stopped, Error> {
    let path = runtime.join(name.as_str()).join("process.json");
    let record = Record::read(&path)?;
    let cgroup = record.as_ref().map(Record::cgroup).unwrap_or_default();
    let process = record.and_then(|record| record.find());
    let watch = Watch::new(clock);
    let stopped = stop::end(name, process.as_ref(), &cgroup, &|| Ok(bounds), &watch)?;
    files::remove(&path)?;
    Ok(stopped)
}

impl Drop for Databases {
    fn drop(&mut self) {
        for supervisor in self.supervisors.lock().values() {
            supervisor.leave();
        }
    }
}
