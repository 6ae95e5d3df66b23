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
fn new_makes_a_platform_in_the_one_layout_that_is_what_its_schema_says() {
    let place = tempfile::tempdir().unwrap();
    let new = |name: &str| {
        Command::new(env!("CARGO_BIN_EXE_rkcy-gen"))
            .current_dir(place.path())
            .args(["new", name])
            .output()
            .unwrap()
    };
    let output = new("bank");
    assert_eq!(
        (code(&output), stdout(&output)),
        (0, String::new()),
        "{}",
        stderr(&output)
    );
    let schema = place.path().join("bank/bank.rkcy");
    let schema = schema.to_str().unwrap();
    for args in [["fmt", "--check", schema], ["build", "--check", schema]] {
        let output = rkcy_gen(&args);
        assert_eq!(
            (code(&output), stdout(&output)),
            (0, String::new()),
            "{args:?}"
        );
    }
    let output = rkcy_gen(&["check", schema]);
    assert_eq!(stderr(&output), "no errors\n");
    for wrong in ["bank", "Bank", "match", "core", "1st", "a-b", ""] {
        let output = new(wrong);
        assert_eq!(code(&output), 2, "{wrong}");
        assert!(
            stderr(&output).starts_with("error: "),
            "{}",
            stderr(&output)
        );
    }
}

#[test]
fn without_crate_the_folder_has_the_name_of_the_platform() {
    let place = tempfile::tempdir().unwrap();
    let schema = place.path().join("notes.rkcy");
    let text = "platform library {}\n\nconcern Book { key id: uuid }\n";
    std::fs::write(&schema, text).unwrap();
    let output = rkcy_gen(&["build", schema.to_str().unwrap()]);
    assert_eq!(code(&output), 0, "{}", stderr(&output));
    let entries = std::fs::read_dir(place.path()).unwrap();
    let mut names: Vec<String> = entries
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    assert_eq!(names, ["library", "notes.lock", "notes.rkcy"]);
    let generated = place.path().join("library/src/generated/book.rs");
    assert!(generated.is_file(), "{}", stderr(&output));
}

#[test]
fn sarif_is_one_document_on_stdout() {
    let files = [
        "schemas/rpg.rkcy",
        "schemas/invalid/RKCY0012-not-a-schema.rkcy",
        "schemas/invalid/RKCY0023-unknown-type.rkcy",
    ];
    let output = rkcy_gen(&[&["check", "--format", "sarif"], &files[..]].concat());
    assert_eq!(code(&output), 2);
    let log: serde_json::Value = serde_json::from_str(&stdout(&output)).unwrap();
    assert_eq!(log["version"], "2.1.0");
    let run = &log["runs"][0];
    let results = run["results"].as_array().unwrap();
    let of = |rule: &str| {
        results
            .iter()
            .filter(|result| result["ruleId"] == rule)
            .count()
    };
    assert_eq!(of("RKCY0012"), 1);
    assert!(of("RKCY0023") >= 1);
    let rules = run["tool"]["driver"]["rules"].as_array().unwrap();
    for result in results {
        assert!(rules.iter().any(|rule| rule["id"] == result["ruleId"]));
        let place = &result["locations"][0]["physicalLocation"];
        assert!(files.contains(&place["artifactLocation"]["uri"].as_str().unwrap()));
        assert!(place["region"]["startLine"].as_u64().unwrap() > 0);
    }
}

#[test]
fn a_diagram_has_every_concern_and_every_transaction() {
    for schema in [
        "rpg",
        "group",
        "flow",
        "saga",
        "engine",
        "features/contextual-words",
        "features/effects",
        "features/events",
        "features/lists",
        "features/timers",
    ] {
        let file = format!("schemas/{schema}.rkcy");
        let output = rkcy_gen(&["show", "diagram", &file]);
        assert_eq!(code(&output), 0, "{schema}: {}", stderr(&output));
        let svg = stdout(&output);
        assert!(
            svg.starts_with("<svg ") && svg.ends_with("</svg>\n"),
            "{schema}"
        );
        let model = stdout(&rkcy_gen(&["show", "model", "--format", "json", &file]));
        let model: serde_json::Value = serde_json::from_str(&model).unwrap();
        for concern in model["concerns"].as_array().unwrap() {
            let name = concern["name"].as_str().unwrap();
            assert!(svg.contains(&format!(">{name}")), "{schema}: {name}");
        }
        for (word, all) in [("event", "events"), ("effect", "effects")] {
            for declared in model[all].as_array().unwrap() {
                let name = declared["name"].as_str().unwrap();
                assert!(svg.contains(&format!(">{word} {name}")), "{schema}: {name}");
            }
        }
        for transaction in model["transactions"].as_array().unwrap() {
            let name = transaction["name"].as_str().unwrap();
            assert!(svg.contains(&format!(" {name}</text>")), "{schema}: {name}");
        }
        // No text is markup.
        let tags = svg.matches('<').count();
        let known = [
            "svg", "title", "style", "defs", "marker", "path", "rect", "text",
        ];
        let known = known.map(|tag| {
            let opened = svg.matches(&format!("<{tag} ")).count();
            opened
                + svg.matches(&format!("<{tag}>")).count()
                + svg.matches(&format!("</{tag}>")).count()
        });
        assert_eq!(tags, known.iter().sum::<usize>(), "{schema}");
    }
}

#[test]
fn a_list_and_a_timer_are_drawn_as_they_are_written() {
    for (schema, lines) in [
        (
            "lists",
            [
                "list recent by customer, placed desc",
                "list all by id desc",
            ],
        ),
        ("timers", ["at until run close(self)", "at remind delete"]),
    ] {
        let output = rkcy_gen(&[
            "show",
            "diagram",
            &format!("schemas/features/{schema}.rkcy"),
        ]);
        for line in lines {
            assert!(stdout(&output).contains(&format!(">{line}<")), "{line}");
        }
    }
}

/// What has a model and cannot be built is fine to check, to show and to lay out; all else says where it stands.
#[test]
fn what_cannot_be_built_yet_is_not_built() {
    let out = tempfile::tempdir().unwrap();
    let out = out.path().to_str().unwrap();
    for name in ["effects", "events", "lists", "timers"] {
        let file = format!("schemas/features/{name}.rkcy");
        for args in [
            &["check"][..],
            &["show", "model"],
            &["show", "diagram"],
            &["fmt", "--check"],
        ] {
            let output = rkcy_gen(&[args, &[file.as_str()]].concat());
            assert_eq!(code(&output), 0, "{args:?}: {}", stderr(&output));
        }
        for args in [
            &["build", "--out", out][..],
            &["build", "--check", "--out", out],
            &["migrate", "--out", out],
            &["breaking", "--against", "schemas/features/minimal.rkcy"],
            &["show", "plan"],
            &["show", "proto"],
            &["show", "sql"],
        ] {
            let output = rkcy_gen(&[args, &[file.as_str()]].concat());
            assert_eq!(
                (code(&output), stdout(&output)),
                (1, String::new()),
                "{args:?}"
            );
            assert!(stderr(&output).contains("RKCY0001"), "{args:?}");
        }
        let output = rkcy_gen(&[
            "breaking",
            "--against",
            &file,
            "schemas/features/minimal.rkcy",
        ]);
        assert_eq!(code(&output), 1);
        assert!(stderr(&output).contains("RKCY0001"), "{}", stderr(&output));
    }
    assert!(std::fs::read_dir(out).unwrap().next().is_none());
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

#[test]
fn shells_and_readers_are_told_of_every_command() {
    for shell in ["bash", "zsh", "fish"] {
        let output = rkcy_gen(&["completions", shell]);
        assert_eq!(code(&output), 0);
        assert!(stdout(&output).contains("explain"), "{shell}");
    }
    assert_eq!(code(&rkcy_gen(&["completions", "tcsh"])), 2);
    assert!(stdout(&rkcy_gen(&["man"])).contains(".TH rkcy-gen 1"));
    let dir = tempfile::tempdir().unwrap();
    let pages = dir.path().join("pages");
    assert_eq!(
        code(&rkcy_gen(&["man", "--out", pages.to_str().unwrap()])),
        0
    );
    for name in ["rkcy-gen", "rkcy-gen-build", "rkcy-gen-show"] {
        assert!(pages.join(format!("{name}.1")).exists(), "{name}");
    }
    // Where a file is in the way.
    let file = pages.join("rkcy-gen.1");
    assert_eq!(
        code(&rkcy_gen(&["man", "--out", file.to_str().unwrap()])),
        3
    );
}
