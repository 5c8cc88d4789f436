//! The text of one file into the objects that it holds, or what is wrong with it.
//!
//! Distributions and Invalidations are admitted as an API server would. Services and Ingresses are the world around them, and
//! are read as they are. Whatever else a file holds is named and left alone.

use std::sync::Arc;

use crds::{Distribution, Invalidation};
use k8s_openapi::api::core::v1::Service;
use k8s_openapi::api::networking::v1::Ingress;
use kube::Resource;
use serde::de::DeserializeOwned;
use sha2::{Digest, Sha256};

use crate::complaint::{Complaint, Severity};
use crate::document::{self, Node};
use crate::schema;

/// The version of the API that is read.
const API_VERSION: &str = "cdn.kubefront.io/v1alpha1";

/// What is said where a template was given in place of what it makes.
const TEMPLATE: &str = "; it looks like a template: `helm template … | kubefront COMMAND -f -` reads what it makes";

/// What a file holds.
#[derive(Clone, Debug, Default)]
pub struct Contents {
    /// Distributions.
    pub distributions: Vec<Declared<Distribution>>,
    /// Invalidations.
    pub invalidations: Vec<Declared<Invalidation>>,
    /// Services of the world around them.
    pub services: Vec<Arc<Service>>,
    /// Ingresses of that world.
    pub ingresses: Vec<Arc<Ingress>>,
    /// Objects that nothing here looks at.
    pub skipped: Vec<Complaint>,
}

impl Contents {
    /// Whether anything counts in it.
    pub fn is_empty(&self) -> bool {
        let Self { distributions, invalidations, services, ingresses, skipped: _ } = self;
        distributions.is_empty() && invalidations.is_empty() && services.is_empty() && ingresses.is_empty()
    }
}

/// An object, and the document that declares it.
#[derive(Clone, Debug)]
pub struct Declared<K> {
    /// The object, with its defaults, a namespace and a uid.
    pub object: K,
    /// The file as it was named.
    pub file: Arc<str>,
    document: Arc<Node>,
}

impl<K> Declared<K> {
    /// What is wrong with a field of it.
    pub fn complaint(&self, field: &str, message: impl Into<String>) -> Complaint {
        complaint(&self.file, &self.document, field, message)
    }
}

/// Whether an API that is not ours was surely meant to be: others have kinds of the same names.
fn is_meant(version: &str) -> bool {
    version.contains("kubefront") || !version.contains('/')
}

fn complaint(file: &Arc<str>, document: &Node, field: &str, message: impl Into<String>) -> Complaint {
    Complaint {
        file: Arc::clone(file),
        line: Some(document.line_of(field)),
        severity: Severity::Error,
        field: field.to_owned(),
        message: message.into(),
    }
}

/// The objects of a file, or all that is wrong with it. `namespace` is that of objects that name none.
pub fn read(file: &Arc<str>, text: &str, namespace: &str) -> Result<Contents, Vec<Complaint>> {
    let documents = document::parse(text).map_err(|error| {
        let hint = if text.contains("{{") { TEMPLATE } else { "" };
        let message = format!("is no YAML: {}{hint}", error.message);
        vec![Complaint { line: error.line, ..Complaint::about(file, message) }]
    })?;
    let (mut contents, mut faults) = (Contents::default(), Vec::new());
    if documents.is_empty() {
        contents.skipped.push(Complaint::about(file, "holds no object").into_warning());
    }
    for document in documents {
        let one = One { file, document: Arc::new(document), namespace };
        faults.extend(one.read(&mut contents).err().into_iter().flatten());
    }
    if faults.is_empty() { Ok(contents) } else { Err(faults) }
}

/// One document of a file.
struct One<'a> {
    file: &'a Arc<str>,
    document: Arc<Node>,
    namespace: &'a str,
}

impl One<'_> {
    fn read(&self, contents: &mut Contents) -> Result<(), Vec<Complaint>> {
        let text = |field: &str| self.document.get(field).and_then(Node::text).unwrap_or_default();
        let (version, kind) = (text("apiVersion"), text("kind"));
        match (version, kind) {
            ("", _) => return Err(self.wrong("apiVersion", "is required")),
            (_, "") => return Err(self.wrong("kind", "is required")),
            (API_VERSION, "Distribution") => contents.distributions.push(self.declared(kind)?),
            (API_VERSION, "Invalidation") => contents.invalidations.push(self.declared(kind)?),
            ("v1", "Service") => contents.services.push(Arc::new(self.object(self.document.to_json())?)),
            ("networking.k8s.io/v1", "Ingress") => {
                contents.ingresses.push(Arc::new(self.object(self.document.to_json())?));
            }
            _ if version.split('/').next() == Some(crds::GROUP) => return Err(self.unknown(version, kind)),
            _ if schema::has(kind) && is_meant(version) => {
                return Err(self.wrong("apiVersion", format!("{kind} is of {API_VERSION}, not of {version}")));
            }
            _ => {
                let message = format!("{kind} of {version} is nothing that is looked at here: skipped");
                contents.skipped.push(complaint(self.file, &self.document, "", message).into_warning());
            }
        }
        Ok(())
    }

    fn unknown(&self, version: &str, kind: &str) -> Vec<Complaint> {
        if schema::has(kind) {
            return self.wrong("apiVersion", format!("there is no {version} here; write {API_VERSION}"));
        }
        self.wrong("kind", format!("{} has {}, and no {kind}", crds::GROUP, schema::kinds().join(" and ")))
    }

    fn wrong(&self, field: &str, message: impl Into<String>) -> Vec<Complaint> {
        vec![complaint(self.file, &self.document, field, message)]
    }

    /// An object of our own API, as an API server would store it.
    fn declared<K>(&self, kind: &str) -> Result<Declared<K>, Vec<Complaint>>
    where
        K: DeserializeOwned + Resource<DynamicType = ()>,
    {
        let mut admitted = schema::admit(&self.document, kind).map_err(|faults| {
            let complaint = |fault: schema::Fault| complaint(self.file, &self.document, &fault.field, fault.message);
            faults.into_iter().map(complaint).collect::<Vec<_>>()
        })?;
        if let Some(fields) = admitted.as_object_mut() {
            fields.remove("status");
        }
        Ok(Declared {
            object: self.object(admitted)?,
            file: Arc::clone(self.file),
            document: Arc::clone(&self.document),
        })
    }

    fn object<K>(&self, value: serde_json::Value) -> Result<K, Vec<Complaint>>
    where
        K: DeserializeOwned + Resource<DynamicType = ()>,
    {
        let mut object: K = serde_json::from_value(value).map_err(|error| self.wrong("", error.to_string()))?;
        let metadata = object.meta_mut();
        let Some(name) = metadata.name.clone().or_else(|| metadata.generate_name.clone()) else {
            return Err(self.wrong("metadata.name", "is required"));
        };
        let namespace = metadata.namespace.get_or_insert_with(|| self.namespace.to_owned());
        metadata.uid = Some(uid(&K::kind(&()), namespace, &name));
        metadata.generation = Some(1);
        Ok(object)
    }
}

/// Always the same for the same name, so that what is printed is, and what is stored stays valid while files change.
pub fn uid(kind: &str, namespace: &str, name: &str) -> String {
    let digest = Sha256::digest(format!("{kind}/{namespace}/{name}"));
    let digits = digest.iter().take(16).flat_map(|byte| [byte >> 4, byte & 15]);
    let hex: String = digits.filter_map(|digit| char::from_digit(digit.into(), 16)).collect();
    let part = |from: usize, to: usize| hex.get(from..to).unwrap_or_default();
    [part(0, 8), part(8, 12), part(12, 16), part(16, 20), part(20, 32)].join("-")
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHOP: &str = "apiVersion: cdn.kubefront.io/v1alpha1\nkind: Distribution\nmetadata: {name: shop}\nspec:\n  origins: [{name: app, url: \"http://a\"}]\n  defaultBehavior: {origin: app}\n";

    fn said(text: &str) -> Vec<String> {
        let read = read(&"shop.yaml".into(), text, "web");
        read.expect_err("is refused").iter().map(ToString::to_string).collect()
    }

    #[test]
    fn objects_are_read_with_their_namespace_and_a_uid_of_their_own() {
        let text = format!("{SHOP}---\napiVersion: v1\nkind: Service\nmetadata: {{name: a, namespace: other}}\n");
        let contents = read(&"shop.yaml".into(), &text, "web").expect("is sound");
        let metadata = &contents.distributions[0].object.metadata;
        assert_eq!(metadata.namespace.as_deref(), Some("web"));
        assert_eq!(metadata.uid, Some(uid("Distribution", "web", "shop")));
        assert_eq!(contents.services[0].metadata.namespace.as_deref(), Some("other"));
    }

    #[test]
    fn everything_that_is_wrong_is_said_with_its_line() {
        assert_eq!(said("kind: [\n").len(), 1);
        assert_eq!(said("kind: Distribution\n"), ["shop.yaml:1: error: apiVersion: is required"]);
        assert_eq!(said("apiVersion: v1\n"), ["shop.yaml:1: error: kind: is required"]);
        assert_eq!(
            said(&SHOP.replace("v1alpha1", "v2")),
            ["shop.yaml:1: error: apiVersion: there is no cdn.kubefront.io/v2 here; write cdn.kubefront.io/v1alpha1"]
        );
        assert_eq!(
            said(&SHOP.replace("Distribution", "Distributon")),
            ["shop.yaml:2: error: kind: cdn.kubefront.io has Distribution and Invalidation, and no Distributon"]
        );
        assert_eq!(
            said(&SHOP.replace("kubefront.io", "kubefront.com")),
            [
                "shop.yaml:1: error: apiVersion: Distribution is of cdn.kubefront.io/v1alpha1, not of cdn.kubefront.com/v1alpha1"
            ]
        );
        let template = said("metadata:\n  name: {{ .Values.name }}\n");
        assert!(template[0].contains("helm template"), "{template:?}");
        let two = format!("{}---\n{}", SHOP.replace("origin: app", "origin: web"), SHOP.replace("http:", "ftp:"));
        let said = said(&two);
        assert!(said[0].starts_with("shop.yaml:6: error: spec.defaultBehavior.origin: "), "{said:?}");
        assert!(said[1].starts_with("shop.yaml:12: error: spec.origins[app].url: must be a URL"), "{said:?}");
    }

    #[test]
    fn what_nothing_looks_at_is_named() {
        let nothing = read(&"a.yaml".into(), "# nothing\n", "web").expect("is sound");
        assert_eq!(nothing.skipped[0].to_string(), "a.yaml: warning: holds no object");
        let other = SHOP.replace("cdn.kubefront.io", "cloudfront.services.k8s.aws");
        assert_eq!(read(&"a.yaml".into(), &other, "web").expect("is another's").skipped.len(), 1);
        let contents = read(&"a.yaml".into(), "apiVersion: v1\nkind: Namespace\nmetadata: {name: a}\n", "web");
        let skipped: Vec<_> = contents.expect("is sound").skipped.iter().map(ToString::to_string).collect();
        assert_eq!(skipped, ["a.yaml:1: warning: Namespace of v1 is nothing that is looked at here: skipped"]);
    }
}
