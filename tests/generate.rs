//! What is generated. A test is a file: drop a schema into `schemas/features/`, run, and review the
//! snapshots, one for each generated file; or into `schemas/hostile/`, where what is generated has to
//! compile without a warning.

// Tests read schemas and write crates, and fail by panicking.
#![allow(clippy::disallowed_methods, clippy::unwrap_used)]

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

use rkcy_gen::check::check;
use rkcy_gen::evolve::{self, Migration, SUM};
use rkcy_gen::lock::Lock;
use rkcy_gen::model::Model;
use rkcy_gen::plan::{plan, tables, unbuilt, visits};
use rkcy_gen::render::{Rendered, Texts, render};
use rkcy_gen::syntax::{Sources, load};
use rkcy_gen::write::format;

const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/..");

fn root(path: &str) -> PathBuf {
    Path::new(ROOT).join(path)
}

/// The model of a schema of the repository.
fn model(path: &str) -> Model {
    let read = |path: &str| std::fs::read(root(path)).map_err(|error| error.kind().to_string());
    let mut sources = Sources::new();
    let entry = sources.add(path, read(path).unwrap());
    let checked = check(load(&mut sources, entry, &mut |path| read(path)));
    let found = &checked.diagnostics;
    checked
        .model
        .unwrap_or_else(|| panic!("{path} has errors: {found:?}"))
}

/// What is generated for a schema, with the numbers of a lock; the first migration, where there is none.
fn generated(path: &str, lock: &Lock) -> Rendered {
    let model = model(path);
    let (lock, migration) = migrated(&model, lock, name_of(path).0);
    let mut rendered = render(&plan(&model, &lock, name_of(path).0)).unwrap();
    rendered.generated.extend(migration);
    format(&mut rendered, Path::new(ROOT)).unwrap();
    rendered
}

fn migrated(model: &Model, lock: &Lock, schema: &str) -> (Lock, Texts) {
    let lock = lock.assign(model).unwrap();
    if lock.migrated() > 0 {
        return (lock, Texts::new());
    }
    let tables = tables(model, &lock);
    let first = Migration::first(&tables);
    (lock.reaching(1, "init", tables), first.files(schema))
}

/// The names of a file, with its ending and without.
fn name_of(path: &str) -> (&str, &str) {
    let name = path.rsplit('/').next().unwrap();
    (name, name.strip_suffix(".rkcy").unwrap())
}

/// The schemas in a folder, as paths from the root.
fn schemas(folder: &str) -> Vec<String> {
    let entries = std::fs::read_dir(root(folder)).unwrap();
    let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut found: Vec<String> = names
        .filter(|name| name.ends_with(".rkcy"))
        .map(|name| format!("{folder}/{name}"))
        .collect();
    found.sort();
    assert!(!found.is_empty(), "there are no schemas in {folder}");
    found
}

/// The schemas in a folder that can be built.
fn buildable(folder: &str) -> Vec<String> {
    let mut found = schemas(folder);
    found.retain(|path| unbuilt(&model(path)).is_empty());
    found
}

/// The snapshots of a schema: name and text. `proto.rs` is `prost`'s, made of the `.proto`.
fn snapshots(path: &str) -> Vec<(String, String)> {
    let (_, stem) = name_of(path);
    let rendered = generated(path, &Lock::default());
    let mut snapshots: Vec<(String, String)> = rendered
        .generated
        .into_iter()
        .filter(|(path, _)| path != "src/generated/proto.rs")
        .map(|(path, text)| {
            let text = match path.starts_with("openapi/") {
                true => compact(&text),
                false => text,
            };
            (
                format!("generate__{stem}__{}", path.replace('/', "-")),
                text,
            )
        })
        .collect();
    let model = model(path);
    let (lock, _) = migrated(&model, &Lock::default(), "");
    snapshots.push((
        format!("generate__{stem}__plan.txt"),
        visits(&model, &lock).to_text(),
    ));
    snapshots.push((format!("generate__{stem}__{stem}.lock"), lock.print()));
    snapshots
}

/// What an OpenAPI document says of this schema alone, a line for each operation and each schema.
fn compact(document: &str) -> String {
    let mut document: serde_json::Value = serde_json::from_str(document).unwrap();
    let mut lines = Vec::new();
    for (path, item) in document["paths"].as_object_mut().unwrap() {
        for (method, operation) in item.as_object_mut().unwrap() {
            if let Some(answers) = operation.get_mut("responses") {
                // What every operation may be told is the same everywhere.
                let answers = answers.as_object_mut().unwrap();
                answers.retain(|_, answer| answer.get("$ref").is_none());
            }
            lines.push(format!("{method} {path} {operation}"));
        }
    }
    for (name, schema) in document["components"]["schemas"].as_object().unwrap() {
        lines.push(format!("{name} {schema}"));
    }
    lines.join("\n")
}

#[test]
fn every_generated_file_is_reviewed() {
    let mut names = BTreeSet::new();
    insta::with_settings!({
        snapshot_path => root("tests/snapshots"),
        prepend_module_to_snapshot => false,
        omit_expression => true,
    }, {
        for path in buildable("schemas/features") {
            for (name, text) in snapshots(&path) {
                insta::assert_snapshot!(name.clone(), text);
                names.insert(name + ".snap");
            }
        }
    });
    for entry in std::fs::read_dir(root("tests/snapshots")).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        let is_known =
            !name.starts_with("generate__") || name.ends_with(".new") || names.contains(&name);
        assert!(is_known, "{name} belongs to no generated file");
    }
}

#[test]
fn the_examples_are_what_their_schemas_say() {
    for schema in schemas("schemas") {
        let (_, example) = name_of(&schema);
        let lock = std::fs::read_to_string(root(&format!("schemas/{example}.lock"))).unwrap();
        let rendered = generated(&schema, &Lock::parse(&lock).unwrap());
        for (path, text) in &rendered.generated {
            let path = format!("examples/{example}/{path}");
            let written = std::fs::read_to_string(root(&path)).unwrap_or_default();
            assert!(
                written == *text,
                "{path} is not what {schema} says: run `rkcy-gen build {schema}`"
            );
        }
        let lock = Lock::parse(&lock).unwrap();
        let (files, sum) =
            rkcy_gen::write::migrations(&root(&format!("examples/{example}"))).unwrap();
        evolve::verify(&lock, sum.as_deref(), &files)
            .unwrap_or_else(|wrong| panic!("{SUM}: {wrong:?}"));
        let asked = tables(&model(&schema), &lock);
        let behind = evolve::difference(lock.reached(), &asked);
        assert!(behind.is_only_said(), "{schema}: run `rkcy-gen migrate`");
        let stubs =
            rkcy_gen::write::missing_handlers(&root(&format!("examples/{example}")), &rendered)
                .unwrap();
        assert!(stubs.is_empty(), "{stubs:?}");
    }
}

#[test]
fn the_same_schema_gives_the_same_bytes() {
    let once = generated("schemas/rpg.rkcy", &Lock::default());
    let again = generated("schemas/rpg.rkcy", &Lock::default());
    assert_eq!(once.generated, again.generated);
    assert_eq!(once.once, again.once);
}

#[test]
fn a_generated_file_says_so_in_its_first_line() {
    for (path, text) in generated("schemas/rpg.rkcy", &Lock::default()).generated {
        let first = text.lines().next().unwrap_or_default();
        assert!(
            first.contains("@generated by rkcy-gen from rpg.rkcy"),
            "{path}: {first}"
        );
    }
}

/// The files that describe the gRPC services compile, and every method has its answer's type from them.
#[test]
fn the_services_are_what_protobuf_takes() {
    let all = schemas("schemas")
        .into_iter()
        .chain(schemas("schemas/hostile"));
    for path in all.chain(buildable("schemas/features")) {
        let model = model(&path);
        let lock = Lock::default().assign(&model).unwrap();
        let plan = plan(&model, &lock, "t.rkcy");
        let place = tempfile::tempdir().unwrap();
        let protos = plan
            .generated
            .iter()
            .filter(|it| it.path.ends_with(".proto"));
        let mut services = String::new();
        for file in protos {
            let name = file.path.rsplit('/').next().unwrap();
            std::fs::write(place.path().join(name), file.print().unwrap()).unwrap();
            if name.ends_with("_api.proto") {
                services = name.to_owned();
            }
        }
        let compiled = protox::compile([&services], [place.path()]);
        let compiled = compiled.unwrap_or_else(|error| panic!("{path}: {error:?}"));
        let file = compiled
            .file
            .iter()
            .find(|file| file.name() == services)
            .unwrap();
        let methods: usize = file.service.iter().map(|it| it.method.len()).sum();
        let concerns = model.concerns().iter();
        let own = concerns.map(|it| it.commands.len() + it.queries.len());
        assert!(
            methods >= own.sum::<usize>() + model.transactions().len(),
            "{path}"
        );
    }
}

/// What says that nothing is built stands in front of the planner; the planner itself takes everything.
#[test]
fn what_cannot_be_built_is_planned_without_it() {
    let mut unbuilt_ones = Vec::new();
    for path in schemas("schemas/features") {
        let model = model(&path);
        let lock = Lock::default().assign(&model).unwrap();
        assert!(
            !plan(&model, &lock, "t.rkcy").generated.is_empty(),
            "{path}"
        );
        assert_eq!(
            tables(&model, &lock).is_empty(),
            model.concerns().is_empty()
        );
        let document = visits(&model, &lock);
        assert_eq!(document.transactions.len(), model.transactions().len());
        assert!(!unbuilt(&model).iter().any(|found| found.span().is_none()));
        if !unbuilt(&model).is_empty() {
            unbuilt_ones.push(name_of(&path).1.to_owned());
        }
    }
    assert_eq!(unbuilt_ones, ["effects", "events", "lists", "timers"]);
}

/// Everything that can be said, and names that Rust, SQL and protobuf have other plans for: one
/// workspace under `target/`, under the lints of this one, checked by one run of clippy.
#[test]
fn what_is_generated_compiles_without_a_warning() {
    let workspace = root("target/generated-code");
    let mut members = Vec::new();
    for path in schemas("schemas/hostile")
        .into_iter()
        .chain(buildable("schemas/features"))
    {
        let name = rkcy_gen::naming::package(&model(&path).platform().name);
        // A lock beside a schema is that of an earlier version of it.
        let lock = std::fs::read_to_string(root(&path).with_extension("lock"));
        let lock = lock.map_or_else(|_| Lock::default(), |lock| Lock::parse(&lock).unwrap());
        let rendered = generated(&path, &lock);
        let directory = workspace.join(&name);
        let files = rendered.generated.iter().chain(&rendered.once);
        for (path, text) in files.filter(|(path, _)| *path != "Cargo.toml") {
            write(&directory.join(path), text);
        }
        let manifest = format!(
            "[package]\nname = \"{name}\"\nversion = \"0.1.0\"\nedition = \"2024\"\n\n[lints]\nworkspace = true\n\n\
             [dependencies]\nrkcy-runtime = {{ path = \"../../../rkcy-runtime\" }}\n"
        );
        write(&directory.join("Cargo.toml"), &manifest);
        members.push(name);
    }
    let of_root = std::fs::read_to_string(root("Cargo.toml")).unwrap();
    let lints = of_root
        .split("\n[workspace.lints.rust]")
        .nth(1)
        .unwrap()
        .split("\n[profile")
        .next()
        .unwrap();
    // Stubs of handlers are there to be written.
    let lints = lints.replace("todo = \"warn\"", "todo = \"allow\"");
    let manifest = format!(
        "[workspace]\nresolver = \"3\"\nmembers = {members:?}\n\n[workspace.lints.rust]{lints}"
    );
    write(&workspace.join("Cargo.toml"), &manifest);
    std::fs::copy(root("Cargo.lock"), workspace.join("Cargo.lock")).unwrap();
    let output = Command::new(env!("CARGO"))
        .args([
            "clippy",
            "--offline",
            "--quiet",
            "--workspace",
            "--",
            "-D",
            "warnings",
        ])
        .current_dir(&workspace)
        .env("CARGO_TARGET_DIR", root("target"))
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
}

/// Leaves a file alone that is as it should be, so that nothing is compiled again for it.
fn write(path: &Path, text: &str) {
    if std::fs::read_to_string(path).is_ok_and(|known| known == text) {
        return;
    }
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, text).unwrap();
}
