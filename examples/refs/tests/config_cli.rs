//! `config` on the command line, as an operator types it.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

#[path = "../../../rkcy-runtime/tests/support/binary.rs"]
mod binary;

use binary::Said;
use rkcy_runtime::codegen::serde_json::{self, Value as Json, json};
use tempfile::TempDir;

const ONE: &str = "00000000-0000-0000-0000-000000000001";
const TWO: &str = "00000000-0000-0000-0000-000000000002";

/// A directory to be in.
struct Place(TempDir);

impl Place {
    fn new() -> Place {
        Place(tempfile::tempdir().unwrap())
    }

    fn run(&self, args: &[&str]) -> Said {
        let exe = env!("CARGO_BIN_EXE_refs");
        let mut command = binary::command(exe, self.0.path(), args);
        Said::of(&command.env("USER", "ann").output().unwrap())
    }

    /// One that succeeds: its lines.
    fn lines(&self, args: &[&str]) -> Vec<Json> {
        let said = self.run(&[args, &["--format", "json"]].concat());
        assert_eq!(said.code, Some(0), "{args:?}: {}{}", said.out, said.err);
        let lines = said.out.lines();
        lines
            .map(|line| serde_json::from_str(line).unwrap())
            .collect()
    }

    fn line(&self, args: &[&str]) -> Json {
        self.lines(args).pop().unwrap()
    }
}

#[test]
fn an_object_is_made_changed_shown_and_removed() {
    let place = Place::new();
    let made = place.line(&["config", "set", "Policy", ONE, "mute=true"]);
    assert_eq!(
        made["value"],
        json!({"id": ONE, "most": 100, "mute": true, "note": null})
    );
    assert_eq!((&made["by"], &made["version"]), (&json!("ann"), &json!(1)));
    let changed = [
        "config", "set", "Policy", ONE, "note=12", "most=7", "--by", "bea",
    ];
    let changed = place.line(&changed);
    let whole = json!({"id": ONE, "most": 7, "mute": true, "note": "12"});
    assert_eq!(changed["value"], whole);
    assert_eq!(place.line(&["config", "get", "Policy", ONE]), changed);
    let replaced = [
        "config",
        "replace",
        "Policy",
        ONE,
        "--json",
        r#"{"most": 9}"#,
    ];
    let replaced = place.line(&replaced);
    assert_eq!(
        replaced["value"],
        json!({"id": ONE, "most": 9, "mute": false, "note": null})
    );
    place
        .run(&["config", "set", "Policy", ONE, "most=9"])
        .says(0, &["is so already"]);
    place.line(&["config", "set", "Policy", TWO, "most=3"]);
    let all = place.lines(&["config", "list"]);
    assert_eq!(all.len(), 2);
    assert_eq!(
        (&all[0]["config"], &all[1]["key"]),
        (&json!("Policy"), &json!(TWO))
    );
    let said = place.run(&["config", "list", "Policy"]);
    said.says(0, &[]);
    assert!(said.out.contains(&format!("Policy[{TWO}]")), "{}", said.out);
    place
        .run(&["config", "set", "Policy", ONE, "--remove"])
        .says(0, &["is removed"]);
    place
        .run(&["config", "get", "Policy", ONE])
        .says(1, &["not_found"]);
    place
        .run(&["config", "set", "Policy", ONE, "--remove"])
        .says(1, &["not_found"]);
    assert_eq!(place.lines(&["config", "list"]).len(), 1);

    let audit = place.lines(&["watch", "-d"]);
    let by: Vec<&str> = audit
        .iter()
        .map(|line| line["by"].as_str().unwrap())
        .collect();
    assert_eq!(by, ["ann", "bea", "ann", "ann", "ann"]);
    assert_eq!(audit[1]["value"], whole);
    assert_eq!(audit[4]["removed"], json!(true));
    assert!(audit[0]["at"].as_str().unwrap().starts_with("20"));
    let said = place.run(&["watch"]);
    said.says(0, &[]);
    assert!(
        said.out.contains("configured") && said.out.contains("by bea"),
        "{}",
        said.out
    );
}

#[test]
fn what_does_not_fit_the_schema_is_told_with_its_field() {
    let place = Place::new();
    for (args, needles) in [
        (
            &["set", "Policy", ONE, "most=0"][..],
            &["constraint at `most`", "1 to 1000"][..],
        ),
        (
            &["set", "Policy", ONE, "note=123456789"],
            &["constraint at `note`"],
        ),
        (
            &["set", "Policy", ONE, "most=many"],
            &["wrong_type at `most`"],
        ),
        (
            &["set", "Policy", ONE, "mots=1"],
            &["unknown_field", "most"],
        ),
        (
            &["set", "Policy", ONE, "most=1", "most=2"],
            &["given twice"],
        ),
        (
            &["set", "Policy", ONE, &format!("id={TWO}")],
            &["wrong_key at `id`"],
        ),
        (
            &["set", "Policy", "seven", "most=1"],
            &["wrong_key at `key`", "seven"],
        ),
        (
            &["set", "Polcy", ONE, "most=1"],
            &["did you mean `Policy`?"],
        ),
        (&["set", "Policy", ONE], &["FIELD=VALUE"]),
        (
            &["replace", "Policy", ONE, "--json", "[]"],
            &["an object was expected"],
        ),
        (
            &["replace", "Policy", ONE, "--json", r#"{"most": 1001}"#],
            &["constraint at `most`"],
        ),
        (&["get", "Policy", "x"], &["wrong_key"]),
        (&["list", "Device"], &["there is no config `Device`"]),
    ] {
        place.run(&[&["config"], args].concat()).says(2, needles);
    }
    assert!(place.lines(&["config", "list"]).is_empty());
}

#[test]
fn what_the_schema_requires_is_not_removed() {
    let place = Place::new();
    let made = place.line(&["config", "set", "Mood", "a", "loud=true"]);
    assert_eq!(made["value"], json!({"name": "a", "loud": true}));
    place
        .run(&["config", "set", "Mood", "a", "--remove"])
        .says(1, &["required", "Mood[a]"]);
    place
        .run(&["config", "set", "Mood", "abcd", "loud=true"])
        .says(2, &["constraint at `name`"]);
    assert_eq!(place.line(&["config", "get", "Mood", "a"]), made);
}

#[test]
fn an_edit_of_another_version_is_refused_with_what_to_do() {
    let place = Place::new();
    let set = |most: &str, version: &str| {
        let most = format!("most={most}");
        place.run(&["config", "set", "Policy", ONE, &most, "--version", version])
    };
    set("5", "0").says(0, &[]);
    set("6", "0").says(1, &["changed_meanwhile", "version 1, by ann", "look at it"]);
    set("6", "1").says(0, &[]);
    set("7", "1").says(1, &["changed_meanwhile", "not 1"]);
    assert_eq!(
        place.line(&["config", "get", "Policy", ONE])["value"]["most"],
        json!(6)
    );
}

#[test]
fn a_transaction_after_an_edit_sees_it() {
    let place = Place::new();
    let id = format!("id={ONE}");
    place.line(&["config", "set", "Policy", ONE, "most=3"]);
    place.line(&["txn", "Tenant.create", ONE, &id, "name=ann"]);
    let (tenant, policy) = (format!("tenant={ONE}"), format!("policy={ONE}"));
    let device = [
        "txn",
        "Device.create",
        ONE,
        &id,
        &tenant,
        "serial=1",
        &policy,
    ];
    place.line(&device);
    let heard = place.line(&["txn", "Device.hear", ONE, "times=9"]);
    assert_eq!(heard["result"], json!(3), "{heard}");
    place.line(&["config", "set", "Policy", ONE, "mute=true"]);
    let said = place.run(&["txn", "Device.hear", ONE, "times=9"]);
    said.says(1, &["muted"]);
}
