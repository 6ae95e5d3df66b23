//! Handlers that end the process, or never come back: the platform runs after a few starts, the transaction
//! is refused, and nothing else is.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use serde_json::Value;
use std::path::Path;
use std::process::{Command, Output};

/// A start that dies is repeated so often at most.
const STARTS: usize = 5;

/// A directory with a platform in it; each call is a process of its own, which starts it.
struct Site(tempfile::TempDir);

impl Site {
    fn new() -> Site {
        Site(tempfile::tempdir().unwrap())
    }

    fn run(&self, args: &[&str]) -> Output {
        let path = |name: &str| Path::new(self.0.path()).join(name).display().to_string();
        let mut command = Command::new(env!("CARGO_BIN_EXE_engine"));
        command
            .args(args)
            .args(["--format", "json", "--watchdog", "1", "--fsync", "os"])
            .args(["--log", &format!("embedded:{}", path("log"))])
            .args(["--store", &format!("sqlite:{}", path("engine.db"))])
            .current_dir(self.0.path());
        for setting in [
            "LOG",
            "STORE",
            "ENV",
            "FSYNC",
            "PARTITIONS",
            "WATCHDOG",
            "AUDIT",
            "CACHE",
        ] {
            command.env_remove(format!("RKCY_{setting}"));
        }
        command.output().unwrap()
    }

    fn json(&self, args: &[&str]) -> Value {
        let output = self.run(args);
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{args:?}: {stderr}");
        serde_json::from_slice(&output.stdout).unwrap()
    }

    /// A new Alpha and a new Beta with this much each.
    fn make(&self, n: u32) -> (String, String) {
        let made = self.json(&["txn", "make", &format!("n={n}")]);
        let text = |name: &str| made["result"][name].as_str().unwrap().to_owned();
        (text("id"), text("next"))
    }

    fn amounts(&self, (alpha, beta): &(String, String)) -> (i64, i64) {
        let amount = |concern: &str, id: &str| {
            let got = self.json(&["get", concern, id]);
            let instance = if got["n"].is_null() {
                &got["instance"]
            } else {
                &got
            };
            instance["n"].as_i64().unwrap_or_else(|| panic!("{got}"))
        };
        (amount("Alpha", alpha), amount("Beta", beta))
    }
}

/// A transaction that takes from one instance and dies in another, and one that waits for the first: what
/// comes of them.
fn dies(by: &str) {
    let site = Site::new();
    let pair = site.make(10);
    let (x, y) = (format!("x={}", pair.0), format!("y={}", pair.1));
    let by = format!("by={by}");
    let now = std::time::SystemTime::UNIX_EPOCH
        .elapsed()
        .unwrap()
        .as_millis();
    let id = format!(
        "{:08x}-{:04x}-7000-8000-000000000001",
        (now >> 16) as u32,
        (now & 0xffff) as u16
    );
    let deadly = ["txn", "deadly", &x, &y, "amount=3", &by, "--id", &id];
    let first = site.run(&deadly);
    assert!(!first.status.success());
    assert!(first.stdout.is_empty(), "nobody was told anything");
    if by == "by=spin" {
        let said = String::from_utf8_lossy(&first.stderr);
        assert_eq!(first.status.code(), Some(3));
        assert!(
            said.contains("a handler has not come back for 1 s"),
            "{said}"
        );
    } else {
        assert_eq!(first.status.code(), None, "ended by a signal");
    }
    // Asked by its id, at each start.
    let mut starts = 0;
    let told: Value = loop {
        starts += 1;
        let again = site.run(&deadly);
        if !again.stdout.is_empty() {
            assert_eq!(again.status.code(), Some(1));
            break serde_json::from_slice(&again.stdout).unwrap();
        }
        assert!(
            starts < STARTS,
            "{}",
            String::from_utf8_lossy(&again.stderr)
        );
    };
    assert_eq!(told["outcome"], "refused", "{told}");
    assert_eq!(told["error"]["code"], "handler_died", "{told}");
    // Nothing of it stayed, no lock is left, and others go on.
    assert_eq!(site.amounts(&pair), (10, 10));
    site.json(&["txn", "two_concerns", &x, &y, "amount=4"]);
    assert_eq!(site.amounts(&pair), (6, 14));
    let again = site.run(&deadly);
    let told: Value = serde_json::from_slice(&again.stdout).unwrap();
    assert_eq!(told["error"]["code"], "handler_died", "{told}");
}

#[test]
fn a_handler_that_aborts_is_given_up() {
    dies("abort");
}

#[test]
fn a_handler_without_stack_is_given_up() {
    dies("overflow");
}

#[test]
fn a_handler_that_never_ends_is_given_up() {
    dies("spin");
}
