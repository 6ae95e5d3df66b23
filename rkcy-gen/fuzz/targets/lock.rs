//! Any text is refused as a lock, or read as one that prints as what is read. Its lines are closed by their checks first, which
//! nobody would guess.

#![no_main]

use libfuzzer_sys::fuzz_target;
use rkcy_gen::lock::{Lock, closed};

fuzz_target!(|text: &str| {
    let _ = Lock::parse(text);
    let facts = text.lines().map(|line| match line.rsplit_once(" ~") {
        Some((fact, _)) => fact,
        None => line,
    });
    let lines: String = facts.map(closed).collect();
    if let Ok(lock) = Lock::parse(&lines) {
        let printed = lock.print();
        let again = Lock::parse(&printed).expect("what was printed can be read");
        assert_eq!(again.print(), printed);
    }
});
