//! Memory of this process while the load goes on: the platform, the callers and the model together.

use rkcy_runtime::cli::grouped;
use rkcy_runtime::codegen::serde_json::{self, json};
use std::time::{Duration, Instant};

/// Samples in the time of the load.
const SAMPLES: u32 = 10;

/// Bytes that were resident, with the seconds since the load began. Empty where the system does not tell.
#[derive(Debug, Default)]
pub(super) struct Memory(Vec<(f64, u64)>);

impl Memory {
    /// Takes samples, a tenth of `time` apart, while `load` goes on.
    pub(super) async fn during<T>(&mut self, time: Duration, load: impl Future<Output = T>) -> T {
        let every = (time / SAMPLES).max(Duration::from_millis(1));
        let begun = Instant::now();
        let mut ticks = tokio::time::interval_at(tokio::time::Instant::now() + every, every);
        tokio::pin!(load);
        loop {
            tokio::select! {
                done = &mut load => return done,
                _ = ticks.tick() => {
                    self.0.extend(resident().map(|bytes| (begun.elapsed().as_secs_f64(), bytes)));
                }
            }
        }
    }

    /// For reading: what it was after a tenth of the time, at the end, and at most.
    pub(super) fn to_text(&self) -> Option<String> {
        let [first, .., last] = self.0[..] else {
            return None;
        };
        let mebibytes = |bytes: u64| grouped(bytes >> 20);
        let most = self.0.iter().map(|(_, bytes)| *bytes).max().unwrap_or(0);
        Some(format!(
            "memory: {} MiB after {:.0} s, {} MiB after {:.0} s ({:+.1} %), {} MiB at most",
            mebibytes(first.1),
            first.0,
            mebibytes(last.1),
            last.0,
            (last.1 as f64 / first.1 as f64 - 1.0) * 100.0,
            mebibytes(most),
        ))
    }

    /// For programs.
    pub(super) fn to_json(&self) -> serde_json::Value {
        (self.0.iter())
            .map(|(seconds, bytes)| json!({ "seconds": seconds, "resident_bytes": bytes }))
            .collect()
    }
}

/// Bytes of this process that are in memory; `None` where `/proc` does not say.
fn resident() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kibibytes: u64 = line.trim().strip_suffix(" kB")?.trim().parse().ok()?;
    Some(kibibytes << 10)
}
