//! What is stored into the condition it is validated by, and a 304 or an answer to HEAD into what it updates (RFC 9111 §4.3).

use super::{Kept, Law, same};
use crate::request::{end_to_end, identified_by, is_left_alone};
use crate::says::Message;
use crate::scene::Ask;
use crate::viewer;
use crate::words::{Fields, values};

impl Law {
    /// RFC 9111 §4.3.1: the tags of all that could be chosen; a date only where one response is meant.
    pub(super) fn conditions(offered: &[Kept]) -> String {
        let mut line = "asks".to_owned();
        let mut tags: Vec<&str> = offered.iter().filter_map(tag_of).collect();
        tags.sort_unstable();
        tags.dedup();
        if offered.first().is_some_and(|first| tag_of(first).is_some()) {
            line.extend([" if-none-match: ", &tags.join(", ")]);
        }
        if let Some(date) = offered.first().and_then(date_of).filter(|_| tags.len() < 2) {
            line.extend([" if-modified-since: ", date]);
        }
        line
    }

    /// What is validated: what was chosen, if it has a validator, and with a tag all others that the request selects.
    pub(super) fn offered(&self, ask: &Ask, chosen: Option<usize>) -> Vec<Kept> {
        let Some(chosen) = chosen.filter(|at| Self::conditions(&self.kept[*at..=*at]) != "asks") else {
            return Vec::new();
        };
        let mut offered = vec![self.kept[chosen].clone()];
        if tag_of(&offered[0]).is_some() {
            let others = (0..self.kept.len()).rev().filter(|at| *at != chosen && self.selected(ask, &self.kept[*at]));
            offered.extend(others.map(|at| self.kept[at].clone()));
        }
        offered
    }

    /// RFC 9111 §4.3.4. False: it is of another, or came too late.
    pub(super) fn freshen_all(
        &mut self,
        ask: &Ask,
        offered: &[Kept],
        new: &Message,
        began: usize,
        lines: &mut Vec<String>,
    ) -> bool {
        let meant = identified(&new.fields, offered);
        let mut freshened = Vec::new();
        for kept in meant {
            freshened.extend(self.freshen(ask, kept, new, began));
        }
        let Some(first) = freshened.first() else {
            lines.push("of no use".to_owned());
            return false;
        };
        lines.push("freshened".to_owned());
        lines.push(Self::shown(ask, first.message.status, &first.shown, &first.message));
        true
    }

    /// §3.2
    fn freshen(&mut self, ask: &Ask, kept: &Kept, new: &Message, began: usize) -> Option<Kept> {
        if self.is_void(&kept.target, began) {
            return None;
        }
        let mut merged = kept.shown.clone();
        let mut news = end_to_end(&new.fields);
        news.retain(|(name, _)| !is_left_alone(name, &self.owner.behavior));
        merged.retain(|(known, _)| news.iter().all(|(name, _)| name != known));
        merged.extend(news);
        let age: Fields = new.fields.iter().filter(|(name, _)| name == "age").cloned().collect();
        merged.retain(|(name, _)| name != "age");
        if values(&new.fields, "date").is_empty() {
            merged.retain(|(name, _)| name != "date");
        }
        let message = Message { fields: [merged, age].concat(), status: kept.message.status, ..new.clone() };
        let freshened = self.kept_of(ask, message);
        let authorized = kept.authorized || freshened.authorized;
        let freshened = Kept { authorized, cookie: kept.cookie || freshened.cookie, ..freshened };
        if let Some(at) = self.kept.iter().position(|known| same(known, kept)) {
            self.kept.remove(at);
            if freshened.may_be_stored(&self.owner) {
                self.kept.push(freshened.clone());
            }
        }
        Some(freshened)
    }

    /// §4.3.5
    pub(super) fn learn_by_head(&mut self, ask: &Ask, head: &Message, began: usize) {
        for kept in self.kept.clone() {
            if !self.selected(ask, &kept) {
                continue;
            }
            let same_value = |name: &str| {
                let received = values(&head.fields, name);
                received.is_empty() || values(&kept.shown, name).first() == received.first()
            };
            let same_all = ["etag", "last-modified", "content-length"].into_iter().all(same_value);
            if kept.message.status == 200 && same_all {
                self.freshen(ask, &kept, head, began);
            } else {
                self.kept.retain(|known| !same(known, &kept));
            }
        }
    }
}

fn tag_of(kept: &Kept) -> Option<&str> {
    values(&kept.shown, "etag").first().copied().filter(|tag| viewer::is_entity_tag(tag))
}

fn date_of(kept: &Kept) -> Option<&str> {
    let is_date = |text: &&str| crate::dates::parse(text, kept.message.wall).is_some();
    values(&kept.shown, "last-modified").first().copied().filter(is_date)
}

/// RFC 9111 §4.3.4: a strong validator speaks of all that have it, a weak one of the most recent that it matches. What a 304 without
/// any validator answers is the one condition that was sent.
fn identified<'a>(new: &Fields, offered: &'a [Kept]) -> Vec<&'a Kept> {
    let Some((matching, all)) = identified_by(new) else {
        return if let [only] = offered { vec![only] } else { Vec::new() };
    };
    let matches: Vec<&Kept> = offered.iter().filter(|kept| matching(&kept.shown)).collect();
    if all {
        return matches;
    }
    let mut newest: Option<&Kept> = None;
    for kept in matches {
        if newest.is_none_or(|newest| newest.message.date() < kept.message.date()) {
            newest = Some(kept);
        }
    }
    newest.into_iter().collect()
}
