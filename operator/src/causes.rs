//! An error and what caused it into one line for the log and for people.

use std::fmt::Display;

/// An error with its causes, as one line.
pub fn chain(error: &(dyn std::error::Error + 'static)) -> String {
    let causes = std::iter::successors(error.source(), |cause| cause.source());
    causes.fold(error.to_string(), |line, cause| append(line, cause))
}

fn append(line: String, cause: &dyn Display) -> String {
    // Some errors repeat their source in their own words.
    let cause = cause.to_string();
    if line.ends_with(&cause) { line } else { format!("{line}: {cause}") }
}
