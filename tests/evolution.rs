//! Schemas that change, without a database: names that were others, locks that are merged, and what `migrate`
//! and `breaking` find. A test of a finding is a pair of schemas: drop it into `schemas/evolution/`, in a folder
//! with the code in front of its name, run, and review the snapshot.

// Tests read schemas and run git, and fail by panicking.
#![allow(clippy::disallowed_methods, clippy::unwrap_used)]

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::Command;

use rkcy_gen::breaking::{Version, breaking};
use rkcy_gen::check::check;
use rkcy_gen::diagnostic::{Code, Diagnostic, human};
use rkcy_gen::evolve::{Change, difference, findings};
use rkcy_gen::lock::Lock;
use rkcy_gen::model::Model;
use rkcy_gen::plan::tables;
use rkcy_gen::syntax::{Sources, load};

const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/..");

/// The model of a text, which has no errors.
fn model(name: &str, text: &str, sources: &mut Sources) -> Model {
    let entry = sources.add(name, text.as_bytes().to_vec());
    let checked = check(load(sources, entry, &mut |_| Err("no imports".to_owned())));
    let found = checked.diagnostics.iter();
    let found: String = found.map(|it| human(it, sources, false)).collect();
    checked.model.unwrap_or_else(|| panic!("{name}: {found}"))
}

fn of(text: &str) -> Model {
    let text = format!("platform test {{ crate \"out\" }}\n{text}");
    model("test.rkcy", &text, &mut Sources::new())
}

/// The lock behind a first migration.
fn locked(model: &Model) -> Lock {
    let lock = Lock::default().assign(model).unwrap();
    let tables = tables(model, &lock);
    lock.reaching(1, "init", tables)
}

fn read(path: &Path) -> Option<String> {
    std::fs::read_to_string(path).ok()
}

/// What is found for each pair: its name, its code, and the findings.
fn pairs() -> Vec<(String, Code, Vec<Diagnostic>, String)> {
    let folder = Path::new(ROOT).join("schemas/evolution");
    let mut names: Vec<String> = std::fs::read_dir(&folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    let pair = |name: String| {
        let code = Code::find(&name[..8]).unwrap();
        let file = |file: &str| read(&folder.join(&name).join(file));
        let mut sources = Sources::new();
        let old = model("old.rkcy", &file("old.rkcy").unwrap(), &mut sources);
        let new = model("new.rkcy", &file("new.rkcy").unwrap(), &mut sources);
        let lock = |file: &str, otherwise: Lock| {
            self::read(&folder.join(&name).join(file))
                .map_or(otherwise, |it| Lock::parse(&it).unwrap())
        };
        let old_lock = lock("old.lock", locked(&old)).assign(&old).unwrap();
        let new_lock = lock("new.lock", old_lock.clone()).assign(&new).unwrap();
        let found = match code.is_about_migration() {
            true => {
                let asked = tables(&new, &new_lock);
                findings(&difference(old_lock.reached(), &asked), &new, &new_lock)
            }
            false => {
                let version = |model, lock| Version { model, lock };
                breaking(version(&old, &old_lock), version(&new, &new_lock))
            }
        };
        let shown = found
            .iter()
            .map(|it| human(it, &sources, false) + "\n")
            .collect();
        (name, code, found, shown)
    };
    names.into_iter().map(pair).collect()
}

#[test]
fn every_pair_finds_its_code() {
    insta::with_settings!({
        snapshot_path => Path::new(ROOT).join("tests/snapshots"),
        prepend_module_to_snapshot => false,
        omit_expression => true,
    }, {
        for (name, code, found, shown) in pairs() {
            let codes: BTreeSet<Code> = found.iter().map(|it| it.code).collect();
            assert!(codes.contains(&code), "{name}: {codes:?}");
            // Some come together: a number that is not reserved is that of a field that is gone.
            let partner = match code {
                Code::NumberFree => Some(Code::FieldGone),
                Code::NotUniqueYet => Some(Code::FillsFromRows),
                Code::RoundsColumn => Some(Code::RewritesTable),
                _ => None,
            };
            let others: BTreeSet<Code> = codes.into_iter().filter(|it| *it != code).collect();
            assert_eq!(others, partner.into_iter().collect(), "{name}");
            insta::assert_snapshot!(format!("evolution__{name}"), shown);
        }
    });
}

#[test]
fn every_code_about_changes_has_a_pair() {
    let covered: BTreeSet<Code> = pairs().into_iter().map(|it| it.1).collect();
    let mut about = Code::ALL.iter().filter(|code| code.is_about_change());
    assert!(about.all(|code| covered.contains(code)), "{covered:?}");
    let names: BTreeSet<String> = (pairs().into_iter())
        .map(|it| format!("evolution__{}.snap", it.0))
        .collect();
    for entry in std::fs::read_dir(Path::new(ROOT).join("tests/snapshots")).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        let is_known =
            !name.starts_with("evolution__") || name.ends_with(".new") || names.contains(&name);
        assert!(is_known, "{name} belongs to no pair");
    }
}

#[test]
fn a_decimal_of_more_digits_loses_nothing() {
    let codes = |old: &str, new: &str| {
        let [old, new] =
            [old, new].map(|ty| of(&format!("concern Item {{ key id: uuid  price: {ty} }}")));
        let old_lock = locked(&old);
        let new_lock = old_lock.clone().assign(&new).unwrap();
        let asked = tables(&new, &new_lock);
        let migrated = findings(&difference(old_lock.reached(), &asked), &new, &new_lock);
        let version = |model, lock| Version { model, lock };
        let broken = breaking(version(&old, &old_lock), version(&new, &new_lock));
        let codes = |found: Vec<Diagnostic>| found.iter().map(|it| it.code).collect::<Vec<_>>();
        (codes(migrated), codes(broken))
    };
    let (rewrites, narrows) = (Code::RewritesTable, Code::NarrowsColumn);
    for (old, new, migrated, broken) in [
        ("decimal(6, 2)", "decimal(38, 2)", vec![], vec![]),
        ("decimal(6, 2)", "decimal(8, 4)", vec![rewrites], vec![]),
        (
            "decimal(6, 2) @min(1)",
            "decimal(6, 2) @min(0.5)",
            vec![],
            vec![],
        ),
        (
            "decimal(6, 2)",
            "decimal(6, 3)",
            vec![narrows, rewrites],
            vec![Code::RowsOutside],
        ),
        (
            "decimal(6, 2)",
            "decimal(6, 1)",
            vec![narrows, rewrites],
            vec![Code::RowsOutside],
        ),
        (
            "decimal(6, 2) @range(-9..=9)",
            "decimal(3, 2)",
            vec![narrows, rewrites],
            vec![],
        ),
        (
            "decimal(6, 2)",
            "string",
            vec![Code::NoConversion],
            vec![Code::JsonType],
        ),
        (
            "i64",
            "decimal(20, 0)",
            vec![Code::NoConversion],
            vec![Code::WireType],
        ),
    ] {
        assert_eq!(codes(old, new), (migrated, broken), "{old} becomes {new}");
    }
}

#[test]
fn nothing_breaks_where_nothing_changes() {
    for name in [
        "bank", "engine", "flow", "group", "refs", "rpg", "saga", "seats", "shop", "tpcc",
    ] {
        let text = read(&Path::new(ROOT).join(format!("schemas/{name}.rkcy"))).unwrap();
        let model = model(name, &text, &mut Sources::new());
        let lock = locked(&model);
        let version = Version {
            model: &model,
            lock: &lock,
        };
        assert!(breaking(version, version).is_empty(), "{name}");
        let asked = tables(&model, &lock);
        assert!(difference(lock.reached(), &asked).is_empty(), "{name}");
        // The lock says all of it.
        let read = Lock::parse(&lock.print()).unwrap();
        assert!(difference(read.reached(), &asked).is_empty(), "{name}");
        assert_eq!(read.print(), lock.print(), "{name}");
    }
}

#[test]
fn what_is_compatible_breaks_nothing() {
    let old = "enum Kind { book  toy }\nconcern Item { key id: uuid  count: i32  kind: Kind = book  name: string @length(..=9)\n command pay(amount: i64) }\n\
         transaction pay(item: ref Item) { Item[item].pay(1) }";
    let new = "enum Kind { book  toy  game }\n/// Documented.\nconcern Item { key id: uuid  kind: Kind = book  count: i64  title: string @length(..=20) @was(name) @json(\"name\")\n weight: u32  note: string?\n command pay(amount: i64)\n command close() }\n\
         concern Other { key id: uuid }\n\
         transaction pay(item: ref Item, note: string? @allow(RKCY0077, \"for later\")) { Item[item].pay(1) }\ntransaction close(item: ref Item) { Item[item].close() }";
    assert_eq!(breaks(old, new), []);
}

/// The codes of what breaks from one schema to another.
fn breaks(old: &str, new: &str) -> Vec<Code> {
    let (old, new) = (of(old), of(new));
    let old_lock = locked(&old);
    let new_lock = old_lock.assign(&new).unwrap();
    let version = |model, lock| Version { model, lock };
    let found = breaking(version(&old, &old_lock), version(&new, &new_lock));
    found.iter().map(|it| it.code).collect()
}

#[test]
fn what_may_be_absent_now_breaks_where_zero_was_written_as_nothing() {
    let item = |field: &str| {
        format!(
            "enum Kind {{ book  toy }}\nmessage Part {{ size: u32 }}\nconcern Shelf {{ key n: u32 }}\nconcern Item {{ key id: uuid  f: {field} }}"
        )
    };
    for (old, new, is_break) in [
        ("u32", "u32?", true),
        ("u32 @min(1)", "u32? @min(1)", false),
        ("i64 @max(-1)", "i64? @max(-1)", false),
        ("f64", "f64?", true),
        ("decimal(4, 2)", "decimal(4, 2)?", true),
        ("bool", "bool?", true),
        ("string", "string?", true),
        ("string @length(1..)", "string? @length(1..)", false),
        ("timestamp", "timestamp?", true),
        ("uuid", "uuid?", false),
        ("Kind", "Kind?", false),
        ("Part", "Part?", false),
        ("Part?", "Part", true),
        ("ref Shelf", "ref Shelf?", true),
        ("id of Item", "id of Item?", false),
        ("u32?", "u32", false),
        ("u32?", "u32 = 7", true),
        ("string?", "string = \"\"", false),
        ("Kind?", "Kind = toy", true),
    ] {
        let found = breaks(&item(old), &item(new));
        let is_found = found.contains(&Code::Cardinality);
        assert_eq!(is_found, is_break, "{old} to {new}: {found:?}");
    }
}

#[test]
fn a_field_remembers_what_it_was_born_with() {
    let of = |fields: &str| {
        of(&format!(
            "enum Kind {{ book  toy }}\nmessage Part {{ size: u32 = 4  note: string }}\nconcern Item {{ key id: uuid  {fields} }}"
        ))
    };
    let lock = locked(&of("old: u32 = 5"));
    let absent = |lock: &Lock, name: &str| {
        let absent = lock.absent("Item", name);
        absent.map(|it| format!("{it:?}"))
    };
    assert_eq!(absent(&lock, "old"), None, "there is no record without it");
    let young = "old: u32 = 5  count: u32 = 10  none: u32  kind: Kind = toy  maybe: Kind? = toy  part: Part?  list: [Part]";
    let lock = lock.assign(&of(young)).unwrap();
    assert_eq!(absent(&lock, "count").as_deref(), Some("Int(10)"));
    assert_eq!(absent(&lock, "kind").as_deref(), Some("Int(2)"));
    assert_eq!(absent(&lock, "none").as_deref(), Some("Int(0)"));
    for none in ["old", "maybe", "part", "list"] {
        assert_eq!(absent(&lock, none), None, "{none}");
    }
    // Neither another default nor another name changes what records of then are taken for.
    let later = "old: u32 = 5  number: u64 = 20 @was(count)  kind: Kind  whole: Part @was(part)";
    let lock = lock.assign(&of(later)).unwrap();
    assert_eq!(absent(&lock, "number").as_deref(), Some("Int(10)"));
    assert_eq!(absent(&lock, "kind").as_deref(), Some("Int(2)"));
    let read = Lock::parse(&lock.print()).unwrap();
    assert_eq!(read, lock);
    // What is gone, or has become something else, has nothing to remember.
    let other = "old: u32 = 5  number: string @was(count)";
    let lock = lock.assign(&of(other)).unwrap();
    assert!(!lock.print().contains(" absent "), "{}", lock.print());
}

#[test]
fn a_message_that_is_younger_is_remembered_whole() {
    let schema = |part: &str, fields: &str| {
        of(&format!(
            "message Part {{ {part} }}\nconcern Item {{ key id: uuid {fields} command grow(part: Part) }}"
        ))
    };
    let size = "size: u32 = 4  note: string? = \"x\"  rate: f64 = 0.5";
    let lock = locked(&schema(size, ""));
    let lock = lock.assign(&schema(size, "part: Part")).unwrap();
    let text = lock.print();
    assert!(
        text.contains("field Item.part 2 absent {1:4,2:\"x\",3:0.5}"),
        "{text}"
    );
    // A field of it that comes still later is read as its own default says.
    let more = "size: u32 = 9  note: string?  rate: f64 = 0.5  late: bool = true";
    let model = schema(more, "part: Part");
    let lock = lock.assign(&model).unwrap();
    let text = lock.print();
    assert!(
        text.contains("field Item.part 2 absent {1:4,2:\"x\",3:0.5}"),
        "{text}"
    );
    assert!(text.contains("field Part.late 4 absent 1"), "{text}");
    let tables = tables(&model, &lock);
    let fills: Vec<String> = (tables.iter().flat_map(|table| &table.columns))
        .filter(|column| column.name.starts_with("part_"))
        .map(|column| format!("{}: {:?}", column.name, column.fill))
        .collect();
    assert_eq!(
        fills,
        [
            "part_size: Some(Number(Int(4)))",
            "part_note: Some(Text(\"x\"))",
            "part_rate: Some(Number(Float(0.5)))",
            "part_late: Some(Bool(true))",
        ]
    );
}

#[test]
fn a_message_of_which_all_is_new_was_there_before() {
    let of = |fields: &str| {
        of(&format!(
            "message Part {{ {fields} }}\nconcern Item {{ key id: uuid  parts: [Part] }}"
        ))
    };
    let lock = locked(&of("size: u32"));
    let lock = lock.assign(&of("weight: u32 = 3")).unwrap();
    assert!(lock.absent("Part", "weight").is_some(), "{}", lock.print());
}

#[test]
fn what_says_too_much_about_a_field_is_damage() {
    let base = ["concern Item 1024", "field Item.id 1", "layout 2"];
    let deep = format!("field Item.part 2 absent {}", "{1:".repeat(20_000));
    for (line, wrong) in [
        (deep.as_str(), Some("is no line of a lock")),
        ("field Item.part 2 absent 10", None),
        ("field Item.part 2 absent -0.5", None),
        ("field Item.part 2 absent \"a b\"", None),
        ("field Item.part 2 absent {1:{},2:\"}\"}", None),
        ("field Item.part 2 absent 010", Some("is no line of a lock")),
        (
            "field Item.part 2 absent {1:10,}",
            Some("is no line of a lock"),
        ),
        (
            "field Item.part 2 absent {2:1,1:1}",
            Some("is no line of a lock"),
        ),
        ("field Item.part 2 absent inf", Some("is no line of a lock")),
        ("op Item.part 16 absent 10", Some("is no line of a lock")),
        ("field Item.part 2 absent ", Some("is no line of a lock")),
    ] {
        let lines = [line].into_iter().chain(base);
        let text: String = lines.map(rkcy_gen::lock::closed).collect();
        let read = Lock::parse(&text);
        match wrong {
            None => assert!(read.is_ok_and(|it| it.print().contains(line)), "{line}"),
            Some(wrong) => {
                let damage = read.unwrap_err();
                assert!(damage.message.contains(wrong), "{damage}");
                assert_eq!(damage.line, 1, "{line}");
            }
        }
    }
}

/// The numbers of the fields of `Item`.
fn numbers(lock: &Lock, names: &[&str]) -> Vec<u32> {
    names.iter().map(|name| lock.field("Item", name)).collect()
}

#[test]
fn what_is_renamed_keeps_its_number() {
    let lock = locked(&of("concern Item { key id: uuid  a: i64  b: i64  c: i64 }"));
    assert_eq!(numbers(&lock, &["a", "b", "c"]), [2, 3, 4]);
    // Two change their names, and stay so with each build.
    let swapped = of("concern Item { key id: uuid  a: i64 @was(b)  b: i64 @was(a)  c: i64 }");
    let mut next = lock.assign(&swapped).unwrap();
    for _ in 0..3 {
        assert_eq!(numbers(&next, &["a", "b", "c"]), [3, 2, 4]);
        next = Lock::parse(&next.print())
            .unwrap()
            .assign(&swapped)
            .unwrap();
    }
    // A chain, one of whose ends is gone.
    let chain = of("concern Item { key id: uuid  b: i64 @was(a)  c: i64 @was(b) }");
    let next = lock.assign(&chain).unwrap();
    assert_eq!(numbers(&next, &["b", "c"]), [2, 3]);
    let asked = tables(&chain, &next);
    let found = difference(lock.reached(), &asked);
    let shown: Vec<String> = found.changes.iter().map(Change::describe).collect();
    assert_eq!(
        shown,
        [
            "column item.c is removed",
            "column item.a becomes b",
            "column item.b becomes c"
        ]
    );
    // Two steps at once: the name before the last stands behind it.
    let late = of("concern Item { key id: uuid  z: i64 @was(y, a)  b: i64  c: i64 }");
    assert_eq!(numbers(&lock.assign(&late).unwrap(), &["z", "b"]), [2, 3]);
}

#[test]
fn a_renamed_concern_keeps_all_of_it() {
    let old = of(
        "enum Kind { book  toy }\nmessage Price { net: i64 }\nconcern Depot { key id: uuid }\n\
         concern Item in Depot { key id: uuid  name: string @length(..=9) @unique  kind: Kind = book  price: Price  next: ref Depot?\n command pay(amount: i64) }\n\
         transaction pay(depot: ref Depot, id: uuid, amount: i64) { Item[depot, id].pay(amount) }",
    );
    let new = of(
        "enum Sort @was(Kind) { novel @was(book)  toy }\nmessage Cost @was(Price) { gross: i64 @was(net) }\nconcern House @was(Depot) { key id: uuid }\n\
         concern Thing @was(Item) in House { key id: uuid  title: string @length(..=9) @unique @was(name)  kind: Sort = novel  price: Cost  next: ref House?\n command pay(sum: i64 @was(amount)) }\n\
         transaction buy(house: ref House @was(depot), id: uuid, amount: i64) @was(pay) { Thing[house, id].pay(amount) }",
    );
    let lock = locked(&old);
    let next = lock.assign(&new).unwrap();
    let words = |lock: &Lock| -> BTreeMap<String, Vec<String>> {
        let mut words: BTreeMap<String, Vec<String>> = BTreeMap::new();
        let text = lock.print();
        let facts = text.lines().filter_map(|line| line.rsplit_once(" ~"));
        for fact in facts
            .map(|(fact, _)| fact)
            .filter(|fact| !fact.starts_with("was "))
        {
            let word = fact.split(' ').next().unwrap().to_owned();
            words
                .entry(word)
                .or_default()
                .push(fact.rsplit(' ').next().unwrap().to_owned());
        }
        words.values_mut().for_each(|numbers| numbers.sort());
        words
    };
    // All numbers are those that were there, and none is retired.
    assert_eq!(words(&next), words(&lock), "{}", next.print());
    let again = Lock::parse(&next.print()).unwrap().assign(&new).unwrap();
    assert_eq!(again.print(), next.print());
    let asked = tables(&new, &next);
    let found = difference(lock.reached(), &asked);
    let lossy = findings(&found, &new, &next);
    let lossy: BTreeSet<Code> = lossy.iter().map(|it| it.code).collect();
    assert_eq!(
        lossy,
        BTreeSet::from([Code::RewritesRows]),
        "names of values stand in rows"
    );
}

#[test]
fn a_former_name_that_the_lock_does_not_know_is_found() {
    let lock = locked(&of(
        "enum Kind { book }\nconcern Item { key id: uuid  name: string }",
    ));
    let wrong = [
        "enum Kind { book }\nconcern Item { key id: uuid  title: string @was(nmae) }",
        "enum Kind { book }\nconcern Thing @was(Itme) { key id: uuid  name: string }",
        "enum Sort @was(Knid) { book }\nconcern Item { key id: uuid  name: string }",
    ];
    for text in wrong {
        let finding = lock.assign(&of(text)).unwrap_err();
        assert_eq!(finding.code, Code::UnknownWas, "{text}");
        assert!(
            finding.help.as_ref().unwrap().contains("did you mean"),
            "{finding:?}"
        );
    }
}

/// Merges two texts as git does: the text, and whether there is a conflict.
fn merged(base: &str, one: &str, other: &str, more: &[&str]) -> (String, bool) {
    let place = tempfile::tempdir().unwrap();
    for (name, text) in [("base", base), ("one", one), ("other", other)] {
        std::fs::write(place.path().join(name), text).unwrap();
    }
    let mut git = Command::new("git");
    git.current_dir(place.path())
        .args(["merge-file", "-p"])
        .args(more);
    let output = git.args(["one", "base", "other"]).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    (text, output.status.code() != Some(0))
}

/// Two branches that each add something, merged with git: there is a conflict, or an error that says what to do, or
/// all numbers are there once.
#[test]
fn no_number_is_given_twice_by_a_merge() {
    use rand::RngExt as _;
    use rand_chacha::rand_core::SeedableRng as _;
    let mut outcomes: BTreeMap<&str, u32> = BTreeMap::new();
    for seed in 0..100 {
        let mut rng = rand_chacha::ChaCha8Rng::seed_from_u64(seed);
        let name = |rng: &mut rand_chacha::ChaCha8Rng| {
            let letters: String = (0..4)
                .map(|_| char::from(rng.random_range(b'a'..=b'z')))
                .collect();
            format!("f_{letters}")
        };
        let schema = |item: &str, shelf: &str, kind: &str| {
            of(&format!(
                "enum Kind {{ book  toy {kind} }}\nconcern Item {{ key id: uuid  kind: Kind = book  count: u32 {item} }}\n\
                 concern Shelf {{ key id: uuid  place: u32 {shelf} }}"
            ))
        };
        let add = |rng: &mut rand_chacha::ChaCha8Rng| {
            let name = name(rng);
            let field = format!(" {name}: i64");
            match rng.random_range(0..4) {
                0 | 1 => (field, String::new(), String::new()),
                2 => (String::new(), field, String::new()),
                _ => (String::new(), String::new(), format!(" {name}")),
            }
        };
        let base = locked(&schema("", "", ""));
        let ((i, s, k), (other_i, other_s, other_k)) = (add(&mut rng), add(&mut rng));
        let migrates = rng.random_bool(0.5);
        let branch = |model: &Model, name: &str| {
            let lock = base.assign(model).unwrap();
            match migrates {
                true => {
                    let tables = tables(model, &lock);
                    lock.reaching(2, name, tables).print()
                }
                false => lock.print(),
            }
        };
        let one = branch(&schema(&i, &s, &k), "one");
        let other = branch(&schema(&other_i, &other_s, &other_k), "other");
        let both = schema(
            &format!("{i}{other_i}"),
            &format!("{s}{other_s}"),
            &format!("{k}{other_k}"),
        );
        let (text, conflict) = merged(&base.print(), &one, &other, &[]);
        if conflict {
            let damage = Lock::parse(&text).unwrap_err();
            assert!(damage.message.contains("merge"), "{damage}");
            *outcomes.entry("conflict").or_default() += 1;
        }
        // Both lines are kept, as the message says.
        let (text, _) = merged(&base.print(), &one, &other, &["--union"]);
        let mut text = text;
        for _ in 0..4 {
            match Lock::parse(&text) {
                Ok(lock) => {
                    let lock = lock.assign(&both).unwrap();
                    for owner in ["Item", "Shelf"] {
                        let concern = both.concerns().iter().find(|it| it.name == owner).unwrap();
                        let all: Vec<u32> = concern
                            .all_fields()
                            .map(|it| lock.field(owner, &it.name))
                            .collect();
                        let once: BTreeSet<&u32> = all.iter().collect();
                        assert_eq!(once.len(), all.len(), "seed {seed}: {text}");
                    }
                    *outcomes.entry("mended").or_default() += 1;
                    break;
                }
                Err(damage) if damage.message.contains("remove the line") => {
                    *outcomes.entry("twice").or_default() += 1;
                    let lines = text
                        .lines()
                        .enumerate()
                        .filter(|(at, _)| at + 1 != damage.line);
                    text = lines.map(|(_, line)| format!("{line}\n")).collect();
                }
                Err(damage) => {
                    assert!(
                        damage.message.contains("`rkcy-gen migrate`"),
                        "seed {seed}: {damage}"
                    );
                    assert!(migrates);
                    *outcomes.entry("two migrations").or_default() += 1;
                    break;
                }
            }
        }
    }
    for outcome in ["conflict", "twice", "mended", "two migrations"] {
        assert!(
            outcomes.get(outcome).is_some_and(|it| *it > 5),
            "{outcomes:?}"
        );
    }
}

/// Concerns in a chain, each of which refers to the one before.
fn chain(count: usize) -> Model {
    let concern = |nth: usize| match nth {
        0 => "concern T0 { key id: uuid }\n".to_owned(),
        nth => format!(
            "concern T{nth} {{ key id: uuid  before: ref T{}? }}\n",
            nth - 1
        ),
    };
    of(&(0..count).map(concern).collect::<String>())
}

#[test]
fn a_large_platform_has_a_number_for_everything() {
    let model = chain(1_000);
    let lock = locked(&model);
    let counts: BTreeSet<u32> = (0..999).map(|nth| lock.count(&format!("T{nth}"))).collect();
    assert_eq!(counts.len(), 999);
    // A concern more moves none of them.
    let next = lock.assign(&chain(1_001)).unwrap();
    assert!((0..999).all(|nth| counts.contains(&next.count(&format!("T{nth}")))));
    assert!(!counts.contains(&next.count("T999")));
    let read = Lock::parse(&lock.print()).unwrap();
    assert_eq!(read.print(), lock.print());
}

#[test]
fn numbers_that_are_used_up_are_an_error() {
    let fields = |count: usize| -> String {
        let field = |nth| format!("f{nth}: u32 @unique ");
        (0..count).map(field).collect()
    };
    let model = |count| of(&format!("concern T {{ key id: uuid {} }}", fields(count)));
    assert!(Lock::default().assign(&model(511)).is_ok());
    let refused = Lock::default().assign(&model(512)).unwrap_err();
    assert_eq!(refused.code, Code::NumbersUsedUp);
    assert!(
        refused.message.contains("at most 511 unique values"),
        "{refused:?}"
    );
}
