//! The platform on Kafka and PostgreSQL, as a user runs it: several processes, of which some are killed.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

#[path = "../../../rkcy-runtime/tests/support/binary.rs"]
mod binary;
#[path = "support/database.rs"]
mod database;
#[path = "../../../rkcy-runtime/tests/support/servers.rs"]
mod servers;

use rkcy_runtime::codegen::{Uuid, serde_json};
use serde_json::Value as Json;
use sqlx::Connection;
use std::io::{BufRead, BufReader, Lines};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// An environment and a database of its own.
struct Place {
    dir: TempDir,
    log: String,
    store: String,
    env: String,
}

/// A process that says what it does, line by line.
struct Process {
    child: Child,
    lines: Lines<BufReader<ChildStdout>>,
}

impl Place {
    fn new() -> Place {
        let name = format!("test{}", Uuid::new_v4().simple());
        Place {
            dir: tempfile::tempdir().unwrap(),
            log: format!("kafka:{}", servers::kafka()),
            store: database::created(&name),
            env: name,
        }
    }

    /// What the database answers to a question for a number.
    fn count(&self, sql: &'static str) -> i64 {
        let runtime = tokio::runtime::Builder::new_current_thread();
        let runtime = { runtime }.enable_all().build().unwrap();
        runtime.block_on(async {
            let mut connection = sqlx::PgConnection::connect(&self.store).await.unwrap();
            sqlx::query_scalar(sql)
                .fetch_one(&mut connection)
                .await
                .unwrap()
        })
    }

    fn command(&self, args: &[&str]) -> Command {
        let exe = env!("CARGO_BIN_EXE_rpg");
        let mut command = binary::command(exe, self.dir.path(), args);
        command
            .args(["--format", "json", "--log", &self.log])
            .args(["--store", &self.store, "--env", &self.env]);
        command
    }

    /// Runs to its end; the last line that it prints.
    fn run(&self, code: i32, args: &[&str]) -> Json {
        let output = self.command(args).output().unwrap();
        let out = String::from_utf8(output.stdout).unwrap();
        let err = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(code), "{args:?}: {out}{err}");
        serde_json::from_str(out.lines().last().unwrap()).unwrap()
    }

    fn start(&self, args: &[&str]) -> Process {
        let mut command = self.command(args);
        let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        Process { child, lines }
    }

    /// One that runs a role, once it is ready.
    fn role(&self, role: &str) -> Process {
        let mut process = self.start(&["run", "--roles", role]);
        assert_eq!(process.next()["roles"], serde_json::json!([role]));
        process
    }
}

impl Process {
    /// What it says next.
    fn next(&mut self) -> Json {
        let line = self.lines.next().expect("it says something").unwrap();
        serde_json::from_str(&line).unwrap()
    }

    fn signal(&self, name: &str) {
        signal(u64::from(self.child.id()), name);
    }

    /// Ends it in good order.
    fn stop(mut self) {
        self.signal("-TERM");
        let last = self.lines.by_ref().map(Result::unwrap).last();
        assert_eq!(self.child.wait().unwrap().code(), Some(0), "{last:?}");
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may have ended.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn signal(pid: u64, name: &str) {
    let killed = Command::new("kill").args([name, &pid.to_string()]).status();
    assert!(killed.unwrap().success());
}

#[test]
fn three_workers_of_which_one_is_killed() {
    let place = Place::new();
    let missing = place.run(3, &["txn", "sign_up", "username=anna", "fullname=Anna"]);
    assert_eq!(missing["error"]["code"], "no_platform");
    let made = place.run(0, &["platform", "create", "--partitions", "4"]);
    assert!(made["made"].as_array().unwrap().len() > 4, "{made}");
    assert_eq!(
        place.run(0, &["platform", "create"])["made"],
        serde_json::json!([])
    );
    let other = place.run(3, &["platform", "create", "--partitions", "5"]);
    assert_eq!(other["error"]["code"], "foreign_log");
    let shown = place.run(0, &["platform", "show"]);
    // Of players, of characters, of the names of players, and of idempotency keys.
    assert_eq!(shown["partitions"].as_array().unwrap().len(), 16);

    let storage = place.role("storage");
    let mut workers: Vec<Process> = (0..3).map(|_| place.role("process")).collect();
    let said = place.run(0, &["txn", "sign_up", "username=anna", "fullname=Anna"]);
    assert_eq!(said["outcome"], "committed");
    let sim = place.start(&[
        "sim",
        "--players",
        "20",
        "--clients",
        "16",
        "--seconds",
        "6",
    ]);
    let journal = Instant::now();
    // Its session ends while the callers wait.
    std::thread::park_timeout(Duration::from_secs(2).saturating_sub(journal.elapsed()));
    drop(workers.remove(0));
    let mut sim = sim;
    let report = sim.next();
    assert_eq!(report["compared"]["differences"], serde_json::json!([]));
    assert!(
        report["compared"]["acknowledged"].as_u64().unwrap() > 100,
        "{report}"
    );
    assert_eq!(sim.child.wait().unwrap().code(), Some(0));
    workers.into_iter().for_each(Process::stop);
    storage.stop();
}

#[test]
fn what_dies_is_started_again() {
    let place = Place::new();
    place.run(0, &["platform", "create", "--partitions", "2"]);
    let mut supervisor = place.start(&["run", "--supervise"]);
    let mut pids = std::collections::BTreeMap::new();
    for _ in 0..3 {
        let ready = supervisor.next();
        pids.insert(
            ready["roles"][0].as_str().unwrap().to_owned(),
            ready["pid"].clone(),
        );
    }
    for role in ["process", "storage"] {
        signal(pids[role].as_u64().unwrap(), "-KILL");
        let again = supervisor.next();
        assert_eq!(again["roles"][0], role);
        assert_ne!(again["pid"], pids[role]);
        let name = format!("username={role}-anna");
        let said = place.run(0, &["txn", "sign_up", &name, "fullname=Anna"]);
        assert_eq!(said["outcome"], "committed");
    }
    supervisor.stop();
}

#[test]
fn a_key_is_known_to_whoever_takes_over() {
    let place = Place::new();
    place.run(0, &["platform", "create", "--partitions", "2"]);
    let storage = place.role("storage");
    let worker = place.role("process");
    let sign_up = |code: i32, name: &str| {
        let name = format!("username={name}");
        let args = ["txn", "sign_up", &name, "fullname=Anna", "--key", "anna-1"];
        place.run(code, &args)
    };
    let first = sign_up(0, "anna");
    assert_eq!(first["outcome"], "committed");
    assert_eq!(sign_up(0, "anna")["result"], first["result"]);
    // Killed, not stopped.
    drop(worker);
    let worker = place.role("process");
    let again = sign_up(0, "anna");
    assert_eq!(again["result"], first["result"]);
    assert_ne!(again["id"], first["id"]);
    assert_eq!(sign_up(1, "bert")["error"]["code"], "key_reused");
    let told = place.run(0, &["txn", "show", again["id"].as_str().unwrap()]);
    assert_eq!(told["facts"][0]["state"], "committed", "{told}");
    worker.stop();
    storage.stop();
    let kept = place.count("SELECT count(*) FROM _rkcy_key");
    assert_eq!(kept, 1);
}

/// Who listens hears of it wherever it was decided, also across a take-over.
#[test]
fn how_transactions_end_is_heard_elsewhere() {
    let place = Place::new();
    place.run(0, &["platform", "create", "--partitions", "2"]);
    let storage = place.role("storage");
    let audited = || {
        let mut worker = place.start(&["run", "--roles", "process", "--audit", "all"]);
        assert_eq!(worker.next()["roles"], serde_json::json!(["process"]));
        worker
    };
    let worker = audited();
    let sign_up = |name: &str| {
        let name = format!("username={name}");
        let said = place.run(0, &["txn", "sign_up", &name, "fullname=Anna"]);
        said["id"].clone()
    };
    let anna = sign_up("anna");
    let mut watch = place.start(&["watch", "--follow", "--decode"]);
    let told = watch.next();
    assert_eq!(
        (&told["id"], &told["outcome"]),
        (&anna, &"committed".into())
    );
    assert_eq!(told["result"]["username"], "anna");
    let bert = sign_up("bert");
    assert_eq!(watch.next()["id"], bert);
    // Killed, not stopped: what the next one tells again is heard once.
    drop(worker);
    let worker = audited();
    let carl = sign_up("carl");
    assert_eq!(watch.next()["id"], carl);
    drop(watch);
    worker.stop();
    storage.stop();
}
