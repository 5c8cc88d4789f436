//! Why a mounted file is of no use, into words for the user: without a byte of what is in it.

use std::io::ErrorKind;

use edge_contract::{Mounted, ReferenceState, is_field_value};
use thiserror::Error;

use super::LARGEST;

/// Why a mounted file gives no value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum MountError {
    /// It is not there.
    #[error("it is not there")]
    Missing,
    /// There is nothing in it.
    #[error("it is empty")]
    Empty,
    /// It is larger than [`LARGEST`].
    #[error("it is larger than {} KiB", LARGEST / 1024)]
    TooLarge,
    /// It is to be sent in a header field, and holds what none may.
    #[error("it is not one line of visible ASCII characters")]
    NoFieldValue,
    /// The system does not let it be read.
    #[error("it cannot be read: {0}")]
    Unreadable(ErrorKind),
}

/// A mounted value without which an origin cannot be asked.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{field}: {message}")]
pub struct Unusable {
    /// The field of the Distribution that names it.
    pub field: String,
    /// What is wrong and what to do.
    pub message: String,
}

impl MountError {
    /// What is wrong and what to do.
    pub fn advice(self, file: &Mounted) -> String {
        let Mounted { kind, name, key, .. } = file;
        match self {
            Self::Missing => format!(
                "{kind} {name} has no key {key}, or there is no such {kind} in this namespace: create it; edges see it within two minutes"
            ),
            Self::Empty => format!("key {key} of {kind} {name} is empty: give it a value"),
            _ => format!("key {key} of {kind} {name} is of no use: {self}"),
        }
    }
}

impl From<Unusable> for ReferenceState {
    fn from(Unusable { field, message }: Unusable) -> Self {
        Self { field, message }
    }
}

impl Unusable {
    /// That a pod does not have this file, in which a running one gets no more than it was made with.
    pub fn unmounted(file: &Mounted, error: MountError) -> Self {
        let Mounted { kind, name, key, field } = file;
        let message = match error {
            MountError::Missing => format!("this pod was made without key {key} of {kind} {name}"),
            error => error.advice(file),
        };
        Self { field: field.clone(), message }
    }

    /// That this file gives no value, and why.
    pub fn of(file: &Mounted, error: MountError) -> Self {
        Self { field: file.field.clone(), message: error.advice(file) }
    }
}

/// What keeps a line from being sent in a header field (RFC 9110 §5.5).
pub(super) fn of_line(line: &[u8]) -> Option<MountError> {
    match line.trim_ascii() {
        [] => Some(MountError::Empty),
        _ => (!is_field_value(line)).then_some(MountError::NoFieldValue),
    }
}
