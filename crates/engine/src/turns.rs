//! How many requests are worked on at once, and whose turn is next.
//!
//! A request that is being handled holds records, its answer and its event, and takes processor time; one that waits
//! for its turn holds what its client sent. So only a limited number are handled, from the proof of the caller to the
//! answer: of one principal at most half of them, and principals take turns, however many requests one of them has.
//! The caller of a request is not authenticated before its turn, so the caller that was last authenticated on the
//! connection counts, and on a new connection the address.
//!
//! The bytes of waiting requests are bounded: beyond that, the caller who has most of them is told
//! to slow down. While nobody waits, no lock is taken.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap, VecDeque, hash_map::RandomState},
    fmt,
    hash::BuildHasher as _,
    net::{IpAddr, Ipv6Addr},
    num::NonZeroU64,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst},
    },
    time::Duration,
};

use parking_lot::Mutex;
use tokio::sync::oneshot;

use crate::{caller::Caller, request::Peer, server::Shared, throttle};

/// Lanes of principals. Two that share a lane share its turns.
const LANES: usize = 4096;

/// The longest wait for a turn. Whoever waits longer hears it before its own patience ends.
const PATIENCE: Duration = Duration::from_secs(5);

/// The turns of all principals.
pub struct Turns {
    free: AtomicUsize,
    /// How many wait. Added to before and taken from after the queue is looked at: if the end of a
    /// turn reads zero, its place is free for the next request.
    waiting: AtomicUsize,
    /// Requests of each lane that are worked on.
    under_way: Box<[AtomicUsize]>,
    most_of_one: usize,
    most_bytes: usize,
    patience: Duration,
    hasher: RandomState,
    queue: Mutex<Queue>,
}

impl fmt::Debug for Turns {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Turns")
            .field("free", &self.free)
            .field("waiting", &self.waiting)
            .finish_non_exhaustive()
    }
}

/// Those that wait.
#[derive(Debug, Default)]
struct Queue {
    next: u64,
    bytes: usize,
    lanes: HashMap<usize, Lane>,
    /// Lanes in which somebody waits who may be next, each once.
    order: VecDeque<usize>,
    /// Every lane in which somebody waits, with how many bytes.
    crowds: BTreeSet<(usize, usize)>,
}

/// Those of a lane that wait, by number, and so the longest waiting first.
#[derive(Debug, Default)]
struct Lane {
    bytes: usize,
    waiting: BTreeMap<u64, Waiter>,
    in_order: bool,
}

#[derive(Debug)]
struct Waiter {
    bytes: usize,
    /// Says that it is its turn; dropped, that it must not wait any longer.
    go: oneshot::Sender<()>,
}

/// A request's turn; dropping it ends it.
#[derive(Debug)]
pub struct Turn<'a> {
    turns: &'a Turns,
    lane: usize,
    over: AtomicBool,
}

impl Turn<'_> {
    /// Whether it has ended.
    pub(crate) fn is_over(&self) -> bool {
        self.over.load(SeqCst)
    }

    /// Ends the turn before the request is over: from here on, something else bounds its resources.
    pub fn give_back(&self) {
        if !self.over.swap(true, SeqCst) {
            self.turns.end(self.lane);
        }
    }

    /// The same turn for a request that outlives its connection.
    pub(crate) fn keep(self, shared: &Arc<Shared>) -> KeptTurn {
        let is_over = self.over.swap(true, SeqCst);
        KeptTurn {
            shared: Arc::clone(shared),
            lane: (!is_over).then_some(self.lane),
        }
    }

    /// Takes a turn again that was given back, for a request that holds so many bytes; waits for it like a
    /// new one. Returns whether there is one in time.
    pub(crate) async fn take_again(&self, bytes: usize) -> bool {
        if !self.is_over() {
            return true;
        }
        let next = match self.turns.take_now(self.lane) {
            Some(next) => Some(next),
            None => self.turns.wait(self.lane, bytes).await,
        };
        if let Some(next) = &next {
            // Its place is this turn's from now on.
            next.over.store(true, SeqCst);
            self.over.store(false, SeqCst);
        }
        next.is_some()
    }
}

/// The turn of a request that outlives its connection; dropping it ends it.
#[derive(Debug)]
pub(crate) struct KeptTurn {
    shared: Arc<Shared>,
    lane: Option<usize>,
}

impl Drop for KeptTurn {
    fn drop(&mut self) {
        if let Some(lane) = self.lane {
            self.shared.turns.end(lane);
        }
    }
}

/// A request in the queue. Dropping it takes it out, or gives back the turn that it was just given.
struct Waiting<'a> {
    turns: &'a Turns,
    lane: usize,
    number: u64,
    go: oneshot::Receiver<()>,
}

impl Turns {
    /// So many at once, while others of so many bytes wait.
    pub fn new(at_once: usize, most_bytes: usize) -> Self {
        Self {
            free: AtomicUsize::new(at_once.max(1)),
            waiting: AtomicUsize::new(0),
            under_way: (0..LANES).map(|_| AtomicUsize::new(0)).collect(),
            most_of_one: at_once.div_ceil(2).max(1),
            most_bytes,
            patience: PATIENCE,
            hasher: RandomState::new(),
            queue: Mutex::default(),
        }
    }

    /// Waits for a turn of the caller that was last authenticated on the connection, or else of
    /// strangers from its address, with a request that holds so many bytes. `None` if others wait
    /// who have as much right to the memory, or if the wait is too long.
    pub async fn take(&self, peer: &Peer, bytes: impl FnOnce() -> usize) -> Option<Turn<'_>> {
        let number = match peer.proof.principal() {
            Some(principal) => principal.get(),
            None => self.hasher.hash_one(network(peer.source_ip)),
        };
        let lane = usize::try_from(number % LANES as u64).unwrap_or(0);
        if let Some(turn) = self.take_now(lane) {
            return Some(turn);
        }
        self.wait(lane, bytes()).await
    }

    /// Has a connection's next requests wait for turns of this caller's principal.
    pub fn note(&self, peer: &Peer, caller: &Caller) {
        peer.proof.note(self.principal(caller));
    }

    /// The number of a caller's principal. The sessions of a role share it.
    pub(crate) fn principal(&self, caller: &Caller) -> NonZeroU64 {
        let number = throttle::principal(&self.hasher, caller);
        NonZeroU64::new(number).unwrap_or(NonZeroU64::MIN)
    }

    /// A turn at once, if nobody waits for one.
    fn take_now(&self, lane: usize) -> Option<Turn<'_>> {
        let taken = self.waiting.load(SeqCst) == 0 && self.begin(lane);
        taken.then(|| self.turn(lane))
    }

    /// A turn of a lane that has begun.
    fn turn(&self, lane: usize) -> Turn<'_> {
        Turn {
            turns: self,
            lane,
            over: AtomicBool::new(false),
        }
    }

    async fn wait(&self, lane: usize, bytes: usize) -> Option<Turn<'_>> {
        let mut waiting = self.enter(lane, bytes);
        match tokio::time::timeout(self.patience, &mut waiting.go).await {
            Ok(Ok(())) => Some(self.turn(lane)),
            Ok(Err(_)) | Err(_) => None,
        }
    }

    /// Enters the queue.
    fn enter(&self, lane: usize, bytes: usize) -> Waiting<'_> {
        let (go, gone) = oneshot::channel();
        let mut queue = self.queue.lock();
        self.waiting.fetch_add(1, SeqCst);
        let number = queue.enter(lane, Waiter { bytes, go });
        self.hand_out(&mut queue);
        while queue.bytes > self.most_bytes && queue.send_one_away() {
            self.waiting.fetch_sub(1, SeqCst);
        }
        drop(queue);
        Waiting {
            turns: self,
            lane,
            number,
            go: gone,
        }
    }

    /// Gives the free turns to those who are next.
    fn hand_out(&self, queue: &mut Queue) {
        while let Some(lane) = queue.order.front().copied() {
            if !self.begin_of_lane(lane) {
                // The end of one of its turns puts it back.
                queue.pass_over(lane);
                continue;
            }
            if !less(&self.free) {
                self.end_of_lane(lane);
                break;
            }
            let Some(next) = queue.next_of(lane) else {
                self.end_of_lane(lane);
                self.free.fetch_add(1, SeqCst);
                continue;
            };
            self.waiting.fetch_sub(1, SeqCst);
            if next.go.send(()).is_err() {
                // Whoever is in the queue listens, so that this cannot be.
                self.end_of_lane(lane);
                self.free.fetch_add(1, SeqCst);
            }
        }
    }

    /// Ends a turn of a lane, and begins the next one.
    fn end(&self, lane: usize) {
        self.end_of_lane(lane);
        self.free.fetch_add(1, SeqCst);
        if self.waiting.load(SeqCst) > 0 {
            let mut queue = self.queue.lock();
            queue.put_in_order(lane);
            self.hand_out(&mut queue);
        }
    }

    fn begin(&self, lane: usize) -> bool {
        let begun = self.begin_of_lane(lane);
        if begun && !less(&self.free) {
            self.end_of_lane(lane);
            return false;
        }
        begun
    }

    fn begin_of_lane(&self, lane: usize) -> bool {
        let more = |now| (now < self.most_of_one).then_some(now + 1);
        let lane = self.under_way.get(lane);
        lane.is_some_and(|lane| lane.fetch_update(SeqCst, SeqCst, more).is_ok())
    }

    fn end_of_lane(&self, lane: usize) {
        if let Some(lane) = self.under_way.get(lane) {
            lane.fetch_sub(1, SeqCst);
        }
    }
}

/// An address as far as one client cannot choose it freely.
pub fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(address) => IpAddr::V4(address),
        IpAddr::V6(address) => {
            let [a, b, c, d, ..] = address.segments();
            IpAddr::V6(Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0))
        }
    }
}

/// Takes one, if there is one.
fn less(count: &AtomicUsize) -> bool {
    let one_less = |now: usize| now.checked_sub(1);
    count.fetch_update(SeqCst, SeqCst, one_less).is_ok()
}

impl Queue {
    fn enter(&mut self, lane: usize, waiter: Waiter) -> u64 {
        let number = self.next;
        self.next += 1;
        let bytes = waiter.bytes;
        let waiting = &mut self.lanes.entry(lane).or_default().waiting;
        waiting.insert(number, waiter);
        self.count(lane, |before| before + bytes);
        self.put_in_order(lane);
        number
    }

    /// Lets a lane be next in its turn, if somebody waits there.
    fn put_in_order(&mut self, lane: usize) {
        if let Some(found) = self.lanes.get_mut(&lane)
            && !found.in_order
        {
            found.in_order = true;
            self.order.push_back(lane);
        }
    }

    /// Takes the lane that is next out of the order.
    fn pass_over(&mut self, lane: usize) {
        self.order.pop_front();
        if let Some(lane) = self.lanes.get_mut(&lane) {
            lane.in_order = false;
        }
    }

    /// The request that has waited longest in the next lane, which moves to the end of the order.
    fn next_of(&mut self, lane: usize) -> Option<Waiter> {
        self.pass_over(lane);
        let first = self.lanes.get(&lane)?.waiting.keys().next().copied()?;
        let waiter = self.remove(lane, first);
        self.put_in_order(lane);
        waiter
    }

    /// Sends away the last who came of the principal that has most bytes here.
    fn send_one_away(&mut self) -> bool {
        let largest = self.crowds.last().map(|(_, lane)| *lane);
        let last = largest.and_then(|lane| {
            let waiting = &self.lanes.get(&lane)?.waiting;
            Some((lane, *waiting.keys().next_back()?))
        });
        last.is_some_and(|(lane, number)| self.remove(lane, number).is_some())
    }

    fn remove(&mut self, lane: usize, number: u64) -> Option<Waiter> {
        let waiter = self.lanes.get_mut(&lane)?.waiting.remove(&number)?;
        self.count(lane, |before| before.saturating_sub(waiter.bytes));
        let found = self.lanes.get(&lane)?;
        if found.waiting.is_empty() {
            let in_order = found.in_order;
            self.crowds.remove(&(found.bytes, lane));
            self.lanes.remove(&lane);
            if in_order {
                self.order.retain(|other| *other != lane);
            }
        }
        Some(waiter)
    }

    fn count(&mut self, lane: usize, change: impl FnOnce(usize) -> usize) {
        if let Some(found) = self.lanes.get_mut(&lane) {
            self.crowds.remove(&(found.bytes, lane));
            let before = found.bytes;
            found.bytes = change(before);
            self.bytes = self.bytes.saturating_sub(before) + found.bytes;
            self.crowds.insert((found.bytes, lane));
        }
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        self.give_back();
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        let mut queue = self.turns.queue.lock();
        let waited = queue.remove(self.lane, self.number).is_some();
        drop(queue);
        if waited {
            self.turns.waiting.fetch_sub(1, SeqCst);
        } else if self.go.try_recv().is_ok() {
            // Given when nobody was listening any more.
            self.turns.end(self.lane);
        }
    }
}

#[cfg(test)]
mod tests;
