//! An edge's end of the channel, with what the kubelet mounts for it.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use edge::clock::Clock;
use edge::control;
use edge::live::{Live, Phase};
use edge::settings::OperatorSettings;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use crate::PATIENCE;
use crate::api::Api;

/// How long draining may take.
const DRAINS: Duration = Duration::from_secs(1);

/// What the kubelet mounts for one pod, and what its edge is told of itself; gone when it is dropped.
pub struct Mounted {
    folder: PathBuf,
    pub settings: OperatorSettings,
}

impl Mounted {
    /// The edge in this pod dials an address, trusts a bundle and shows a token.
    pub fn for_pod(pod: &str, token: &str, dials: SocketAddr, bundle: &str) -> Self {
        static NUMBER: AtomicUsize = AtomicUsize::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let folder = std::env::temp_dir().join(format!("kubefront-channel-{}-{number}", std::process::id()));
        std::fs::create_dir(&folder).expect("is made");
        std::fs::write(folder.join("ca.crt"), bundle).expect("is written");
        std::fs::write(folder.join("token"), token).expect("is written");
        let settings = OperatorSettings {
            address: Some(dials.to_string()),
            token: Some(folder.join("token")),
            ca: Some(folder.join("ca.crt")),
            pod: Some(pod.to_owned()),
            pod_uid: Some(Api::uid(pod)),
        };
        Self { folder, settings }
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

/// An edge that follows whoever leads, in a pod of its own.
pub struct Follower {
    pub live: Live,
    mounted: Mounted,
    following: JoinHandle<()>,
}

impl Follower {
    /// The edge in this pod dials an address, trusts a bundle and shows its pod's token.
    pub fn start(pod: &str, dials: SocketAddr, bundle: &str) -> Self {
        Self::with_token(pod, &Api::token(pod), dials, bundle)
    }

    /// The same with another token.
    pub fn with_token(pod: &str, token: &str, dials: SocketAddr, bundle: &str) -> Self {
        let mounted = Mounted::for_pod(pod, token, dials, bundle);
        let live = Live::new();
        let following = tokio::spawn(control::run(mounted.settings.clone(), DRAINS, live.clone(), Clock::system()));
        Self { live, mounted, following }
    }

    /// The kubelet brings another token.
    pub fn is_given(&self, token: &str) {
        std::fs::write(self.mounted.folder.join("token"), token).expect("is written");
    }

    /// Where this edge's pods of the origin `app` are, by what it was told.
    pub fn endpoints(&self) -> Vec<SocketAddr> {
        self.live.endpoints(crate::SITE, &crate::app()).map(|found| found.to_vec()).unwrap_or_default()
    }

    /// Waits for something that the edge tells nobody.
    pub async fn comes_to(&self, what: &str, holds: impl Fn(&Self) -> bool) {
        let looking = async {
            while !holds(self) {
                tokio::task::yield_now().await;
            }
        };
        timeout(PATIENCE, looking).await.unwrap_or_else(|_| panic!("never: {what}"));
    }

    /// Drains, and waits until its end of the channel has nothing left to do.
    pub async fn drains(&mut self) {
        for phase in [Phase::Draining, Phase::Finishing, Phase::Drained] {
            self.live.enter(phase);
        }
        timeout(PATIENCE, &mut self.following).await.expect("ends").expect("in order");
    }
}

impl Drop for Follower {
    fn drop(&mut self) {
        self.following.abort();
    }
}
