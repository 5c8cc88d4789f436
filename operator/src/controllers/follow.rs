//! The watches of one kind, one in each namespace, into its table and into whom a change wakes.

use std::fmt::Debug;
use std::pin::pin;
use std::time::Duration;

use futures::{Stream, StreamExt};
use k8s_openapi::NamespaceResourceScope;
use kube::core::DeserializeGuard;
use kube::runtime::watcher::{Config, Event};
use kube::runtime::{WatchStreamExt, watcher};
use kube::{Api, Resource};
use serde::de::DeserializeOwned;
use tokio::time::sleep;

use super::scope::Listing;
use super::unreadable::Unreadable;
use super::{Controllers, Ring, Wakes};
use crate::causes::chain;
use crate::reference_grant::{GrantVersion, ReferenceGrant};
use crate::runner::Bell;
use crate::slim;
use crate::table::{Feed, Table};

/// How often a kind is asked for that the API server does not know.
const DEFINITION_AGAIN: Duration = Duration::from_secs(30);

/// What a watch shows.
type Shown<K> = watcher::Result<Event<DeserializeGuard<K>>>;

/// How a kind is followed.
struct How<K> {
    listing: Listing,
    slim: fn(&mut K),
    wakes: Wakes,
}

impl Controllers {
    /// Follows one kind in every namespace that is looked after.
    pub(super) fn watch<K>(&self, table: &Table<K>, which: &Config, slim: fn(&mut K), wakes: Wakes)
    where
        K: Resource<DynamicType = (), Scope = NamespaceResourceScope> + Clone + Debug + DeserializeOwned,
        K: Send + Sync + 'static,
    {
        for scope in &self.scopes {
            let client = self.context.client.clone();
            let api: Api<DeserializeGuard<K>> = match &scope.namespace {
                Some(namespace) => Api::namespaced(client, namespace),
                None => Api::all(client),
            };
            let feed = table.feed(scope.namespace.clone());
            let how = How { listing: scope.listing(&K::kind(&()), !feed.is_of_ours()), slim, wakes };
            let (this, which) = (self.clone(), which.clone());
            tokio::spawn(async move {
                let stop = this.stop.clone();
                stop.run_until_cancelled(this.follow(api, which, feed, how)).await;
            });
        }
    }

    /// Follows what namespaces grant. A cluster may learn of this kind later, or forget it.
    pub(super) fn watch_grants(&self, table: &Table<ReferenceGrant>) {
        for scope in &self.scopes {
            let (this, namespace) = (self.clone(), scope.namespace.clone());
            let (feed, listing) = (table.feed(namespace.clone()), scope.listing("ReferenceGrant", true));
            tokio::spawn(async move {
                let stop = this.stop.clone();
                stop.run_until_cancelled(this.follow_grants(namespace, feed, listing)).await;
            });
        }
    }

    /// While neither version is served nothing is granted, and it is asked for again and again: nobody tells that a kind was defined.
    async fn follow_grants(&self, namespace: Option<String>, mut feed: Feed<ReferenceGrant>, mut listing: Listing) {
        let mut version = GrantVersion::default();
        loop {
            for _ in 0..2 {
                let client = self.context.client.clone();
                let api: Api<DeserializeGuard<ReferenceGrant>> = match &namespace {
                    Some(namespace) => Api::namespaced_with(client, namespace, &version),
                    None => Api::all_with(client, &version),
                };
                self.follow_version(api, &mut feed, &mut listing).await;
                version = version.other();
            }
            for event in [Event::Init, Event::InitDone] {
                listing.shown(&event);
                for group in feed.take(event) {
                    self.ring_those_concerned(group, Wakes::Distribution, Bell::ring);
                }
            }
            sleep(DEFINITION_AGAIN).await;
        }
    }

    /// Returns once this version is not served.
    async fn follow_version(
        &self,
        api: Api<DeserializeGuard<ReferenceGrant>>,
        feed: &mut Feed<ReferenceGrant>,
        listing: &mut Listing,
    ) {
        let mut events = pin!(watcher(api, Config::default()).default_backoff());
        while let Some(event) = next(&mut events, feed, listing).await {
            match event {
                Ok(event) => {
                    let slimmed = event.modify(|object| {
                        let _ = object.0.as_mut().map(slim::meta);
                    });
                    for group in feed.take(slimmed) {
                        self.ring_those_concerned(group, Wakes::Distribution, Bell::ring);
                    }
                }
                Err(error) if is_undefined(&error) => return,
                Err(error) => {
                    tracing::warn!(kind = "ReferenceGrant", error = chain(&error), "a watch failed and starts again");
                }
            }
        }
    }

    async fn follow<K>(
        &self,
        api: Api<DeserializeGuard<K>>,
        which: Config,
        mut feed: Feed<K>,
        How { mut listing, slim, wakes }: How<K>,
    ) where
        K: Resource<DynamicType = (), Scope = NamespaceResourceScope> + Clone + Debug + DeserializeOwned,
        K: Send + Sync + 'static,
    {
        if feed.is_of_ours() {
            tokio::select! {
                () = listing.its_turn() => {}
                () = listing.is_given_up() => {
                    feed.waive();
                    listing.its_turn().await;
                }
            }
        }
        let mut events = pin!(watcher(api, which).default_backoff());
        while let Some(event) = next(&mut events, &mut feed, &mut listing).await {
            let event = match event {
                Ok(event) => event.modify(|object| {
                    let _ = object.0.as_mut().map(slim);
                }),
                Err(error) => {
                    tracing::warn!(kind = %K::kind(&()), error = chain(&error), "a watch failed and starts again");
                    continue;
                }
            };
            let is_echo = feed.is_echo(&event);
            let ring: Ring = if is_echo { Bell::echo } else { Bell::ring };
            let unreadable = Unreadable::of(&event);
            for group in feed.take(event) {
                self.ring_those_concerned(group, wakes, ring);
            }
            // A list shows again what is known.
            if let Some(unreadable) = unreadable.filter(|_| !is_echo) {
                self.unreadable.tell(unreadable);
            }
        }
    }
}

/// The next event of a watch. A namespace that is given up meanwhile counts as listed.
async fn next<K: Resource + Clone>(
    events: &mut (impl Stream<Item = Shown<K>> + Unpin),
    feed: &mut Feed<K>,
    listing: &mut Listing,
) -> Option<Shown<K>> {
    let shown = loop {
        tokio::select! {
            shown = events.next() => break shown?,
            () = listing.is_given_up(), if !feed.is_complete() => feed.waive(),
        }
    };
    match &shown {
        Ok(event) => listing.shown(event),
        Err(error) => listing.failed(error),
    }
    Some(shown)
}

/// Whether the API server knows no such kind.
fn is_undefined(error: &watcher::Error) -> bool {
    match error {
        watcher::Error::InitialListFailed(kube::Error::Api(status))
        | watcher::Error::WatchStartFailed(kube::Error::Api(status)) => status.code == 404,
        _ => false,
    }
}
