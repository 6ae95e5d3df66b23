//! Configuration on Kafka: operators and a platform in processes of their own.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

#[path = "../../../rkcy-runtime/tests/support/binary.rs"]
mod binary;
#[path = "../../../rkcy-runtime/tests/support/servers.rs"]
mod servers;

use rkcy_runtime::codegen::Uuid;
use rkcy_runtime::codegen::serde_json::{self, Value as Json, json};
use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};
use tempfile::TempDir;

const ONE: &str = "00000000-0000-0000-0000-000000000001";

/// An environment of its own.
struct Place {
    dir: TempDir,
    log: String,
    env: String,
}

impl Place {
    fn new() -> Place {
        Place {
            dir: tempfile::tempdir().unwrap(),
            log: format!("kafka:{}", servers::kafka()),
            env: format!("test{}", Uuid::new_v4().simple()),
        }
    }

    fn command(&self, args: &[&str]) -> Command {
        let exe = env!("CARGO_BIN_EXE_refs");
        let mut command = binary::command(exe, self.dir.path(), args);
        command.args(["--format", "json", "--log", &self.log, "--env", &self.env]);
        command.env("USER", "ann");
        command
    }

    /// Runs to its end; the lines that it prints.
    fn run(&self, code: i32, args: &[&str]) -> Vec<Json> {
        lines(&self.command(args).output().unwrap(), code)
    }

    fn line(&self, code: i32, args: &[&str]) -> Json {
        self.run(code, args).pop().unwrap()
    }

    /// Asks until it hears this, since partitions hear of configuration a moment later.
    fn until(&self, code: i32, args: &[&str]) -> Json {
        let end = Instant::now() + Duration::from_secs(60);
        loop {
            let output = self.command(args).output().unwrap();
            if output.status.code() == Some(code) || Instant::now() > end {
                return lines(&output, code).pop().unwrap();
            }
        }
    }
}

fn lines(output: &Output, code: i32) -> Vec<Json> {
    let (out, err) = (&output.stdout, &output.stderr);
    let (out, err) = (String::from_utf8_lossy(out), String::from_utf8_lossy(err));
    assert_eq!(output.status.code(), Some(code), "{out}{err}");
    let lines = out.lines();
    lines
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

/// A process at work, once it is ready; ended with the test.
struct Running(Child);

impl Running {
    fn new(place: &Place) -> Running {
        let mut command = place.command(&["run"]);
        let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        let out = child.stdout.as_mut().unwrap();
        BufReader::new(out).read_line(&mut line).unwrap();
        assert!(line.contains("pid"), "{line}");
        Running(child)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }
}

#[test]
fn operators_edit_while_the_platform_runs_and_what_takes_over_knows_it() {
    let place = Place::new();
    place.run(0, &["platform", "create", "--partitions", "2"]);
    // Before anybody is at work.
    let made = place.line(0, &["config", "set", "Policy", ONE, "most=3"]);
    assert_eq!(made["version"], json!(1));
    let running = Running::new(&place);
    let id = format!("id={ONE}");
    place.run(0, &["txn", "Tenant.create", ONE, &id, "name=ann"]);
    let (tenant, policy) = (format!("tenant={ONE}"), format!("policy={ONE}"));
    place.run(
        0,
        &[
            "txn",
            "Device.create",
            ONE,
            &id,
            &tenant,
            "serial=1",
            &policy,
        ],
    );
    place.run(0, &["config", "set", "Policy", ONE, "mute=true"]);
    let muted = place.until(1, &["txn", "Device.hear", ONE, "times=0"]);
    assert_eq!(muted["error"]["code"], json!("muted"), "{muted}");

    // Five who have all seen the second edit: one is taken.
    let edits = (4..9).map(|most| {
        let most = format!("most={most}");
        let args = [
            "config",
            "set",
            "Policy",
            ONE,
            &most,
            "mute=false",
            "--version",
            "2",
        ];
        let mut command = place.command(&args);
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        command.spawn().unwrap()
    });
    let edits: Vec<Child> = edits.collect();
    let (mut taken, mut refused) = (Vec::new(), 0);
    for edit in edits {
        let output = edit.wait_with_output().unwrap();
        match output.status.code() {
            Some(0) => taken.extend(lines(&output, 0)),
            _ => {
                let said = lines(&output, 1).pop().unwrap();
                assert_eq!(said["error"]["code"], json!("changed_meanwhile"), "{said}");
                refused += 1;
            }
        }
    }
    assert_eq!((taken.len(), refused), (1, 4));
    let most = taken[0]["value"]["most"].clone();
    assert_eq!(place.line(0, &["config", "list"]), taken[0]);
    let heard = place.until(0, &["txn", "Device.hear", ONE, "times=100"]);
    assert_eq!(heard["result"], most);

    // Another takes over.
    drop(running);
    let _running = Running::new(&place);
    let heard = place.until(0, &["txn", "Device.hear", ONE, "times=100"]);
    assert_eq!(heard["result"], most);
    let by: Vec<Json> = place.run(0, &["watch"]);
    let edits = by.iter().filter(|line| line["config"].is_string()).count();
    assert_eq!(edits, 3, "{by:?}");
}
