//! Leave to send a request over a connection, whichever version of HTTP is spoken over it, into the head of its answer.

use http::{HeaderMap, Request, Response, StatusCode};

use super::body::{Content, RequestBody};
use super::error::ForwardError;
use super::expectation::Expectation;
use super::http1::Connection;
use super::http2::Place;
use super::http2::exchange;
use crate::interim::Interim;

/// Sends one request at a time.
#[derive(Debug)]
pub enum Sender {
    /// Over a connection of its own.
    Http1(Connection),
    /// Over one that it shares with others.
    Http2(Place),
}

/// Why no head came.
#[derive(Debug)]
pub struct Failed {
    /// What went wrong.
    pub error: ForwardError,
    /// The request, if nothing of it was sent or the origin says that it has done nothing about it.
    pub unsent: Option<Request<RequestBody>>,
}

impl From<ForwardError> for Failed {
    fn from(error: ForwardError) -> Self {
        Self { error, unsent: None }
    }
}

/// Who hears what an origin says before its answer.
#[derive(Clone, Debug)]
pub struct Said {
    /// Whoever holds the request's body back.
    pub expectation: Option<Expectation>,
    /// The viewer.
    pub interim: Interim,
}

impl Said {
    /// An interim response came.
    pub fn interim(&self, status: StatusCode, headers: &HeaderMap) {
        match &self.expectation {
            // The one that was asked for (RFC 9110 §15.2): the viewer hears of it when its body is read.
            Some(expectation) if status == StatusCode::CONTINUE => expectation.go_on(),
            _ => self.interim.offer(status, headers),
        }
    }
}

impl Sender {
    /// Sends a request and waits for the head of its answer.
    pub async fn send(&mut self, request: Request<RequestBody>, said: Said) -> Result<Response<Content>, Failed> {
        match self {
            Self::Http1(connection) => connection.send(request, said).await,
            Self::Http2(place) => exchange::send(place, request, said).await,
        }
    }

    /// Something was out of order: what is under way goes on, and nobody is asked over this connection any more.
    pub fn distrust(self) {
        // One that is not shared ends with this.
        if let Self::Http2(place) = self {
            place.distrust();
        }
    }
}
