//! What a run draws for itself: which mode, which bounds, how often things happen.
//!
//! Uniform schedules hide what biased ones show, so in some runs storage is slow, in others frames are
//! large, little is durable, or a cache has room for a few rows.

use rand::RngExt;
use rand_chacha::ChaCha8Rng;
use rkcy_core::settings::Settings;

/// Milliseconds that an id is remembered; small, so that runs outlive it.
pub(super) const WINDOW: u64 = 400;

/// The kinds of events, in the order of [`Draw::weights`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Event {
    Work,
    Send,
    Land,
    Change,
    Store,
    Load,
    Submit,
    Rare,
}

/// The traits of one run.
#[derive(Debug)]
pub(super) struct Draw {
    /// One process on an atomic log, as the embedded one is; else workers on logs of a cluster.
    pub(super) atomic: bool,
    /// Each Open brings one of these.
    pub(super) settings: Vec<Settings>,
    /// Rows that a worker keeps. Bytes.
    pub(super) cache_bytes: usize,
    /// Bytes of one record; small, so that change records come in chunks.
    pub(super) record_bytes: usize,
    /// Bytes of one append to an atomic log.
    pub(super) append_bytes: usize,
    /// Envelopes that a worker applies in one call.
    pub(super) at_a_time: usize,
    /// Envelopes that a worker applies in one event.
    pub(super) envelopes: usize,
    /// Whether callers use instances as soon as they were asked for, and not only when they heard that they are
    /// there: where answers are slow, little else would be done.
    pub(super) eager: bool,
    /// Chance that a caller gives a bound for waiting.
    pub(super) budget: f64,
    /// Chance that a caller gives a key; that what was asked for with one is asked for once more.
    pub(super) keys: f64,
    pub(super) repeats: f64,
    /// Chance per step that a command log becomes durable up to its end; a changelog. Of an atomic log: that
    /// a few appends become so.
    pub(super) sync: (f64, f64),
    /// Chance that a submission closes its frame.
    pub(super) frame: f64,
    /// Chance that a slow channel, once drawn, does not move.
    pub(super) slowness: f64,
    weights: [(Event, u32); 8],
}

impl Draw {
    pub(super) fn new(rng: &mut ChaCha8Rng) -> Draw {
        let atomic = rng.random_bool(0.3);
        let usual = Settings {
            window: WINDOW,
            key_life: *pick(rng, &[60, 300, 300, 1_000, Settings::default().key_life]),
            ..Settings::default()
        };
        let variants = *pick(rng, &[1, 1, 1, 3]);
        let settings = (0..variants).map(|_| bounds(rng, usual.clone())).collect();
        let mut weight = |event, usual: u32| (event, usual * *pick(rng, &[1, 4, 4, 8]) / 4);
        let weights = [
            weight(Event::Work, 300),
            weight(Event::Send, 120),
            weight(Event::Land, 180),
            weight(Event::Change, 80),
            weight(Event::Store, 80),
            weight(Event::Load, 60),
            weight(Event::Submit, 40),
            (Event::Rare, 100),
        ];
        Draw {
            atomic,
            settings,
            cache_bytes: *pick(rng, &[1 << 20, 1 << 20, 1 << 20, 1 << 20, 1_200, 500, 100]),
            record_bytes: 3_000,
            append_bytes: *pick(rng, &[1 << 20, 1 << 20, 2_000]),
            at_a_time: *pick(rng, &[1, 1, 1, 1, 3, 8]),
            envelopes: *pick(rng, &[1, 3, 8]),
            budget: *pick(rng, &[0.0, 0.0, 0.0, 0.3]),
            keys: *pick(rng, &[0.0, 0.0, 0.2, 0.6]),
            repeats: *pick(rng, &[0.1, 0.4]),
            sync: (*pick(rng, &[0.02, 0.1, 0.3]), *pick(rng, &[0.05, 0.2, 0.5])),
            frame: *pick(rng, &[0.9, 0.5, 0.1]),
            slowness: *pick(rng, &[0.5, 0.9, 0.99]),
            weights,
            eager: rng.random_bool(0.8),
        }
    }

    /// One event.
    pub(super) fn event(&self, rng: &mut ChaCha8Rng) -> Event {
        let mut drawn = rng.random_range(0..self.weights.iter().map(|(_, weight)| weight).sum());
        for (event, weight) in self.weights {
            match u32::checked_sub(drawn, weight) {
                Some(rest) => drawn = rest,
                None => return event,
            }
        }
        Event::Rare
    }
}

/// Bounds, of which now and then one is so small that it is reached.
fn bounds(rng: &mut ChaCha8Rng, usual: Settings) -> Settings {
    match rng.random_range(0..20) {
        0..2 => Settings {
            id_bytes: Settings::ID_COST * rng.random_range(8..30),
            ..usual
        },
        2..4 => Settings {
            queue: rng.random_range(1..5),
            ..usual
        },
        4 => Settings {
            visits: rng.random_range(2..4),
            ..usual
        },
        5 => Settings {
            row_bytes: rng.random_range(40..120),
            ..usual
        },
        6 => Settings {
            txn_bytes: rng.random_range(200..400),
            ..usual
        },
        7 => Settings {
            window: WINDOW * rng.random_range(2..4),
            ..usual
        },
        10 => Settings {
            key_life: rng.random_range(20..200),
            ..usual
        },
        9 => Settings {
            running: rng.random_range(2..10),
            ..usual
        },
        8 => Settings {
            window: WINDOW / 2,
            ..usual
        },
        _ => usual,
    }
}

pub(super) fn pick<'a, T>(rng: &mut ChaCha8Rng, items: &'a [T]) -> &'a T {
    &items[rng.random_range(0..items.len())]
}
