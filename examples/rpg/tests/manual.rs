//! What shells and readers are told of the commands, and commands beside an edge that asks who calls.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

#[path = "../../../rkcy-runtime/tests/support/binary.rs"]
mod binary;

use binary::Said;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

fn command(dir: &Path, args: &[&str]) -> Command {
    binary::command(env!("CARGO_BIN_EXE_rpg"), dir, args)
}

fn run(dir: &Path, args: &[&str]) -> Said {
    Said::of(&command(dir, args).output().unwrap())
}

#[test]
fn shells_complete_every_command() {
    let dir = tempfile::tempdir().unwrap();
    // Settings that cannot be read are no hindrance.
    std::fs::write(dir.path().join("rkcy.toml"), "nonsense").unwrap();
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let said = run(dir.path(), &["completions", shell]);
        said.says(0, &[]);
        for word in ["simulate", "decode", "demo", "--listen"] {
            let word = word.trim_start_matches('-');
            assert!(said.out.contains(word), "{shell}: {word}");
        }
    }
    run(dir.path(), &["completions", "tcsh"]).says(2, &["bash", "zsh"]);
    run(dir.path(), &["completions"]).says(2, &[]);
}

#[test]
fn every_command_has_a_page() {
    let dir = tempfile::tempdir().unwrap();
    let said = run(dir.path(), &["man"]);
    said.says(0, &[]);
    assert!(said.out.contains(".TH rpg 1"), "{}", said.out);
    run(dir.path(), &["man", "--out", "pages"]).says(0, &["rpg-txn.1"]);
    for name in [
        "rpg",
        "rpg-run",
        "rpg-txn",
        "rpg-txn-cancel",
        "rpg-config-set",
        "rpg-demo",
    ] {
        let page = dir.path().join(format!("pages/{name}.1"));
        let page = std::fs::read_to_string(page).unwrap();
        assert!(
            page.contains(".SH NAME") && !page.contains("{bin}"),
            "{name}"
        );
    }
    std::fs::write(dir.path().join("file"), "").unwrap();
    run(dir.path(), &["man", "--out", "file"]).says(3, &["file cannot be written"]);
}

/// A running platform, once it is ready; killed when it is dropped.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        // Where it has ended by itself, there is nothing to end.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn a_command_shows_its_token_to_the_edge_and_to_nobody_else() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(
        dir.path().join("secret"),
        "a secret of the tests, and of nothing else",
    )
    .unwrap();
    std::fs::write(dir.path().join("rkcy.toml"), "[edge]\nkeys = \"secret\"\n").unwrap();
    let mut running = command(dir.path(), &["run", "--listen", "127.0.0.1:0"]);
    let running = running.stdout(Stdio::piped()).stderr(Stdio::null());
    let mut running = Running(running.spawn().unwrap());
    let mut lines = BufReader::new(running.0.stdout.take().unwrap()).lines();
    assert!(lines.any(|line| line.unwrap().contains("edge ")));
    let ask = |token: Option<&str>| {
        let mut asks = command(
            dir.path(),
            &["txn", "sign_up", "username=anna", "fullname=Anna"],
        );
        asks.envs(token.map(|token| ("RKCY_TOKEN", token)));
        Said::of(&asks.output().unwrap())
    };
    ask(None).says(2, &["a token was expected"]);
    let said = ask(Some("not-a-token"));
    said.says(2, &["the token is not taken"]);
    assert!(!said.err.contains("not-a-token") && !said.out.contains("not-a-token"));
    // By HS256, for ever: {"exp":4102444800}.
    let good = "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJleHAiOjQxMDI0NDQ4MDB9.-fIQmW5CqHE9nKNBe9pwhDYf15x4VvPn57m91u6JTP4";
    ask(Some(good)).says(0, &[]);
}

#[test]
fn settings_of_the_edge_that_are_wrong_are_told_without_what_is_secret() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("secret"), "hunter2").unwrap();
    for (settings, says) in [
        (
            "[edge]\nkeys = \"secret\"\n",
            "a secret has at least 32 bytes",
        ),
        ("[edge]\nkeys = \"nowhere\"\n", "nowhere cannot be read"),
        ("[edge]\naudience = \"x\"\n", "edge.keys"),
        (
            "[edge]\ncertificate = \"secret\"\nkey = \"secret\"\n",
            "edge.certificate",
        ),
        ("[edge]\npassword = \"hunter2\"\n", "password"),
    ] {
        std::fs::write(dir.path().join("rkcy.toml"), settings).unwrap();
        let said = run(dir.path(), &["run", "--listen", "127.0.0.1:0"]);
        said.says(2, &[says]);
        assert!(!said.err.contains("hunter2"), "{}", said.err);
    }
}
