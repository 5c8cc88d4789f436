//! Planned objects into the API: the only place that writes objects (status aside).
//!
//! Guarantees: an object that was observed is written only while it is that very one (its uid is a precondition); one that
//! was not observed is written only if there is none of its name. So nothing is adopted, whatever happens between a look and
//! a write. Deleting is bound to the observed uid too.
//! Errors: name the object. A conflict means that the look was out of date: look again.

use std::fmt::Debug;

use k8s_openapi::NamespaceResourceScope;
use kube::api::{DeleteParams, Patch, PatchParams, Preconditions};
use kube::{Api, Resource, ResourceExt};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::metrics::Metrics;
use crate::names::FIELD_MANAGER;

/// What can be written: a namespaced kind that says its own name.
pub trait Child:
    Resource<DynamicType = (), Scope = NamespaceResourceScope> + Clone + Debug + Serialize + DeserializeOwned
{
}

impl<K> Child for K where
    K: Resource<DynamicType = (), Scope = NamespaceResourceScope> + Clone + Debug + Serialize + DeserializeOwned
{
}

/// Where objects are written, and who counts it.
#[derive(Clone)]
pub struct Writer {
    /// The API.
    pub client: kube::Client,
    /// Counts each write.
    pub metrics: Metrics,
}

/// A resourceVersion that no live object has: with it, applying creates or is refused. The API server compares it only
/// with that of an object that exists.
const ONLY_IF_ABSENT: &str = "1";

/// What was attempted on which object.
#[derive(Debug, thiserror::Error)]
pub enum WriteError {
    /// Server-side apply of a planned object.
    #[error("could not apply {object}")]
    Apply {
        /// Kind and name.
        object: String,
        /// What the API said.
        #[source]
        source: Box<kube::Error>,
    },
    /// Deletion of an object that is planned no longer.
    #[error("could not delete {object}")]
    Delete {
        /// Kind and name.
        object: String,
        /// What the API said.
        #[source]
        source: Box<kube::Error>,
    },
}

impl Writer {
    /// Applies `desired` over `live`, or creates it where there is nothing live; what stands now.
    pub async fn apply<K: Child>(&self, live: Option<&K>, desired: &K) -> Result<K, WriteError> {
        let failed = |source| WriteError::Apply { object: called(desired), source: Box::new(source) };
        let mut patch = serde_json::to_value(desired).map_err(|error| failed(kube::Error::SerdeError(error)))?;
        let (field, value) = match live {
            Some(live) => ("uid", live.uid().unwrap_or_default()),
            None => ("resourceVersion", ONLY_IF_ABSENT.to_owned()),
        };
        patch["metadata"][field] = json!(value);
        drop_status(&mut patch);
        self.metrics.wrote("apply", &K::kind(&()));
        let params = PatchParams::apply(FIELD_MANAGER).force();
        self.api(desired).patch(&desired.name_any(), &params, &Patch::Apply(&patch)).await.map_err(failed)
    }

    /// Names `owner` as an owner of `live`, so that it goes when the owner goes; what stands now. Nothing else is applied.
    pub async fn own<K: Child, O: Child>(&self, live: &K, owner: &O) -> Result<K, WriteError> {
        let failed = |source| WriteError::Apply { object: called(live), source: Box::new(source) };
        let patch = json!({
            "apiVersion": K::api_version(&()),
            "kind": K::kind(&()),
            "metadata": {
                "name": live.name_any(),
                "uid": live.uid(),
                "ownerReferences": owner.owner_ref(&()).into_iter().collect::<Vec<_>>(),
            },
        });
        self.metrics.wrote("apply", &K::kind(&()));
        let params = PatchParams::apply(FIELD_MANAGER).force();
        self.api(live).patch(&live.name_any(), &params, &Patch::Apply(&patch)).await.map_err(failed)
    }

    /// Deletes `live`, and what it owns in the background. That it is gone already is success.
    pub async fn delete<K: Child>(&self, live: &K) -> Result<(), WriteError> {
        let this_one = Preconditions { uid: live.uid(), resource_version: None };
        let params = DeleteParams::background().preconditions(this_one);
        self.metrics.wrote("delete", &K::kind(&()));
        match self.api(live).delete(&live.name_any(), &params).await {
            Err(kube::Error::Api(status)) if status.code == 404 => Ok(()),
            Err(source) => Err(WriteError::Delete { object: called(live), source: Box::new(source) }),
            Ok(_) => Ok(()),
        }
    }

    fn api<K: Child>(&self, object: &K) -> Api<K> {
        Api::namespaced(self.client.clone(), &object.namespace().unwrap_or_default())
    }
}

impl WriteError {
    /// What the API said.
    pub fn cause(&self) -> &kube::Error {
        match self {
            Self::Apply { source, .. } | Self::Delete { source, .. } => source,
        }
    }
}

/// Status belongs to others; applying an empty one would claim its fields.
fn drop_status(patch: &mut Value) {
    if let Some(fields) = patch.as_object_mut() {
        fields.remove("status");
    }
}

fn called<K: Child>(object: &K) -> String {
    format!("{} {}/{}", K::kind(&()), object.namespace().unwrap_or_default(), object.name_any())
}
