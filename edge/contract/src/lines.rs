//! Pieces of a byte stream, as they arrive, into whole lines of bounded length.

use crate::LINE_LIMIT;

/// The line that was arriving is longer than [`LINE_LIMIT`]: the stream that carries it is to be closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LineTooLong;

impl std::fmt::Display for LineTooLong {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "a line is longer than {LINE_LIMIT} bytes")
    }
}

impl std::error::Error for LineTooLong {}

/// What has arrived of a stream and was not taken yet.
#[derive(Debug, Default)]
pub struct Lines {
    bytes: Vec<u8>,
    /// No newline before here: what was searched is not searched again for each piece of a long line.
    searched: usize,
}

impl Lines {
    /// Nothing has arrived yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a piece.
    pub fn push(&mut self, piece: &[u8]) {
        self.bytes.extend_from_slice(piece);
    }

    /// The next whole line without its newline, or nothing until more arrives.
    ///
    /// At most [`LINE_LIMIT`] bytes and one piece are ever held, as long as this is asked after each piece until it has none.
    pub fn next_line(&mut self) -> Result<Option<Vec<u8>>, LineTooLong> {
        let found = self.bytes.iter().skip(self.searched).position(|byte| *byte == b'\n');
        let Some(length) = found.map(|at| self.searched + at) else {
            self.searched = self.bytes.len();
            return if self.searched > LINE_LIMIT { Err(LineTooLong) } else { Ok(None) };
        };
        if length > LINE_LIMIT {
            return Err(LineTooLong);
        }
        let rest = self.bytes.split_off(length + 1);
        let mut line = std::mem::replace(&mut self.bytes, rest);
        line.truncate(length);
        self.searched = 0;
        Ok(Some(line))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(pieces: &[&[u8]], expect: &[&[u8]]) {
        let mut lines = Lines::new();
        let mut found = Vec::new();
        for piece in pieces {
            lines.push(piece);
            while let Some(line) = lines.next_line().expect("short lines") {
                found.push(line);
            }
        }
        assert_eq!(found, expect);
    }

    #[test]
    fn lines_are_whole_however_they_were_cut() {
        check(&[], &[]);
        check(&[b"a"], &[]);
        check(&[b"a\n"], &[b"a"]);
        check(&[b"a", b"b\n"], &[b"ab"]);
        check(&[b"a\nb\n\nc"], &[b"a", b"b", b""]);
        check(&[b"a\nb", b"", b"\nc", b"\n"], &[b"a", b"b", b"c"]);
    }

    #[test]
    fn a_line_may_be_as_long_as_the_limit_and_not_longer() {
        let mut lines = Lines::new();
        lines.push(&vec![b'x'; LINE_LIMIT]);
        assert_eq!(lines.next_line(), Ok(None));
        lines.push(b"\n");
        assert_eq!(lines.next_line().map(|line| line.map(|line| line.len())), Ok(Some(LINE_LIMIT)));
        lines.push(&vec![b'x'; LINE_LIMIT + 1]);
        assert_eq!(lines.next_line(), Err(LineTooLong));
        lines.push(b"\n");
        assert_eq!(lines.next_line(), Err(LineTooLong));
    }
}
