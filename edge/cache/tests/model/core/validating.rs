//! Verdicts on validation, carried out.

use edge_cache::validation::Conditional;
use edge_cache::{Label, Stored, freshening, storing};

use super::{Arrived, Asking, Core, Held, shown};

impl Core {
    /// What is offered for validation: what the request would be answered with first, with a tag all others that it selects.
    pub(super) fn offered(&self, asking: &Asking<'_>, validates: Option<&(Held, Conditional)>) -> Vec<Held> {
        let Some((held, condition)) = validates else { return Vec::new() };
        let mut offered = vec![held.clone()];
        if condition.if_none_match.is_some() {
            let others = self.held.iter().rev().filter(|other| {
                let selected = other.stored.selecting.matches_fields(&asking.forwarded);
                other.key == held.key && other.stored != held.stored && selected && self.admission(other).is_admitted()
            });
            offered.extend(others.cloned());
        }
        offered
    }

    pub(super) fn freshen_all(
        &mut self,
        asking: &Asking<'_>,
        offered: &[Held],
        arrived: &Arrived,
        label: Label,
        lines: &mut Vec<String>,
    ) -> bool {
        let stored: Vec<&Stored> = offered.iter().map(|held| &held.stored).collect();
        let places = freshening::identify(&stored, &arrived.parts.headers);
        let revived: Vec<_> =
            places.into_iter().filter_map(|place| self.revive(asking, &offered[place], arrived, label)).collect();
        let Some(first) = revived.first() else {
            lines.push("of no use".to_owned());
            return false;
        };
        lines.push("freshened".to_owned());
        lines.push(shown(asking, first));
        true
    }

    fn revive(&mut self, asking: &Asking<'_>, held: &Held, arrived: &Arrived, label: Label) -> Option<Stored> {
        let revives = self.ledger.revives(held.stored.label, held.checked.get(), label, held.key.target());
        if !revives.is_admitted() {
            return None;
        }
        let stored = freshening::update(&held.stored, &arrived.parts, &asking.exchange(arrived, label), &self.policy);
        if let Some(at) = self.held.iter().position(|known| known.stored == held.stored && known.key == held.key) {
            self.held.remove(at);
            if storing::may_stay(&stored, &self.policy) {
                self.held.push(asking.hold(stored.clone()));
            }
        }
        Some(stored)
    }

    pub(super) fn learn_by_head(&mut self, asking: &Asking<'_>, arrived: &Arrived, label: Label) {
        for held in self.held.clone() {
            if held.key != asking.key || !held.stored.selecting.matches_fields(&asking.forwarded) {
                continue;
            }
            if !freshening::confirms(&held.stored, &arrived.parts) {
                self.held.retain(|known| known.key != held.key || known.stored != held.stored);
            } else if self.admission(&held).is_admitted() {
                self.revive(asking, &held, arrived, label);
            }
        }
    }
}
