//! How transactions ended, by id: packed, since there are many.
//!
//! Owns the memory for what is remembered of an ended transaction. Ids come nearly in order and go from the
//! front, so they stand in a row of small sorted chunks, each with the outcomes of its ids in one buffer: an
//! id costs less than [`Settings::ID_COST`](crate::settings::Settings::ID_COST) beside its outcome, and none
//! has an allocation of its own. What is equal does not depend on how it came to be.

use crate::id::TxnId;
use std::collections::VecDeque;

/// Ids of a chunk at most: what comes late moves half of so many, on average.
const CHUNK: usize = 128;

/// Encoded outcomes, sorted by id.
#[derive(Clone, Debug, Default)]
pub(super) struct Ended {
    /// None is empty.
    chunks: VecDeque<Chunk>,
}

/// Neighbours in the order of ids.
#[derive(Clone, Debug, Default)]
struct Chunk {
    ids: Vec<TxnId>,
    /// Where each outcome ends in the bytes; it begins where the one before ends.
    ends: Vec<u32>,
    bytes: Vec<u8>,
    /// So many at the front are gone already.
    gone: usize,
}

impl Chunk {
    fn live(&self) -> &[TxnId] {
        &self.ids[self.gone..]
    }

    fn start(&self, at: usize) -> usize {
        at.checked_sub(1)
            .map_or(0, |before| self.ends[before] as usize)
    }

    fn outcome(&self, at: usize) -> &[u8] {
        &self.bytes[self.start(at)..self.ends[at] as usize]
    }

    /// Where an id stands, or would stand.
    fn find(&self, id: TxnId) -> Result<usize, usize> {
        let found = self.live().binary_search(&id);
        found.map(|at| at + self.gone).map_err(|at| at + self.gone)
    }

    fn insert(&mut self, at: usize, id: TxnId, outcome: &[u8]) {
        let start = self.start(at);
        make_room(&mut self.ids, 1);
        make_room(&mut self.ends, 1);
        self.ids.insert(at, id);
        self.ends.insert(at, as_end(start));
        self.replace(at, outcome);
    }

    /// Puts another outcome in the place of the one at `at`.
    fn replace(&mut self, at: usize, outcome: &[u8]) {
        let (start, end) = (self.start(at), self.ends[at] as usize);
        make_room(&mut self.bytes, outcome.len());
        if end == self.bytes.len() {
            self.bytes.truncate(start);
            self.bytes.extend_from_slice(outcome);
        } else {
            self.bytes.splice(start..end, outcome.iter().copied());
        }
        for later in &mut self.ends[at..] {
            *later = as_end(*later as usize - (end - start) + outcome.len());
        }
    }

    fn remove(&mut self, at: usize) {
        if at == self.gone {
            self.gone += 1;
            return;
        }
        self.replace(at, &[]);
        self.ids.remove(at);
        self.ends.remove(at);
    }

    /// Nothing more is expected in it.
    fn shrink(&mut self) {
        self.ids.shrink_to_fit();
        self.ends.shrink_to_fit();
        self.bytes.shrink_to_fit();
    }

    /// Takes the second half out.
    fn split(&mut self) -> Chunk {
        let at = self.gone + self.live().len() / 2;
        let start = self.start(at);
        let mut half = Chunk::default();
        half.ids.extend(self.ids.drain(at..));
        half.ends.extend(
            self.ends
                .drain(at..)
                .map(|end| as_end(end as usize - start)),
        );
        half.bytes = self.bytes.split_off(start);
        self.shrink();
        half
    }
}

/// Makes room for so many more, and a few: twice as much, as a vector takes by itself, would be half unused.
fn make_room<T>(items: &mut Vec<T>, more: usize) {
    if items.capacity() - items.len() < more {
        items.reserve_exact(more + items.len() / 8);
    }
}

/// An outcome that is remembered is small, so what a chunk holds is far below 4 GiB.
fn as_end(end: usize) -> u32 {
    u32::try_from(end).unwrap_or(u32::MAX)
}

impl Ended {
    /// The encoded outcome.
    pub(super) fn get(&self, id: TxnId) -> Option<&[u8]> {
        let chunk = self.chunks.get(self.chunk_of(id))?;
        let at = chunk.find(id).ok()?;
        Some(chunk.outcome(at))
    }

    /// Sets the outcome of an id.
    pub(super) fn insert(&mut self, id: TxnId, outcome: &[u8]) {
        let nth = self.chunk_of(id);
        let is_last = nth + 1 >= self.chunks.len();
        let Some(chunk) = self.chunks.get_mut(nth) else {
            return self.push(id, outcome);
        };
        match chunk.find(id) {
            Ok(at) => chunk.replace(at, outcome),
            Err(at) if chunk.live().len() < CHUNK => chunk.insert(at, id, outcome),
            Err(at) if is_last && at == chunk.ids.len() => {
                chunk.shrink();
                self.push(id, outcome);
            }
            Err(_) => {
                let half = chunk.split();
                self.chunks.insert(nth + 1, half);
                self.insert(id, outcome);
            }
        }
    }

    /// Forgets an id.
    pub(super) fn remove(&mut self, id: TxnId) {
        let nth = self.chunk_of(id);
        if let Some(chunk) = self.chunks.get_mut(nth)
            && let Ok(at) = chunk.find(id)
        {
            chunk.remove(at);
            if chunk.live().is_empty() {
                self.chunks.remove(nth);
            }
        }
    }

    /// The lowest id, with its outcome.
    pub(super) fn first(&self) -> Option<(TxnId, &[u8])> {
        let chunk = self.chunks.front()?;
        Some((*chunk.live().first()?, chunk.outcome(chunk.gone)))
    }

    /// All ids, in order.
    pub(super) fn keys(&self) -> impl Iterator<Item = TxnId> {
        self.chunks
            .iter()
            .flat_map(|chunk| chunk.live().iter().copied())
    }

    fn push(&mut self, id: TxnId, outcome: &[u8]) {
        let mut chunk = Chunk::default();
        chunk.insert(0, id, outcome);
        self.chunks.push_back(chunk);
    }

    /// The chunk where an id stands or would stand: the last that does not begin behind it.
    fn chunk_of(&self, id: TxnId) -> usize {
        let begins = |chunk: &Chunk| chunk.live().first().is_some_and(|first| *first <= id);
        self.chunks.partition_point(begins).saturating_sub(1)
    }

    fn iter(&self) -> impl Iterator<Item = (TxnId, &[u8])> {
        self.chunks.iter().flat_map(|chunk| {
            let live = chunk.gone..chunk.ids.len();
            live.map(|at| (chunk.ids[at], chunk.outcome(at)))
        })
    }
}

impl PartialEq for Ended {
    fn eq(&self, other: &Ended) -> bool {
        self.iter().eq(other.iter())
    }
}

impl Eq for Ended {}

#[cfg(test)]
mod tests {
    use super::*;
    use rand_chacha::ChaCha8Rng;
    use rand_chacha::rand_core::{Rng, SeedableRng};
    use std::collections::BTreeMap;

    /// Does the same to a map, and compares.
    #[test]
    fn it_is_a_sorted_map() {
        for seed in 0..20 {
            let mut rng = ChaCha8Rng::seed_from_u64(seed);
            let (mut ended, mut map) = (Ended::default(), BTreeMap::new());
            for nth in 0..3_000_u64 {
                // Nearly in order in some runs, anywhere in others.
                let spread = [1, 50, 3_000][usize::try_from(seed % 3).unwrap()];
                let stamp = nth + u64::from(rng.next_u32()) % spread;
                let id = TxnId::from_parts(stamp, 0);
                let outcome = vec![seed as u8; rng.next_u32() as usize % 40];
                match rng.next_u32() % 8 {
                    0 => {
                        ended.remove(id);
                        map.remove(&id);
                    }
                    1 | 2 => {
                        if let Some((first, _)) = ended.first() {
                            ended.remove(first);
                        }
                        map.pop_first();
                    }
                    _ => {
                        ended.insert(id, &outcome);
                        map.insert(id, outcome);
                    }
                }
                let first = map.first_key_value().map(|(id, told)| (*id, &told[..]));
                assert_eq!(ended.first(), first);
                assert_eq!(ended.get(id), map.get(&id).map(Vec::as_slice));
            }
            let all = map.iter().map(|(id, outcome)| (*id, outcome.as_slice()));
            assert!(ended.iter().eq(all));
            assert!(ended.keys().eq(map.keys().copied()));
        }
    }

    #[test]
    fn what_is_equal_does_not_depend_on_how_it_came_to_be() {
        let (mut one, mut other) = (Ended::default(), Ended::default());
        let id = |nth| TxnId::from_parts(nth, 0);
        (0..1_000).for_each(|nth| one.insert(id(nth), b"done"));
        (0..1_000)
            .rev()
            .for_each(|nth| other.insert(id(nth), b"done"));
        assert_eq!(one, other);
        other.remove(id(0));
        assert_ne!(one, other);
        one.remove(id(0));
        assert_eq!(one, other);
    }

    #[test]
    fn an_id_costs_no_more_than_is_counted_for_it() {
        let counted = crate::settings::Settings::ID_COST;
        for (spread, size) in [(1, 0), (1, 100), (1_000, 0), (1_000, 100)] {
            let mut rng = ChaCha8Rng::seed_from_u64(1);
            let (mut ended, outcome) = (Ended::default(), vec![1; size]);
            for nth in 0..200_000_u64 {
                let stamp = nth * 10 + u64::from(rng.next_u32()) % (spread * 10);
                ended.insert(TxnId::from_parts(stamp, u128::from(nth)), &outcome);
            }
            let of = |chunk: &Chunk| {
                let ids = chunk.ids.capacity() * size_of::<TxnId>();
                let ends = chunk.ends.capacity() * size_of::<u32>();
                size_of::<Chunk>() + ids + ends + chunk.bytes.capacity()
            };
            let bytes: usize = ended.chunks.iter().map(of).sum();
            let each = bytes as f64 / 200_000.0 - size as f64;
            println!("{each:.1} bytes beside outcomes of {size}, {spread} out of order");
            assert!(each <= counted as f64, "{each} bytes beside {size}");
        }
    }
}
