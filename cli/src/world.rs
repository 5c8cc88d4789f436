//! The contents of all files into one world: every object once.

use std::collections::BTreeMap;
use std::sync::Arc;

use crds::{Distribution, Invalidation};
use k8s_openapi::api::core::v1::Service;
use k8s_openapi::api::networking::v1::Ingress;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use operator::names::DistributionKey;

use crate::complaint::Complaint;
use crate::contents::{self, Contents, Declared};
use crate::files::Texts;

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
}

/// The contents of each file as they were last good.
#[derive(Debug, Default)]
pub struct Kept(BTreeMap<Arc<str>, Contents>);

impl Kept {
    /// The world as it is declared now, and what is wrong. A file with a mistake in it still stands for what it held before.
    pub fn take(&mut self, texts: &Texts, namespace: &str) -> (World, Vec<Complaint>) {
        let mut complaints = Vec::new();
        self.0.retain(|file, _| texts.contains_key(file));
        for (file, text) in texts {
            let read = match text {
                Ok(text) => contents::read(file, text, namespace),
                Err(error) => Err(vec![Complaint::about(file, error)]),
            };
            match read {
                Ok(contents) => drop(self.0.insert(Arc::clone(file), contents)),
                Err(faults) => complaints.extend(faults),
            }
        }
        let world = World::of(self.0.values(), &mut complaints);
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
        let (world, _) = kept.take(&Texts::new(), "default");
        assert!(world.distributions.is_empty(), "a file that is gone holds nothing");
    }

    #[test]
    fn of_two_distributions_with_one_name_the_first_serves() {
        let (one, other) = (shop("a"), shop("b"));
        let (world, complaints) = Kept::default().take(&texts(&[("a.yaml", &one), ("b.yaml", &other)]), "default");
        assert_eq!(urls(&world), ["http://a"]);
        assert_eq!(
            complaints[0].to_string(),
            "b.yaml:3: metadata.name: Distribution default/shop stands in a.yaml too, and that one serves"
        );
    }
}
