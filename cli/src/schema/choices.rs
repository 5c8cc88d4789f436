//! Rules that say no more than that a choice is wrong into which one, where, and what there is to choose from.
//!
//! An API server can name neither: a rule of its language has one message, at one field.

use std::collections::BTreeSet;

use operator::names::DEFAULT_LOCATION;
use serde_json::Value as Json;

use super::{Fault, words};

/// What the rules of the schema say of origins and locations that are named, and of patterns that behaviors have.
const SAID: [&str; 5] = [
    "defaultBehavior.origin names no origin and no origin group of this Distribution",
    "a behavior's origin names no origin and no origin group of this Distribution",
    "primary and secondary of an origin group must be origins of this Distribution",
    "shield.location names no location of this Distribution",
    "two behaviors have the same pathPattern: the second would never be used",
];

/// The same faults, those of choices in more words.
pub(super) fn name(object: &Json, mut faults: Vec<Fault>) -> Vec<Fault> {
    let is_of_choice = |fault: &Fault| SAID.iter().any(|said| fault.message.starts_with(said));
    let before = faults.len();
    faults.retain(|fault| !is_of_choice(fault));
    if faults.len() < before {
        faults.extend(wrong_choices(&object["spec"]));
    }
    faults
}

fn wrong_choices(spec: &Json) -> Vec<Fault> {
    let (origins, groups) = (names(&spec["origins"]), names(&spec["originGroups"]));
    let all: Vec<_> = origins.iter().chain(&groups).copied().collect();
    let (mut faults, mut patterns) = (Vec::new(), BTreeSet::new());
    let only = [DEFAULT_LOCATION].to_vec();
    let locations = Some(names(&spec["locations"])).filter(|names| !names.is_empty()).unwrap_or(only);
    for (origin, name) in items(&spec["origins"]).zip(&origins) {
        let field = || format!("spec.origins[{name}].shield.location");
        faults.extend(missing("location", &origin["shield"]["location"], &locations, field));
    }
    for (group, name) in items(&spec["originGroups"]).zip(&groups) {
        for member in ["primary", "secondary"] {
            let field = || format!("spec.originGroups[{name}].{member}");
            faults.extend(missing("origin", &group[member], &origins, field));
        }
    }
    for (at, behavior) in items(&spec["behaviors"]).enumerate() {
        let field = || words::item("spec.behaviors", &Json::Null, at, |key| words::of_scalar(&behavior[key]));
        faults.extend(missing("origin", &behavior["origin"], &all, || format!("{}.origin", field())));
        let pattern = behavior["pathPattern"].as_str().unwrap_or_default();
        if !patterns.insert(pattern) {
            let message =
                format!("an earlier behavior has the same pattern, {pattern}, so this one would never be used");
            faults.push(Fault { field: format!("spec.behaviors[{at}].pathPattern"), message });
        }
    }
    faults.extend(missing("origin", &spec["defaultBehavior"]["origin"], &all, || "spec.defaultBehavior.origin".into()));
    faults
}

/// A name of such a thing that is none of those that there are.
fn missing(what: &str, name: &Json, known: &[&str], field: impl Fn() -> String) -> Option<Fault> {
    let name = name.as_str().filter(|name| !known.contains(name))?;
    Some(Fault { field: field(), message: format!("there is no {what} {name}; there is {}", known.join(", ")) })
}

fn names(list: &Json) -> Vec<&str> {
    items(list).map(|one| one["name"].as_str().unwrap_or_default()).collect()
}

fn items(list: &Json) -> impl Iterator<Item = &Json> {
    list.as_array().into_iter().flatten()
}
