//! What a feature of the language costs a caller: a transaction that uses it over one that does not, on the
//! embedded log and SQLite with 1,000 callers. The two take turns, so that both see the same machine.
//!
//! `engine` has the same ratios for the state machine alone: there the parts that all transactions have, which are
//! submitting, the log, the database and the answer, are left out.

use crate::callers::{Load, load, runtime, start_in};
use crate::figures::{Figures, duration};
use crate::houses;
use group::generated::{District, Warehouse};
use rand::RngExt;
use rand_chacha::ChaCha8Rng;
use refs::generated::{Note, Site, Tenant};
use rkcy_runtime::codegen::{Concern, IdempotencyKey, Platform, Ref, Transaction};
use rkcy_runtime::driver::Client;
use std::pin::Pin;
use tokio::runtime::Runtime;
use uuid::Uuid;

/// Callers at the same time.
const CALLERS: u64 = 1_000;
/// Slices of a comparison.
const SLICES: u32 = 4;
/// Instances that are referred to.
const TARGETS: u32 = 100;

type Called = Pin<Box<dyn Future<Output = ()> + Send>>;

pub(crate) fn run(figures: &mut Figures) {
    let runtime = runtime();
    on(&group::platform(), |client| {
        groups(&runtime, client, figures)
    });
    on(&refs::platform(), |client| {
        claims(&runtime, client, figures)
    });
    on(&group::platform(), |client| keys(&runtime, client, figures));
}

/// A fresh platform, for as long as `measure` takes.
fn on(platform: &Platform, measure: impl FnOnce(&Client)) {
    let dir = tempfile::tempdir().expect("a directory");
    let running = start_in(dir.path(), platform);
    measure(&running.client());
    running.stop().expect("an orderly stop");
}

/// Transactions of 14 steps on 14 rows of one group, and new orders of ten lines, over transactions of one step.
fn groups(runtime: &Runtime, client: &Client, figures: &mut Figures) {
    for code in houses::codes() {
        create_all(
            runtime,
            client,
            [Warehouse::new(code.clone(), String::new())],
        );
        create_all(runtime, client, [District::new(Ref::new(code.clone()), 1)]);
        create_all(runtime, client, houses::stocks(&code));
    }
    let pick = |lines| {
        calls(client, move |rng| {
            let code = houses::any(rng);
            houses::pick(rng, code, lines)
        })
    };
    let order = calls(client, |rng| {
        let code = houses::any(rng);
        houses::order(rng, code)
    });
    let many = against(runtime, &pick(14), &pick(1));
    figures.add("group_over_plain", many, "ratio");
    let order = against(runtime, &order, &pick(1));
    figures.add("order_over_plain", order, "ratio");
}

/// Creates with a unique value, and with a reference to one popular instance or to one of many, over creates
/// without.
fn claims(runtime: &Runtime, client: &Client, figures: &mut Figures) {
    let tenants = (0..TARGETS).map(|nth| Tenant::new(tenant(nth), format!("t{nth}")));
    create_all(runtime, client, tenants);
    let plain = creates(client, |_, key| Site::new(key, String::new()));
    let unique = creates(client, |_, key| {
        Tenant::new(key, key.simple().to_string()[20..].to_owned())
    });
    let note = |key, about| Note::new(key, Ref::new(tenant(about)), String::new());
    let popular = creates(client, move |_, key| note(key, 0));
    let spread = creates(client, move |rng, key| {
        note(key, rng.random_range(0..TARGETS))
    });
    for (name, create) in [
        ("unique_create_over_create", unique),
        ("ref_create_over_create", popular),
        ("ref_spread_create_over_create", spread),
    ] {
        figures.add(name, against(runtime, &create, &plain), "ratio");
    }
}

/// Transactions of one step, each with a key of its own, over the same without.
fn keys(runtime: &Runtime, client: &Client, figures: &mut Figures) {
    for code in houses::codes() {
        create_all(
            runtime,
            client,
            [Warehouse::new(code.clone(), String::new())],
        );
        create_all(runtime, client, houses::stocks(&code));
    }
    let plain = calls(client, |rng| {
        let code = houses::any(rng);
        houses::pick(rng, code, 1)
    });
    let with_key = client.clone();
    let keyed: Calls = std::sync::Arc::new(move |rng| {
        let code = houses::any(rng);
        let params = houses::pick(rng, code, 1);
        // Callers of the next slice draw the same numbers.
        let key = IdempotencyKey::new(Uuid::new_v4().to_string()).expect("a short key");
        let client = with_key.with_key(key);
        Box::pin(async move {
            client.call(&params).await.expect("a commit");
        })
    });
    let ratio = against(runtime, &keyed, &plain);
    figures.add("keyed_over_unkeyed", ratio, "ratio");
}

fn tenant(nth: u32) -> Uuid {
    Uuid::from_u128(nth.into())
}

/// The rate of one kind of call over that of another.
fn against(runtime: &Runtime, one: &Calls, other: &Calls) -> f64 {
    let (mut ones, mut others) = (Load::default(), Load::default());
    let slice = duration() / SLICES;
    for _ in 0..SLICES {
        for (calls, total) in [(one, &mut ones), (other, &mut others)] {
            let calls = calls.clone();
            total.add(load(runtime, CALLERS, slice, move |rng| calls(rng)));
        }
    }
    ones.rate() / others.rate()
}

/// Makes a call out of random numbers.
type Calls = std::sync::Arc<dyn Fn(&mut ChaCha8Rng) -> Called + Send + Sync>;

/// Calls of a transaction.
fn calls<T: Transaction + Send + Sync + 'static>(
    client: &Client,
    make: impl Fn(&mut ChaCha8Rng) -> T + Send + Sync + 'static,
) -> Calls {
    let client = client.clone();
    std::sync::Arc::new(move |rng| {
        let (client, params) = (client.clone(), make(rng));
        Box::pin(async move {
            client.call(&params).await.expect("a commit");
        })
    })
}

/// Creates of instances with a new key.
fn creates<C: Concern + Send + Sync + 'static>(
    client: &Client,
    make: impl Fn(&mut ChaCha8Rng, Uuid) -> C + Send + Sync + 'static,
) -> Calls {
    let client = client.clone();
    std::sync::Arc::new(move |rng| {
        // Callers of the next slice draw the same numbers.
        let key = Uuid::new_v4();
        let (client, instance) = (client.clone(), make(rng, key));
        Box::pin(async move {
            client.create(&instance).await.expect("a commit");
        })
    })
}

/// Creates these instances, side by side.
fn create_all<C: Concern + Send + Sync + 'static>(
    runtime: &Runtime,
    client: &Client,
    instances: impl IntoIterator<Item = C>,
) {
    let tasks = instances.into_iter().map(|instance| {
        let client = client.clone();
        runtime.spawn(async move {
            client.create(&instance).await.expect("a commit");
        })
    });
    for task in tasks.collect::<Vec<_>>() {
        runtime.block_on(task).expect("a caller");
    }
}
