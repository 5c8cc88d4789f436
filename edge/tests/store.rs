//! Random writes, reads, evictions and sweeps: never more bytes than the bound, and none left over when all of them are gone.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use edge::store::Store;
use edge::store::block::{self, BLOCK_OVERHEAD};
use edge::store::held::{Content, Held, Whole, cost};
use edge_cache::date::Date;
use edge_cache::{CacheKey, Label, Moment, NormalPath, Received, Stored};
use http::{HeaderMap, Response};
use proptest::{collection::vec, prelude::*};

const BOUND: usize = 20_000;

#[derive(Clone, Copy, Debug)]
enum Step {
    /// Keeps a body of this size under this key.
    Write(u8, usize),
    /// Begins to read what is under this key, and goes on for a while.
    Read(u8),
    /// The reader that began first ends.
    EndRead,
    /// What is under this key is dropped.
    Sweep(u8),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let size = prop_oneof![0_usize..300, 300_usize..6_000, Just(BOUND), Just(usize::MAX - BLOCK_OVERHEAD)];
    let step = prop_oneof![
        5 => (0_u8..12, size).prop_map(|(key, size)| Step::Write(key, size)),
        3 => (0_u8..12).prop_map(Step::Read),
        2 => Just(Step::EndRead),
        1 => (0_u8..12).prop_map(Step::Sweep),
    ];
    vec(step, 0..120)
}

fn key(number: u8) -> CacheKey {
    CacheKey::new("shop", None, &NormalPath::parse(&format!("/{number}")).expect("is a path"), None)
}

fn stored(at: u64) -> Stored {
    let moment = Moment(Duration::from_secs(at));
    let received = Received { asked: moment, answered: moment, date: Date(1_795_363_200) };
    let parts = Response::new(()).into_parts().0;
    Stored::new(&parts, &HeaderMap::new(), received, Label { log: None, local: 0 })
}

/// As a fill does it: the right to keep comes before what is kept. None: there is no room.
fn write(store: &Store, number: u8, size: usize, at: u64) -> Option<()> {
    let (key, stored) = (key(number), stored(at));
    let head = store.hold(cost(key.len(), &stored))?;
    let room = store.hold(size + BLOCK_OVERHEAD)?;
    let blocks: Arc<[Bytes]> = Arc::from([block::copy(&vec![number; size], room)]);
    let whole = Whole { blocks, length: size as u64, trailers: None };
    store.insert(&key, Arc::new(Held::new(stored, Content::Whole(whole), Arc::new(head))), |_| true);
    Some(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]

    #[test]
    fn the_bytes_held_never_exceed_the_bound_and_all_of_them_return(steps in steps()) {
        let store = Store::new(BOUND);
        let mut readers: Vec<(u8, Vec<Bytes>)> = Vec::new();
        for (at, step) in (1..).zip(steps) {
            match step {
                Step::Write(number, size) => {
                    let _ = write(&store, number, size, at);
                }
                Step::Read(number) => {
                    let variants = store.lookup(&key(number));
                    let blocks = variants.iter().flat_map(|all| all.iter()).filter_map(|held| match &held.content {
                        Content::Whole(whole) => Some(whole.blocks.to_vec()),
                        Content::Arriving { .. } => None,
                    });
                    readers.extend(blocks.map(|blocks| (number, blocks)));
                }
                Step::EndRead if readers.is_empty() => {}
                Step::EndRead => {
                    readers.remove(0);
                }
                Step::Sweep(number) => {
                    store.sweep_key(&key(number), |_| false);
                }
            }
            prop_assert!(store.held() <= BOUND, "{} bytes after {step:?}", store.held());
            // What is being read is what was written, whatever became of it in the store.
            let intact = |(number, blocks): &(u8, Vec<Bytes>)| blocks.iter().all(|block| block.iter().all(|byte| byte == number));
            prop_assert!(readers.iter().all(intact));
        }
        for shard in 0..store.shards() {
            store.sweep(shard, |_, _| false);
        }
        drop(readers);
        prop_assert_eq!((store.held(), store.responses()), (0, 0));
    }
}
