//! A number into a run: requests and answers as odd as they come, but such that most of them are about something stored.

use edge_contract::{Behavior, Choice, Heuristic, Methods, Scope, SetCookie, Stale, Ttl, ViewerControls};

use crate::odd::{request_fields, response_fields};
use crate::scene::{Answer, Ask, Event, Meanwhile, Scene};

/// Numbers that look random and are the same each time (splitmix64).
pub struct Chance(u64);

impl Chance {
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound
    }

    /// Once in so many times.
    pub fn once_in(&mut self, times: u64) -> bool {
        self.below(times) == 0
    }

    pub fn of<T: Copy>(&mut self, choices: &[T]) -> T {
        let count = u64::try_from(choices.len()).expect("are few");
        choices[usize::try_from(self.below(count)).expect("are few")]
    }
}

/// A run.
pub fn scene(seed: u64) -> Scene {
    let mut chance = Chance::new(seed);
    let behavior = behavior(&mut chance);
    let (mut events, mut now) = (Vec::new(), 0);
    for _ in 0..4 + chance.below(9) {
        let event = event(&mut chance, &behavior, now);
        if let Event::Wait(milliseconds) = event {
            now += milliseconds;
        }
        events.push(event);
    }
    Scene { behavior, events }
}

fn behavior(chance: &mut Chance) -> Behavior {
    let key = match chance.below(5) {
        0 => Choice::None,
        1 => Choice::Include(vec!["x".to_owned()]),
        2 => Choice::Exclude(vec!["x".to_owned()]),
        _ => Choice::All,
    };
    let mut behavior = Behavior { methods: Methods::All, compress: false, ..Behavior::plain("*", "app") };
    behavior.key.query_strings = key;
    behavior.set_cookie = chance.of(&[SetCookie::Bypass, SetCookie::Store, SetCookie::Strip]);
    behavior.viewer_controls = if chance.once_in(2) { ViewerControls::Respect } else { ViewerControls::Ignore };
    settings(chance, &mut behavior);
    behavior
}

fn settings(chance: &mut Chance, behavior: &mut Behavior) {
    let neutral = chance.once_in(2);
    behavior.ttl = if neutral {
        Ttl { min: 0, default: 0, max: 31_536_000, heuristic: Heuristic::Off }
    } else {
        let min = chance.of(&[0, 0, 0, 1, 5]);
        let default = chance.of(&[0, 1, 7, 60]).max(min);
        let max = chance.of(&[0, 5, 20, 86_400, 31_536_000]);
        Ttl { min: min.min(max), default: default.min(max), max, heuristic: Heuristic::Off }
    };
    if chance.once_in(2) {
        behavior.ttl.heuristic = Heuristic::LastModified;
    }
    behavior.stale = Stale {
        while_revalidate: chance.of(&[0, 0, 3, 30]),
        if_error: chance.of(&[0, 0, 3, 30]),
        if_unreachable: chance.of(&[0, 5, 86_400]),
    };
}

fn event(chance: &mut Chance, behavior: &Behavior, now: i64) -> Event {
    match chance.below(20) {
        0..=4 => Event::Wait(chance.of(&[1, 400, 1000, 1500, 4000, 5000, 12_000, 100_000])),
        5 if chance.once_in(2) => Event::Purge(scope(chance)),
        6 if chance.once_in(3) => Event::Sweep,
        7 if chance.once_in(3) => {
            let mut changed = behavior.clone();
            settings(chance, &mut changed);
            Event::Reconfigure(Box::new(changed))
        }
        _ => Event::Ask(Box::new(ask(chance, now))),
    }
}

fn target(chance: &mut Chance) -> String {
    let common = ["/a", "/a", "/a", "/a?x=1", "/b", "/a?y=2"];
    let odd = ["/%61", "/b/../a", "/a?x=1&y=2", "/a?y=2&x=1", "/a?", "/A", "/a/", "/./a?x=1", "/a?x", "/a?x=1&x=2"];
    (if chance.once_in(5) { chance.of(&odd) } else { chance.of(&common) }).to_owned()
}

fn scope(chance: &mut Chance) -> Scope {
    match chance.below(5) {
        0 => Scope::Everything,
        1 => Scope::Prefix(chance.of(&["/", "/a", "/b"]).to_owned()),
        _ => Scope::Exact(target(chance)),
    }
}

fn ask(chance: &mut Chance, now: i64) -> Ask {
    let method = match chance.below(16) {
        0 => "HEAD",
        1 => chance.of(&["POST", "PUT", "DELETE", "PURGE", "OPTIONS", "PATCH"]),
        _ => "GET",
    };
    let (mut target, mut fields) = (target(chance), Vec::new());
    if method == "HEAD" && chance.once_in(2) {
        "/a".clone_into(&mut target);
    }
    request_fields(chance, now, &mut fields);
    let meanwhile = match chance.below(30) {
        0 => Some(Meanwhile::Purge(scope(chance))),
        1 => Some(Meanwhile::Write(chance.of(&["/a", "/a?x=1", "/b"]).to_owned())),
        _ => None,
    };
    let conditional = match chance.below(10) {
        0 => Answer::Nothing,
        1 | 2 => answer(chance, now),
        _ => not_modified(chance, now),
    };
    let plain = if chance.once_in(12) { Answer::Nothing } else { answer(chance, now) };
    Ask { method: method.to_owned(), target, fields, conditional, plain, meanwhile }
}

fn answer(chance: &mut Chance, now: i64) -> Answer {
    let status = match chance.below(4) {
        0 => {
            let all = [
                200, 203, 204, 206, 300, 301, 302, 303, 304, 307, 308, 400, 403, 404, 405, 410, 414, 418, 421, 429,
                451, 500, 501, 502, 503, 504, 503, 500, 505, 511, 201, 299, 599,
            ];
            chance.of(&all)
        }
        _ => 200,
    };
    let mut fields = Vec::new();
    response_fields(chance, now, &mut fields, false);
    Answer::Head { delay: delay(chance), status, fields }
}

fn not_modified(chance: &mut Chance, now: i64) -> Answer {
    let mut fields = Vec::new();
    response_fields(chance, now, &mut fields, true);
    Answer::Head { delay: delay(chance), status: 304, fields }
}

fn delay(chance: &mut Chance) -> i64 {
    chance.of(&[0, 0, 0, 5, 300, 1000, 2500])
}
