//! Whether records wait for company before they are sent: linger that follows the load.
//!
//! Owns the decision alone, as a function of counts and instants; `produce` acts on it. A record that goes at
//! once is the fastest when there is little to do; from some ten thousand a second on, each request costs
//! broker and client more than its records do, and a millisecond of waiting gives shorter queues for half the
//! work.

use std::time::{Duration, Instant};

/// From so many records a second on they are gathered,
const GATHER_FROM: u32 = 20_000;
/// below so many they go at once again: a gap, lest it change its mind all the time.
const AT_ONCE_BELOW: u32 = 10_000;
/// Records are counted over so long to see that there are many,
const RISE: Duration = Duration::from_millis(20);
/// and over so long to see that there are few.
const FALL: Duration = Duration::from_millis(200);

/// What is known about the load.
#[derive(Debug)]
pub(super) struct Pace {
    began: Instant,
    records: u32,
    gathering: bool,
}

impl Pace {
    pub(super) fn new(now: Instant) -> Pace {
        Pace {
            began: now,
            records: 0,
            gathering: false,
        }
    }

    /// So many records more are to be sent. Whether they are gathered.
    pub(super) fn note(&mut self, records: usize, now: Instant) -> bool {
        let past = now.saturating_duration_since(self.began);
        let window = if self.gathering { FALL } else { RISE };
        if past >= window {
            let few = f64::from(AT_ONCE_BELOW) * past.as_secs_f64();
            self.gathering = self.gathering && f64::from(self.records) >= few;
            self.began = now;
            self.records = 0;
        }
        let records = u32::try_from(records).unwrap_or(u32::MAX);
        self.records = self.records.saturating_add(records);
        // Known before the window is over: every request that goes alone now is one more to wait for.
        let many = f64::from(GATHER_FROM) * RISE.as_secs_f64();
        if !self.gathering && f64::from(self.records) >= many {
            self.gathering = true;
            self.began = now;
            self.records = 0;
        }
        self.gathering
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Whether records were gathered at the end of a second at so many a second.
    fn after(pace: &mut Pace, start: &mut Instant, rate: u32) -> bool {
        let step = Duration::from_secs(1) / rate;
        let mut gathered = false;
        for _ in 0..rate {
            *start += step;
            gathered = pace.note(1, *start);
        }
        gathered
    }

    #[test]
    fn the_linger_follows_the_load() {
        let mut now = Instant::now();
        let mut pace = Pace::new(now);
        assert!(!after(&mut pace, &mut now, 1_000));
        assert!(!after(&mut pace, &mut now, 15_000), "not yet");
        assert!(after(&mut pace, &mut now, 40_000));
        assert!(after(&mut pace, &mut now, 15_000), "still");
        assert!(!after(&mut pace, &mut now, 5_000));
        // One after a long silence goes at once.
        assert!(after(&mut pace, &mut now, 40_000));
        assert!(!pace.note(1, now + Duration::from_secs(1)));
        // A flood is noticed before a window is over.
        assert!(pace.note(10_000, now + Duration::from_secs(1)));
    }
}
