//! The bytes of a connection into which kinds of frames they end (RFC 9113 §4.1).

/// DATA, HEADERS and CONTINUATION (RFC 9113 §6.1, §6.2, §6.10).
const OF_REQUESTS: [u8; 3] = [0x0, 0x1, 0x9];
/// RFC 9113 §6.5
const SETTINGS: u8 = 0x4;

/// Follows frames.
#[derive(Debug, Default)]
pub(super) struct Frames {
    /// The first bytes of the nine that a frame begins with.
    head: Vec<u8>,
    kind: u8,
    /// Bytes of its payload that are to come.
    left: usize,
}

/// What bytes have ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Ended {
    /// Some frame that says something of a request.
    pub(super) of_request: bool,
    /// Some frame of settings: the first is the other side's (RFC 9113 §3.4).
    pub(super) settings: bool,
}

impl Frames {
    /// What has ended with these bytes.
    pub(super) fn follow(&mut self, mut bytes: &[u8]) -> Ended {
        let mut ended = Ended::default();
        while let Some((first, rest)) = bytes.split_first() {
            if self.left > 0 {
                let here = self.left.min(bytes.len());
                self.left -= here;
                bytes = bytes.get(here..).unwrap_or_default();
            } else {
                self.head.push(*first);
                bytes = rest;
                let [high, middle, low, kind, _, _, _, _, _] = *self.head else { continue };
                self.head.clear();
                (self.kind, self.left) = (kind, u32::from_be_bytes([0, high, middle, low]) as usize);
            }
            if self.left == 0 {
                ended.of_request |= OF_REQUESTS.contains(&self.kind);
                ended.settings |= self.kind == SETTINGS;
            }
        }
        ended
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(kind: u8, length: u8) -> Vec<u8> {
        [&[0, 0, length, kind, 0, 0, 0, 0, 1][..], &vec![0; length.into()]].concat()
    }

    /// How many frames that say something of requests these bytes end, whatever the pieces in which they come.
    #[track_caller]
    fn check(frames: &[Vec<u8>], expect: usize) {
        let bytes = frames.concat();
        for size in 1..=bytes.len() {
            let mut follows = Frames::default();
            let ended = bytes.chunks(size).filter(|piece| follows.follow(piece).of_request).count();
            assert!(if size == 1 { ended == expect } else { (ended > 0) == (expect > 0) }, "{frames:?} by {size}");
        }
    }

    #[test]
    fn what_is_said_of_requests_is_told_from_what_is_said_of_the_connection() {
        let (ping, settings, window) = (frame(6, 8), frame(4, 12), frame(8, 4));
        check(&[settings.clone(), ping.clone(), window.clone()], 0);
        for kind in [0, 1, 9] {
            check(&[settings.clone(), frame(kind, 0), ping.clone(), frame(kind, 200)], 2);
        }
        check(&[frame(4, 0), frame(6, 1), frame(0, 1)], 1);
    }

    #[test]
    fn a_frame_has_ended_once_all_of_it_is_there() {
        let mut follows = Frames::default();
        let head = frame(1, 3);
        assert!(!follows.follow(&head[..11]).of_request);
        assert_eq!(follows.follow(&head[11..]), Ended { of_request: true, settings: false });
        assert_eq!(follows.follow(&frame(4, 6)), Ended { of_request: false, settings: true });
    }
}
