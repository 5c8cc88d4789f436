//! What happens in one run: a policy, requests, what the origin would answer, orders and the passing of time, as plain data.

use std::fmt;

use edge_contract::{Behavior, ErrorResponse, Scope};

use crate::words::Fields;

/// When every run begins, in seconds since 1970: `Sun, 22 Nov 2026 16:00:00 GMT`.
pub const BEGIN: i64 = 1_795_363_200;

/// One run.
#[derive(Clone)]
pub struct Scene {
    pub owner: Owner,
    pub events: Vec<Event>,
}

/// What the owner says.
#[derive(Clone, PartialEq)]
pub struct Owner {
    pub behavior: Behavior,
    pub errors: Vec<ErrorResponse>,
}

/// What happens.
#[derive(Clone)]
pub enum Event {
    /// So many milliseconds pass.
    Wait(i64),
    /// A viewer asks.
    Ask(Box<Ask>),
    /// An order is applied.
    Purge(Scope),
    /// What was refused is dropped, and the orders that refused it are forgotten.
    Sweep,
    /// The owner changes bounds, staleness and floors.
    Reconfigure(Box<Owner>),
}

/// A viewer's request, and all that the origin would answer to it.
#[derive(Clone)]
pub struct Ask {
    pub method: String,
    pub target: String,
    pub fields: Fields,
    /// To a request with a condition of the edge's.
    pub conditional: Answer,
    /// To one without.
    pub plain: Answer,
    /// What happens between the first request to the origin and its answer.
    pub meanwhile: Option<Meanwhile>,
}

/// What an origin answers.
#[derive(Clone)]
pub enum Answer {
    /// No response head.
    Nothing,
    /// A response head, so many milliseconds later.
    Head { delay: i64, status: u16, fields: Fields },
}

/// What comes in between.
#[derive(Clone)]
pub enum Meanwhile {
    Purge(Scope),
    /// A POST to this target is answered with 200.
    Write(String),
}

/// A cache that is driven through a run and says, line by line, what it does.
pub trait Cache {
    fn wait(&mut self, milliseconds: i64);
    fn ask(&mut self, ask: &Ask, event: usize) -> Vec<String>;
    fn purge(&mut self, scope: &Scope);
    fn sweep(&mut self);
    fn reconfigure(&mut self, owner: &Owner);
    /// What it has, and what it would do with it now.
    fn holds(&self) -> Vec<String>;
}

impl Event {
    pub fn happens(&self, number: usize, cache: &mut dyn Cache) -> Vec<String> {
        let mut lines = Vec::new();
        match self {
            Self::Wait(milliseconds) => cache.wait(*milliseconds),
            Self::Ask(ask) => lines = cache.ask(ask, number),
            Self::Purge(scope) => cache.purge(scope),
            Self::Sweep => cache.sweep(),
            Self::Reconfigure(owner) => cache.reconfigure(owner),
        }
        lines.extend(cache.holds());
        lines
    }
}

impl Ask {
    /// The answer to the nth request that the origin gets for this one, with a mark by which it is known again.
    pub fn answer(&self, event: usize, nth: usize, conditional: bool) -> Answer {
        let mut answer = if conditional { self.conditional.clone() } else { self.plain.clone() };
        if let Answer::Head { status, fields, .. } = &mut answer {
            let name = if *status == 304 { "x-seen" } else { "x-id" };
            fields.push((name.to_owned(), format!("{event}.{nth}")));
        }
        answer
    }
}

impl fmt::Display for Scene {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", policy(&self.owner))?;
        self.events.iter().enumerate().try_for_each(|(number, event)| write!(f, "{number:>3}  {event}"))
    }
}

fn policy(owner: &Owner) -> String {
    let Behavior { ttl, key, set_cookie, viewer_controls, stale, .. } = &owner.behavior;
    let floors: Vec<_> = owner.errors.iter().map(|error| (error.code, error.cache_ttl)).collect();
    format!(
        "{ttl:?}\n{stale:?}\nfloors {floors:?} SetCookie::{set_cookie:?} ViewerControls::{viewer_controls:?} {:?}",
        key.query_strings
    )
}

impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Wait(milliseconds) => writeln!(f, "wait {milliseconds} ms"),
            Self::Purge(scope) => writeln!(f, "purge {scope:?}"),
            Self::Sweep => writeln!(f, "sweep"),
            Self::Reconfigure(owner) => writeln!(f, "reconfigure {}", policy(owner)),
            Self::Ask(ask) => {
                writeln!(f, "{} {}{}", ask.method, ask.target, lines(&ask.fields))?;
                if let Some(meanwhile) = &ask.meanwhile {
                    match meanwhile {
                        Meanwhile::Purge(scope) => writeln!(f, "     meanwhile: purge {scope:?}")?,
                        Meanwhile::Write(target) => writeln!(f, "     meanwhile: POST {target}")?,
                    }
                }
                writeln!(f, "     to a condition: {}", ask.conditional)?;
                writeln!(f, "     without:        {}", ask.plain)
            }
        }
    }
}

impl fmt::Display for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Nothing => write!(f, "nothing"),
            Self::Head { delay, status, fields } => write!(f, "{status} after {delay} ms{}", lines(fields)),
        }
    }
}

fn lines(fields: &Fields) -> String {
    fields.iter().flat_map(|(name, value)| [" | ", name, ": ", value]).collect()
}
