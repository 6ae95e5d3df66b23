//! `rkcy-gen build` as a user meets it: what is written and what is left alone, numbers that never
//! move, and failures that leave no trace.

// Tests make the files that the binary reads, and fail by panicking.
#![allow(clippy::disallowed_methods, clippy::unwrap_used)]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use tempfile::TempDir;

const SCHEMA: &str = "platform shop { crate \"shop\" }

enum Kind { book  toy }

concern Item {
    key id: uuid
    name: string @length(1..=9)
    kind: Kind = book
    price: i64

    command rename(name: string @length(1..=9))
}

transaction rename(item: ref Item, name: string @length(1..=9)) { Item[item].rename(name) }
";

struct Place(TempDir);

impl Place {
    fn with(schema: &str) -> Place {
        let place = Place(TempDir::new().unwrap());
        place.write("shop.rkcy", schema);
        place
    }

    fn path(&self, path: &str) -> PathBuf {
        self.0.path().join(path)
    }

    fn write(&self, path: &str, text: &str) {
        std::fs::write(self.path(path), text).unwrap();
    }

    fn read(&self, path: &str) -> String {
        std::fs::read_to_string(self.path(path)).unwrap()
    }

    fn run(&self, args: &[&str]) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_rkcy-gen"));
        command
            .current_dir(self.0.path())
            .args(args)
            .output()
            .unwrap()
    }

    fn build(&self) -> Output {
        let output = self.run(&["build", "shop.rkcy"]);
        assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
        output
    }

    /// Every file with its text.
    fn tree(&self) -> BTreeMap<PathBuf, String> {
        let mut tree = BTreeMap::new();
        collect(self.0.path(), &mut tree);
        tree
    }

    /// The lines of the lock without their checks.
    fn lock(&self) -> Vec<String> {
        let text = self.read("shop.lock");
        let facts = text.lines().filter_map(|line| line.rsplit_once(" ~"));
        facts.map(|(fact, _)| fact.to_owned()).collect()
    }
}

fn collect(directory: &Path, tree: &mut BTreeMap<PathBuf, String>) {
    for entry in std::fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            collect(&path, tree);
        } else {
            tree.insert(path.clone(), std::fs::read_to_string(&path).unwrap());
        }
    }
}

fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

#[test]
fn a_second_build_changes_nothing() {
    let place = Place::with(SCHEMA);
    place.build();
    let before = place.tree();
    assert!(stderr(&place.build()).contains("is what the schema says"));
    assert_eq!(place.tree(), before);
}

#[test]
fn a_check_writes_nothing_and_shows_the_drift() {
    let place = Place::with(SCHEMA);
    let output = place.run(&["build", "--check", "shop.rkcy"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(!place.path("shop").exists() && !place.path("shop.lock").exists());
    place.build();
    assert_eq!(
        place.run(&["build", "--check", "shop.rkcy"]).status.code(),
        Some(0)
    );
    let path = "shop/src/generated/item.rs";
    place.write(path, &place.read(path).replace("RANK", "ORDER"));
    let output = place.run(&["build", "--check", "shop.rkcy"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(
        stdout(&output).contains("+pub(super) const RANK"),
        "{}",
        stdout(&output)
    );
    let output = place.run(&["build", "--check", "--format", "json", "shop.rkcy"]);
    let line: serde_json::Value = serde_json::from_str(stdout(&output).trim()).unwrap();
    assert_eq!(line["change"], "updated");
}

#[test]
fn numbers_stay_when_lines_move() {
    let place = Place::with(SCHEMA);
    place.build();
    let before = place.lock();
    let moved = SCHEMA
        .replace("    price: i64\n", "")
        .replace(
            "    name: string @length(1..=9)\n    kind",
            "    price: i64\n    name: string @length(1..=9)\n    kind",
        )
        .replace("{ book  toy }", "{ toy  book }");
    place.write("shop.rkcy", &moved);
    place.build();
    assert_eq!(place.lock(), before);
}

#[test]
fn what_is_new_is_appended_and_what_is_gone_is_retired() {
    let place = Place::with(SCHEMA);
    place.build();
    place.write("shop.rkcy", &SCHEMA.replace("price: i64", "weight: i64"));
    place.build();
    let lock = place.lock();
    assert!(
        lock.contains(&"field Item.weight 5 absent 0".to_owned()),
        "{lock:?}"
    );
    assert!(
        lock.contains(&"retired field Item.price 4".to_owned()),
        "{lock:?}"
    );
    assert!(place.read("shop/proto/shop.proto").contains("reserved 4;"));
    place.write("shop.rkcy", SCHEMA);
    place.build();
    assert!(
        place
            .lock()
            .contains(&"field Item.price 6 absent 0".to_owned()),
        "{:?}",
        place.lock()
    );
}

#[test]
fn a_tag_is_the_number() {
    let place = Place::with(&SCHEMA.replace("price: i64", "price: i64 @tag(20)"));
    place.build();
    assert!(place.lock().contains(&"field Item.price 20".to_owned()));
    place.write(
        "shop.rkcy",
        &SCHEMA.replace("price: i64", "price: i64 @tag(21)"),
    );
    let output = place.run(&["build", "shop.rkcy"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(
        stderr(&output).contains("never moves"),
        "{}",
        stderr(&output)
    );
}

#[test]
fn hot_is_neither_added_nor_removed_later() {
    let hot = SCHEMA.replace("concern Item {", "concern Item @hot {");
    for (before, after) in [(SCHEMA, hot.as_str()), (hot.as_str(), SCHEMA)] {
        let place = Place::with(before);
        place.build();
        place.write("shop.rkcy", after);
        let tree = place.tree();
        let output = place.run(&["build", "shop.rkcy"]);
        assert_eq!(output.status.code(), Some(1));
        let said = stderr(&output);
        assert!(
            said.contains("RKCY0154") && said.contains("never moves"),
            "{said}"
        );
        assert_eq!(place.tree(), tree);
    }
}

#[test]
fn a_lock_that_was_edited_names_its_line() {
    let place = Place::with(SCHEMA);
    place.build();
    let before = place.read("shop.lock");
    let number = 1 + before
        .lines()
        .position(|line| line.starts_with("field Item.price"))
        .unwrap();
    place.write(
        "shop.lock",
        &before.replace("field Item.price 4", "field Item.price 5"),
    );
    let output = place.run(&["build", "shop.rkcy"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(
        stderr(&output).contains(&format!("shop.lock:{number}:")),
        "{}",
        stderr(&output)
    );
}

#[test]
fn a_schema_with_errors_writes_nothing() {
    let place = Place::with(SCHEMA);
    place.build();
    place.write(
        "shop.rkcy",
        &SCHEMA
            .replace("kind: Kind", "kind: Kidn")
            .replace("price: i64", "price: i46"),
    );
    let before = place.tree();
    let output = place.run(&["build", "shop.rkcy"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(stderr(&output).contains("Kidn") && stderr(&output).contains("i46"));
    assert_eq!(place.tree(), before);
}

#[test]
fn a_build_that_fails_leaves_the_tree_as_it_was() {
    let place = Place::with(SCHEMA);
    place.build();
    // A directory stands in the way of a file that is new.
    place.write(
        "shop.rkcy",
        &(SCHEMA.to_owned() + "message Zeta { n: i64 }\nmessage Alpha { z: Zeta }\n"),
    );
    std::fs::create_dir_all(place.path("shop/src/generated/zeta.rs/in_the_way")).unwrap();
    let before = place.tree();
    let output = place.run(&["build", "shop.rkcy"]);
    assert_eq!(output.status.code(), Some(3), "{}", stderr(&output));
    assert_eq!(place.tree(), before);
}

#[test]
fn the_users_files_are_left_alone() {
    let place = Place::with(SCHEMA);
    place.build();
    let mine = "// mine\nfn rename() {}\n";
    place.write("shop/src/handlers/item.rs", mine);
    place.write("shop/src/generated/notes.txt", "not generated\n");
    place.build();
    assert_eq!(place.read("shop/src/handlers/item.rs"), mine);
    assert_eq!(
        place.read("shop/src/generated/notes.txt"),
        "not generated\n"
    );
}

#[test]
fn a_file_that_is_no_longer_asked_for_is_removed() {
    let place = Place::with(&(SCHEMA.to_owned() + "message Label { text: string }\n"));
    place.build();
    assert!(place.path("shop/src/generated/label.rs").exists());
    place.write("shop.rkcy", SCHEMA);
    place.build();
    assert!(!place.path("shop/src/generated/label.rs").exists());
}

#[test]
fn a_handler_that_is_missing_is_named() {
    let place = Place::with(SCHEMA);
    place.build();
    place.write("shop/src/handlers/item.rs", "// fn rename is not here\n");
    let output = place.build();
    let said = stderr(&output);
    assert!(
        said.contains("`Item.rename` has no handler yet")
            && said.contains("fn rename(item: &mut Item"),
        "{said}"
    );
}

#[test]
fn a_new_concern_has_to_be_declared_by_the_user() {
    let place = Place::with(SCHEMA);
    place.build();
    place.write(
        "shop.rkcy",
        &(SCHEMA.to_owned() + "concern Shelf { key id: uuid  command fill() }\n"),
    );
    let said = stderr(&place.build());
    assert!(place.path("shop/src/handlers/shelf.rs").exists());
    assert!(said.contains("`mod shelf;` is missing"), "{said}");
}

/// The sums and the files of migrations are there, and the next one is what `migrate` writes.
#[test]
fn a_migration_is_written_once_and_the_next_by_migrate() {
    let place = Place::with(SCHEMA);
    place.build();
    let first = place.read("shop/migrations/postgres/0001_init.up.sql");
    place.write(
        "shop.rkcy",
        &SCHEMA.replace("price: i64", "price: i64\n    weight: i64"),
    );
    let said = stderr(&place.build());
    assert!(said.contains("RKCY0157"), "{said}");
    assert_eq!(
        place.read("shop/migrations/postgres/0001_init.up.sql"),
        first
    );
    let behind = place.run(&["build", "--check", "shop.rkcy"]);
    assert_eq!(behind.status.code(), Some(1), "{}", stderr(&behind));
    let missing = place.run(&["migrate", "--check", "shop.rkcy"]);
    assert_eq!(missing.status.code(), Some(1));
    assert!(
        stdout(&missing).contains("+ALTER TABLE \"item\" ADD COLUMN \"weight\""),
        "{}",
        stdout(&missing)
    );
    assert!(
        !place
            .path("shop/migrations/postgres/0002_add_item_weight.up.sql")
            .exists()
    );
    let written = place.run(&["migrate", "shop.rkcy"]);
    assert_eq!(written.status.code(), Some(0), "{}", stderr(&written));
    let root = place.read("shop/src/generated/mod.rs");
    assert!(root.contains("0001_init.up.sql") && root.contains("0002_add_item_weight.up.sql"));
    for command in [
        ["build", "--check", "shop.rkcy"],
        ["migrate", "--check", "shop.rkcy"],
    ] {
        let output = place.run(&command);
        assert_eq!(
            output.status.code(),
            Some(0),
            "{command:?}: {}",
            stderr(&output)
        );
    }
    let odd = place.run(&["migrate", "--name", "Ä", "shop.rkcy"]);
    assert_eq!(odd.status.code(), Some(0), "there is nothing to name");
    let before = place.tree();
    place.build();
    assert_eq!(place.tree(), before);
}

#[test]
fn a_check_shows_what_is_stale_missing_or_left_over() {
    let place = Place::with(SCHEMA);
    place.build();
    let item = place.read("shop/src/generated/item.rs");
    place.write(
        "shop/src/generated/left.rs",
        "// @generated by rkcy-gen from shop.rkcy.\n\nstruct Left;\n",
    );
    std::fs::remove_file(place.path("shop/src/generated/kind.rs")).unwrap();
    place.write("shop/src/generated/item.rs", &item.replace("RANK", "ORDER"));
    let output = place.run(&["build", "--check", "shop.rkcy"]);
    assert_eq!(output.status.code(), Some(1));
    let shown = stdout(&output);
    for line in [
        "-struct Left;",
        "+pub enum Kind {",
        "-pub(super) const ORDER",
        "+pub(super) const RANK",
    ] {
        assert!(
            shown.lines().any(|it| it.starts_with(line)),
            "{line}: {shown}"
        );
    }
    assert!(
        place.path("shop/src/generated/left.rs").exists(),
        "nothing is written"
    );
}

#[test]
fn what_has_no_migration_writes_nothing() {
    let place = Place::with(SCHEMA);
    place.build();
    place.write("shop.rkcy", &SCHEMA.replace("key id: uuid", "key id: u64"));
    place.build();
    let before = place.tree();
    let output = place.run(&["migrate", "shop.rkcy"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(stderr(&output).contains("RKCY0200"), "{}", stderr(&output));
    assert_eq!(place.tree(), before);
}

#[test]
fn what_is_allowed_is_not_said() {
    let place = Place::with(SCHEMA);
    place.build();
    let changed = SCHEMA.replace(
        "price: i64",
        "price: i64 @min(0) @allow(RKCY0222, \"none is below\")",
    );
    place.write(
        "shop.rkcy",
        &changed.replace("kind: Kind", "kind: Kind @allow(RKCY0211, \"nothing\")"),
    );
    place.build();
    let said = stdout(&place.run(&["migrate", "--format", "json", "shop.rkcy"]));
    let lines = said
        .lines()
        .map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap());
    let codes: Vec<String> = lines
        .filter_map(|it| it["code"].as_str().map(str::to_owned))
        .collect();
    assert_eq!(codes, ["RKCY0152"], "{said}");
}

#[test]
fn a_migration_that_was_edited_moved_or_lost_is_found() {
    let place = Place::with(SCHEMA);
    place.build();
    place.write(
        "shop.rkcy",
        &SCHEMA.replace("price: i64", "price: i64\n    weight: i64"),
    );
    place.run(&["migrate", "shop.rkcy"]);
    let up = "shop/migrations/sqlite/0001_init.up.sql";
    let good = place.read(up);
    let sum = place.read("shop/migrations/rkcy.sum");
    let lines: Vec<&str> = sum.lines().collect();
    let moved = [&lines[..1], &lines[5..], &lines[1..5]].concat().join("\n");
    let check = |what: &str| {
        for command in ["build", "migrate"] {
            let output = place.run(&[command, "shop.rkcy"]);
            assert_eq!(output.status.code(), Some(1), "{what}: {}", stderr(&output));
            let said = stderr(&output);
            assert!(
                said.contains("RKCY0156") && said.contains(what),
                "{what}: {said}"
            );
        }
    };
    place.write(up, &good.replace("STRICT", "STRICT "));
    check("was edited");
    std::fs::remove_file(place.path(up)).unwrap();
    check("is missing");
    place.write(up, &good);
    place.write("shop/migrations/sqlite/0003_mine.up.sql", "SELECT 1;\n");
    check("is no migration that rkcy-gen wrote");
    std::fs::remove_file(place.path("shop/migrations/sqlite/0003_mine.up.sql")).unwrap();
    place.write("shop/migrations/rkcy.sum", &moved);
    check("has moved");
    std::fs::remove_file(place.path("shop/migrations/rkcy.sum")).unwrap();
    check("is missing");
    place.write("shop/migrations/rkcy.sum", &sum.replace('\n', "\r\n"));
    assert_eq!(
        place.run(&["build", "shop.rkcy"]).status.code(),
        Some(0),
        "line ends are no edit"
    );
}

#[test]
fn a_platform_without_a_database_to_keep_begins_anew() {
    let place = Place::with(SCHEMA);
    place.build();
    std::fs::remove_dir_all(place.path("shop/migrations")).unwrap();
    place.write(
        "shop.rkcy",
        &SCHEMA.replace("price: i64", "price: i64\n    weight: i64"),
    );
    place.build();
    assert!(
        place
            .read("shop/migrations/sqlite/0001_init.up.sql")
            .contains("weight")
    );
    assert_eq!(
        place.run(&["build", "--check", "shop.rkcy"]).status.code(),
        Some(0)
    );
}

#[test]
fn a_former_name_keeps_the_number() {
    let place = Place::with(SCHEMA);
    place.build();
    place.write(
        "shop.rkcy",
        &SCHEMA.replace("price: i64", "cost: i64 @was(prcie)"),
    );
    let output = place.run(&["build", "shop.rkcy"]);
    assert_eq!(output.status.code(), Some(1));
    let said = stderr(&output);
    assert!(
        said.contains("RKCY0155") && said.contains("did you mean `@was(price)`?"),
        "{said}"
    );
    place.write(
        "shop.rkcy",
        &SCHEMA.replace("price: i64", "cost: i64 @was(price)"),
    );
    place.build();
    assert!(place.lock().contains(&"field Item.cost 4".to_owned()));
    place.write("shop.rkcy", &SCHEMA.replace("price: i64", "cost: i64"));
    place.build();
    assert!(place.lock().contains(&"field Item.cost 4".to_owned()));
}

#[test]
fn breaking_compares_with_a_file_and_with_a_commit() {
    let place = Place::with(SCHEMA);
    place.build();
    let git = |args: &[&str]| {
        let mut git = Command::new("git");
        git.current_dir(place.0.path())
            .args(["-c", "user.name=t", "-c", "user.email=t@t"]);
        assert!(
            git.args(args).output().unwrap().status.success(),
            "git {args:?}"
        );
    };
    git(&["init", "-q"]);
    git(&["add", "shop.rkcy", "shop.lock"]);
    git(&["commit", "-qm", "first"]);
    std::fs::copy(place.path("shop.rkcy"), place.path("old.rkcy")).unwrap();
    for old in ["git:HEAD", "old.rkcy"] {
        let output = place.run(&["breaking", "--against", old, "shop.rkcy"]);
        assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    }
    place.write(
        "shop.rkcy",
        &SCHEMA.replace("price: i64", "cost: i64 @was(price)"),
    );
    for old in ["git:HEAD", "old.rkcy"] {
        let output = place.run(&[
            "breaking",
            "--format",
            "json",
            "--against",
            old,
            "shop.rkcy",
        ]);
        assert_eq!(output.status.code(), Some(1), "{}", stderr(&output));
        let line: serde_json::Value = serde_json::from_str(stdout(&output).trim()).unwrap();
        assert_eq!(line["code"], "RKCY0310");
    }
    let allowed = "cost: i64 @was(price) @allow(RKCY0310, \"no client reads it\")";
    place.write("shop.rkcy", &SCHEMA.replace("price: i64", allowed));
    let output = place.run(&["breaking", "--against", "git:HEAD", "shop.rkcy"]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    for old in ["git:nowhere", "nowhere.rkcy", "git:--help"] {
        let output = place.run(&["breaking", "--against", old, "shop.rkcy"]);
        assert_eq!(output.status.code(), Some(2), "{old}: {}", stderr(&output));
    }
}

#[test]
fn a_new_field_touches_only_the_files_of_its_concern() {
    let with_two = SCHEMA.to_owned() + "concern Other { key id: uuid }\n";
    let place = Place::with(&with_two);
    place.build();
    let before = place.tree();
    place.write(
        "shop.rkcy",
        &with_two.replace("price: i64", "price: i64\n    weight: i64"),
    );
    place.build();
    let after = place.tree();
    let changed = after
        .iter()
        .filter(|(path, text)| before.get(*path) != Some(text));
    let mut names: Vec<_> = changed
        .map(|(path, _)| path.file_name().unwrap().to_str().unwrap())
        .collect();
    names.sort_unstable();
    // The next migration is written by `migrate`.
    let expected = [
        "item.rs",
        "proto.rs",
        "shop.json",
        "shop.lock",
        "shop.proto",
        "shop.rkcy",
        "shop_api.proto",
    ];
    assert_eq!(names, expected);
}
