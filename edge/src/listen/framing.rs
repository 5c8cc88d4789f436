//! The bytes of an HTTP/1 connection into the first one that must not be understood in two ways.
//!
//! hyper is lenient where RFC 9112 lets a recipient be: lines may end in a bare LF, and of `Content-Length` beside `Transfer-Encoding` it
//! keeps one. Whoever stands before this edge may have read the same bytes otherwise, so such heads are refused. This follows heads and
//! bodies as hyper does; where a body's framing is not plain, it stops looking, for what hyper and head policy then say ends the connection
//! anyway. What they would let pass is refused here: a length that is said twice, of which hyper keeps one, a bare LF in trailers, and
//! lines without end, which a size of many zeros can be. Behind a head that wishes for another protocol it stops until it is told what
//! comes. hyper calls every head that is too large by one name; a target has its own.

/// Where a request line holds a target that head policy finds too long, whatever comes after.
const LONGEST_REQUEST_LINE: usize = 9 * 1024;
/// hyper refuses heads before a line of them is as long as this.
const LONGEST_LINE: usize = 64 * 1024;
/// What is kept of the line buffer between requests.
const KEPT: usize = 512;

/// Where in the stream of requests a connection is.
#[derive(Debug)]
pub(super) struct Framing {
    state: State,
    line: Vec<u8>,
    head: Head,
    /// How many heads have ended.
    heads: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Head,
    /// Behind a head that wishes for another protocol.
    Undecided,
    Content(u64),
    ChunkSize,
    Chunk(u64),
    ChunkEnd,
    Trailers,
    Unwatched,
}

/// What the head being read has said so far.
#[derive(Debug, Default)]
struct Head {
    led_by_empty_line: bool,
    has_request_line: bool,
    length: Said<u64>,
    coding: Said<()>,
    repeats: bool,
    wish: Said<()>,
}

/// What one field has said.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Said<T> {
    #[default]
    Nothing,
    Plainly(T),
    Unclearly,
}

/// What must not be passed on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Unfit {
    /// The place of its first byte among those that were followed.
    pub(super) at: usize,
    pub(super) why: Why,
}

/// Why it must not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Why {
    /// It could be understood in two ways.
    Unclear,
    /// It goes on with a target that is too long already (RFC 9112 §3).
    TargetTooLong,
}

/// What a line means for what follows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Line {
    Goes,
    Refused,
    Then(State),
}

impl Default for Framing {
    fn default() -> Self {
        Self { state: State::Head, line: Vec::new(), head: Head::default(), heads: 0 }
    }
}

impl Framing {
    /// Whether all requests that have begun have ended, as far as bytes say.
    pub(super) fn is_between(&self) -> bool {
        let is_at_a_head = matches!(self.state, State::Head | State::Undecided);
        is_at_a_head && self.line.is_empty() && !self.head.has_request_line
    }

    /// The number of the request whose answer says what comes next, if that is what decides it.
    pub(super) fn undecided(&self) -> Option<u64> {
        (self.state == State::Undecided).then_some(self.heads)
    }

    /// What comes next is another request.
    pub(super) fn goes_on(&mut self) {
        if self.state == State::Undecided {
            self.state = State::Head;
        }
    }

    /// Follows the next bytes, and says how many of them: all, or those of which it is known what they are.
    pub(super) fn follow(&mut self, bytes: &[u8]) -> Result<usize, Unfit> {
        let mut rest = bytes;
        while !rest.is_empty() {
            rest = match self.state {
                State::Unwatched => return Ok(bytes.len()),
                State::Undecided => return Ok(bytes.len() - rest.len()),
                State::Content(left) => self.skip(rest, left, State::Head, State::Content),
                State::Chunk(left) => self.skip(rest, left, State::ChunkEnd, State::Chunk),
                _ => self
                    .follow_line(rest)
                    .map_err(|Unfit { at, why }| Unfit { at: bytes.len() - rest.len() + at, why })?,
            };
        }
        Ok(bytes.len())
    }

    fn skip<'a>(&mut self, bytes: &'a [u8], left: u64, then: State, more: fn(u64) -> State) -> &'a [u8] {
        let taken = usize::try_from(left).unwrap_or(usize::MAX).min(bytes.len());
        let left = left.saturating_sub(taken as u64);
        self.state = if left == 0 { then } else { more(left) };
        bytes.get(taken..).unwrap_or_default()
    }

    /// One line, or as much of it as there is.
    fn follow_line<'a>(&mut self, bytes: &'a [u8]) -> Result<&'a [u8], Unfit> {
        let before = self.line.len();
        let end = bytes.iter().position(|byte| *byte == b'\n');
        self.line.extend_from_slice(bytes.get(..end.unwrap_or(bytes.len())).unwrap_or_default());
        let (longest, why) = if self.state == State::Head && !self.head.has_request_line {
            (LONGEST_REQUEST_LINE, Why::TargetTooLong)
        } else {
            (LONGEST_LINE, Why::Unclear)
        };
        if self.line.len() > longest {
            return Err(Unfit { at: longest.saturating_sub(before), why });
        }
        let Some(end) = end else { return Ok(&[]) };
        let line = std::mem::take(&mut self.line);
        let verdict = match (self.state, line.strip_suffix(b"\r")) {
            (State::Head, Some(text)) => self.head.line(text),
            // RFC 9112 §2.2: a recipient may take a bare LF for an end of line. Not every recipient does.
            (_, None) => Line::Refused,
            (state, Some(text)) => body_line(state, text),
        };
        self.line = line;
        self.line.clear();
        self.line.shrink_to(KEPT);
        match verdict {
            Line::Refused => return Err(Unfit { at: end, why: Why::Unclear }),
            Line::Goes => {}
            Line::Then(state) => {
                self.heads += u64::from(self.state == State::Head);
                self.state = state;
                self.head = Head::default();
            }
        }
        Ok(bytes.get(end + 1..).unwrap_or_default())
    }
}

impl Head {
    fn line(&mut self, text: &[u8]) -> Line {
        if text.contains(&b'\r') {
            return Line::Refused;
        }
        if !self.has_request_line {
            return self.request_line(text);
        }
        if text.is_empty() {
            return Line::Then(self.what_follows());
        }
        // RFC 9112 §5.2: a folded line continues the one before, to those who still know of it.
        if text.starts_with(b" ") || text.starts_with(b"\t") {
            return Line::Refused;
        }
        let mut parts = text.splitn(2, |byte| *byte == b':');
        let (name, value) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default().trim_ascii());
        if name.eq_ignore_ascii_case(b"content-length") {
            if self.length != Said::Nothing {
                return Line::Refused;
            }
            self.length = digits(value).map_or(Said::Unclearly, Said::Plainly);
        } else if name.eq_ignore_ascii_case(b"upgrade") {
            self.wish = Said::Plainly(());
        } else if name.eq_ignore_ascii_case(b"transfer-encoding") {
            self.repeats |= self.coding != Said::Nothing;
            self.coding = if value.eq_ignore_ascii_case(b"chunked") { Said::Plainly(()) } else { Said::Unclearly };
        }
        // RFC 9112 §6.1: this "ought to be handled as an error".
        if self.length == Said::Nothing || self.coding == Said::Nothing { Line::Goes } else { Line::Refused }
    }

    /// RFC 9112 §2.2: one empty line before a request is left over from a body before it.
    fn request_line(&mut self, text: &[u8]) -> Line {
        if !text.is_empty() {
            self.has_request_line = true;
            // RFC 9112 §3.2: a target has no fragment. hyper drops it; others take it for a part of the path.
            return if text.contains(&b'#') { Line::Refused } else { Line::Goes };
        }
        if std::mem::replace(&mut self.led_by_empty_line, true) { Line::Refused } else { Line::Goes }
    }

    /// RFC 9112 §6.3.
    fn what_follows(&self) -> State {
        match (self.length, self.coding) {
            _ if self.repeats => State::Unwatched,
            (Said::Nothing | Said::Plainly(0), Said::Nothing) if self.wish != Said::Nothing => State::Undecided,
            (Said::Nothing | Said::Plainly(0), Said::Nothing) => State::Head,
            (Said::Plainly(length), Said::Nothing) => State::Content(length),
            (Said::Nothing, Said::Plainly(())) => State::ChunkSize,
            _ => State::Unwatched,
        }
    }
}

/// RFC 9112 §7.1.
fn body_line(state: State, text: &[u8]) -> Line {
    match state {
        State::ChunkSize => {
            let size = text.split(|byte| *byte == b';').next().unwrap_or_default().trim_ascii();
            let size = std::str::from_utf8(size).ok().and_then(|size| u64::from_str_radix(size, 16).ok());
            Line::Then(match size {
                None => State::Unwatched,
                Some(0) => State::Trailers,
                Some(size) => State::Chunk(size),
            })
        }
        State::ChunkEnd => Line::Then(if text.is_empty() { State::ChunkSize } else { State::Unwatched }),
        State::Trailers if text.is_empty() => Line::Then(State::Head),
        _ => Line::Goes,
    }
}

fn digits(text: &[u8]) -> Option<u64> {
    let text = std::str::from_utf8(text).ok().filter(|text| text.bytes().all(|byte| byte.is_ascii_digit()))?;
    text.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is refused, if anything, and where; the same however the bytes are cut.
    #[track_caller]
    fn check(stream: &str, refused_after: Option<&str>) {
        let expect = refused_after.map(str::len);
        for cut in 0..=stream.len() {
            let (first, second) = stream.as_bytes().split_at(cut);
            let mut framing = Framing::default();
            let found = match framing.follow(first) {
                Err(unfit) => Some(unfit.at),
                Ok(_) => framing.follow(second).err().map(|unfit| cut + unfit.at),
            };
            assert_eq!(found, expect, "{stream:?} cut at {cut}");
        }
    }

    #[test]
    fn plain_requests_follow_each_other() {
        let get = "GET / HTTP/1.1\r\nhost: a\r\n\r\n";
        let post = "POST / HTTP/1.1\r\nhost: a\r\nContent-Length: 3\r\n\r\na\nb";
        let chunked =
            "PUT / HTTP/1.1\r\nTransfer-Encoding: Chunked\r\n\r\n2;x=y\r\n\n\n\r\nA\r\n0123456789\r\n0\r\nx: y\r\n\r\n";
        check(&format!("{get}{post}{chunked}\r\n{post}{get}"), None);
    }

    #[test]
    fn a_bare_line_feed_in_a_head_is_refused_whichever_request_it_is_in() {
        check("GET / HTTP/1.1\nhost: a\r\n\r\n", Some("GET / HTTP/1.1"));
        check("GET / HTTP/1.1\r\nhost: a\n\r\n", Some("GET / HTTP/1.1\r\nhost: a"));
        let before = "POST / HTTP/1.1\r\ncontent-length: 2\r\n\r\n\n\nGET / HTTP/1.1\r\n";
        check(&format!("{before}\n"), Some(before));
    }

    #[test]
    fn two_ideas_of_where_a_body_ends_are_refused_before_the_head_does() {
        let head = "POST / HTTP/1.1\r\ncontent-length: 3\r\ntransfer-encoding: chunked\r";
        check(&format!("{head}\n\r\n"), Some(head));
        let head = "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\nx: y\r\nContent-Length: 3\r";
        check(&format!("{head}\n\r\n"), Some(head));
    }

    #[test]
    fn a_length_that_is_said_twice_is_refused_though_it_is_the_same() {
        let head = "POST / HTTP/1.1\r\ncontent-length: 1\r\nx: y\r\ncontent-length: 1\r";
        check(&format!("{head}\n\r\nz"), Some(head));
    }

    #[test]
    fn a_bare_line_feed_between_chunks_and_in_trailers_is_refused() {
        let head = "PUT / HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\n";
        for lines in ["2", "2\r\nab", "0\r\nx: y"] {
            let before = format!("{head}{lines}");
            check(&format!("{before}\n\r\nGET / HTTP/1.1\r\n"), Some(&before));
        }
    }

    #[track_caller]
    fn check_end(stream: &str, expect: Unfit) {
        assert_eq!(Framing::default().follow(stream.as_bytes()), Err(expect));
        let (first, second) = stream.as_bytes().split_at(5_000);
        let mut framing = Framing::default();
        assert_eq!(framing.follow(first), Ok(first.len()));
        assert_eq!(framing.follow(second), Err(Unfit { at: expect.at - 5_000, why: expect.why }));
    }

    #[test]
    fn a_line_without_an_end_is_refused_before_it_has_one() {
        let endless = |letter: &str| letter.repeat(100_000);
        let line = format!("GET /{}", endless("x"));
        check_end(&line, Unfit { at: LONGEST_REQUEST_LINE, why: Why::TargetTooLong });
        let body = "PUT / HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\n";
        for line in [endless("0"), format!("0\r\nx: {}", endless("y"))] {
            let begun = line.len().saturating_sub(100_000 + 3) + body.len() + LONGEST_LINE;
            check_end(&format!("{body}{line}\r\n"), Unfit { at: begun, why: Why::Unclear });
        }
    }

    #[track_caller]
    fn check_between(stream: &str, expect: bool) {
        let mut framing = Framing::default();
        framing.follow(stream.as_bytes()).expect("is fit");
        assert_eq!(framing.is_between(), expect, "{stream:?}");
    }

    #[test]
    fn a_connection_is_between_requests_when_the_last_byte_of_one_has_come() {
        let head = "PUT / HTTP/1.1\r\ncontent-length: 3\r\n\r\n";
        check_between("", true);
        check_between("\r\n", true);
        check_between("G", false);
        check_between("GET / HTTP/1.1\r\n", false);
        check_between("GET / HTTP/1.1\r\n\r\n", true);
        check_between(head, false);
        check_between(&format!("{head}ab"), false);
        check_between(&format!("{head}abc"), true);
        check_between("PUT / HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\n0\r\n", false);
        check_between("PUT / HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n", true);
    }

    #[test]
    fn behind_a_wish_for_another_protocol_nothing_is_looked_at_before_its_answer() {
        let (get, wish) = ("GET / HTTP/1.1\r\n\r\n", "GET / HTTP/1.1\r\nUpgrade: x\r\ncontent-length: 0\r\n\r\n");
        let (stream, behind) = (format!("{get}{wish}"), "\n\n\0GET /");
        for cut in 0..=stream.len() {
            let all = format!("{stream}{behind}");
            let (first, second) = all.as_bytes().split_at(cut);
            let mut framing = Framing::default();
            assert_eq!(framing.follow(first), Ok(first.len()));
            assert_eq!(framing.follow(second), Ok(stream.len() - cut), "cut at {cut}");
            assert_eq!((framing.undecided(), framing.is_between()), (Some(2), true));
            assert_eq!(framing.follow(behind.as_bytes()), Ok(0));
            framing.goes_on();
            assert_eq!(framing.follow(behind.as_bytes()), Err(Unfit { at: 0, why: Why::Unclear }));
        }
        let content = "PUT / HTTP/1.1\r\nupgrade: x\r\ncontent-length: 1\r\n\r\nxGET / HTTP/1.1\r\n\r\n";
        let mut framing = Framing::default();
        assert_eq!((framing.follow(content.as_bytes()), framing.undecided()), (Ok(content.len()), None));
    }

    #[test]
    fn a_fragment_has_no_place_in_a_target() {
        check("GET /a#b HTTP/1.1\r\nhost: a\r\n\r\n", Some("GET /a#b HTTP/1.1\r"));
        check("GET /a?# HTTP/1.1\r\n", Some("GET /a?# HTTP/1.1\r"));
        check("GET /a HTTP/1.1\r\nx: #\r\n\r\n", None);
    }

    #[test]
    fn folded_lines_carriage_returns_and_a_second_empty_line_are_refused() {
        let head = "GET / HTTP/1.1\r\nx: y\r\n z\r";
        check(&format!("{head}\n\r\n"), Some(head));
        let head = "GET / HTTP/1.1\r\nx: y\rz\r";
        check(&format!("{head}\n\r\n"), Some(head));
        check("\r\nGET / HTTP/1.1\r\n\r\n", None);
        check("\r\n\r\nGET / HTTP/1.1\r\n\r\n", Some("\r\n\r"));
    }

    #[test]
    fn behind_a_framing_that_is_refused_elsewhere_nothing_is_watched() {
        check("POST / HTTP/1.1\r\ncontent-length: 1, 2\r\n\r\nGET /\n", None);
        check("POST / HTTP/1.1\r\ntransfer-encoding: gzip\r\n\r\nGET /\n", None);
        check("POST / HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\nxyz\r\nGET /\n", None);
    }
}
