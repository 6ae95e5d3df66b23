//! The generator's binary as a user meets it: exit codes, and what goes to stdout and stderr.

// Tests make the files that the binary reads, and fail by panicking.
#![allow(clippy::disallowed_methods, clippy::unwrap_used)]

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/..");

fn rkcy_gen(args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_rkcy-gen"))
        .current_dir(ROOT)
        .args(args)
        .env_remove("NO_COLOR")
        .output()
        .unwrap()
}

fn code(output: &Output) -> i32 {
    output.status.code().unwrap()
}

fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

/// A file for one test, removed at its end.
struct Scratch(PathBuf);

impl Scratch {
    fn new(name: &str, bytes: &[u8]) -> Self {
        let path =
            Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("{}-{name}", std::process::id()));
        std::fs::write(&path, bytes).unwrap();
        Self(path)
    }

    fn path(&self) -> &str {
        self.0.to_str().unwrap()
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

#[test]
fn fmt_writes_the_layout_once_and_check_shows_it() {
    let schema = Scratch::new("fmt.rkcy", b"enum E { a\n b }");
    let wanted = "enum E {\n    a\n    b\n}\n";
    let output = rkcy_gen(&["fmt", "--check", schema.path()]);
    assert_eq!(code(&output), 1);
    assert!(stdout(&output).contains("+    a\n"), "{}", stdout(&output));
    let output = rkcy_gen(&["fmt", schema.path()]);
    assert_eq!((code(&output), stdout(&output)), (0, String::new()));
    assert_eq!(std::fs::read_to_string(schema.path()).unwrap(), wanted);
    let output = rkcy_gen(&["fmt", "--check", schema.path()]);
    assert_eq!((code(&output), stdout(&output)), (0, String::new()));
}

#[test]
fn fmt_does_not_touch_what_it_cannot_read() {
    let text = b"message A { a: }\n enum E {a}";
    let schema = Scratch::new("fmt-broken.rkcy", text);
    let output = rkcy_gen(&["fmt", schema.path()]);
    assert_eq!(code(&output), 1);
    assert!(stderr(&output).contains("RKCY"), "{}", stderr(&output));
    assert_eq!(std::fs::read(schema.path()).unwrap(), text);
    let output = rkcy_gen(&["fmt", "no-such-file.rkcy"]);
    assert_eq!(code(&output), 2);
}

#[test]
fn a_good_schema_is_fine() {
    let output = rkcy_gen(&["check", "schemas/rpg.rkcy", "schemas/engine.rkcy"]);
    assert_eq!(code(&output), 0);
    assert_eq!(stdout(&output), "");
    assert_eq!(stderr(&output), "no errors\n");
}

#[test]
fn warnings_alone_are_fine() {
    let output = rkcy_gen(&["check", "schemas/invalid/RKCY0077-unused-parameter.rkcy"]);
    assert_eq!(code(&output), 0);
    assert!(
        stderr(&output).ends_with("no errors, 1 warning\n"),
        "{}",
        stderr(&output)
    );
}

#[test]
fn errors_are_found() {
    let output = rkcy_gen(&["check", "schemas/invalid/RKCY0028-unknown-attribute.rkcy"]);
    assert_eq!(code(&output), 1);
    assert_eq!(stdout(&output), "");
    assert!(
        stderr(&output).ends_with("2 errors\n"),
        "{}",
        stderr(&output)
    );
}

#[test]
fn json_is_alone_on_stdout() {
    let output = rkcy_gen(&[
        "check",
        "--format",
        "json",
        "schemas/invalid/RKCY0024-duplicate.rkcy",
    ]);
    assert_eq!(code(&output), 1);
    assert_eq!(stderr(&output), "");
    let mut lines = 0;
    for line in stdout(&output).lines() {
        let finding: serde_json::Value = serde_json::from_str(line).unwrap();
        for field in [
            "code", "severity", "message", "help", "file", "line", "col", "end_line", "end_col",
            "labels", "edits",
        ] {
            assert!(finding.get(field).is_some(), "{field} is missing in {line}");
        }
        assert_eq!(finding["severity"], "error");
        lines += 1;
    }
    assert_eq!(lines, 11);
}

#[test]
fn unreadable_input_is_one_error() {
    let deep = Scratch::new("deep.rkcy", "[".repeat(64 << 10).as_bytes());
    let noise = Scratch::new("noise.rkcy", "@#$%^ &*\n".repeat(7_000).as_bytes());
    let bytes = Scratch::new("bytes.rkcy", &[0xff, 0xfe, 0x00]);
    for path in [
        "nowhere.rkcy",
        "schemas",
        deep.path(),
        noise.path(),
        bytes.path(),
    ] {
        let output = rkcy_gen(&["check", path]);
        assert_eq!(code(&output), 2, "{path}");
        assert!(
            stderr(&output).ends_with("1 error\n"),
            "{path}: {}",
            stderr(&output)
        );
        assert!(stderr(&output).len() < 2_000, "{path}: {}", stderr(&output));
    }
}

#[test]
fn wrong_usage_is_two() {
    for args in [
        &["check"][..],
        &["frobnicate"],
        &["check", "--format", "xml", "x"],
        &["explain", "RKCY9999"],
        &["show", "nothing", "x"],
        &[],
    ] {
        let output = rkcy_gen(args);
        assert_eq!(code(&output), 2, "{args:?}");
        assert!(!stderr(&output).is_empty(), "{args:?}");
    }
}

#[test]
fn colours_are_only_where_they_are_wanted() {
    let path = "schemas/invalid/RKCY0028-unknown-attribute.rkcy";
    let escape = '\u{1b}';
    assert!(!stderr(&rkcy_gen(&["check", path])).contains(escape));
    assert!(stderr(&rkcy_gen(&["--color", "always", "check", path])).contains(escape));
    assert!(!stderr(&rkcy_gen(&["check", "--color", "never", path])).contains(escape));
}

#[test]
fn codes_are_explained() {
    let output = rkcy_gen(&["explain", "RKCY0023"]);
    assert_eq!(code(&output), 0);
    assert!(stdout(&output).starts_with("RKCY0023 (error): a type that does not exist\n"));
    assert_eq!(
        stdout(&rkcy_gen(&["explain"])).lines().count(),
        rkcy_gen::diagnostic::Code::ALL.len()
    );
}

#[test]
fn the_model_is_a_document_with_a_version() {
    let output = rkcy_gen(&["show", "model", "--format", "json", "schemas/rpg.rkcy"]);
    assert_eq!(code(&output), 0);
    let model: serde_json::Value = serde_json::from_str(&stdout(&output)).unwrap();
    assert_eq!(model["version"], 1);
    assert_eq!(model["concerns"][1]["name"], "Character");
    assert_eq!(
        stdout(&rkcy_gen(&["show", "model", "schemas/rpg.rkcy"]))
            .lines()
            .next(),
        Some("platform rpg")
    );
    assert!(stdout(&rkcy_gen(&["show", "ast", "schemas/rpg.rkcy"])).contains("Platform"));
}

#[test]
fn every_command_has_an_example() {
    for args in [
        &["check", "--help"][..],
        &["explain", "--help"],
        &["show", "--help"],
        &["show", "ast", "--help"],
        &["show", "model", "--help"],
    ] {
        let output = rkcy_gen(args);
        assert_eq!(code(&output), 0, "{args:?}");
        assert!(stdout(&output).contains("Example:"), "{args:?}");
    }
    assert!(stdout(&rkcy_gen(&["--version"])).starts_with("rkcy-gen "));
}
