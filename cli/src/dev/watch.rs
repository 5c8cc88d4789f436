//! One look at the files after the other into what is new.
//!
//! Contents are compared, not times: editors replace files by renaming, volumes swap links, and a new file may well be older.

use std::sync::Arc;

use crate::files::{Texts, is_blank};

/// Looks at the same files again and again.
#[derive(Debug)]
pub struct Watch {
    seen: Texts,
    doubtful: Option<Texts>,
}

impl Watch {
    /// From what was read first.
    pub fn from(seen: Texts) -> Self {
        Self { seen, doubtful: None }
    }

    /// What is new in this look, if anything. A file that is missing or empty may be on its way back: an editor that renames leaves
    /// a moment without one, and one that writes in place a moment with nothing in it. That is believed when it is seen a second
    /// time.
    pub fn look(&mut self, fresh: Texts) -> Option<Texts> {
        if fresh == self.seen {
            self.doubtful = None;
            return None;
        }
        let holds = |text: &Result<Arc<str>, String>| text.as_ref().is_ok_and(|text| !is_blank(text));
        let lost = self.seen.iter().any(|(name, text)| holds(text) && !fresh.get(name).is_some_and(holds));
        if lost && self.doubtful.as_ref() != Some(&fresh) {
            self.doubtful = Some(fresh);
            return None;
        }
        self.doubtful = None;
        self.seen.clone_from(&fresh);
        Some(fresh)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(files: &[(&str, Option<&str>)]) -> Texts {
        let text = |text: Option<&str>| text.map(Into::into).ok_or_else(|| "cannot be read".to_owned());
        files.iter().map(|(name, content)| ((*name).into(), text(*content))).collect()
    }

    #[test]
    fn a_change_is_seen_at_once_and_only_once() {
        let mut watch = Watch::from(texts(&[("a", Some("1"))]));
        assert_eq!(watch.look(texts(&[("a", Some("1"))])), None);
        let changed = texts(&[("a", Some("2")), ("b", Some("1"))]);
        assert_eq!(watch.look(changed.clone()), Some(changed.clone()));
        assert_eq!(watch.look(changed), None);
    }

    #[test]
    fn a_file_that_is_missing_for_one_look_was_being_replaced() {
        let there = texts(&[("a", Some("1")), ("b", Some("1"))]);
        let one = ("b", Some("1"));
        for gone in [texts(&[("a", None), one]), texts(&[("a", Some("\n")), one]), texts(&[one])] {
            let mut watch = Watch::from(there.clone());
            assert_eq!(watch.look(gone.clone()), None);
            assert_eq!(watch.look(there.clone()), None, "it came back as it was");
            assert_eq!(watch.look(gone.clone()), None);
            assert_eq!(watch.look(gone.clone()), Some(gone), "it stays away");
        }
    }
}
