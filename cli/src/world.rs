//! The contents of all files into one world: every object once.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crds::{Distribution, Invalidation};
use k8s_openapi::api::core::v1::Service;
use k8s_openapi::api::networking::v1::Ingress;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use operator::names::DistributionKey;

use crate::complaint::Complaint;
use crate::contents::{self, Contents, Declared};
use crate::files::{Texts, is_blank};

/// Namespace and name.
pub type Name = (String, String);

/// Everything that the files declare.
#[derive(Clone, Debug, Default)]
pub struct World {
    /// Distributions, by name.
    pub distributions: BTreeMap<DistributionKey, Declared<Distribution>>,
    /// Invalidations, in the order of files and documents.
    pub invalidations: Vec<Declared<Invalidation>>,
    /// Services by name.
    pub services: BTreeMap<Name, Arc<Service>>,
    /// Ingresses by name.
    pub ingresses: BTreeMap<Name, Arc<Ingress>>,
    /// Objects that nothing here looks at.
    pub skipped: Vec<Complaint>,
    /// The files that were refused, and stand for what they held before.
    pub refused: BTreeSet<Arc<str>>,
}

/// The contents of each file as they were last good.
///
/// Guarantees: what is only on its way (a file that a save has emptied, one that is broken or away) takes nothing away. A
/// Distribution is gone once its file says so or is gone itself, and never the last one: something must take its place.
#[derive(Debug, Default)]
pub struct Kept(BTreeMap<Arc<str>, Contents>);

impl Kept {
    /// The world as it is declared now, and what is wrong. A file with a mistake in it still stands for what it held before.
    pub fn take(&mut self, texts: &Texts, namespace: &str) -> (World, Vec<Complaint>) {
        let (mut complaints, mut fresh, mut refused) = (Vec::new(), BTreeMap::new(), BTreeSet::new());
        for (file, text) in texts {
            let read = match text {
                Ok(text) if is_blank(text) && self.0.get(file).is_some_and(|held| !held.is_empty()) => {
                    Err(vec![Complaint::about(file, "is empty: what it held before counts on")])
                }
                Ok(text) => contents::read(file, text, namespace),
                Err(error) => Err(vec![Complaint::about(file, error)]),
            };
            match read {
                Ok(contents) => drop(fresh.insert(Arc::clone(file), contents)),
                Err(faults) => {
                    complaints.extend(faults);
                    refused.insert(Arc::clone(file));
                    fresh.extend(self.0.get(file).map(|held| (Arc::clone(file), held.clone())));
                }
            }
        }
        if fresh.values().all(|contents| contents.distributions.is_empty()) {
            for (file, held) in self.0.iter().filter(|(_, held)| !held.distributions.is_empty()) {
                let message = "holds no Distribution any more, and nothing else does: what it held before counts on";
                complaints.push(Complaint::about(file, message));
                refused.insert(Arc::clone(file));
                fresh.insert(Arc::clone(file), held.clone());
            }
        }
        self.0 = fresh;
        let world = World { refused, ..World::of(self.0.values(), &mut complaints) };
        (world, complaints)
    }
}

impl World {
    fn of<'a>(files: impl Iterator<Item = &'a Contents>, complaints: &mut Vec<Complaint>) -> Self {
        let mut world = Self::default();
        for contents in files {
            for one in &contents.distributions {
                let key = key_of(&one.object.metadata);
                if let Some(first) = world.distributions.get(&key) {
                    let message = format!("Distribution {key} stands in {} too, and that one serves", first.file);
                    complaints.push(one.complaint("metadata.name", message));
                    continue;
                }
                world.distributions.insert(key, one.clone());
            }
            world.invalidations.extend(contents.invalidations.iter().cloned());
            world.services.extend(contents.services.iter().map(|one| (name_of(&one.metadata), Arc::clone(one))));
            world.ingresses.extend(contents.ingresses.iter().map(|one| (name_of(&one.metadata), Arc::clone(one))));
            world.skipped.extend(contents.skipped.iter().cloned());
        }
        world
    }
}

/// The key of a Distribution that was read from a file.
pub fn key_of(metadata: &ObjectMeta) -> DistributionKey {
    let (namespace, name) = name_of(metadata);
    DistributionKey::new(namespace, name)
}

/// Namespace and name of an object that was read from a file; a generated name is what it begins with.
pub fn name_of(metadata: &ObjectMeta) -> Name {
    let name = metadata.name.clone().or_else(|| metadata.generate_name.clone());
    (metadata.namespace.clone().unwrap_or_default(), name.unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shop(origin: &str) -> String {
        format!(
            "apiVersion: cdn.kubefront.io/v1alpha1\nkind: Distribution\nmetadata: {{name: shop}}\nspec:\n  origins: [{{name: app, url: \"http://{origin}\"}}]\n  defaultBehavior: {{origin: app}}\n"
        )
    }

    fn texts(files: &[(&str, &str)]) -> Texts {
        files.iter().map(|(name, text)| ((*name).into(), Ok((*text).into()))).collect()
    }

    fn urls(world: &World) -> Vec<String> {
        let spec = |one: &Declared<Distribution>| one.object.spec.origins[0].url.clone().expect("a url");
        world.distributions.values().map(spec).collect()
    }

    #[test]
    fn a_file_with_a_mistake_stands_for_what_it_held_before() {
        let mut kept = Kept::default();
        let (good, edited) = (shop("a"), shop("b"));
        kept.take(&texts(&[("a.yaml", &good)]), "default");
        let (world, complaints) = kept.take(&texts(&[("a.yaml", "spec: [")]), "default");
        assert_eq!((urls(&world), complaints.len()), (vec!["http://a".to_owned()], 1));
        let (world, complaints) = kept.take(&texts(&[("a.yaml", &edited)]), "default");
        assert_eq!((urls(&world), complaints), (vec!["http://b".to_owned()], vec![]));
    }

    #[test]
    fn an_empty_file_stands_for_what_it_held_before() {
        let mut kept = Kept::default();
        let invalidation = "apiVersion: cdn.kubefront.io/v1alpha1\nkind: Invalidation\nmetadata: {name: a}\nspec: {distributionRef: {name: shop}, paths: [/]}\n";
        let shop = shop("a");
        let both = [("a.yaml", shop.as_str()), ("inv.yaml", invalidation)];
        kept.take(&texts(&both), "default");
        let (world, complaints) = kept.take(&texts(&[("a.yaml", " \n"), ("inv.yaml", "")]), "default");
        assert_eq!((urls(&world).len(), world.invalidations.len(), complaints.len()), (1, 1, 2), "{complaints:?}");
        let (world, complaints) = kept.take(&texts(&[both[0], ("inv.yaml", "# none\n")]), "default");
        assert_eq!((world.invalidations.len(), complaints), (0, vec![]), "a comment is no accident");
        let (_, complaints) = kept.take(&texts(&[both[0], ("inv.yaml", "")]), "default");
        assert_eq!(complaints, [], "nothing is missed");
    }

    #[test]
    fn a_file_that_is_gone_takes_its_distributions_along_but_never_the_last_ones() {
        let mut kept = Kept::default();
        let (one, other) = (shop("a"), shop("b").replace("name: shop", "name: blog"));
        kept.take(&texts(&[("a.yaml", &one), ("b.yaml", &other)]), "default");
        let (world, complaints) = kept.take(&texts(&[("a.yaml", &one)]), "default");
        assert_eq!((urls(&world), complaints), (vec!["http://a".to_owned()], vec![]));
        let nothing: &[(&str, &str)] = &[];
        for rest in [nothing, &[("a.yaml", "# nothing\n")], &[("c.yaml", "# nothing\n")]] {
            let (world, complaints) = kept.take(&texts(rest), "default");
            assert_eq!((urls(&world), complaints.len()), (vec!["http://a".to_owned()], 1));
        }
        let (world, complaints) = kept.take(&texts(&[("b.yaml", &other)]), "default");
        assert_eq!((urls(&world), complaints), (vec!["http://b".to_owned()], vec![]));
    }

    #[test]
    fn of_two_distributions_with_one_name_the_first_serves() {
        let (one, other) = (shop("a"), shop("b"));
        let (world, complaints) = Kept::default().take(&texts(&[("a.yaml", &one), ("b.yaml", &other)]), "default");
        assert_eq!(urls(&world), ["http://a"]);
        assert_eq!(
            complaints[0].to_string(),
            "b.yaml:3: error: metadata.name: Distribution default/shop stands in a.yaml too, and that one serves"
        );
    }
}
