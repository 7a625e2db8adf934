//! The volumes of an agent over NFS. One task does what is asked, in the order in which it is: so a volume that is
//! closed for a step stays closed until something newer is wanted.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::PathBuf,
    time::Duration,
};

use keyward_agent::{export::Export, report::TargetReport, wanted::Target};
use keyward_nfs::{
    authorize::Authorize,
    cidr::Cidr,
    error::Error,
    options::{self, Options},
    server::Server,
};
use keyward_types::storage::VolumeId;
use tokio::sync::{mpsc, oneshot};

/// How often what failed is tried again.
const AGAIN: Duration = Duration::from_secs(10);

/// How a volume is to be served, and where it is mounted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wish {
    /// How it is to be served.
    pub export: Export,
    /// Where it is mounted.
    pub mounted_at: PathBuf,
    /// Another one each time that it is mounted anew.
    pub epoch: String,
}

/// What became of the mount targets of all volumes that are to be served.
pub type Outcome = BTreeMap<VolumeId, Vec<TargetReport>>;

enum Order {
    /// Serve these, and no others.
    Follow(BTreeMap<VolumeId, Wish>),
    /// Let nobody use the files of a volume, until something else is wanted.
    Close(VolumeId, oneshot::Sender<()>),
    /// End everything.
    Stop(oneshot::Sender<()>),
}

/// Asks the task.
#[derive(Clone, Debug)]
pub struct Exports(mpsc::Sender<Order>);

impl Exports {
    /// Starts the task. What a killed agent has left is ended first. `outcome` hears what becomes of mount targets
    /// whenever that has changed, and answers whether it has heard it.
    pub fn start<A: Authorize + Clone>(
        options: Options,
        authorize: A,
        outcome: impl FnMut(Outcome) -> bool + Send + 'static,
    ) -> Self {
        let (orders, incoming) = mpsc::channel(64);
        let task = Task {
            options,
            authorize,
            server: Err("it has not been tried yet".to_owned()),
            served: BTreeMap::new(),
            wishes: BTreeMap::new(),
            told: None,
            outcome,
        };
        tokio::spawn(task.run(incoming));
        Self(orders)
    }

    /// Has these volumes served as they are to be, and no others. Answers whether that is under way.
    pub fn follow(&self, wishes: BTreeMap<VolumeId, Wish>) -> bool {
        self.0.try_send(Order::Follow(wishes)).is_ok()
    }

    /// Waits until nobody uses the files of a volume. It stays closed until something else is wanted.
    pub async fn close(&self, volume: &VolumeId) {
        let (done, closed) = oneshot::channel();
        if self
            .0
            .send(Order::Close(volume.clone(), done))
            .await
            .is_ok()
        {
            let _ = closed.await;
        }
    }

    /// Ends everything, and waits for that.
    pub async fn stop(&self) {
        let (done, stopped) = oneshot::channel();
        if self.0.send(Order::Stop(done)).await.is_ok() {
            let _ = stopped.await;
        }
    }
}

/// How a volume is served.
#[derive(Default)]
struct Served {
    targets: Vec<Target>,
    reports: Vec<TargetReport>,
    /// The epoch of the file system that can be used.
    open: Option<String>,
    revision: u64,
    /// Whether something is to be tried again.
    failed: bool,
}

struct Task<A, F> {
    options: Options,
    authorize: A,
    /// What serves, or why nothing does.
    server: Result<Server, String>,
    served: BTreeMap<VolumeId, Served>,
    wishes: BTreeMap<VolumeId, Wish>,
    told: Option<Outcome>,
    outcome: F,
}

impl<A: Authorize + Clone, F: FnMut(Outcome) -> bool + Send> Task<A, F> {
    async fn run(mut self, mut incoming: mpsc::Receiver<Order>) {
        // What was served by an agent that was killed ends here.
        if self.options.state.exists() {
            self.begin();
        }
        let mut again = tokio::time::interval(AGAIN);
        again.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                order = incoming.recv() => match order {
                    Some(Order::Follow(wishes)) => self.wishes = wishes,
                    Some(Order::Close(volume, done)) => {
                        self.close(&volume).await;
                        let _ = done.send(());
                        continue;
                    }
                    Some(Order::Stop(done)) => {
                        if let Ok(server) = self.server
                            && let Err(error) = server.stop().await
                        {
                            tracing::warn!(%error, "a process that serves NFS has not ended");
                        }
                        let _ = done.send(());
                        return;
                    }
                    None => return,
                },
                _ = again.tick() => {
                    for served in self.served.values_mut().filter(|served| served.failed) {
                        // So that it is not what it is to be.
                        served.targets.clear();
                    }
                }
            }
            self.follow().await;
        }
    }

    fn begin(&mut self) {
        let server = Server::start(self.options.clone(), self.authorize.clone());
        self.server = server.map_err(|error| error.to_string());
        if let Err(why) = &self.server {
            tracing::warn!(why, "nothing is served over NFS");
        }
    }

    async fn close(&mut self, volume: &VolumeId) {
        // Until something newer is wanted.
        if let Some(wish) = self.wishes.get_mut(volume) {
            wish.export.open = false;
        }
        if let Some(served) = self.served.get_mut(volume) {
            served.open = None;
        }
        if let Ok(server) = &self.server {
            lock(server, volume).await;
        }
    }

    async fn follow(&mut self) {
        let any = self
            .wishes
            .values()
            .any(|wish| !wish.export.targets.is_empty());
        if any && self.server.is_err() {
            self.begin();
        }
        let volumes: BTreeSet<VolumeId> = self
            .wishes
            .keys()
            .chain(self.served.keys())
            .cloned()
            .collect();
        for volume in volumes {
            let wish = self.wishes.get(&volume);
            let gone = wish.is_none_or(|wish| wish.export.targets.is_empty());
            let served = self.served.entry(volume.clone()).or_default();
            match (&self.server, wish) {
                (Ok(server), Some(wish)) => served.follow(server, &volume, wish).await,
                (Ok(server), None) => {
                    set(server, &volume, Vec::new()).await;
                }
                (Err(why), Some(wish)) => served.refuse(why, wish),
                (Err(_), None) => {}
            }
            if gone && wish.is_none() {
                self.served.remove(&volume);
            }
        }
        let served = self.served.iter();
        let outcome: Outcome = served
            .map(|(volume, served)| (volume.clone(), served.reports.clone()))
            .collect();
        if self.told.as_ref() != Some(&outcome) && (self.outcome)(outcome.clone()) {
            self.told = Some(outcome);
        }
    }
}

impl Served {
    async fn follow(&mut self, server: &Server, volume: &VolumeId, wish: &Wish) {
        let Wish {
            export,
            mounted_at,
            epoch,
        } = wish;
        if self.targets != export.targets || self.reports.len() != export.targets.len() {
            self.reports = set(server, volume, export.targets.clone()).await;
            self.targets.clone_from(&export.targets);
            if export.targets.is_empty() {
                self.open = None;
            }
        }
        self.failed = self.reports.iter().any(|report| report.message.is_some());
        if self.reports.iter().all(|report| report.message.is_some()) {
            // The server has forgotten the volume.
            self.open = None;
            return;
        }
        let is_same = self.open.as_ref() == Some(epoch);
        if self.open.is_some() && !(export.open && is_same) {
            lock(server, volume).await;
            self.open = None;
        }
        if export.open && self.open.is_none() {
            match server.unlock(volume.as_str(), mounted_at).await {
                Ok(()) => self.open = Some(epoch.clone()),
                Err(error) => {
                    tracing::warn!(%volume, %error, "the volume cannot be served over NFS yet");
                    self.failed = true;
                }
            }
        }
        if self.revision != export.revision {
            server.reauthorize(volume.as_str()).await;
            self.revision = export.revision;
        }
    }

    fn refuse(&mut self, why: &str, wish: &Wish) {
        let targets = wish.export.targets.iter();
        self.reports = targets
            .map(|target| TargetReport::failed(target.mount_target_id.clone(), why))
            .collect();
        self.failed = true;
    }
}

async fn lock(server: &Server, volume: &VolumeId) {
    if let Err(error) = server.lock(volume.as_str()).await {
        tracing::error!(%volume, %error, "a process that serves NFS has not ended");
    }
}

/// Serves a volume on these targets, and answers what became of each. One that cannot be listened on holds up no
/// other.
async fn set(server: &Server, volume: &VolumeId, targets: Vec<Target>) -> Vec<TargetReport> {
    let mut failed: BTreeMap<String, String> = BTreeMap::new();
    let mut good = Vec::new();
    for target in &targets {
        match parsed(target) {
            Ok(parsed) => good.push(parsed),
            Err(why) => {
                failed.insert(target.mount_target_id.clone(), why);
            }
        }
    }
    loop {
        let error = match server.set(volume.as_str(), good.clone()).await {
            Ok(()) => break,
            Err(error) => error,
        };
        let why = error.to_string();
        tracing::warn!(%volume, why, "a mount target is not served");
        let bad = match &error {
            Error::Listen { target, .. } => Some(target.clone()),
            Error::SameAddress { address, .. } => good
                .iter()
                .find(|target| target.address == address.ip() && target.port == address.port())
                .map(|target| target.id.clone()),
            _ => None,
        };
        match bad.filter(|bad| good.iter().any(|target| target.id == *bad)) {
            Some(bad) => {
                good.retain(|target| target.id != bad);
                failed.insert(bad, why);
            }
            None => {
                failed.extend(good.drain(..).map(|target| (target.id, why.clone())));
                break;
            }
        }
    }
    let reports = targets.into_iter().map(|target| {
        let id = target.mount_target_id;
        match failed.get(&id) {
            Some(why) => TargetReport::failed(id, why),
            None => TargetReport::ready(id),
        }
    });
    reports.collect()
}

fn parsed(target: &Target) -> Result<options::Target, String> {
    let cidrs = target.cidrs.iter().map(|text| text.parse::<Cidr>());
    let cidrs = cidrs.collect::<Result<_, _>>();
    Ok(options::Target {
        id: target.mount_target_id.clone(),
        address: target.ip_address,
        port: target.port,
        cidrs: cidrs.map_err(|error| error.to_string())?,
    })
}
