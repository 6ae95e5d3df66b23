//! Any text that can be read says the same in its layout, and keeps its comments where they were.

#![no_main]

#[path = "../../../tests/judge/layout.rs"]
mod judge;

use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    judge::judge(text);
});
