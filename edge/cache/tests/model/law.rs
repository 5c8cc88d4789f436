//! The cache as the RFCs and the owner's policy have it: a list of stored responses, read from its beginning each time.

mod validating;

use edge_contract::{Scope, SetCookie, ViewerControls};

use crate::request::{end_to_end, forwarded, nominated};
use crate::says::{Lifetime, Message};
use crate::scene::{Answer, Ask, BEGIN, Cache, Meanwhile, Owner};
use crate::target;
use crate::viewer::{self, Wish};
use crate::words::{Fields, combined, values};

/// A stored response.
#[derive(Clone)]
struct Kept {
    /// The path and query that it was stored for.
    target: String,
    /// As it was received, for what it says.
    message: Message,
    /// What may be shown of it.
    shown: Fields,
    /// The request that it answered, as the origin got it.
    request: Fields,
    /// Whether a request with `Authorization` had a part in it.
    authorized: bool,
    /// Whether it came with a cookie.
    cookie: bool,
}

/// The cache.
pub struct Law {
    owner: Owner,
    now: i64,
    kept: Vec<Kept>,
    /// What was purged or written to, in turn.
    voided: Vec<Scope>,
}

/// What may be done with what is stored.
#[derive(Clone, Copy, PartialEq)]
enum Use {
    Fresh {
        age: i64,
        left: i64,
    },
    Stale {
        age: i64,
        over: i64,
    },
    Validate,
    /// Not even as something to be validated.
    No,
}

impl Law {
    pub fn new(owner: &Owner) -> Self {
        Self { owner: owner.clone(), now: 0, kept: Vec::new(), voided: Vec::new() }
    }

    fn wish(&self, ask: &Ask) -> Wish {
        match self.owner.behavior.viewer_controls {
            ViewerControls::Ignore => Wish::default(),
            ViewerControls::Respect => viewer::wish(&ask.fields),
        }
    }

    fn selected(&self, ask: &Ask, kept: &Kept) -> bool {
        let target = target::keyed(&ask.target, &self.owner.behavior.key.query_strings);
        kept.target == target && selects(kept, &forwarded(&ask.fields))
    }

    /// RFC 9111 §4.1: those with `Vary` before those without; then, §4, the most recent by `Date`; among equals what came last.
    fn choose(&self, ask: &Ask) -> Option<usize> {
        let could = |at: &usize| self.selected(ask, &self.kept[*at]);
        let rank = |at: &usize| (!self.kept[*at].message.varies_on().is_empty(), self.kept[*at].message.date());
        let mut best: Option<usize> = None;
        for at in (0..self.kept.len()).filter(could) {
            if best.is_none_or(|best| rank(&best) <= rank(&at)) {
                best = Some(at);
            }
        }
        best
    }

    /// RFC 9111 §4.2, §5.2.1, RFC 5861 §3.
    fn judge(&self, kept: &Kept, wish: &Wish) -> Use {
        let message = &kept.message;
        let age = message.current_age(self.now);
        let lifetime = match kept.lifetime(&self.owner) {
            Lifetime::Never => return Use::No,
            Lifetime::Validate => return Use::Validate,
            Lifetime::For(lifetime) => lifetime,
        };
        let left = lifetime - age;
        // RFC 8246 §2: what never changes is not asked for anew while it is fresh.
        let immutable = message.is_immutable() && left > 0;
        let too_old = wish.max_age.is_some_and(|most| age > most && !immutable);
        if wish.no_cache || too_old {
            return Use::Validate;
        }
        if left > 0 {
            let enough = wish.min_fresh.is_none_or(|least| left >= least);
            return if enough { Use::Fresh { age, left } } else { Use::Validate };
        }
        if message.is_never_stale() || message.is_kept_by_force() || wish.min_fresh.is_some() {
            return Use::Validate;
        }
        let granted = message.stale_while_revalidate().unwrap_or(0).max(ms(self.owner.behavior.stale.while_revalidate));
        // §5.2.1.1: who names an age and no staleness does not want it stale.
        let window = if wish.max_age.is_some() && wish.max_stale.is_none() { 0 } else { granted };
        let tolerated = !too_old && wish.max_stale.is_some_and(|most| -left <= most);
        if -left < window || tolerated { Use::Stale { age, over: -left } } else { Use::Validate }
    }

    /// RFC 9111 §4.2.4, RFC 5861 §4: what stands in when there is no answer, or an error. `Err`: there is something, and it must not.
    fn stands_in(&self, ask: &Ask, status: Option<u16>) -> Result<Option<(usize, i64, i64)>, ()> {
        // RFC 9111 §4: what is stored answers nothing else, and nothing at all where the owner wants no cache.
        let readable = matches!(ask.method.as_str(), "GET" | "HEAD") && self.owner.behavior.ttl.max > 0;
        let Some(at) = self.choose(ask).filter(|_| readable) else { return Ok(None) };
        let (kept, wish) = (&self.kept[at], self.wish(ask));
        let message = &kept.message;
        let stale = &self.owner.behavior.stale;
        let window = match status {
            None => message.stale_if_error().unwrap_or(ms(stale.if_unreachable)),
            Some(500 | 502 | 503 | 504) => message.stale_if_error().unwrap_or(ms(stale.if_error)),
            Some(_) => return Ok(None),
        };
        let age = message.current_age(self.now);
        match kept.lifetime(&self.owner) {
            Lifetime::Never if !message.is_kept_by_force() && !message.is_never_stale() => Ok(None),
            // §5.2.2.2: not even when its origin is out of reach.
            Lifetime::Never | Lifetime::Validate => Err(()),
            Lifetime::For(_) if message.is_never_stale() || message.is_kept_by_force() => Err(()),
            // §5.2.1.1: who says how fresh it must be does not want it stale, but may want it rather than an error (RFC 5861 §4).
            Lifetime::For(_) if wish.wants_fresh() && wish.stale_if_error.is_none() => Ok(None),
            Lifetime::For(lifetime) if (age - lifetime).max(0) < window.max(wish.stale_if_error.unwrap_or(0)) => {
                Ok(Some((at, age, (age - lifetime).max(0))))
            }
            Lifetime::For(_) => Ok(None),
        }
    }

    /// Asks until there is an answer that can be used.
    fn fetch(&mut self, ask: &Ask, event: usize, validates: Option<usize>, lines: &mut Vec<String>) {
        let mut offered = self.offered(ask, validates);
        for nth in 0.. {
            let (asked, began) = (self.now, self.voided.len());
            lines.push(Self::conditions(&offered));
            let answer = ask.answer(event, nth, !offered.is_empty());
            if nth == 0 {
                self.meanwhile(ask);
            }
            let Answer::Head { delay, status, fields } = answer else {
                return self.without_answer(ask, None, lines);
            };
            self.now += delay;
            let wall = BEGIN + self.now / 1000;
            let message = Message { status, fields, asked, answered: self.now, wall };
            if status == 304 {
                if offered.is_empty() {
                    return self.without_answer(ask, None, lines);
                }
                if self.freshen_all(ask, &std::mem::take(&mut offered), &message, began, lines) {
                    return;
                }
                continue;
            }
            if matches!(self.stands_in(ask, Some(status)), Ok(Some(_))) {
                return self.without_answer(ask, Some(status), lines);
            }
            return self.store(ask, message, began, lines);
        }
    }

    fn meanwhile(&mut self, ask: &Ask) {
        match &ask.meanwhile {
            Some(Meanwhile::Purge(scope)) => self.void(scope.clone()),
            Some(Meanwhile::Write(target)) => {
                self.void(Scope::Exact(target::keyed(target, &self.owner.behavior.key.query_strings)));
            }
            None => {}
        }
    }

    fn void(&mut self, scope: Scope) {
        self.kept.retain(|kept| !target::covers(&scope, &kept.target, &self.owner.behavior.key.query_strings));
        self.voided.push(scope);
    }

    fn is_void(&self, target: &str, began: usize) -> bool {
        self.voided[began..].iter().any(|scope| target::covers(scope, target, &self.owner.behavior.key.query_strings))
    }

    fn without_answer(&mut self, ask: &Ask, status: Option<u16>, lines: &mut Vec<String>) {
        match self.stands_in(ask, status) {
            Ok(Some((at, age, over))) => {
                lines.push(format!("stands in, age {age}, over {over}"));
                let kept = self.kept[at].clone();
                lines.push(Self::shown(ask, kept.message.status, &kept.shown, &kept.message));
            }
            Ok(None) => lines.push("viewer: 502".to_owned()),
            Err(()) => lines.push("viewer: 504".to_owned()),
        }
    }

    fn kept_of(&self, ask: &Ask, message: Message) -> Kept {
        let withheld = message.withheld();
        let mut shown = end_to_end(&message.fields);
        shown.retain(|(name, _)| name != "age");
        shown.retain(|(name, _)| !withheld.contains(name));
        // RFC 9110 §6.6.1
        if message.readable_date().is_none() || withheld.contains(&"date".to_owned()) {
            shown.retain(|(name, _)| name != "date");
            shown.push(("date".to_owned(), crate::dates::write(message.wall, 0)));
        }
        if self.owner.behavior.set_cookie != SetCookie::Store {
            shown.retain(|(name, _)| name != "set-cookie");
        }
        let target = target::keyed(&ask.target, &self.owner.behavior.key.query_strings);
        let (authorized, cookie) = (is_authorized(ask), !values(&message.fields, "set-cookie").is_empty());
        Kept { target, message, shown, request: forwarded(&ask.fields), authorized, cookie }
    }

    /// RFC 9111 §3 and §4.3.3.
    fn store(&mut self, ask: &Ask, message: Message, began: usize, lines: &mut Vec<String>) {
        let new = self.kept_of(ask, message);
        let stored = new.may_be_stored(&self.owner);
        if !stored {
            lines.push(format!("viewer: {} as it came", new.message.status));
            // What was validated is not what the origin has now; an error says nothing about that, and neither does a part.
            if new.message.status < 500 && new.message.status != 206 {
                self.supersede(&new);
            }
            return;
        }
        lines.push("stored".to_owned());
        lines.push(Self::shown(ask, new.message.status, &new.shown, &new.message));
        self.supersede(&new);
        if !self.is_void(&new.target, began) {
            self.kept.push(new);
        }
    }

    /// None of what the same request selects is suitable any more.
    fn supersede(&mut self, new: &Kept) {
        self.kept.retain(|kept| kept.target != new.target || !selects(kept, &new.request));
    }

    /// RFC 9110 §13.2.2 for a cache: 304 where the viewer has it already.
    fn shown(ask: &Ask, status: u16, shown: &Fields, message: &Message) -> String {
        if viewer::has_it(ask, status, shown, message) { "viewer: 304".to_owned() } else { format!("viewer: {status}") }
    }

    /// A request that is not answered from the store. RFC 9111 §4.4.
    fn pass(&mut self, ask: &Ask, event: usize) -> Vec<String> {
        let mut lines = vec!["asks as it came".to_owned()];
        let (asked, began) = (self.now, self.voided.len());
        self.meanwhile(ask);
        let Answer::Head { delay, status, fields } = ask.answer(event, 0, false) else {
            self.without_answer(ask, None, &mut lines);
            return lines;
        };
        self.now += delay;
        lines.push(format!("viewer: {status} as it came"));
        if ask.method == "HEAD" && status == 200 && self.owner.behavior.ttl.max > 0 {
            let wall = BEGIN + self.now / 1000;
            self.learn_by_head(ask, &Message { status, fields, asked, answered: self.now, wall }, began);
            return lines;
        }
        let safe = ["GET", "HEAD", "OPTIONS", "TRACE"].contains(&ask.method.as_str());
        if !safe && (200..400).contains(&status) {
            let said = ["location", "content-location"].into_iter().filter_map(|name| combined(&fields, name));
            let others = said.filter_map(|reference| target::resolve(&reference, &ask.target));
            for target in std::iter::once(ask.target.clone()).chain(others) {
                self.void(Scope::Exact(target::keyed(&target, &self.owner.behavior.key.query_strings)));
            }
        }
        lines
    }
}

impl Cache for Law {
    fn wait(&mut self, milliseconds: i64) {
        self.now += milliseconds;
    }

    fn ask(&mut self, ask: &Ask, event: usize) -> Vec<String> {
        if !matches!(ask.method.as_str(), "GET" | "HEAD") || self.owner.behavior.ttl.max == 0 {
            return self.pass(ask, event);
        }
        let mut lines = Vec::new();
        let wish = self.wish(ask);
        let chosen = self.choose(ask);
        let judged = chosen.map_or(Use::No, |at| self.judge(&self.kept[at], &wish));
        match (judged, chosen) {
            (Use::Fresh { age, left }, Some(at)) => {
                lines.push(format!("fresh, age {age}, left {left}"));
                let Kept { message, shown, .. } = &self.kept[at];
                lines.push(Self::shown(ask, message.status, shown, message));
            }
            (Use::Stale { age, over }, Some(at)) => {
                lines.push(format!("stale, age {age}, over {over}"));
                let kept = &self.kept[at];
                lines.push(Self::shown(ask, kept.message.status, &kept.shown, &kept.message));
                // What the viewer accepts, and nobody grants, is validated by those who want it fresh.
                let granted = self.judge(kept, &Wish::default()) != Use::Validate;
                if ask.method == "GET" && !wish.no_store && granted {
                    self.fetch(ask, event, Some(at), &mut lines);
                }
            }
            // §5.2.1.7
            _ if wish.only_if_cached => lines.push("viewer: 504".to_owned()),
            // §5.2.1.5
            _ if ask.method == "HEAD" || wish.no_store => return self.pass(ask, event),
            (Use::Validate, at) => self.fetch(ask, event, at, &mut lines),
            _ => self.fetch(ask, event, None, &mut lines),
        }
        lines
    }

    fn purge(&mut self, scope: &Scope) {
        self.void(scope.clone());
    }

    fn sweep(&mut self) {}

    fn reconfigure(&mut self, owner: &Owner) {
        self.owner = owner.clone();
    }

    fn holds(&self) -> Vec<String> {
        let mut lines: Vec<_> = self.kept.iter().map(|kept| self.describe(kept)).collect();
        lines.sort();
        lines
    }
}

impl Kept {
    /// What `ttl` says, but for what was made for one viewer: no minimum is stronger than the origin's no there.
    fn lifetime(&self, owner: &Owner) -> Lifetime {
        let mut owner = owner.clone();
        if (self.authorized || self.cookie) && self.message.forbids_sharing() {
            owner.behavior.ttl.min = 0;
        }
        self.message.lifetime(&owner)
    }

    /// RFC 9111 §3, and what the owner says of cookies.
    fn may_be_stored(&self, owner: &Owner) -> bool {
        let for_one = self.authorized || self.cookie;
        !(for_one && owner.behavior.ttl.min > 0 && self.message.forbids_sharing())
            && self.message.may_be_stored(self.authorized, owner)
    }
}

impl Law {
    fn describe(&self, kept: &Kept) -> String {
        let used = match self.judge(kept, &Wish::default()) {
            Use::Fresh { age, left } => format!("fresh, age {age}, left {left}"),
            Use::Stale { age, over } => format!("stale, age {age}, over {over}"),
            Use::Validate => Self::conditions(std::slice::from_ref(kept)),
            Use::No => "of no use".to_owned(),
        };
        let mut fields: Vec<_> = kept.shown.iter().map(|(name, value)| format!("{name}: {value}")).collect();
        fields.sort();
        format!("  has {} {}: {used} [{}]", kept.target, kept.message.status, fields.join(" | "))
    }
}

fn ms(seconds: u64) -> i64 {
    i64::try_from(seconds).unwrap_or(i64::MAX / 1000).saturating_mul(1000)
}

fn same(one: &Kept, other: &Kept) -> bool {
    one.shown == other.shown && one.target == other.target && one.message.answered == other.message.answered
}

fn is_authorized(ask: &Ask) -> bool {
    !values(&ask.fields, "authorization").is_empty()
}

/// RFC 9111 §4.1: whether a request has, in the fields that the response varies on, what the one had that it answered.
fn selects(kept: &Kept, request: &Fields) -> bool {
    kept.message
        .varies_on()
        .iter()
        .all(|name| name != "*" && nominated(&kept.request, name) == nominated(request, name))
}
