//! Rules and a name into whether what bears it is keyed, and whether it goes along to an origin.

use edge_contract::{Choice, Forwarded};
use http::request;

use crate::Policy;

/// What mode `Auto` stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Carry {
    /// Nothing but what is keyed: what is not must not shape a response that others get.
    KeyedOnly,
    /// All end-to-end fields: nothing of the answer is shared.
    Everything,
}

impl Carry {
    /// A request whose answer may be stored or shared carries what is keyed; every other one carries everything.
    pub fn of(request: &request::Parts, policy: &Policy) -> Self {
        let cached = policy.caches() && matches!(request.method.as_str(), "GET" | "HEAD");
        if cached { Self::KeyedOnly } else { Self::Everything }
    }
}

/// Whether a rule of the key takes this name. Case counts.
pub fn keeps(rule: &Choice, name: &[u8]) -> bool {
    match rule {
        Choice::All => true,
        Choice::None => false,
        Choice::Include(names) => holds(names, name),
        Choice::Exclude(names) => !holds(names, name),
    }
}

/// Whether a rule of what is forwarded takes this name. What is keyed is forwarded whatever it says.
pub fn forwards(rule: &Forwarded, carry: Carry, name: &[u8]) -> bool {
    match rule {
        Forwarded::Auto => carry == Carry::Everything,
        Forwarded::None => false,
        Forwarded::All => true,
        Forwarded::Include(names) => holds(names, name),
        Forwarded::Exclude(names) => !holds(names, name),
    }
}

fn holds(names: &[String], name: &[u8]) -> bool {
    names.iter().any(|known| known.as_bytes() == name)
}

/// Which parameters or cookies go along: those that are keyed, and those that the owner forwards beside them.
#[derive(Clone, Copy, Debug)]
pub struct Going<'a> {
    /// What is keyed.
    pub key: &'a Choice,
    /// What is forwarded beside it.
    pub forward: &'a Forwarded,
    /// What mode `Auto` stands for.
    pub carry: Carry,
}

impl Going<'_> {
    /// Whether this name goes along.
    pub fn takes(&self, name: &[u8]) -> bool {
        keeps(self.key, name) || forwards(self.forward, self.carry, name)
    }

    /// Whether all of them do, so that nothing needs to be looked at.
    pub fn takes_all(&self) -> bool {
        let auto = *self.forward == Forwarded::Auto && self.carry == Carry::Everything;
        auto || *self.key == Choice::All || *self.forward == Forwarded::All
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(list: &[&str]) -> Vec<String> {
        list.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn what_is_keyed_goes_along_whatever_is_forwarded() {
        let check = |key: Choice, forward: Forwarded, carry: Carry, expect: [bool; 3]| {
            let going = Going { key: &key, forward: &forward, carry };
            let taken = [b"a", b"b", b"c"].map(|name| going.takes(name));
            assert_eq!(taken, expect, "{going:?}");
            assert!(!going.takes_all() || expect == [true; 3], "{going:?}");
        };
        let a = || Choice::Include(names(&["a"]));
        let b = || names(&["b"]);
        check(a(), Forwarded::Auto, Carry::KeyedOnly, [true, false, false]);
        check(a(), Forwarded::Auto, Carry::Everything, [true, true, true]);
        for carry in [Carry::KeyedOnly, Carry::Everything] {
            check(a(), Forwarded::None, carry, [true, false, false]);
            check(a(), Forwarded::All, carry, [true, true, true]);
            check(a(), Forwarded::Include(b()), carry, [true, true, false]);
            check(a(), Forwarded::Exclude(names(&["a", "b"])), carry, [true, false, true]);
            check(Choice::Exclude(b()), Forwarded::None, carry, [true, false, true]);
            check(Choice::All, Forwarded::None, carry, [true, true, true]);
            check(Choice::None, Forwarded::None, carry, [false, false, false]);
        }
    }
}
