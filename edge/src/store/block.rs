//! A piece of a body as it came from a connection into a block of exactly its size that pays for itself.

use bytes::Bytes;

use super::budget::Hold;

/// What a block costs beside its bytes: its handle, its owner, its place in a list.
pub const BLOCK_OVERHEAD: usize = 112;

/// Bytes and the right to keep them; both go when the last clone goes, wherever it is.
struct Block {
    bytes: Box<[u8]>,
    _hold: Hold,
}

impl AsRef<[u8]> for Block {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

/// Copies `piece` out of whatever buffer it lies in: a slice would pin that whole buffer for as long as it is stored.
pub fn copy(piece: &[u8], hold: Hold) -> Bytes {
    Bytes::from_owner(Block { bytes: piece.into(), _hold: hold })
}

/// Puts pieces together into one block of exactly their size.
pub fn join(pieces: &[Bytes], hold: Hold) -> Bytes {
    Bytes::from_owner(Block { bytes: pieces.concat().into_boxed_slice(), _hold: hold })
}

/// Takes bytes over as they are; `hold` is asked for the right to keep that many.
pub fn own(bytes: Vec<u8>, hold: impl FnOnce(usize) -> Option<Hold>) -> Option<Bytes> {
    let hold = hold(bytes.len())?;
    Some(Bytes::from_owner(Block { bytes: bytes.into_boxed_slice(), _hold: hold }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::budget::Budget;

    #[test]
    fn a_block_pays_until_its_last_clone_is_gone() {
        let budget = Budget::new(100);
        let block = copy(b"hello", budget.reserve(5).expect("fits"));
        let reader = block.slice(1..2);
        drop(block);
        assert_eq!((budget.held(), &reader[..]), (5, &b"e"[..]));
        drop(reader);
        assert_eq!(budget.held(), 0);
    }
}
