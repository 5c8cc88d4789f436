//! The Invalidations of all files, and those that are done, into those that are due.
//!
//! The object is the memory, as in a cluster: one with a fixed name fires once, until it is taken out of the files and put in
//! again; one with a generated name fires for every content that it has.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crds::{Invalidation, InvalidationSpec};

use crate::complaint::Complaint;
use crate::contents::{Declared, uid};
use crate::world::name_of;

/// What fired, by what it is known by.
#[derive(Debug, Default)]
pub struct Fired(BTreeMap<Known, InvalidationSpec>);

/// What an Invalidation is known by.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Known {
    /// Namespace and name.
    Named(String, String),
    /// File, namespace, the beginning of its name, and its paths.
    Generated(Arc<str>, String, String, Vec<String>),
}

impl Fired {
    /// Those that are due, which now count as fired, and those that cannot be.
    pub fn due(&mut self, declared: &[Declared<Invalidation>]) -> (Vec<Declared<Invalidation>>, Vec<Complaint>) {
        let (mut due, mut complaints, mut there) = (Vec::new(), Vec::new(), BTreeSet::new());
        for one in declared {
            let known = known(one);
            there.insert(known.clone());
            match self.0.get(&known) {
                Some(spec) if is_same(spec, &one.object.spec) => {}
                Some(_) => {
                    let message =
                        "an Invalidation is immutable: create another one, or delete this one and create it again";
                    complaints.push(one.complaint("spec", message));
                }
                None => {
                    self.0.insert(known, one.object.spec.clone());
                    due.push(one.clone());
                }
            }
        }
        self.0.retain(|known, _| there.contains(known));
        (due, complaints)
    }
}

/// How long it is kept may change.
fn is_same(one: &InvalidationSpec, other: &InvalidationSpec) -> bool {
    one.distribution_ref == other.distribution_ref && one.paths == other.paths
}

fn known(declared: &Declared<Invalidation>) -> Known {
    let (namespace, name) = name_of(&declared.object.metadata);
    match declared.object.metadata.name {
        Some(_) => Known::Named(namespace, name),
        None => Known::Generated(Arc::clone(&declared.file), namespace, name, declared.object.spec.paths.clone()),
    }
}

/// The id of the site that an Invalidation is for, and the Distribution's own name.
pub fn site_of(invalidation: &Invalidation) -> (String, String) {
    let (namespace, _) = name_of(&invalidation.metadata);
    let name = &invalidation.spec.distribution_ref.name;
    (uid("Distribution", &namespace, name), format!("{namespace}/{name}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::contents;

    fn declared(metadata: &str, path: &str) -> Declared<Invalidation> {
        let text = format!(
            "apiVersion: cdn.kubefront.io/v1alpha1\nkind: Invalidation\nmetadata: {metadata}\nspec: {{distributionRef: {{name: shop}}, paths: [{path}]}}\n"
        );
        contents::read(&"inv.yaml".into(), &text, "default").expect("is sound").invalidations.remove(0)
    }

    #[track_caller]
    fn check(fired: &mut Fired, declared: &[Declared<Invalidation>], expect: (usize, usize)) {
        let (due, complaints) = fired.due(declared);
        assert_eq!((due.len(), complaints.len()), expect, "{complaints:?}");
    }

    #[test]
    fn a_fixed_name_fires_once_until_it_was_gone() {
        let mut fired = Fired::default();
        let one = declared("{name: a}", "/a");
        check(&mut fired, std::slice::from_ref(&one), (1, 0));
        check(&mut fired, std::slice::from_ref(&one), (0, 0));
        check(&mut fired, &[declared("{name: a}", "/b")], (0, 1));
        check(&mut fired, &[one.clone(), declared("{name: b}", "/b")], (1, 0));
        check(&mut fired, &[], (0, 0));
        check(&mut fired, &[one], (1, 0));
    }

    #[test]
    fn a_generated_name_fires_for_every_content() {
        let mut fired = Fired::default();
        for (path, expect) in [("/a", 1), ("/a", 0), ("/b", 1), ("/a", 1)] {
            check(&mut fired, &[declared("{generateName: a-}", path)], (expect, 0));
        }
    }
}
