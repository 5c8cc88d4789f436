//! Connections that an origin has left open after a sound response into ones for the next request.

use std::collections::HashMap;
use std::time::Duration;

use parking_lot::Mutex;

use super::connect::Destination;
use super::sender::Sender;

/// The most idle connections kept to one destination, and in all.
const PER_DESTINATION: usize = 64;
const IN_ALL: usize = 1_024;

/// Idle connections to origins.
#[derive(Debug, Default)]
pub struct Pool {
    idle: Mutex<HashMap<Destination, Vec<Idle>>>,
}

#[derive(Debug)]
struct Idle {
    sender: Sender,
    until: Duration,
}

impl Pool {
    /// The connection that was used last, if it is still open: the others may then grow old and go.
    pub fn take(&self, destination: &Destination, now: Duration) -> Option<Sender> {
        let mut idle = self.idle.lock();
        let connections = idle.get_mut(destination)?;
        while let Some(connection) = connections.pop() {
            if connection.until > now && connection.sender.is_ready() {
                return Some(connection.sender);
            }
        }
        idle.remove(destination);
        None
    }

    /// Keeps a connection that is ready for another request.
    pub fn put(&self, destination: Destination, sender: Sender, until: Duration) {
        let mut idle = self.idle.lock();
        let count: usize = idle.values().map(Vec::len).sum();
        let connections = idle.entry(destination).or_default();
        if connections.len() < PER_DESTINATION && count < IN_ALL {
            connections.push(Idle { sender, until });
        }
    }

    /// Lets go of connections that are closed or have waited for long enough.
    pub fn prune(&self, now: Duration) {
        self.idle.lock().retain(|_, connections| {
            connections.retain(|idle| idle.until > now && !idle.sender.is_closed());
            !connections.is_empty()
        });
    }

    /// How many connections wait.
    pub fn len(&self) -> usize {
        self.idle.lock().values().map(Vec::len).sum()
    }

    /// Whether none waits.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}
