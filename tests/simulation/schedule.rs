//! What happens in a world, in which order: drawn from a seed, and shrunk where it fails.
//!
//! A schedule is a list of steps, each with its number. What a step does depends on nothing but the world it meets and its own number,
//! so steps can be left out and the others mean the same. Always holds: one seed gives one schedule.

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use sivcar::privacy::mark::Protect;
use sivcar::privacy::settings::Stage;

use crate::faulty::{Call, Twist, What};

/// How many rounds of processes come first, so that most tasks are open when something happens.
const FIRST: usize = 18;

/// How many steps a world takes then, before it settles.
const STEPS: usize = 90;

/// How many processes there may be.
pub const PROCESSES: usize = 3;

/// How many profiles there may be.
pub const PROFILES: u8 = 8;

/// What an event's document is like.
#[derive(Clone, Copy, Debug)]
pub enum Event {
    Plain,
    /// No JSON.
    Broken,
    /// Too long for the protected topic.
    Long,
    /// A null value.
    Null,
    /// The broker refuses what becomes of it.
    Refused,
}

/// What a profile's record says.
#[derive(Clone, Copy, Debug)]
pub enum Patch {
    Email,
    Phone,
    NoEmail,
    Other,
    Deleted,
    /// It tells of somebody else under this key.
    Stranger,
    Keyless,
    Refused,
}

/// What marks are made on: attributes and parameters of a name, headers, record keys.
const MARKED: [&str; 8] = ["email", "email", "email", "phone", "phone", "note", HEADER, KEY];

/// The header that is marked.
pub const HEADER: &str = "x-mail";

/// What a mark on record keys is named.
pub const KEY: &str = "key";

/// What is written to the control topic.
#[derive(Clone, Copy, Debug)]
pub enum Control {
    /// A mark is made, or edited where it stands: on what is named so, at this level.
    Mark(&'static str, Protect, u16),
    Unmark(&'static str),
    Stage(Stage),
    /// The domain of this name pads to so many bytes.
    Pad(&'static str, u32),
    Promote(u32),
    /// Record keys of the changelog, or of a view, go under this key.
    Pin(&'static str, u32),
    Reseal,
    /// The workspace's profiles are to be forgotten.
    Erase,
}

/// The topics whose record keys are sealed under a key of their own.
pub const PINNED: [&str; 4] = ["g.users.changelog", "debug.users", "trusted.users", "protected.users"];

/// One thing that happens.
#[derive(Clone, Copy, Debug)]
pub enum Step {
    Event(i32, Event),
    Profile(u8, Patch),
    /// What is fed from now on is in a transaction of its writer.
    Open,
    /// That transaction ends: committed or not.
    Close(bool),
    Control(Control),
    /// A process reads the control topic to its end; until it does, its policy is an older one.
    Read(usize),
    Start(usize),
    /// A process stops in good order.
    Stop(usize),
    /// A process is killed between two rounds of its loop; it is a member until [`Step::Bury`].
    Kill(usize),
    /// The group notices that a killed process is gone.
    Bury,
    /// The member of a process is put out of the group.
    Expel(usize),
    /// The open transaction of a process times out.
    Expire(usize),
    /// Somebody else takes the transactional id of a process.
    Usurp(usize),
    /// A marker arrives.
    Arrive(usize),
    /// A late end of a transaction arrives.
    Land,
    Compact(&'static str),
    /// Retention takes the oldest records of a raw partition, so many; whoever reads it may not have read them.
    Trim(&'static str, i32, i64),
    /// The clock of a process jumps: when it last confirmed its policy is too long ago.
    Jump(usize),
    /// In its next rounds something becomes of a call of a process.
    Twist(usize, Twist),
    /// Whoever was suspended last goes on.
    Resume,
    /// A process goes round its loop once.
    Work(usize),
}

/// A step and its number in the schedule it was drawn in.
pub type Numbered = (usize, Step);

/// The schedule of a seed.
pub fn draw(seed: u64) -> Vec<Numbered> {
    let random = &mut StdRng::seed_from_u64(seed);
    // not everything happens in every world, or nothing would happen long enough
    let kinds: u32 = random.random::<u32>() | random.random::<u32>();
    let first = (0..PROCESSES).map(Step::Start).chain((0..FIRST).map(|round| Step::Work(round % PROCESSES)));
    let mut steps: Vec<Step> = first.collect();
    for _ in 0..STEPS {
        let step = step(random, kinds);
        steps.push(step);
        // whoever lost an answer is often slow to ask again
        if let Step::Twist(process, Twist { what: What::Unknown { .. } | What::Late { .. }, .. }) = step {
            let what = What::Suspend { expelled: true, rounds: random.random_range(0..14) };
            steps.push(Step::Twist(process, Twist { call: Call::Init, wait: 0, what }));
        }
    }
    steps.into_iter().enumerate().collect()
}

fn step(random: &mut StdRng, kinds: u32) -> Step {
    let process = random.random_range(0..PROCESSES);
    let number = random.random_range(0..8);
    let (kind, step) = match random.random_range(0..200) {
        0..16 => (0, Step::Event(random.random_range(0..3), event(random))),
        16..40 => (1, Step::Profile(random.random_range(0..PROFILES), patch(random))),
        40..43 => (2, Step::Open),
        43..47 => (2, Step::Close(random.random_range(0..3) > 0)),
        47..61 => (3, Step::Control(control(random))),
        // the last hears of everything late
        61..75 => (4, Step::Read(random.random_range(0..=process))),
        75..82 => (5, Step::Start(process)),
        82 => (6, Step::Stop(process)),
        83..85 => (7, Step::Kill(process)),
        85..89 => (8, Step::Bury),
        89 => (9, Step::Expel(process)),
        90..92 => (10, Step::Expire(process)),
        92 => (11, Step::Usurp(process)),
        93..107 => (12, Step::Arrive(number)),
        107 => (13, Step::Land),
        108 => (14, Step::Compact(["g.control", "g.users.changelog"][number % 2])),
        109 => (15, Step::Jump(process)),
        110..129 => (16, Step::Twist(process, twist(random))),
        129..135 => (17, Step::Resume),
        135..138 => (19, trim(random)),
        138..140 => (14, Step::Compact("g.control")),
        _ => (18, Step::Work(process)),
    };
    if kinds & (1 << kind) == 0 { Step::Work(process) } else { step }
}

fn trim(random: &mut StdRng) -> Step {
    let (topic, partition) =
        [("events", 0), ("events", 1), ("events", 2), ("users", 0), ("users", 1)][random.random_range(0..5)];
    Step::Trim(topic, partition, random.random_range(1..5))
}

fn event(random: &mut StdRng) -> Event {
    match random.random_range(0..16) {
        0 => Event::Broken,
        1 => Event::Long,
        2 => Event::Null,
        3 => Event::Refused,
        _ => Event::Plain,
    }
}

fn patch(random: &mut StdRng) -> Patch {
    match random.random_range(0..20) {
        0..8 => Patch::Email,
        8..12 => Patch::Phone,
        12 => Patch::NoEmail,
        13..15 => Patch::Other,
        15 => Patch::Stranger,
        16 => Patch::Keyless,
        17 => Patch::Refused,
        _ => Patch::Deleted,
    }
}

fn control(random: &mut StdRng) -> Control {
    let name = MARKED[random.random_range(0..MARKED.len())];
    match random.random_range(0..26) {
        0..12 => {
            let protect = [Protect::Encrypt, Protect::Encrypt, Protect::Mask, Protect::Drop][random.random_range(0..4)];
            Control::Mark(name, protect, random.random_range(0..3) * 100)
        }
        12..16 => Control::Unmark(name),
        16..19 => Control::Stage([Stage::Off, Stage::Configured, Stage::Enforced][random.random_range(0..3)]),
        19 => Control::Pad(["email", "phone"][random.random_range(0..2)], 16 * random.random_range(0..3)),
        20..22 => Control::Promote(random.random_range(1..3)),
        22..24 => Control::Pin(PINNED[random.random_range(0..PINNED.len())], random.random_range(1..3)),
        24 => Control::Erase,
        _ => Control::Reseal,
    }
}

/// The calls in which a process may be killed.
pub const KILLED_IN: &[Call] = &[
    Call::Init,
    Call::Begin,
    Call::Produce,
    Call::Drain,
    Call::SendOffsets,
    Call::Commit,
    Call::Abort,
    Call::Poll,
    Call::Assign,
    Call::Committed,
    Call::Seek,
    Call::Pause,
    Call::Membership,
];

fn twist(random: &mut StdRng) -> Twist {
    use Call::{
        Abort, Assign, Begin, Clock, Commit, Committed, Drain, Init, IsSpent, Membership, Pause, Poll, Produce, Seek,
        SendOffsets,
    };
    let after = random.random_range(0..2) == 0;
    let (calls, what): (&[Call], What) = match random.random_range(0..17) {
        0..2 => (KILLED_IN, What::Kill { after }),
        2..7 => {
            let calls = &[
                Init,
                Init,
                Membership,
                Membership,
                Begin,
                Produce,
                Drain,
                SendOffsets,
                Commit,
                Committed,
                Seek,
                Poll,
            ];
            (calls, What::Suspend { expelled: after, rounds: random.random_range(0..14) })
        }
        7..9 => (&[Produce, Drain, SendOffsets, Commit], What::Fail),
        9..11 => (&[Commit, Commit, Abort], What::Unknown { after }),
        11..13 => (&[Commit, Commit, Abort], What::Late { lands: after }),
        13 => (&[Begin, Produce, Drain, SendOffsets, Commit], What::Expire),
        14 => (&[Begin, SendOffsets, Commit, Committed, Membership], What::Expel),
        15 => match random.random_range(0..2) {
            0 => (&[Committed, Assign, Pause, Poll], What::Retry),
            _ => (&[Committed, Assign, Pause, Seek, Membership], What::Lost),
        },
        _ => (&[Clock, IsSpent], What::Jump),
    };
    let call = calls[random.random_range(0..calls.len())];
    let most = match call {
        Produce => 8,
        Clock => 16,
        _ => 2,
    };
    Twist { call, wait: random.random_range(0..most), what }
}

/// The fewest steps, as far as leaving some out can find them, of which `fails` still says so; all of `steps` do.
pub fn shrink<T: Clone>(steps: &[T], mut fails: impl FnMut(&[T]) -> bool) -> Vec<T> {
    let mut held = steps.to_vec();
    let mut length = held.len().div_ceil(2).max(1);
    loop {
        let (before, mut at) = (held.len(), 0);
        while at < held.len() {
            let end = (at + length).min(held.len());
            let fewer: Vec<T> = held[..at].iter().chain(&held[end..]).cloned().collect();
            if fails(&fewer) {
                held = fewer;
            } else {
                at = end;
            }
        }
        match length {
            1 if held.len() == before => return held,
            1 => {}
            _ => length = length.div_ceil(2),
        }
    }
}

#[test]
fn shrinking_leaves_what_matters() {
    let steps: Vec<u32> = (0..200).collect();
    let mut runs = 0;
    let shrunk = shrink(&steps, |steps| {
        runs += 1;
        [17, 18, 150].iter().all(|step| steps.contains(step))
    });
    assert_eq!(shrunk, [17, 18, 150]);
    assert!(runs < 100, "{runs}");
    assert!(shrink(&steps, |_| true).is_empty());
}
