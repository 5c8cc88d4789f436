//! What one edge says to another beside a viewer's request, and beside its answer, as fields of their own.
//!
//! Flow: an edge asks another in place of an origin → [`Question`] → [`may_share`], [`is_recent_enough`] → [`Word`].
//! Guarantees: nobody but edges says any of this: [`strip`] takes it from viewers' requests and from what origins answer.

pub mod order;

use edge_contract::{Epoch, Sequence};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};

/// The origin that is to be asked, by its name.
pub const ORIGIN: HeaderName = HeaderName::from_static("kubefront-origin");
/// The epoch and revision of the configuration by which it is asked: `7.3`.
pub const REVISION: HeaderName = HeaderName::from_static("kubefront-revision");
/// How far the purge log has to be applied: `7.12`, or `unknown`.
pub const NEEDS: HeaderName = HeaderName::from_static("kubefront-needs");
/// There if the viewer itself waits for a word before it sends its body.
pub const EXPECTS: HeaderName = HeaderName::from_static("kubefront-expects");
/// Whose answer it is: `origin`, or the edge's own: `none; WORD`, `refused; WORD`.
pub const ANSWER: HeaderName = HeaderName::from_static("kubefront-answer");

/// All of them.
pub const FIELDS: [HeaderName; 5] = [ORIGIN, REVISION, NEEDS, EXPECTS, ANSWER];

/// What an edge says that is still there while its origin thinks, before anything else: an interim response (RFC 2518 §10.1).
pub const SIGN_OF_LIFE: StatusCode = StatusCode::PROCESSING;

const UNKNOWN: HeaderValue = HeaderValue::from_static("unknown");
const YES: HeaderValue = HeaderValue::from_static("yes");

/// The most of a word that is read.
const LONGEST_WORD: usize = 64;

/// Takes out what only edges say to one another.
pub fn strip(headers: &mut HeaderMap) {
    for name in FIELDS {
        headers.remove(name);
    }
}

/// What an edge asks for beside the request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Question {
    /// The name of the origin.
    pub origin: String,
    /// The configuration that the asking edge serves.
    pub revision: (Epoch, u64),
    /// Where the purge log stands at the asking edge; nothing while that is unknown.
    pub needs: Option<Sequence>,
    /// Whether the viewer itself waits for a word before it sends its body.
    pub expects: bool,
}

impl Question {
    /// Writes it; nothing where a name is none that can be written.
    pub fn write(&self, headers: &mut HeaderMap) -> Option<()> {
        let (Epoch(epoch), revision) = self.revision;
        headers.insert(ORIGIN, HeaderValue::try_from(&self.origin).ok()?);
        headers.insert(REVISION, HeaderValue::try_from(format!("{epoch}.{revision}")).ok()?);
        let known = self.needs.map(|Sequence { epoch: Epoch(epoch), number }| format!("{epoch}.{number}"));
        headers.insert(NEEDS, known.map_or(Some(UNKNOWN), |known| HeaderValue::try_from(known).ok())?);
        if self.expects {
            headers.insert(EXPECTS, YES);
        }
        Some(())
    }

    /// Reads it; nothing where it is not a question.
    pub fn read(headers: &HeaderMap) -> Option<Self> {
        let needs = match text(headers, &NEEDS)? {
            "unknown" => None,
            known => number_of(known).map(|(epoch, number)| Some(Sequence { epoch, number }))?,
        };
        Some(Self {
            origin: text(headers, &ORIGIN)?.to_owned(),
            revision: number_of(text(headers, &REVISION)?)?,
            needs,
            expects: headers.contains_key(EXPECTS),
        })
    }
}

fn text<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    let mut lines = headers.get_all(name).iter();
    lines.next().filter(|_| lines.next().is_none())?.to_str().ok()
}

fn number_of(text: &str) -> Option<(Epoch, u64)> {
    let (epoch, number) = text.split_once('.')?;
    let digits = |text: &str| text.parse().ok().filter(|_| text.bytes().all(|byte| byte.is_ascii_digit()));
    Some((Epoch(digits(epoch)?), digits(number)?))
}

/// Invalidation rule 6: whether an edge whose purge log stands at `own` may answer from its store, or by a read that others share. What
/// began to be read before an order that the asking edge has applied would be stored there as if it had begun after it.
pub fn may_share(needs: Option<Sequence>, own: Option<Sequence>) -> bool {
    matches!((needs, own), (Some(needs), Some(own)) if own.reaches(needs))
}

/// Whether an edge that serves `own` keys, forwards and finds origins at least as newly as the one that asks by `asked`. Of two epochs nobody
/// knows which is newer.
pub fn is_recent_enough(own: (Epoch, u64), asked: (Epoch, u64)) -> bool {
    own.0 == asked.0 && own.1 >= asked.1
}

/// Whose answer another edge gives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Word<'a> {
    /// The origin's, now or as it was stored.
    Origin,
    /// The origin gave none; why.
    NoAnswer(&'a str),
    /// It has asked nobody and did not look; why.
    Refused(&'a str),
}

impl<'a> Word<'a> {
    /// Says so, in place of whatever an origin says there.
    pub fn write(self, headers: &mut HeaderMap) {
        let said = match self {
            Self::Origin => Ok(HeaderValue::from_static("origin")),
            Self::NoAnswer(why) => HeaderValue::try_from(format!("none; {why}")),
            Self::Refused(why) => HeaderValue::try_from(format!("refused; {why}")),
        };
        headers.remove(ANSWER);
        headers.extend(said.map(|said| (ANSWER, said)));
    }

    /// Reads it. Nothing: who answered is no edge, or knows nothing of this.
    pub fn read(headers: &'a HeaderMap) -> Option<Self> {
        let said = text(headers, &ANSWER).filter(|said| said.len() <= LONGEST_WORD)?;
        let why = |word: &str| said.strip_prefix(word)?.strip_prefix("; ");
        if said == "origin" {
            return Some(Self::Origin);
        }
        why("none").map(Self::NoAnswer).or_else(|| why("refused").map(Self::Refused))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::fields;

    fn at(epoch: u64, number: u64) -> Sequence {
        Sequence { epoch: Epoch(epoch), number }
    }

    #[test]
    fn what_is_asked_is_read_as_it_was_written() {
        for needs in [None, Some(at(7, 12)), Some(at(u64::MAX, 0))] {
            for expects in [false, true] {
                let question = Question { origin: "app".into(), revision: (Epoch(7), 3), needs, expects };
                let mut headers = fields(&["kubefront-origin: of a viewer", "kubefront-needs: 9.9"]);
                question.write(&mut headers).expect("can be written");
                assert_eq!(Question::read(&headers), Some(question));
                strip(&mut headers);
                assert!(headers.is_empty());
            }
        }
    }

    #[test]
    fn what_is_no_question_is_none() {
        let asked = |needs: &str, revision: &str, more: &str| {
            let lines = [
                &*format!("kubefront-needs: {needs}"),
                &format!("kubefront-revision: {revision}"),
                "kubefront-origin: a",
            ];
            let lines: Vec<&str> = lines.into_iter().chain((!more.is_empty()).then_some(more)).collect();
            Question::read(&fields(&lines)).is_some()
        };
        assert!(asked("7.1", "7.1", ""));
        for number in ["", "7", "7.", ".1", "+7.1", "7.-1", "7.1.1", "x", "18446744073709551616.1"] {
            assert!(!asked(number, "7.1", ""), "{number}");
            assert!(!asked("7.1", number, ""), "{number}");
        }
        assert!(!asked("7.1", "unknown", ""), "who serves nothing asks nothing");
        assert!(!asked("7.1", "7.1", "kubefront-origin: b"), "two origins");
        assert_eq!(Question::read(&HeaderMap::new()), None);
    }

    #[test]
    fn a_word_is_read_as_it_was_written_and_what_an_origin_says_there_is_gone() {
        for word in [Word::Origin, Word::NoAnswer("origin-timeout"), Word::Refused("revision")] {
            let mut headers = fields(&["kubefront-answer: refused; by an origin", "kubefront-answer: twice"]);
            word.write(&mut headers);
            assert_eq!(Word::read(&headers), Some(word));
        }
        for unknown in ["", "hit", "none", "none;x", "refused", "origins"] {
            assert_eq!(Word::read(&fields(&[&format!("kubefront-answer: {unknown}")])), None, "{unknown}");
        }
        assert_eq!(Word::read(&HeaderMap::new()), None);
    }

    #[test]
    fn only_an_edge_that_has_applied_as_much_answers_from_what_it_has() {
        assert!(may_share(Some(at(7, 3)), Some(at(7, 3))));
        assert!(may_share(Some(at(7, 3)), Some(at(7, 4))));
        assert!(!may_share(Some(at(7, 3)), Some(at(7, 2))), "it is behind");
        assert!(!may_share(Some(at(7, 3)), Some(at(8, 9))), "of another life");
        assert!(!may_share(Some(at(7, 3)), None), "it has no head");
        assert!(!may_share(None, Some(at(7, 3))), "whoever asks has none");
        assert!(!may_share(None, None));
    }

    #[test]
    fn only_an_edge_that_serves_the_same_or_later_answers_at_all() {
        let is = |own, asked| is_recent_enough((Epoch(7), own), asked);
        assert!(is(3, (Epoch(7), 3)) && is(4, (Epoch(7), 3)));
        assert!(!is(2, (Epoch(7), 3)) && !is(9, (Epoch(8), 3)));
    }
}
