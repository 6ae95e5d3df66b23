//! Migrations against real databases: random edits of a schema, and a history of ten versions of one. Step by step, in one
//! step and from nothing lead to the same tables; the way back leads to what was there; rows survive where
//! nothing says that they do not.
//!
//! `RKCY_EDIT_SCRIPTS` says how many random histories are tried, or which: `45..500`; otherwise 40 on SQLite, which is
//! always there, and 15 on PostgreSQL, the server of `scripts/services`, which takes some four seconds for each.

// Tests write files, and fail by panicking.
#![allow(clippy::disallowed_methods, clippy::unwrap_used)]

#[path = "migrations/database.rs"]
mod database;
#[path = "migrations/edits.rs"]
mod edits;
#[path = "migrations/rows.rs"]
mod rows;

use rkcy_gen::check::check;
use rkcy_gen::diagnostic::{Code, Diagnostic, human};
use rkcy_gen::evolve::{Dialect, Migration, Table, difference, findings};
use rkcy_gen::lock::Lock;
use rkcy_gen::model::Model;
use rkcy_gen::plan::tables;
use rkcy_gen::syntax::{Sources, load};

use database::Database;
use edits::World;

/// The model of a text, which has no errors; `None` where it gives a name to something new that something else
/// had before, which has to be done in two steps.
fn tried(text: &str) -> Option<Model> {
    let mut sources = Sources::new();
    let entry = sources.add("test.rkcy", text.as_bytes().to_vec());
    let checked = check(load(&mut sources, entry, &mut |_| {
        Err("no imports".to_owned())
    }));
    if checked
        .diagnostics
        .iter()
        .any(|it| it.code == Code::WrongWas)
    {
        return None;
    }
    let found = checked.diagnostics.iter();
    let found: String = found.map(|it| human(it, &sources, false)).collect();
    Some(checked.model.unwrap_or_else(|| panic!("{text}\n{found}")))
}

fn model(text: &str) -> Model {
    tried(text).unwrap_or_else(|| panic!("{text}"))
}

/// A schema behind its migration.
struct Version {
    lock: Lock,
    tables: Vec<Table>,
    migration: Migration,
    /// What was said about the migration.
    found: Vec<Diagnostic>,
}

impl Version {
    fn first(text: &str) -> Version {
        let model = model(text);
        let lock = Lock::default().assign(&model).unwrap();
        let tables = tables(&model, &lock);
        Version {
            migration: Migration::first(&tables),
            lock: lock.reaching(1, "init", tables.clone()),
            tables,
            found: Vec::new(),
        }
    }

    /// The next one, by way of a lock that was written and read.
    fn next(&self, text: &str) -> Version {
        let model = model(text);
        let lock = Lock::parse(&self.lock.print()).unwrap();
        let lock = lock
            .assign(&model)
            .unwrap_or_else(|it| panic!("{text}\n{it:?}"));
        let tables = tables(&model, &lock);
        let number = lock.migrated() + 1;
        let name = format!("step_{number}");
        let migration = Migration::next(number, &name, lock.reached(), &tables);
        let found = findings(&difference(lock.reached(), &tables), &model, &lock);
        Version {
            lock: lock.reaching(number, &name, tables.clone()),
            tables,
            migration,
            found,
        }
    }

    fn has_no_way(&self) -> bool {
        self.found
            .iter()
            .any(|it| matches!(it.code, Code::KeyMoved | Code::NoConversion))
    }

    fn is_lossless(&self) -> bool {
        !self.found.iter().any(|it| {
            ("RKCY0210".."RKCY0230").contains(&it.code.name()) && it.code != Code::NotUniqueYet
        })
    }
}

/// A history: each text with the names of the one before, and the last with those of the first.
struct History {
    steps: Vec<String>,
    at_once: String,
    /// Whether a value that was missing is filled in on the way.
    fills: bool,
}

async fn holds(name: &str, history: &History, dialect: Dialect) {
    let mut versions = vec![Version::first(&history.steps[0])];
    for text in &history.steps[1..] {
        let next = versions[versions.len() - 1].next(text);
        assert!(!next.has_no_way(), "{name}: {text}\n{:?}", next.found);
        versions.push(next);
    }
    let (first, last) = (&versions[0], &versions[versions.len() - 1]);
    let at_once = first.next(&history.at_once);
    assert!(!at_once.has_no_way(), "{name}: {:?}", at_once.found);

    // Step by step.
    let stepwise = Database::new(dialect).await;
    stepwise
        .up(&versions[..1])
        .await
        .unwrap_or_else(|it| panic!("{name}: {it}"));
    stepwise
        .execute(&rows::insert(&first.tables, dialect))
        .await;
    let began = (stepwise.schema().await, stepwise.rows(&first.tables).await);
    let up = stepwise.up(&versions).await;
    up.unwrap_or_else(|it| panic!("{name}, {dialect:?}: {it}\n{}", scripts(&versions, dialect)));
    let ended = (stepwise.schema().await, stepwise.rows(&last.tables).await);
    rows::are_readable(name, &last.tables, &stepwise).await;

    // From nothing.
    let fresh = Database::new(dialect).await;
    fresh.up(&[Version::first(&history.at_once)]).await.unwrap();
    same(
        name,
        "step by step and from nothing",
        &ended.0,
        &fresh.schema().await,
    );
    fresh.close().await;

    // In one step, and back.
    let once = Database::new(dialect).await;
    once.up(&versions[..1]).await.unwrap();
    once.execute(&rows::insert(&first.tables, dialect)).await;
    let both = [Version::first(&history.steps[0]), at_once];
    let up = once.up(&both).await;
    up.unwrap_or_else(|it| {
        panic!(
            "{name}, at once, {dialect:?}: {it}\n{}",
            scripts(&both, dialect)
        )
    });
    same(
        name,
        "step by step and at once",
        &ended.0,
        &once.schema().await,
    );
    let is_lossless = versions.iter().all(Version::is_lossless) && both[1].is_lossless();
    if is_lossless && !history.fills {
        same(
            name,
            "rows, step by step and at once",
            &ended.1,
            &once.rows(&last.tables).await,
        );
    }
    let down = once.down(&both, 1).await;
    down.unwrap_or_else(|it| {
        panic!(
            "{name}, back at once, {dialect:?}: {it}\n{}",
            scripts(&both, dialect)
        )
    });
    same(
        name,
        "there and back at once",
        &began.0,
        &once.schema().await,
    );
    if both[1].is_lossless() && !history.fills {
        same(
            name,
            "rows, there and back at once",
            &began.1,
            &once.rows(&first.tables).await,
        );
    }
    once.close().await;

    // All the way back.
    let down = stepwise.down(&versions, 1).await;
    down.unwrap_or_else(|it| {
        panic!(
            "{name}, back, {dialect:?}: {it}\n{}",
            scripts(&versions, dialect)
        )
    });
    same(name, "there and back", &began.0, &stepwise.schema().await);
    if is_lossless && !history.fills {
        same(
            name,
            "rows, there and back",
            &began.1,
            &stepwise.rows(&first.tables).await,
        );
    }
    stepwise.close().await;
}

fn scripts(versions: &[Version], dialect: Dialect) -> String {
    let scripts = versions.iter().map(|it| {
        let script = &it.migration.scripts[&dialect];
        format!(
            "== {}\n{}\n-- down\n{}",
            it.migration.number, script.up, script.down
        )
    });
    scripts.collect()
}

fn same(name: &str, what: &str, one: &[String], other: &[String]) {
    let only = |these: &[String], those: &[String]| -> Vec<String> {
        these
            .iter()
            .filter(|it| !those.contains(it))
            .cloned()
            .collect()
    };
    let (left, right) = (only(one, other), only(other, one));
    assert!(
        one == other,
        "{name}: {what} differ:\n{left:#?}\n{right:#?}"
    );
}

/// A random history.
fn random(seed: u64) -> History {
    let mut world = World::new(seed);
    let first = world.clone();
    let mut steps = vec![world.print(None)];
    let mut fills = false;
    let mut version = Version::first(&steps[0]);
    let wanted = 2 + (seed % 5) as usize;
    let mut tries = 0;
    while steps.len() <= wanted {
        tries += 1;
        assert!(tries < 1000, "seed {seed} finds no edit");
        let before = world.clone();
        let mut filled = false;
        for _ in 0..=(seed % 3) {
            filled |= world.edit();
        }
        let again = |world: &World| {
            let mut before = before.clone();
            before.seed = world.seed.wrapping_add(1_000_003);
            before
        };
        let (text, all) = (world.print(Some(&before)), world.print(Some(&first)));
        if tried(&text).is_none() || tried(&all).is_none() {
            world = again(&world);
            continue;
        }
        let next = version.next(&text);
        let at_once = Version::first(&steps[0]).next(&all);
        // What has no way, or what rows could stop, is no part of these.
        let may_stop = |it: &Version| {
            let stops = [
                Code::NeedsValue,
                Code::NarrowsColumn,
                Code::RemovesValue,
                Code::BecameRequired,
            ];
            it.has_no_way() || it.found.iter().any(|it| stops.contains(&it.code))
        };
        if may_stop(&next) || may_stop(&at_once) {
            world = again(&world);
            continue;
        }
        fills |= filled;
        version = next;
        steps.push(text);
    }
    History {
        at_once: world.print(Some(&first)),
        steps,
        fills,
    }
}

async fn random_histories(dialect: Dialect) {
    let usual = match dialect {
        Dialect::Sqlite => 40,
        Dialect::Postgres => 15,
    };
    let wanted = std::env::var("RKCY_EDIT_SCRIPTS").unwrap_or(usual.to_string());
    let (from, to) = wanted.split_once("..").unwrap_or(("0", &wanted));
    for seed in from.parse().unwrap()..to.parse().unwrap() {
        holds(&format!("seed {seed}"), &random(seed), dialect).await;
    }
}

#[tokio::test]
async fn random_edits_hold_on_sqlite() {
    random_histories(Dialect::Sqlite).await;
}

#[tokio::test]
async fn random_edits_hold_on_postgres() {
    random_histories(Dialect::Postgres).await;
}

/// Ten versions of a schema. The names of all earlier ones stand in the last, so that it can follow on the first.
fn ten_versions() -> History {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../schemas/history");
    let read =
        |number: u32| std::fs::read_to_string(folder.join(format!("{number:02}.rkcy"))).unwrap();
    let steps: Vec<String> = (1..=10).map(read).collect();
    History {
        at_once: steps[9].clone(),
        steps,
        fills: true,
    }
}

#[tokio::test]
async fn ten_versions_hold_on_sqlite() {
    holds("ten versions", &ten_versions(), Dialect::Sqlite).await;
}

#[tokio::test]
async fn ten_versions_hold_on_postgres() {
    holds("ten versions", &ten_versions(), Dialect::Postgres).await;
}

/// What one database does not have is no migration there, and no failure.
fn one_sided() -> History {
    let schema = |pattern: &str| {
        format!(
            "platform test {{ crate \"out\" }}\nconcern Item {{ key id: uuid  name: string @length(..=9){pattern} }}\n"
        )
    };
    let steps = vec![schema(""), schema(" @pattern(\".*\")"), schema("")];
    History {
        at_once: schema(""),
        steps,
        fills: false,
    }
}

#[tokio::test]
async fn a_change_of_one_database_holds_on_both() {
    for dialect in Dialect::ALL {
        holds("one-sided", &one_sided(), dialect).await;
    }
}
