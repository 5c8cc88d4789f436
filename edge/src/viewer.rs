//! Who asks: what every request of a connection has in common.

pub mod body;

use std::net::IpAddr;

use crate::interim::Interim;

/// The other end of a connection.
#[derive(Clone, Debug)]
pub struct Viewer {
    /// Its address.
    pub peer: IpAddr,
    /// Where interim responses to the request at hand go.
    pub interim: Interim,
}

impl Viewer {
    /// One who only thinks of a request: nothing is sent there.
    pub fn imagined(peer: IpAddr) -> Self {
        Self { peer, interim: Interim::closed() }
    }
}
