//! What live edges say of what only they can see into one message for each condition that it makes False.
//!
//! Guarantees: what several edges say of one field is said once, in the same words and order whoever said it first: a status is written when
//! something changed for its reader, not when another edge says the same. How often that may be, `distribution/told_origins.rs` says.

use std::collections::{BTreeMap, BTreeSet};

use edge_contract::{OriginState, ReferenceState};

/// The most that one message tells of.
const TOLD: usize = 10;

/// What the live edges of a Distribution report.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reports {
    /// Live edges that have not reported since this process leads.
    pub silent: u32,
    /// How many have.
    heard: u32,
    /// Mounted things that are missing or of no use: the field and the edge's words.
    references: BTreeSet<(String, String)>,
    /// What the newest configuration waits for, by edges that do not serve it yet.
    waits: BTreeSet<(String, String)>,
    /// Origins by name.
    origins: BTreeMap<String, Health>,
    told: Told,
}

/// What is told of origins.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
enum Told {
    #[default]
    AsReported,
    AsBefore(Option<String>),
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Health {
    /// On how many edges it is unhealthy.
    unhealthy: u32,
    /// Why, in the words that come first.
    message: String,
}

impl Reports {
    /// Adds what one edge reports; nothing where it has not yet.
    pub fn add(&mut self, report: Option<(&[ReferenceState], &[OriginState])>) {
        let Some((references, origins)) = report else {
            self.silent += 1;
            return;
        };
        self.heard += 1;
        self.references.extend(references.iter().map(|one| (one.field.clone(), one.message.clone())));
        for state in origins {
            let health = self.origins.entry(state.origin.clone()).or_default();
            if state.healthy {
                continue;
            }
            if health.unhealthy == 0 || state.message < health.message {
                health.message.clone_from(&state.message);
            }
            health.unhealthy += 1;
        }
    }

    /// Adds what the newest configuration waits for on one edge.
    pub fn add_waits(&mut self, waits: &[ReferenceState]) {
        self.waits.extend(waits.iter().map(|one| (one.field.clone(), one.message.clone())));
    }

    /// What some of them wait for, if they do.
    pub fn waits(&self) -> Option<String> {
        told(self.waits.iter().map(|(field, words)| format!("{field}: {words}")))
    }

    /// What is missing or of no use, if anything is.
    pub fn unusable(&self) -> Option<String> {
        told(self.references.iter().map(|(field, words)| format!("{field}: {words}")))
    }

    /// Tells of origins in words that were told before, for it is too soon for others.
    pub fn tell_as_before(&mut self, words: Option<String>) {
        self.told = Told::AsBefore(words);
    }

    /// Which origins do not answer, if any does not.
    pub fn unhealthy(&self) -> Option<String> {
        if let Told::AsBefore(words) = &self.told {
            return words.clone();
        }
        let edges = self.silent + self.heard;
        let unhealthy = self.origins.iter().filter(|(_, health)| health.unhealthy > 0);
        told(unhealthy.map(|(origin, Health { unhealthy, message })| {
            let told = format!("origin {origin} is unhealthy on {unhealthy} of {edges} edges");
            if message.is_empty() { told } else { format!("{told}: {message}") }
        }))
    }
}

fn told(all: impl Iterator<Item = String>) -> Option<String> {
    let mut all: Vec<String> = all.collect();
    let more = all.len().saturating_sub(TOLD);
    all.truncate(TOLD);
    if more > 0 {
        all.push(format!("and {more} more"));
    }
    (!all.is_empty()).then(|| all.join("; "))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lacks(field: &str) -> ReferenceState {
        ReferenceState { field: field.into(), message: "create it".into() }
    }

    fn origin(name: &str, why: Option<&str>) -> OriginState {
        OriginState {
            site: "uid".into(),
            origin: name.into(),
            healthy: why.is_none(),
            message: why.unwrap_or_default().into(),
        }
    }

    fn of(edges: &[(&[ReferenceState], &[OriginState])]) -> Reports {
        let mut reports = Reports::default();
        for edge in edges {
            reports.add(Some(*edge));
        }
        reports
    }

    #[test]
    fn what_several_edges_say_is_said_once_whoever_says_it_first() {
        let (one, other): ([_; 2], [_; 2]) = ([lacks("spec.b"), lacks("spec.a")], [lacks("spec.a"), lacks("spec.b")]);
        assert_eq!(of(&[(&one, &[]), (&other, &[])]).unusable(), of(&[(&other, &[])]).unusable());
        assert_eq!(of(&[(&one, &[])]).unusable().as_deref(), Some("spec.a: create it; spec.b: create it"));
        assert_eq!(of(&[(&[], &[])]).unusable(), None);
    }

    #[test]
    fn a_message_tells_of_ten_things_and_counts_the_rest() {
        let all: Vec<_> = (10..22).map(|number| lacks(&format!("spec.{number}"))).collect();
        let told = of(&[(&all, &[])]).unusable().expect("is told");
        assert_eq!(told.matches("create it").count(), 10);
        assert!(told.ends_with("; and 2 more"), "{told}");
    }

    #[test]
    fn an_origin_is_told_with_how_many_edges_it_does_not_answer_and_one_of_their_reasons() {
        let (fine, late, refused) =
            (origin("app", None), origin("app", Some("timed out")), origin("app", Some("refused")));
        let mut reports = of(&[(&[], &[late]), (&[], &[fine.clone(), origin("img", None)]), (&[], &[refused])]);
        reports.add(None);
        assert_eq!(reports.unhealthy().as_deref(), Some("origin app is unhealthy on 2 of 4 edges: refused"));
        assert_eq!(of(&[(&[], &[fine])]).unhealthy(), None);
        let wordless = of(&[(&[], &[origin("app", Some(""))])]);
        assert_eq!(wordless.unhealthy().as_deref(), Some("origin app is unhealthy on 1 of 1 edges"));
    }
}
