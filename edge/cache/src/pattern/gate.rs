//! A pattern and a path into whether one is worth trying on the other: a few comparisons of words, however long they are.
//!
//! Guarantees: no path that the pattern matches is turned away. Assumptions: a path is ASCII and holds no `?`.

/// So many characters are compared at either end: as many as fit into a word.
const ENDS: usize = 8;
/// What longer paths hold is not looked through: that would take longer than trying, and they hold nearly everything.
const LONGEST: usize = 256;

/// What a path must have for a pattern to match it, in few words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Gate {
    /// Characters that are no star.
    shortest: usize,
    start: Fixed,
    end: Fixed,
    /// None: nothing in particular.
    holds: Option<Held>,
}

/// Characters at one end of a pattern, those at the very end first, and which of them must be so.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Fixed {
    word: u64,
    mask: u64,
}

/// Which characters a text holds, and which pairs of them, each pair in one of 128 places.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Held {
    characters: u128,
    pairs: u128,
}

/// A path, as far as gates look at it.
pub(super) struct Approach<'a> {
    text: &'a str,
    start: u64,
    end: u64,
    holds: Option<Held>,
}

impl Gate {
    /// Of a pattern with its leading slash.
    pub(super) fn new(pattern: &str) -> Self {
        let mut holds = Held::default();
        for plain in pattern.split(['*', '?']) {
            holds.add(plain);
        }
        let shortest = pattern.bytes().filter(|byte| *byte != b'*').count();
        let until_star = |byte: &u8| *byte != b'*';
        let start = Fixed::of(pattern.bytes().take_while(until_star));
        let end = Fixed::of(pattern.bytes().rev().take_while(until_star));
        Self { shortest, start, end, holds: Some(holds).filter(|holds| *holds != Held::default()) }
    }

    /// Whether the pattern has a chance.
    pub(super) fn lets_through(&self, path: &mut Approach<'_>) -> bool {
        path.text.len() >= self.shortest
            && (path.start ^ self.start.word) & self.start.mask == 0
            && (path.end ^ self.end.word) & self.end.mask == 0
            && self.holds.as_ref().is_none_or(|holds| path.holds().contains(holds))
    }
}

impl Fixed {
    fn of(characters: impl Iterator<Item = u8>) -> Self {
        let mut fixed = Self::default();
        for (place, byte) in characters.take(ENDS).enumerate().filter(|(_, byte)| *byte != b'?') {
            fixed.word |= u64::from(byte) << (8 * place);
            fixed.mask |= 0xff << (8 * place);
        }
        fixed
    }
}

impl Held {
    fn add(&mut self, text: &str) {
        let mut before = None;
        for byte in text.bytes() {
            self.characters |= 1 << (byte & 127);
            if let Some(before) = before {
                self.pairs |= 1 << place(before, byte);
            }
            before = Some(byte);
        }
    }

    fn contains(&self, other: &Self) -> bool {
        other.characters & !self.characters | other.pairs & !self.pairs == 0
    }
}

/// One of 128 places, by the upper bits of a multiplication (Knuth).
fn place(before: u8, byte: u8) -> u32 {
    (u32::from(before) << 8 | u32::from(byte)).wrapping_mul(0x9e37_79b1) >> 25
}

impl<'a> Approach<'a> {
    pub(super) fn new(path: &'a str) -> Self {
        let bytes = path.as_bytes();
        let start =
            bytes.first_chunk().map_or_else(|| Fixed::of(bytes.iter().copied()).word, |b| u64::from_le_bytes(*b));
        let end =
            bytes.last_chunk().map_or_else(|| Fixed::of(bytes.iter().rev().copied()).word, |b| u64::from_be_bytes(*b));
        Self { text: path, start, end, holds: None }
    }

    /// Looked through at the first pattern whose ends fit.
    fn holds(&mut self) -> &Held {
        let text = self.text;
        self.holds.get_or_insert_with(|| {
            if text.len() > LONGEST {
                return Held { characters: u128::MAX, pairs: u128::MAX };
            }
            let mut holds = Held::default();
            holds.add(text);
            holds
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(pattern: &str, path: &str, expect: bool) {
        assert_eq!(Gate::new(pattern).lets_through(&mut Approach::new(path)), expect, "{pattern} on {path}");
    }

    #[test]
    fn what_differs_at_an_end_is_turned_away() {
        check("/shop-1/*", "/shop-1/a", true);
        check("/shop-1/*", "/shop-2/a", false);
        check("/shop-1/*", "/shop-1", false);
        check("/sh?p-1/*", "/shop-1/a", true);
        check("*.jpg", "/a.jpg", true);
        check("*.jpg", "/a.jpeg", false);
        check("*.?pg", "/a.jpg", true);
        check("/a?", "/a", false);
        check("/a", "/a", true);
        // Beyond eight characters others look.
        check("/12345678*", "/1234567", false);
        check("/1234567x*", "/1234567x", true);
        check("*", "/", true);
    }

    #[test]
    fn what_lacks_a_character_or_a_pair_is_turned_away() {
        check("*/preview/*", "/a/preview/b", true);
        check("*/preview/*", "/a/catalogue/b", false);
        check("*ab*", "/xaby", true);
        check("*ab*", "/xbay", false);
        check("*a?b*", "/xbay", true);
    }

    #[test]
    fn a_long_path_has_a_chance_wherever_its_ends_fit() {
        let long = format!("/{}", "a".repeat(LONGEST));
        check("*ab*", &long, true);
        check("*ab*b", &long, false);
    }
}
