//! Random histories: what the server wants changes, steps stop anywhere, the agent and the processes of volumes are
//! killed, keys come and go. Afterwards everything is as it is wanted, and nothing that somebody wrote was lost.

use std::collections::BTreeMap;

use keyward_agent::{
    local::{Failure, Local, Runs},
    note::{Note, Stage},
    plan,
    report::{self, More, Told, VolumeState},
    steps::{Machine as _, carry_out},
    wanted::{Presence, Wanted},
};
use keyward_types::{storage::VolumeId, time::Monotonic};
use proptest::prelude::*;

use crate::machine::Simulated;

/// Volumes in a history.
const VOLUMES: u8 = 3;
/// More rounds than any history needs until nothing is left to do.
const ROUNDS: u32 = 12;

#[derive(Clone, Copy, Debug)]
enum Event {
    /// Somebody creates the volume, if it never was.
    Create(u8, bool),
    /// Somebody deletes it.
    Delete(u8),
    /// The server does not know it any more.
    Unassign(u8),
    /// The server knows it again.
    Assign(u8),
    /// It is assigned to another agent, which has it, perhaps with an image that was brought there.
    Move(u8, bool),
    /// It is assigned to this agent again.
    Return(u8),
    /// Somebody says that the image on this machine is the newest one.
    Adopt(u8),
    /// The agent asks what is wanted.
    Poll,
    /// The agent does its next step with a volume. One of the operations may stop, with the agent or without.
    Step(u8, Option<(u32, bool)>, bool),
    /// The agent says how a volume is. The answer may be lost.
    Report(u8, bool),
    /// The machine starts without the disk that has the volumes, or with an older state of it: nothing is noted down.
    Lose(u8),
    /// The agent is killed.
    Crash,
    /// A volume's process is killed.
    Kill(u8),
    /// The key of a volume is taken away or given back.
    Lock(u8, bool),
    /// Somebody writes to a volume that is ready.
    Write(u8, u32),
    /// Time goes by, in seconds.
    Wait(u8),
}

fn event() -> impl Strategy<Value = Event> {
    let volume = 0..VOLUMES;
    let fuse = proptest::option::weighted(0.4, (0..8u32, any::<bool>()));
    prop_oneof![
        3 => (volume.clone(), any::<bool>()).prop_map(|(at, encrypted)| Event::Create(at, encrypted)),
        2 => volume.clone().prop_map(Event::Delete),
        1 => volume.clone().prop_map(Event::Unassign),
        1 => volume.clone().prop_map(Event::Assign),
        2 => (volume.clone(), any::<bool>()).prop_map(|(at, has)| Event::Move(at, has)),
        2 => volume.clone().prop_map(Event::Return),
        1 => volume.clone().prop_map(Event::Adopt),
        5 => Just(Event::Poll),
        12 => (volume.clone(), fuse, any::<bool>()).prop_map(|(at, fuse, dies)| Event::Step(at, fuse, dies)),
        6 => (volume.clone(), any::<bool>()).prop_map(|(at, lost)| Event::Report(at, lost)),
        1 => volume.clone().prop_map(Event::Lose),
        2 => Just(Event::Crash),
        2 => volume.clone().prop_map(Event::Kill),
        2 => (volume.clone(), any::<bool>()).prop_map(|(at, locked)| Event::Lock(at, locked)),
        3 => (volume, any::<u32>()).prop_map(|(at, data)| Event::Write(at, data)),
        2 => (0..40u8).prop_map(Event::Wait),
    ]
}

/// What the server keeps of a volume.
#[derive(Clone, Debug)]
struct Kept {
    wanted: Wanted,
    assigned: bool,
    ready: bool,
    /// Whether what was noted down of it was taken away after it had been ready.
    lost: bool,
    /// Whether another agent may have the newest image.
    elsewhere: bool,
}

#[derive(Debug, Default)]
struct World {
    machine: Simulated,
    server: BTreeMap<VolumeId, Kept>,
    /// Volumes that have been there once: an id is used once.
    used: Vec<u8>,
    /// What was written to volumes that are not to be gone.
    written: BTreeMap<VolumeId, u32>,
    now: u64,
    // What the agent has in memory.
    wanted: Option<BTreeMap<VolumeId, Wanted>>,
    failures: BTreeMap<VolumeId, Failure>,
    told: BTreeMap<VolumeId, Told>,
}

fn id(number: u8) -> VolumeId {
    VolumeId::parse(&format!("fs-{number:017x}")).unwrap()
}

/// A volume as the server tells it.
fn wanted(volume: &VolumeId, generation: u64, word: &str, encrypted: bool) -> Wanted {
    let json = serde_json::json!({
        "VolumeId": volume, "Generation": generation, "Wanted": word, "Encrypted": encrypted,
        "KeyId": "k", "CiphertextBlob": "AAAA",
    });
    serde_json::from_value(json).unwrap()
}

impl World {
    fn now(&self) -> Monotonic {
        Monotonic::from_millis(self.now * 1000)
    }

    fn local(&self, volume: &VolumeId) -> Local {
        let mut local = self.machine.look(volume);
        local.failure = self.failures.get(volume).cloned();
        local
    }

    fn poll(&mut self) {
        let assigned = self.server.values().filter(|kept| kept.assigned);
        let wanted = assigned.map(|kept| (kept.wanted.volume.clone(), kept.wanted.clone()));
        let wanted: BTreeMap<_, _> = wanted.collect();
        self.told.retain(|volume, _| wanted.contains_key(volume));
        self.wanted = Some(wanted);
        // As when it is pushed: what may have changed is tried at once.
        self.failures.clear();
    }

    fn crash(&mut self) {
        (self.wanted, self.failures, self.told) = Default::default();
    }

    fn step(&mut self, volume: &VolumeId) {
        let local = self.local(volume);
        let wanted = self.wanted.as_ref().and_then(|all| all.get(volume));
        let wanted = wanted.cloned();
        let step = match self.wanted {
            Some(_) => plan::next(wanted.as_ref(), &local, self.now()),
            None => plan::at_once(&local, self.now()),
        };
        let Some(step) = step else { return };
        let note = self.machine.notes.borrow().get(volume).cloned();
        match carry_out(&self.machine, step, (wanted.as_ref(), note.as_ref())) {
            Ok(()) => {
                self.failures.remove(volume);
            }
            Err(_) => {
                let before = self.failures.get(volume);
                let failure = Failure::after(before, "it stopped".to_owned(), self.now());
                self.failures.insert(volume.clone(), failure);
            }
        }
    }

    fn report(&mut self, volume: &VolumeId, lost: bool) {
        let wanted = self
            .wanted
            .as_ref()
            .and_then(|all| all.get(volume))
            .cloned();
        let Some(wanted) = wanted else { return };
        let local = self.local(volume);
        let told = self.told.get(volume);
        let Some(report) = report::due(&wanted, (&local, More::default()), told, self.now()) else {
            return;
        };
        let kept = self.server.get_mut(volume).filter(|kept| kept.assigned);
        // The server refuses reports about volumes of others.
        let refused = kept.is_none();
        if let Some(kept) = kept
            && kept.wanted.generation == report.generation
        {
            match (report.state, kept.wanted.presence) {
                (VolumeState::Gone, Presence::Absent) => {
                    self.server.remove(volume);
                }
                (VolumeState::Ready, Presence::Present) => {
                    assert!(!kept.lost, "{volume} is a new one");
                    assert!(!kept.elsewhere, "{volume} is an old one");
                    kept.ready = true;
                    kept.wanted.made = true;
                }
                (VolumeState::Failed, _) => kept.ready = false,
                other => panic!("the server refuses {other:?}"),
            }
        }
        if lost || refused {
            self.told.remove(volume);
        } else {
            let told = Told::new(report, self.now());
            self.told.insert(volume.clone(), told);
        }
    }

    /// The agent takes the image that is here as the newest one, for what it knows to be wanted.
    fn adopt(&mut self, volume: &VolumeId) {
        let local = self.local(volume);
        let wanted = self.wanted.as_ref().and_then(|all| all.get(volume));
        let Some(wanted) = wanted.filter(|wanted| plan::is_outdated(wanted, &local)) else {
            return;
        };
        let note = self.machine.notes.borrow().get(volume).cloned();
        let (Some(note), Runs::Nothing) = (note, local.runs) else {
            return;
        };
        let generation = wanted.generation;
        let note = Note::brought(volume.clone(), note.image, note.encrypted, generation);
        self.machine.write(&note).unwrap();
        if let Some(kept) = self.server.get_mut(volume)
            && kept.wanted.generation == generation
        {
            kept.elsewhere = false;
        }
    }

    fn happens(&mut self, event: Event) {
        match event {
            Event::Create(at, encrypted) => {
                if !self.used.contains(&at) {
                    self.used.push(at);
                    let wanted = wanted(&id(at), 1, "PRESENT", encrypted);
                    let kept = Kept {
                        wanted,
                        assigned: true,
                        ready: false,
                        lost: false,
                        elsewhere: false,
                    };
                    self.server.insert(id(at), kept);
                }
            }
            Event::Delete(at) => {
                if let Some(kept) = self.server.get_mut(&id(at)).filter(|kept| kept.assigned) {
                    let encrypted = kept.wanted.encrypted;
                    let made = kept.wanted.made;
                    let generation = kept.wanted.generation + 1;
                    kept.wanted = wanted(&id(at), generation, "ABSENT", encrypted);
                    kept.wanted.made = made;
                    self.written.remove(&id(at));
                }
            }
            Event::Unassign(at) => {
                if let Some(kept) = self.server.get_mut(&id(at)) {
                    kept.assigned = false;
                }
            }
            Event::Assign(at) => {
                if let Some(kept) = self.server.get_mut(&id(at)) {
                    kept.assigned = true;
                }
            }
            Event::Move(at, has) => {
                if let Some(kept) = self.server.get_mut(&id(at))
                    && kept.assigned
                    && kept.wanted.presence == Presence::Present
                {
                    kept.wanted.generation += 1;
                    kept.wanted.made |= has;
                    kept.elsewhere |= has;
                    (kept.assigned, kept.ready) = (false, false);
                }
            }
            Event::Return(at) => {
                if let Some(kept) = self.server.get_mut(&id(at))
                    && !kept.assigned
                    && kept.wanted.presence == Presence::Present
                {
                    kept.wanted.generation += 1;
                    (kept.assigned, kept.ready) = (true, false);
                }
            }
            Event::Adopt(at) => self.adopt(&id(at)),
            Event::Poll => self.poll(),
            Event::Step(at, fuse, dies) => {
                self.machine.fuse.set(fuse);
                self.step(&id(at));
                self.machine.fuse.set(None);
                if dies && fuse.is_some() {
                    self.crash();
                }
            }
            Event::Report(at, lost) => self.report(&id(at), lost),
            Event::Lose(at) => {
                let volume = id(at);
                self.crash();
                self.machine.lose(&volume);
                self.written.remove(&volume);
                if let Some(kept) = self.server.get_mut(&volume) {
                    kept.lost |= kept.wanted.made;
                }
            }
            Event::Crash => self.crash(),
            Event::Kill(at) => self.machine.kill(&id(at)),
            Event::Lock(at, locked) => {
                let mut all = self.machine.locked.borrow_mut();
                all.retain(|volume| *volume != id(at));
                if locked {
                    all.push(id(at));
                }
            }
            Event::Write(at, data) => {
                let volume = id(at);
                let ready = self.server.get(&volume).is_some_and(|kept| kept.ready);
                let absent = self
                    .server
                    .get(&volume)
                    .is_none_or(|kept| kept.wanted.presence == Presence::Absent);
                if ready && !absent && self.machine.write_data(&volume, data) {
                    self.written.insert(volume, data);
                }
            }
            Event::Wait(seconds) => self.now += u64::from(seconds),
        }
        self.machine.processes();
        self.nothing_is_lost();
    }

    fn nothing_is_lost(&self) {
        let images = self.machine.images.borrow();
        for (volume, data) in &self.written {
            let image = images.get(volume);
            assert_eq!(image.and_then(|image| image.data), Some(*data), "{volume}");
        }
    }

    /// Nothing fails any more, and time goes by.
    fn settle(&mut self) {
        self.machine.locked.borrow_mut().clear();
        for _ in 0..ROUNDS {
            self.now += 60;
            self.poll();
            for at in 0..VOLUMES {
                self.step(&id(at));
                self.machine.processes();
                self.report(&id(at), false);
            }
            self.nothing_is_lost();
        }
    }

    fn is_as_wanted(&self) {
        for at in 0..VOLUMES {
            let volume = id(at);
            let runs = self.machine.look(&volume).runs;
            let has_image = self.machine.images.borrow().contains_key(&volume);
            let has_note = self.machine.notes.borrow().contains_key(&volume);
            match self.server.get(&volume) {
                Some(kept) if !kept.assigned => assert_eq!(runs, Runs::Nothing, "{volume}"),
                Some(kept) => {
                    assert_eq!(
                        kept.wanted.presence,
                        Presence::Present,
                        "{volume} is not gone"
                    );
                    if kept.lost {
                        assert_eq!(runs, Runs::Nothing, "{volume}");
                        assert!(!has_image && !kept.ready, "{volume} was made again");
                        continue;
                    }
                    let note = self.machine.notes.borrow().get(&volume).cloned();
                    let newest = note.as_ref().is_some_and(|note| {
                        note.stage == Stage::Made && note.generation == kept.wanted.generation
                    });
                    if !newest {
                        assert_eq!(runs, Runs::Nothing, "{volume}");
                        assert!(!kept.ready, "{volume} is an old one");
                        let outdated = note.is_some_and(|note| note.stage == Stage::Made);
                        assert!(outdated || kept.wanted.made, "{volume} is not made");
                        continue;
                    }
                    assert_eq!(runs, Runs::Mounted, "{volume}");
                    assert!(kept.ready, "{volume}");
                }
                None => {
                    assert!(!has_image && !has_note, "something of {volume} is left");
                    assert_eq!(runs, Runs::Nothing, "{volume}");
                }
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, ..ProptestConfig::default() })]

    #[test]
    fn whatever_happens_everything_becomes_as_it_is_wanted(
        events in proptest::collection::vec(event(), 0..120)
    ) {
        let mut world = World::default();
        for event in events {
            world.happens(event);
        }
        world.settle();
        world.is_as_wanted();
    }
}

#[test]
fn a_volume_is_made_ready_used_and_deleted() {
    let mut world = World::default();
    let (volume, all) = (id(0), [Event::Poll, Event::Step(0, None, false)]);
    world.happens(Event::Create(0, true));
    for event in all {
        world.happens(event);
    }
    // It is mounted, and nobody is told before that is noted down.
    world.report(&volume, false);
    assert!(!world.server[&volume].ready);
    world.happens(Event::Step(0, None, false));
    world.report(&volume, false);
    assert!(world.server[&volume].ready);
    world.happens(Event::Write(0, 7));
    world.happens(Event::Delete(0));
    for event in all {
        world.happens(event);
    }
    world.report(&volume, false);
    world.is_as_wanted();
    assert!(world.server.is_empty());
}

#[test]
fn a_report_whose_answer_is_lost_is_followed_by_what_is_true() {
    let mut world = World::default();
    world.happens(Event::Create(0, true));
    world.poll();
    for event in [
        Event::Step(0, None, false),
        Event::Step(0, None, false),
        Event::Report(0, false),
        Event::Lock(0, true),
        Event::Report(0, true),
    ] {
        world.happens(event);
    }
    assert!(!world.server[&id(0)].ready);
    world.happens(Event::Lock(0, false));
    world.happens(Event::Report(0, false));
    assert!(world.server[&id(0)].ready);
}

#[test]
fn what_is_gone_is_told_to_the_server_that_gave_the_volume_back() {
    let mut world = World::default();
    for event in [
        Event::Create(0, false),
        Event::Delete(0),
        Event::Poll,
        Event::Unassign(0),
        Event::Report(0, false),
        Event::Assign(0),
    ] {
        world.happens(event);
    }
    world.settle();
    world.is_as_wanted();
}
