//! Stored responses into coded ones in their place, beside the requests that are served meanwhile.
//!
//! Flow: a fill that has ended and a hit on what is stored plain [`offer`](Coder::offer) it → a turn on the blocking pool → the store
//! exchanges it, if it is still there.
//! Guarantees: each stored response is coded once at most, and a few at a time; what is made pays for itself within the bound of the
//! store, from before its first byte. It carries the label of what it was made of, so whatever drops that drops it.
//! Errors: what does not become smaller, or finds no room, stays as it is.

use std::io::{self, Read, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use brotli::enc::BrotliEncoderParams;
use bytes::{Buf, Bytes};
use edge_cache::CacheKey;
use edge_cache::coding::{self, Accepted, Coding};
use flate2::Compression;
use flate2::write::GzEncoder;
use tokio::sync::Semaphore;

use crate::ask::Ask;
use crate::live::Live;
use crate::store::block::{self, BLOCK_OVERHEAD};
use crate::store::held::{self, Content, Held, Whole};

/// How many bodies are coded at a time: the processors are there for viewers first.
const TURNS: usize = 2;
/// Made once, sent often: worth more than the quickest, and far from the slowest.
const BROTLI_QUALITY: i32 = 5;
const GZIP_LEVEL: u32 = 6;
/// Bytes of a coded body that are handed over at a time: viewers that are slow take one after the other.
const PIECE: usize = 64 * 1024;

/// Codes what is stored.
#[derive(Debug)]
pub struct Coder {
    turns: Arc<Semaphore>,
    coded: Arc<AtomicU64>,
}

impl Default for Coder {
    fn default() -> Self {
        Self { turns: Arc::new(Semaphore::new(TURNS)), coded: Arc::default() }
    }
}

impl Coder {
    /// Begins to code a stored response for viewers like this one, unless it was begun before or no turn is free: then the next hit
    /// offers it again.
    pub fn offer(&self, live: &Live, ask: &Ask, held: &Arc<Held>) {
        // What another edge asks for it codes itself.
        if ask.asker.is_some() || ask.accepted == Accepted::Identity || !held.awaits_coding() {
            return;
        }
        let Content::Whole(whole) = &held.content else { return };
        if whole.trailers.is_some() {
            return;
        }
        let stored = &held.stored;
        let Some(coding) = coding::wanted(ask.accepted, stored.status, &stored.headers, whole.length) else { return };
        let Ok(turn) = Arc::clone(&self.turns).try_acquire_owned() else { return };
        if !held.claim_coding() {
            return;
        }
        let (live, key, held, whole) = (live.clone(), ask.key.clone(), Arc::clone(held), whole.clone());
        let keeps = is_asked_by_edges(&live, ask);
        let coded = Arc::clone(&self.coded);
        tokio::task::spawn_blocking(move || {
            if exchange((&live, &key), &held, &whole, coding, keeps).is_some_and(|taken| taken) {
                coded.fetch_add(1, Ordering::Relaxed);
            }
            drop(turn);
        });
    }

    /// How many stored responses were coded.
    pub fn coded(&self) -> u64 {
        self.coded.load(Ordering::Relaxed)
    }
}

/// Whether other edges may ask for it as it came.
fn is_asked_by_edges(live: &Live, ask: &Ask) -> bool {
    let (site, behavior) = (&ask.route.site.site.id, &ask.route.behavior);
    let mut origins = std::iter::once(&behavior.origin).chain(&behavior.secondary);
    origins.any(|origin| origin.shield.as_ref().is_some_and(|location| live.peers().is_before(site, location)))
}

fn exchange(
    (live, key): (&Live, &CacheKey),
    held: &Arc<Held>,
    whole: &Whole,
    coding: Coding,
    keeps: bool,
) -> Option<bool> {
    let limit = usize::try_from(whole.length).ok()?;
    let head_room = live.store().hold(held::cost(key.len(), &held.stored))?;
    let mut room = live.store().hold(limit + BLOCK_OVERHEAD)?;
    let bytes = code(&whole.blocks, coding, limit).ok()?;
    let block = block::own(bytes, |length| room.split(length + BLOCK_OVERHEAD))?;
    drop(room);
    let blocks: Arc<[Bytes]> = pieces(block).collect();
    let length = blocks.iter().map(|piece| piece.len() as u64).sum();
    let coded = held.coded(coding, Whole { blocks, length, trailers: None }, Arc::new(head_room), keeps);
    Some(live.store().exchange(key, held, Arc::new(coded)))
}

fn pieces(mut block: Bytes) -> impl Iterator<Item = Bytes> {
    std::iter::from_fn(move || (!block.is_empty()).then(|| block.split_to(block.len().min(PIECE))))
}

/// Codes a body, as long as it takes fewer than `limit` bytes.
fn code(blocks: &[Bytes], coding: Coding, limit: usize) -> io::Result<Vec<u8>> {
    let mut plain = Plain { blocks: blocks.iter(), block: Bytes::new() };
    // Never grown beyond what is paid for.
    let mut out = Bounded { bytes: Vec::with_capacity(limit), limit };
    match coding {
        Coding::Brotli => {
            let parameters =
                BrotliEncoderParams { quality: BROTLI_QUALITY, size_hint: limit, ..BrotliEncoderParams::default() };
            brotli::BrotliCompress(&mut plain, &mut out, &parameters)?;
        }
        Coding::Gzip => {
            let mut encoder = GzEncoder::new(&mut out, Compression::new(GZIP_LEVEL));
            io::copy(&mut plain, &mut encoder)?;
            encoder.finish()?;
        }
    }
    Ok(out.bytes)
}

/// A body, read block by block.
struct Plain<'a> {
    blocks: std::slice::Iter<'a, Bytes>,
    block: Bytes,
}

impl Read for Plain<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.block.is_empty() {
            let Some(next) = self.blocks.next() else { return Ok(0) };
            self.block = next.clone();
        }
        let taken = self.block.len().min(buffer.len());
        let (piece, _) = buffer.split_at_mut(taken);
        self.block.copy_to_slice(piece);
        Ok(taken)
    }
}

/// What is made, as long as it is worth it.
struct Bounded {
    bytes: Vec<u8>,
    limit: usize,
}

impl Write for Bounded {
    fn write(&mut self, piece: &[u8]) -> io::Result<usize> {
        if self.bytes.len() + piece.len() >= self.limit {
            return Err(io::Error::from(io::ErrorKind::FileTooLarge));
        }
        self.bytes.extend_from_slice(piece);
        Ok(piece.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn decoded(coded: &[u8], coding: Coding) -> Vec<u8> {
        let mut plain = Vec::new();
        match coding {
            Coding::Brotli => brotli::Decompressor::new(coded, 4_096).read_to_end(&mut plain),
            Coding::Gzip => flate2::read::GzDecoder::new(coded).read_to_end(&mut plain),
        }
        .expect("is coded so");
        plain
    }

    #[test]
    fn a_body_in_blocks_is_coded_as_one() {
        let blocks = [Bytes::from("hello ".repeat(1_000)), Bytes::from("world ".repeat(1_000))];
        for coding in [Coding::Brotli, Coding::Gzip] {
            let coded = code(&blocks, coding, 12_000).expect("is worth it");
            assert!(coded.len() < 1_000, "{coding:?}");
            assert_eq!(decoded(&coded, coding), blocks.concat(), "{coding:?}");
        }
    }

    #[test]
    fn a_body_that_does_not_shrink_is_given_up() {
        let mut noise = vec![0; 5_000];
        getrandom::fill(&mut noise).expect("there is some");
        for coding in [Coding::Brotli, Coding::Gzip] {
            code(&[Bytes::from(noise.clone())], coding, noise.len()).expect_err("is not worth it");
        }
    }

    #[test]
    fn a_coded_body_is_handed_over_piece_by_piece() {
        let lengths: Vec<usize> = pieces(Bytes::from(vec![0; 150_000])).map(|piece| piece.len()).collect();
        assert_eq!(lengths, [PIECE, PIECE, 150_000 - 2 * PIECE]);
        assert_eq!(pieces(Bytes::new()).count(), 0);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(200))]
        #[test]
        fn whatever_is_coded_is_what_was_there_before(
            seed in proptest::collection::vec(any::<u8>(), 1..200),
            times in 1_usize..200,
            cut in 1_usize..5_000,
        ) {
            let body = seed.repeat(times);
            let blocks: Vec<Bytes> = body.chunks(cut).map(Bytes::copy_from_slice).collect();
            for coding in [Coding::Brotli, Coding::Gzip] {
                if let Ok(coded) = code(&blocks, coding, body.len()) {
                    prop_assert!(coded.len() < body.len());
                    prop_assert_eq!(decoded(&coded, coding), body.clone());
                }
            }
        }
    }
}
