//! The stable documents are what their JSON Schemas say, and say no more.

// Tests read the schemas of the repository, and fail by panicking.
#![allow(clippy::disallowed_methods, clippy::unwrap_used)]

use std::path::Path;

use rkcy_gen::check::check;
use rkcy_gen::json_schema;
use rkcy_gen::lock::Lock;
use rkcy_gen::plan::visits;
use rkcy_gen::syntax::{Sources, load};
use serde_json::Value;

const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/..");

/// The documents of all schemas of the repository that have some: the model, the plan.
fn documents() -> Vec<(String, Value, Value)> {
    let mut found = Vec::new();
    for folder in ["schemas", "schemas/features", "schemas/hostile"] {
        for entry in std::fs::read_dir(Path::new(ROOT).join(folder)).unwrap() {
            let path = entry.unwrap().path();
            if path.extension().is_none_or(|extension| extension != "rkcy") {
                continue;
            }
            let name = path.to_str().unwrap().to_owned();
            let mut sources = Sources::new();
            let entry = sources.add(name.as_str(), std::fs::read(&path).unwrap());
            let unit = load(&mut sources, entry, &mut |imported| {
                std::fs::read(imported).map_err(|error| error.to_string())
            });
            if let Some(model) = check(unit).model {
                let lock = Lock::default().assign(&model).unwrap();
                let plan = serde_json::to_value(visits(&model, &lock)).unwrap();
                found.push((name, serde_json::to_value(&model).unwrap(), plan));
            }
        }
    }
    found
}

/// The same schema, with no room for what it does not name.
fn closed(mut schema: Value) -> Value {
    match &mut schema {
        Value::Object(object) => {
            if object.contains_key("properties") {
                object.insert("additionalProperties".to_owned(), false.into());
            }
            for value in object.values_mut() {
                *value = closed(value.take());
            }
        }
        Value::Array(values) => {
            for value in values {
                *value = closed(value.take());
            }
        }
        _ => {}
    }
    schema
}

#[test]
fn every_document_is_what_its_schema_says() {
    let documents = documents();
    assert!(documents.len() > 30, "{}", documents.len());
    let of_model = jsonschema::validator_for(&closed(json_schema::of_model())).unwrap();
    let of_plan = jsonschema::validator_for(&closed(json_schema::of_plan())).unwrap();
    for (name, model, plan) in &documents {
        let wrong: Vec<String> = (of_model.iter_errors(model))
            .chain(of_plan.iter_errors(plan))
            .map(|error| format!("{}: {error}", error.instance_path))
            .collect();
        assert!(wrong.is_empty(), "{name}: {wrong:#?}");
    }
    // The control: what is missing, and what is something else, is found.
    let mut other = documents[0].1.clone();
    other["platform"].as_object_mut().unwrap().remove("name");
    assert!(!of_model.is_valid(&other));
    let mut other = documents[0].1.clone();
    other["version"] = "one".into();
    assert!(!of_model.is_valid(&other));
}

/// Who changes a document sees here how; what readers of the old form would misread takes a new version.
#[test]
fn the_schemas_are_reviewed() {
    let text = |schema: Value| format!("{schema:#}\n");
    insta::with_settings!({ snapshot_path => Path::new(ROOT).join("tests/snapshots"), prepend_module_to_snapshot => false }, {
        insta::assert_snapshot!("json_schema__model", text(json_schema::of_model()));
        insta::assert_snapshot!("json_schema__plan", text(json_schema::of_plan()));
    });
}
