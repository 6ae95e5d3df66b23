//! Any bytes are parsed and checked, and what is found is shown: without a panic, in bounded time and memory.

#![no_main]

use libfuzzer_sys::fuzz_target;
use rkcy_gen::check::check;
use rkcy_gen::diagnostic::{human, json};
use rkcy_gen::lock::Lock;
use rkcy_gen::plan::plan;
use rkcy_gen::syntax::{Sources, load};

fuzz_target!(|bytes: &[u8]| {
    let mut sources = Sources::new();
    let entry = sources.add("t.rkcy", bytes.to_vec());
    let unit = load(&mut sources, entry, &mut |_| {
        Err("there are no files here".to_owned())
    });
    let checked = check(unit);
    for found in checked.diagnostics.iter().take(50) {
        assert!(!human(found, &sources, false).is_empty());
        assert!(!json(found, &sources).is_empty());
    }
    // What has a model has a plan, or a reason why there are no numbers for it.
    if let Some(model) = &checked.model
        && let Ok(lock) = Lock::default().assign(model)
    {
        plan(model, &lock, "t.rkcy");
    }
});
