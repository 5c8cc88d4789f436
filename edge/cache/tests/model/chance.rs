//! A number into a run: requests and answers as odd as they come, but such that most of them are about something stored.

use edge_contract::{
    Behavior, Choice, ErrorResponse, Heuristic, Methods, Scope, SetCookie, Stale, Ttl, ViewerControls,
};

use crate::odd::{request_fields, response_fields};
use crate::scene::{Answer, Ask, Event, Meanwhile, Owner, Scene};

/// Numbers that look random and are the same each time (splitmix64).
pub struct Chance {
    state: u64,
    /// Everything takes whole seconds, as the numbers in directives are: then ages and lifetimes often meet exactly.
    whole_seconds: bool,
    /// Most answers are errors, and the owner has floors for them.
    errors: bool,
    /// The owner changes its mind often.
    changes: bool,
}

/// Statuses for which an owner may have a floor.
const ERRORS: [u16; 6] = [403, 404, 418, 429, 500, 503];

impl Chance {
    pub fn new(seed: u64) -> Self {
        Self { state: seed, whole_seconds: seed.is_multiple_of(2), errors: seed % 4 == 1, changes: seed % 4 == 3 }
    }

    fn next(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.state;
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

    /// In milliseconds.
    fn time(&mut self, choices: &[i64]) -> i64 {
        let time = self.of(choices);
        if self.whole_seconds { time - time % 1000 } else { time }
    }
}

/// A run.
pub fn scene(seed: u64) -> Scene {
    let mut chance = Chance::new(seed);
    let owner = owner(&mut chance);
    let (mut events, mut now) = (Vec::new(), 0);
    for _ in 0..4 + chance.below(9) {
        let event = event(&mut chance, &owner, now);
        if let Event::Wait(milliseconds) = event {
            now += milliseconds;
        }
        events.push(event);
    }
    Scene { owner, events }
}

fn owner(chance: &mut Chance) -> Owner {
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
    let mut owner = Owner { behavior, errors: Vec::new() };
    settings(chance, &mut owner);
    owner
}

fn settings(chance: &mut Chance, owner: &mut Owner) {
    let Owner { behavior, errors } = owner;
    let neutral = chance.once_in(2);
    behavior.ttl = if neutral {
        Ttl { min: 0, default: 0, max: 31_536_000, heuristic: Heuristic::Off }
    } else {
        let min = chance.of(&[0, 0, 1, 5, 60]);
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
    errors.clear();
    if chance.errors {
        for code in ERRORS {
            let cache_ttl = chance.of(&[None, Some(0), Some(1), Some(5), Some(15), Some(86_401)]);
            errors.push(ErrorResponse { code, cache_ttl, path: None, response_code: None });
        }
    }
}

fn event(chance: &mut Chance, owner: &Owner, now: i64) -> Event {
    match chance.below(20) {
        0..=4 => Event::Wait(chance.time(&[1, 400, 1000, 1500, 2000, 3000, 4000, 5000, 12_000, 100_000])),
        5..=9 if chance.changes => Event::Reconfigure(Box::new(changed(chance, owner))),
        5 if chance.once_in(2) => Event::Purge(scope(chance)),
        6 if chance.once_in(3) => Event::Sweep,
        7 => Event::Reconfigure(Box::new(changed(chance, owner))),
        _ => Event::Ask(Box::new(ask(chance, now))),
    }
}

fn changed(chance: &mut Chance, owner: &Owner) -> Owner {
    let mut changed = owner.clone();
    settings(chance, &mut changed);
    changed
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
        1 | 2 if chance.errors => chance.of(&ERRORS),
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
    chance.time(&[0, 0, 0, 5, 300, 1000, 2500])
}
