//! What serves and what is wrong into what a person has not been told yet.

use std::collections::BTreeMap;

use super::listing::Listing;
use crate::complaint::{Complaint, Severity};
use crate::say;
use crate::serving::Served;

/// What was said of each Distribution, and what of the files.
#[derive(Debug, Default)]
pub struct Told {
    listings: BTreeMap<String, Listing>,
    complaints: Vec<Complaint>,
    /// Whether anything of them was more than a remark.
    ails: bool,
}

impl Told {
    /// Says what is new. `remarks` are complaints about what does not matter.
    pub fn tell(&mut self, served: &[Served], complaints: &[Complaint], remarks: impl Iterator<Item = Complaint>) {
        let listings: BTreeMap<_, _> = served.iter().map(|one| (one.site.name.clone(), Listing::of(one))).collect();
        for (name, listing) in &listings {
            eprint!("{}", listing.since(self.listings.get(name)));
        }
        for name in self.listings.keys().filter(|name| !served.is_empty() && !listings.contains_key(*name)) {
            eprintln!("{name} is served no more");
        }
        if served.is_empty() && !self.listings.is_empty() {
            eprintln!("nothing in the files can be served: what served last serves on");
        } else {
            self.listings = listings;
        }
        let all: Vec<_> = complaints.iter().cloned().chain(remarks).collect();
        if all != self.complaints {
            say(&news(&self.complaints, &all));
            for Served { file, site, .. } in served.iter().filter(|one| one.is_refused) {
                eprintln!("{file}: not taken; generation {} of {} serves on", site.generation, site.name);
            }
        }
        let ailed = std::mem::replace(&mut self.ails, !complaints.is_empty());
        if ailed && !self.ails {
            eprintln!("all is well again");
        }
        self.complaints = all;
    }
}

/// Errors are said again whenever something else of the files is wrong: whoever mends one wants to see the rest. A warning is said
/// once, wherever an edit moves its line.
fn news(before: &[Complaint], now: &[Complaint]) -> Vec<Complaint> {
    let is_known = |one: &Complaint| before.iter().any(|known| Complaint { line: one.line, ..known.clone() } == *one);
    now.iter().filter(|one| one.severity == Severity::Error || !is_known(one)).cloned().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_warning_is_said_once_and_an_error_as_long_as_something_changes() {
        let error = Complaint { line: Some(4), ..Complaint::about(&"shop.yaml".into(), "is wrong") };
        let warning = Complaint { line: Some(5), ..error.clone() }.into_warning();
        let moved = Complaint { line: Some(6), ..warning.clone() };
        let other = Complaint { message: "is odd".into(), ..warning.clone() };
        assert_eq!(news(&[], &[error.clone(), warning.clone()]), [error.clone(), warning.clone()]);
        assert_eq!(news(&[error.clone(), warning], &[error.clone(), moved, other.clone()]), [error, other]);
    }
}
