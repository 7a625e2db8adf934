//! The rule of node and cache, tried in every interleaving.
//!
//! The world is one unit, three commits, two requests, one feed and a store whose reads may lag
//! as far as they like. Each step is what the code does atomically. The rule holds if no request
//! is shown the unit older than a commit that was acknowledged before the request began. Each way
//! of breaking the rule must break it in some interleaving, or the model would prove nothing.

use std::collections::HashSet;

/// How the protocol is run: as it is, or with one mistake.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Rule {
    AsItIs,
    /// A commit is answered when it is durable, without waiting for the caches.
    AcknowledgedWhenDurable,
    /// The feed says "applied" before it drops the unit.
    AppliedBeforeDropped,
    /// The feed raises the floor only after it has dropped the unit.
    FloorAfterDropped,
    /// A request takes note of the floor before its fill has taken its place.
    FloorNotedEarly,
    /// A read older than the floor is taken.
    FloorIgnored,
    /// A fill is kept though its place was dropped meanwhile.
    FillSurvivesDrop,
}

const COMMITS: usize = 3;
const REQUESTS: usize = 2;

/// Revision n is the n-th commit; the second one changes something else.
const CHANGES_UNIT: [bool; COMMITS + 1] = [false, true, false, true];

/// The newest change of the unit that a read at this revision shows.
fn shown(at: usize) -> usize {
    (0..=at)
        .rev()
        .find(|revision| CHANGES_UNIT[*revision])
        .unwrap_or(0)
}

#[derive(Clone, PartialEq, Eq, Hash)]
struct World {
    newest: usize,
    acknowledged: usize,
    floor: usize,
    applied: usize,
    cached: Cached,
    // What the fill of each request came to, for those who wait for it.
    filled: [Option<usize>; REQUESTS],
    commits: [Commit; COMMITS],
    requests: [Request; REQUESTS],
    feed: Feed,
}

#[derive(Clone, Copy, PartialEq, Eq, Hash)]
enum Cached {
    Nothing,
    /// The place of this request's fill.
    Place(usize),
    /// The unit as of this revision.
    Unit(usize),
}

#[derive(Clone, Copy, PartialEq, Eq, Hash)]
enum Commit {
    NotBegun,
    Durable(usize),
    Acknowledged,
}

#[derive(Clone, Copy, PartialEq, Eq, Hash)]
enum Request {
    NotBegun,
    /// Must be shown at least this revision.
    Begun {
        must: usize,
        noted: usize,
    },
    /// Has taken its place in the cache.
    Placed {
        must: usize,
        noted: Option<usize>,
    },
    /// Has read the unit as of a revision.
    Read {
        must: usize,
        unit: usize,
    },
    /// Waits for the fill of another request.
    Waits {
        must: usize,
        on: usize,
    },
    Done,
}

#[derive(Clone, Copy, PartialEq, Eq, Hash)]
enum Feed {
    Waits,
    /// Has the changes up to here in hand; has done so many of the three steps.
    TakesIn {
        to: usize,
        done: usize,
    },
}

impl World {
    fn new() -> Self {
        Self {
            newest: 0,
            acknowledged: 0,
            floor: 0,
            applied: 0,
            cached: Cached::Nothing,
            filled: [None; REQUESTS],
            commits: [Commit::NotBegun; COMMITS],
            requests: [Request::NotBegun; REQUESTS],
            feed: Feed::Waits,
        }
    }

    /// A request is answered: is it shown what it must be?
    fn answer(&mut self, request: usize, must: usize, unit: usize) -> bool {
        self.requests[request] = Request::Done;
        unit >= shown(must)
    }

    /// Every world that one step leads to, and whether the rule holds there.
    fn steps(&self, rule: Rule) -> Vec<(Self, bool)> {
        let mut next = Vec::new();
        // Those not begun are alike: only the first of them need begin.
        let idle = |state: &Commit| *state == Commit::NotBegun;
        let begun = self.commits.iter().position(idle).unwrap_or(COMMITS);
        for number in 0..COMMITS.min(begun + 1) {
            next.extend(self.commit(number, rule).map(|world| (world, true)));
        }
        let idle = |state: &Request| *state == Request::NotBegun;
        let begun = self.requests.iter().position(idle).unwrap_or(REQUESTS);
        for number in 0..REQUESTS.min(begun + 1) {
            self.request(number, rule, &mut next);
        }
        self.feed(rule, &mut next);
        // Whatever is in the cache may be evicted for want of room.
        if let Cached::Unit(_) = self.cached {
            let mut world = self.clone();
            world.cached = Cached::Nothing;
            next.push((world, true));
        }
        next
    }

    fn commit(&self, number: usize, rule: Rule) -> Option<Self> {
        let mut world = self.clone();
        match self.commits[number] {
            Commit::NotBegun => {
                world.newest += 1;
                world.commits[number] = Commit::Durable(world.newest);
            }
            Commit::Durable(revision)
                if self.applied >= revision || rule == Rule::AcknowledgedWhenDurable =>
            {
                world.acknowledged = self.acknowledged.max(revision);
                world.commits[number] = Commit::Acknowledged;
            }
            Commit::Durable(_) | Commit::Acknowledged => return None,
        }
        Some(world)
    }

    fn request(&self, number: usize, rule: Rule, next: &mut Vec<(Self, bool)>) {
        let mut world = self.clone();
        match self.requests[number] {
            Request::NotBegun => {
                let (must, noted) = (self.acknowledged, self.floor);
                world.requests[number] = Request::Begun { must, noted };
                next.push((world, true));
            }
            Request::Begun { must, noted } => match self.cached {
                Cached::Unit(unit) => {
                    let holds = world.answer(number, must, unit);
                    next.push((world, holds));
                }
                Cached::Place(on) => {
                    world.requests[number] = Request::Waits { must, on };
                    next.push((world, true));
                }
                Cached::Nothing => {
                    let noted = (rule == Rule::FloorNotedEarly).then_some(noted);
                    world.cached = Cached::Place(number);
                    world.requests[number] = Request::Placed { must, noted };
                    next.push((world, true));
                }
            },
            Request::Placed { must, noted: None } => {
                let noted = Some(self.floor);
                world.requests[number] = Request::Placed { must, noted };
                next.push((world, true));
            }
            Request::Placed {
                must,
                noted: Some(floor),
            } => {
                let oldest = if rule == Rule::FloorIgnored { 0 } else { floor };
                for at in oldest..=self.newest {
                    let mut world = world.clone();
                    let unit = shown(at);
                    world.requests[number] = Request::Read { must, unit };
                    next.push((world, true));
                }
            }
            Request::Read { must, unit } => {
                if self.cached == Cached::Place(number) || rule == Rule::FillSurvivesDrop {
                    world.cached = Cached::Unit(unit);
                }
                world.filled[number] = Some(unit);
                let holds = world.answer(number, must, unit);
                next.push((world, holds));
            }
            Request::Waits { must, on } => {
                if let Some(unit) = self.filled[on] {
                    let holds = world.answer(number, must, unit);
                    next.push((world, holds));
                }
            }
            Request::Done => {}
        }
    }

    fn feed(&self, rule: Rule, next: &mut Vec<(Self, bool)>) {
        match self.feed {
            Feed::Waits => {
                // One answer may hold any number of changes. That older ones are gone
                // ("compacted") is the same: the unit is dropped.
                for to in self.applied + 1..=self.newest {
                    let mut world = self.clone();
                    world.feed = Feed::TakesIn { to, done: 0 };
                    next.push((world, true));
                }
            }
            Feed::TakesIn { to, done } => {
                let order = match rule {
                    Rule::AppliedBeforeDropped => ["floor", "applied", "drop"],
                    Rule::FloorAfterDropped => ["drop", "floor", "applied"],
                    _ => ["floor", "drop", "applied"],
                };
                let mut world = self.clone();
                let before = match self.feed {
                    Feed::TakesIn { .. } => self.applied_before(),
                    Feed::Waits => 0,
                };
                match order[done] {
                    "floor" => world.floor = to,
                    "applied" => world.applied = to,
                    _ if (before + 1..=to).any(|revision| CHANGES_UNIT[revision]) => {
                        world.cached = Cached::Nothing;
                    }
                    _ => {}
                }
                world.feed = if done == 2 {
                    Feed::Waits
                } else {
                    Feed::TakesIn { to, done: done + 1 }
                };
                next.push((world, true));
            }
        }
    }

    /// Up to where the unit was dropped before. With the mistaken order `applied` is already
    /// raised when the unit is dropped; to drop it for older changes as well changes nothing.
    fn applied_before(&self) -> usize {
        match self.feed {
            Feed::TakesIn { to, .. } if self.applied == to => 0,
            _ => self.applied,
        }
    }
}

/// How many worlds there are, and whether the rule holds in all of them. Ends at the first in
/// which it does not.
fn explore(rule: Rule) -> (usize, bool) {
    let mut seen = HashSet::new();
    let mut open = vec![World::new()];
    while let Some(world) = open.pop() {
        for (world, step_holds) in world.steps(rule) {
            if !step_holds {
                return (seen.len(), false);
            }
            if seen.insert(world.clone()) {
                open.push(world);
            }
        }
    }
    (seen.len(), true)
}

#[test]
fn no_interleaving_shows_what_an_acknowledged_commit_has_overtaken() {
    let (worlds, holds) = explore(Rule::AsItIs);
    assert!(holds);
    assert!(worlds > 10_000, "{worlds} worlds are too few");
}

#[test]
fn every_way_to_break_the_rule_is_found_out() {
    for rule in [
        Rule::AcknowledgedWhenDurable,
        Rule::AppliedBeforeDropped,
        Rule::FloorAfterDropped,
        Rule::FloorNotedEarly,
        Rule::FloorIgnored,
        Rule::FillSurvivesDrop,
    ] {
        let (_, holds) = explore(rule);
        assert!(!holds, "{rule:?} is not found out");
    }
}
