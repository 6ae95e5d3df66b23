//! What is said about schemas. A test is a file: drop a schema into `schemas/invalid/` with the code
//! in front of its name, run, and review the snapshot; or into `schemas/features/` or
//! `schemas/hostile/`, where nothing may be found.

// Tests read the schemas that the library is given, and fail by panicking.
#![allow(clippy::disallowed_methods, clippy::unwrap_used)]

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use rkcy_gen::check::{Checked, check};
use rkcy_gen::diagnostic::{Code, Diagnostic, human, json, one_line};
use rkcy_gen::model::outline;
use rkcy_gen::plan::unbuilt;
use rkcy_gen::syntax::{Sources, load};

const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/..");

/// A schema of the repository, by its path from the root, with its text replaced if one is given.
fn checked(path: &str, text: Option<Vec<u8>>) -> (Sources, Checked) {
    let read = |path: &str| {
        std::fs::read(Path::new(ROOT).join(path)).map_err(|error| error.kind().to_string())
    };
    let mut sources = Sources::new();
    let bytes = text.unwrap_or_else(|| read(path).unwrap());
    let entry = sources.add(path, bytes);
    let unit = load(&mut sources, entry, &mut |path| read(path));
    (sources, check(unit))
}

/// The schemas in a folder, as paths from the root.
fn schemas(folder: &str) -> Vec<String> {
    let mut found: Vec<String> = std::fs::read_dir(Path::new(ROOT).join(folder))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| {
            path.extension()
                .is_some_and(|extension| extension == "rkcy")
        })
        .map(|path| format!("{folder}/{}", path.file_name().unwrap().to_str().unwrap()))
        .collect();
    found.sort();
    assert!(!found.is_empty(), "there are no schemas in {folder}");
    found
}

/// The code in front of the name of a fixture.
fn code_of(path: &str) -> Code {
    let name = path.rsplit('/').next().unwrap();
    Code::find(&name[..8]).unwrap_or_else(|| panic!("{name} does not begin with a code"))
}

fn name_of(path: &str) -> String {
    PathBuf::from(path)
        .file_stem()
        .unwrap()
        .to_str()
        .unwrap()
        .to_owned()
}

#[test]
fn every_invalid_schema_is_explained() {
    insta::with_settings!({
        snapshot_path => Path::new(ROOT).join("tests/snapshots"),
        prepend_module_to_snapshot => false,
        omit_expression => true,
    }, {
        for path in schemas("schemas/invalid") {
            let (sources, checked) = checked(&path, None);
            let pretty: String = checked.diagnostics.iter().map(|found| human(found, &sources, false) + "\n").collect();
            let lines: String = checked.diagnostics.iter().map(|found| json(found, &sources) + "\n").collect();
            insta::assert_snapshot!(format!("invalid__{}", name_of(&path)), format!("{pretty}{lines}"));
        }
    });
}

#[test]
fn every_snapshot_has_its_schema() {
    let names: BTreeSet<String> = schemas("schemas/invalid")
        .iter()
        .map(|path| format!("invalid__{}.snap", name_of(path)))
        .collect();
    for entry in std::fs::read_dir(Path::new(ROOT).join("tests/snapshots")).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        assert!(
            !name.starts_with("invalid__") || name.ends_with(".new") || names.contains(&name),
            "{name} belongs to no schema"
        );
    }
}

#[test]
fn a_fixture_finds_its_own_code_and_nothing_else() {
    for path in schemas("schemas/invalid") {
        let (_, checked) = checked(&path, None);
        let found: BTreeSet<Code> = checked.diagnostics.iter().map(|found| found.code).collect();
        assert_eq!(found, BTreeSet::from([code_of(&path)]), "{path}");
    }
}

#[test]
fn every_code_has_a_fixture() {
    let covered: BTreeSet<Code> = schemas("schemas/invalid")
        .iter()
        .map(|path| code_of(path))
        .collect();
    // Those of the lock and of migrations are found by `build` (`build.rs`), what it cannot build yet in valid schemas
    // (below), those about changes by holding two schemas against each other (`evolution.rs`).
    let is_elsewhere = |code: &Code| {
        let of_build = matches!(
            code,
            Code::NotSupportedYet
                | Code::DamagedLock
                | Code::NumberMoved
                | Code::NumbersUsedUp
                | Code::UnknownWas
                | Code::MigrationTampered
                | Code::MigrationsBehind
        );
        of_build || code.is_about_change()
    };
    let missing: Vec<&Code> = Code::ALL
        .iter()
        .filter(|code| !covered.contains(code) && !is_elsewhere(code))
        .collect();
    assert!(
        missing.is_empty(),
        "no schema in schemas/invalid breaks {missing:?}"
    );
}

#[test]
fn every_finding_says_where_and_what_to_do() {
    for path in schemas("schemas/invalid") {
        let (sources, checked) = checked(&path, None);
        for found in &checked.diagnostics {
            let shown = human(found, &sources, false);
            assert!(found.span().is_some(), "no place: {shown}");
            assert!(
                found.help.is_some()
                    || found.code == Code::Unexpected
                    || found.labels.len() > 1
                    || !found.labels[0].text.is_empty(),
                "no help: {shown}"
            );
            for rule in [
                "broken_",
                "head_expr",
                "word_step",
                "enum_value",
                "named_type",
                "w_",
                "BUILTIN",
            ] {
                assert!(
                    !shown.lines().take(4).any(|line| line.contains(rule)),
                    "names a rule of the grammar: {shown}"
                );
            }
        }
    }
}

#[test]
fn findings_are_in_order_of_place() {
    for path in schemas("schemas/invalid") {
        let (_, checked) = checked(&path, None);
        let places: Vec<_> = checked.diagnostics.iter().map(Diagnostic::span).collect();
        assert!(places.is_sorted(), "{path}");
    }
}

#[test]
fn an_edit_removes_its_finding() {
    for path in schemas("schemas/invalid") {
        let (sources, before) = checked(&path, None);
        for found in before
            .diagnostics
            .iter()
            .filter(|found| !found.edits.is_empty())
        {
            let entry = found.span().unwrap().file;
            let mut text = sources.get(entry).text().to_owned();
            let mut edits = found.edits.clone();
            edits.sort_by_key(|edit| edit.span);
            for edit in edits.iter().rev() {
                text.replace_range(
                    edit.span.start as usize..edit.span.end as usize,
                    &edit.replacement,
                );
            }
            let (after_sources, after) = checked(&path, Some(text.into_bytes()));
            let count =
                |list: &[Diagnostic]| list.iter().filter(|other| other.code == found.code).count();
            let rest: String = after
                .diagnostics
                .iter()
                .map(|found| human(found, &after_sources, false))
                .collect();
            assert!(
                count(&after.diagnostics) < count(&before.diagnostics),
                "the edit does not help:\n{}\nleaves\n{rest}",
                human(found, &sources, false),
            );
        }
    }
}

#[test]
fn valid_schemas_have_a_model_and_no_findings() {
    let single = ["bank", "engine", "flow", "rpg", "saga", "seats", "tpcc"]
        .map(|name| format!("schemas/{name}.rkcy"));
    for path in schemas("schemas/features").into_iter().chain(single) {
        let (sources, checked) = checked(&path, None);
        let shown: String = checked
            .diagnostics
            .iter()
            .map(|found| human(found, &sources, false))
            .collect();
        assert!(checked.diagnostics.is_empty(), "{path}:\n{shown}");
        assert!(checked.model.is_some(), "{path}");
    }
}

/// What has a model and cannot be built yet: a reason at each place, and the model.
#[test]
fn what_cannot_be_built_yet_is_said_at_each_place() {
    insta::with_settings!({
        snapshot_path => Path::new(ROOT).join("tests/snapshots"),
        prepend_module_to_snapshot => false,
        omit_expression => true,
    }, {
        for path in schemas("schemas/features") {
            let (sources, checked) = checked(&path, None);
            let model = checked.model.unwrap();
            let missing = unbuilt(&model);
            assert!(missing.iter().all(|it| it.code == Code::NotSupportedYet));
            let lines: String = missing.iter().map(|found| one_line(found, &sources)).collect();
            if !lines.is_empty() {
                let text = format!("{lines}\n{}", outline(&model));
                insta::assert_snapshot!(format!("unbuilt__{}", name_of(&path)), text);
            }
        }
    });
}

#[test]
fn hostile_schemas_have_a_model() {
    for path in schemas("schemas/hostile") {
        let (sources, checked) = checked(&path, None);
        let naming =
            |found: &&Diagnostic| !matches!(found.code, Code::TypeNaming | Code::MemberNaming);
        let shown: String = checked
            .diagnostics
            .iter()
            .filter(naming)
            .map(|found| human(found, &sources, false))
            .collect();
        assert!(shown.is_empty(), "{path}:\n{shown}");
        assert!(checked.model.is_some(), "{path}");
    }
}

#[test]
fn ten_mistakes_give_ten_reports() {
    let text = r#"
platform t { crate "t"; }
concern Account {
    key id: uuid
    gold i64
    owner: strin
    limit: i64 @mim(0)
    level: i32 = "x"
    command pay(i64)
}
transaction a(x: ref Acount) { create Account { gold: 1, owner: "x" } }
transaction b(x: ref Account) refuses r { require x == y else r  Account[x].pay(1) }
transaction c(x: ref Account) { Account[x].close() }
message M { m: M }
"#;
    let (_, checked) = checked("t.rkcy", Some(text.as_bytes().to_vec()));
    let found: Vec<(u32, Code)> = checked
        .diagnostics
        .iter()
        .map(|found| (found.span().unwrap().start, found.code))
        .collect();
    let codes: Vec<Code> = found.iter().map(|(_, code)| *code).collect();
    let expected = [
        Code::Semicolon,
        Code::Unexpected,
        Code::UnknownType,
        Code::UnknownAttribute,
        Code::WrongDefault,
        Code::WrongPayload,
        Code::UnknownType,
        Code::UnknownName,
        Code::UnknownOperation,
        Code::RecursiveMessage,
    ];
    assert_eq!(codes, expected);
}

#[test]
fn a_chain_of_else_if_has_64_conditions() {
    let found = |conditions: usize| -> Vec<Code> {
        let branch = |nth: usize| format!("if n == {nth} {{ A[a].c({nth}) }}");
        let chain: Vec<String> = (0..conditions).map(branch).collect();
        let text = format!(
            "platform t {{}}\nconcern A {{ key id: uuid  command c(n: i64) }}\n\
             transaction pick(a: ref A, n: i64) {{\n{}\n}}\n",
            chain.join(" else ")
        );
        let (_, checked) = checked("t.rkcy", Some(text.into_bytes()));
        checked.diagnostics.iter().map(|it| it.code).collect()
    };
    assert_eq!(found(64), Vec::<Code>::new());
    assert_eq!(found(65), [Code::TooDeep]);
}
