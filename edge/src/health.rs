//! What became of the tries to ask one origin into whether it is asked now, and into what its owner is told of it.
//!
//! Flow: [`Tries`] accompanies one request → [`Health`], which all behaviors of the origin share → [`Live::tell_origins`] and the log, when
//! something has changed.
//! Guarantees: one of these for each origin, a few hundred bytes, for as long as its configuration names the same target, and how TLS is
//! spoken with it; nothing that a
//! viewer does makes it larger.

pub mod failovers;

use std::sync::Arc;

use edge_cache::Moment;
use edge_cache::breaker::{Breaker, Leave, Tried, Turn};
use edge_contract::{Origin, OriginState, OriginTarget, OriginTls};
use parking_lot::Mutex;

use crate::clock::Clock;
use crate::config::{OriginTable, SiteTable};
use crate::forward::ForwardError;
use crate::live::Live;
use failovers::Failovers;

/// What is known of one origin.
#[derive(Debug)]
pub struct Health {
    /// Its name, which responses that it gave are stored with.
    pub name: Arc<str>,
    /// When another was asked in its place.
    pub failovers: Failovers,
    target: Option<OriginTarget>,
    tls: OriginTls,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    breaker: Breaker,
    /// It has answered once: whatever it answers now, it does speak HTTP.
    answered: bool,
    /// Why the breaker is open.
    unreachable: Option<String>,
    /// What answers there has never spoken HTTP.
    mute: Option<String>,
    /// What it has against being asked at all.
    refuses: Option<String>,
}

impl Health {
    /// Nothing is known of it yet.
    pub fn of(origin: &Origin) -> Self {
        Self {
            name: origin.name.as_str().into(),
            failovers: Failovers::default(),
            target: origin.target.clone(),
            tls: origin.tls.clone(),
            state: Mutex::default(),
        }
    }

    /// Whether what is known is known of this one.
    pub fn is_of(&self, origin: &Origin) -> bool {
        *self.name == *origin.name && self.target == origin.target && self.tls == origin.tls
    }

    /// Whether requests are refused, but for those that find out whether somebody is there again.
    pub fn is_open(&self) -> bool {
        self.state.lock().breaker.is_open()
    }

    /// Whether a request may be sent now, by [`Breaker::leave`].
    pub fn leave(&self, now: Moment, briefly: bool) -> Leave {
        self.state.lock().breaker.leave(now, briefly)
    }

    /// What was sent by [`Leave::Once`] has ended.
    pub fn found_out(&self) {
        self.state.lock().breaker.found_out();
    }

    /// What is wrong, for its owner; nothing while it is healthy.
    pub fn trouble(&self) -> Option<String> {
        let state = self.state.lock();
        state.unreachable.as_ref().or(state.mute.as_ref()).or(state.refuses.as_ref()).cloned()
    }

    fn answered(&self, begun: Moment, now: Moment) -> Option<Turn> {
        let mut state = self.state.lock();
        (state.answered, state.mute, state.unreachable) = (true, None, None);
        state.breaker.record(Tried::Answered, begun, now)
    }

    fn failed(&self, error: &ForwardError, begun: Moment, now: Moment) -> Option<Turn> {
        let mut state = self.state.lock();
        if error.is_not_http() && !state.answered {
            let target = self.target.as_ref();
            state.mute = target.map(|at| format!("{}:{} does not speak HTTP", at.host(), at.port()));
        }
        let turn = state.breaker.record(error.tried()?, begun, now);
        if let Some(Turn::Opened(evidence)) = turn {
            let why = error.in_full();
            state.unreachable = Some(format!("{evidence} came to nothing, the last because of this: {why}"));
        }
        turn
    }
}

/// The tries that one request is worth, and whoever is to hear of them.
#[derive(Clone, Copy)]
pub struct Tries<'a> {
    /// The origin.
    pub origin: &'a OriginTable,
    /// Whose it is.
    pub site: &'a SiteTable,
    /// Who is told.
    pub live: &'a Live,
    /// What time it is.
    pub clock: &'a Clock,
    /// How many there may be.
    pub limit: u32,
}

impl Tries<'_> {
    /// When a try begins.
    pub fn now(&self) -> Moment {
        Moment(self.clock.now().monotonic)
    }

    /// A response head came.
    pub fn answered(&self, begun: Moment) {
        self.noting(|health| health.answered(begun, self.now()));
    }

    /// None did.
    pub fn failed(&self, error: &ForwardError, begun: Moment) {
        self.noting(|health| health.failed(error, begun, self.now()));
    }

    /// Whatever it is asked, it answers only this; nothing, once it answers.
    pub fn refuses(&self, why: Option<String>) {
        self.noting(|health| {
            health.state.lock().refuses = why;
            None
        });
    }

    fn health(&self) -> &Health {
        &self.origin.health
    }

    fn noting(&self, note: impl FnOnce(&Health) -> Option<Turn>) {
        let before = self.health().trouble();
        let turn = note(self.health());
        let trouble = self.health().trouble();
        let (site, origin) = (&self.site.site.name, &self.origin.name);
        match (turn, &trouble) {
            (Some(Turn::Opened(_)), _) => {
                tracing::warn!(site, origin, trouble, "an origin is asked no more, but to find out whether it is back");
            }
            (Some(Turn::Closed), _) => tracing::info!(site, origin, "an origin answers again"),
            (None, Some(now)) if before != trouble => tracing::warn!(site, origin, trouble = now, "an origin is unfit"),
            _ => {}
        }
        if before != trouble {
            self.live.tell_origins();
        }
    }
}

/// The origins of a site of which something is to be told.
pub fn troubled(site: &SiteTable) -> impl Iterator<Item = OriginState> {
    site.origins.iter().filter_map(|origin| {
        let (site, origin, message) = (site.site.id.clone(), origin.name.clone(), origin.health.trouble()?);
        Some(OriginState { site, origin, healthy: false, message })
    })
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use edge_cache::breaker::TRIES;
    use edge_contract::Scheme;

    use super::*;

    fn origin(port: u16) -> Origin {
        let target = OriginTarget::Address { scheme: Scheme::Http, host: "db.test".into(), port };
        Origin::plain("db", "db.test").at(target)
    }

    fn now() -> Moment {
        Moment(Duration::from_secs(1))
    }

    fn timed_out() -> ForwardError {
        ForwardError::HeadTimedOut(Duration::from_secs(30))
    }

    #[test]
    fn an_origin_that_does_not_answer_says_of_what_it_died_until_it_answers() {
        let health = Health::of(&origin(80));
        for _ in 0..TRIES {
            assert_eq!((health.is_open(), health.trouble()), (false, None));
            health.failed(&timed_out(), now(), now());
        }
        let told = "20 of 20 tries within 10 s came to nothing, the last because of this: no response head within 30s";
        assert_eq!((health.is_open(), health.trouble().as_deref()), (true, Some(told)));
        health.answered(now(), now());
        assert_eq!((health.is_open(), health.trouble()), (false, None));
    }

    #[test]
    fn what_is_not_the_origins_doing_says_nothing_of_it() {
        let health = Health::of(&origin(80));
        for _ in 0..100 {
            health.failed(&ForwardError::NoTarget, now(), now());
            health.failed(&ForwardError::NoEndpoints, now(), now());
            health.failed(&ForwardError::UnaskedPartial, now(), now());
        }
        assert_eq!((health.is_open(), health.trouble()), (false, None));
    }

    #[test]
    fn what_is_known_is_known_of_one_target_and_its_tls_whatever_else_is_edited() {
        let health = Health::of(&origin(80));
        assert!(health.is_of(&Origin { attempts: 1, base_path: "/v2".into(), ..origin(80) }));
        assert!(!health.is_of(&origin(81)));
        assert!(!health.is_of(&Origin { name: "other".into(), ..origin(80) }));
        let tls = OriginTls { server_name: Some("app.test".into()), ..OriginTls::default() };
        assert!(!health.is_of(&Origin { tls, ..origin(80) }), "its faults may have been mended");
    }
}
