//! What is wrong with a manifest, and where, into the line that says so: `shop.yaml:12: error: spec.origins[app].url: …`.

use std::fmt;
use std::sync::Arc;

/// A user's mistake, or a hole in what was given. It is data: it is printed, and it decides the exit status.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Complaint {
    /// The file as it was named.
    pub file: Arc<str>,
    /// The line, where one is known.
    pub line: Option<u64>,
    /// How bad it is.
    pub severity: Severity,
    /// The field; empty for a whole file or object.
    pub field: String,
    /// What is wrong and what mends it.
    pub message: String,
}

/// How bad something is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// What it is about does not count.
    Error,
    /// It counts, and may not do what was meant.
    Warning,
}

impl Complaint {
    /// About a file as a whole.
    pub fn about(file: &Arc<str>, message: impl Into<String>) -> Self {
        let (field, message) = (String::new(), message.into());
        Self { file: Arc::clone(file), line: None, severity: Severity::Error, field, message }
    }

    /// The same, where all of it counts nonetheless.
    #[must_use]
    pub fn into_warning(self) -> Self {
        Self { severity: Severity::Warning, ..self }
    }
}

impl fmt::Display for Complaint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.file)?;
        if let Some(line) = self.line {
            write!(f, ":{line}")?;
        }
        f.write_str(if self.severity == Severity::Error { ": error" } else { ": warning" })?;
        if !self.field.is_empty() {
            write!(f, ": {}", self.field)?;
        }
        write!(f, ": {}", self.message)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_complaint_reads_as_editors_know_it() {
        let whole = Complaint::about(&"shop.yaml".into(), "is empty");
        assert_eq!(whole.to_string(), "shop.yaml: error: is empty");
        let field = Complaint { line: Some(12), field: "spec.origins[app].url".into(), ..whole }.into_warning();
        assert_eq!(field.to_string(), "shop.yaml:12: warning: spec.origins[app].url: is empty");
    }
}
