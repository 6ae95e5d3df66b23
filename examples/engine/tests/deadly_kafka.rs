//! Handlers that end the process, on a log that several processes share: whoever takes over dies of it as well, until it
//! is given up.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

#[path = "../../../rkcy-runtime/tests/support/binary.rs"]
mod binary;
#[path = "../../../rkcy-runtime/tests/support/servers.rs"]
mod servers;

use rkcy_runtime::codegen::Uuid;
use serde_json::Value as Json;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

/// Processes that may end at one envelope: two before anybody is careful, two that say what they try, and one that
/// was beside them.
const DEATHS: usize = 5;

/// An environment of its own; the log is shared, and so is the database.
struct Place {
    dir: tempfile::TempDir,
    log: String,
    env: String,
}

impl Place {
    fn command(&self, args: &[&str]) -> Command {
        let exe = env!("CARGO_BIN_EXE_engine");
        let mut command = binary::command(exe, self.dir.path(), args);
        command.args(["--format", "json", "--log", &self.log, "--env", &self.env]);
        command
    }

    /// The last line that a command prints.
    fn json(&self, code: i32, args: &[&str]) -> Json {
        let output = self.command(args).output().unwrap();
        let out = String::from_utf8_lossy(&output.stdout);
        let err = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(code), "{args:?}: {out}{err}");
        serde_json::from_str(out.lines().last().unwrap()).unwrap()
    }

    fn amounts(&self, x: &str, y: &str) -> (Json, Json) {
        let amount = |concern: &str, id: &str| {
            let got = self.json(0, &["get", concern, id]);
            let instance = got.get("instance").unwrap_or(&got);
            instance["n"].clone()
        };
        (amount("Alpha", x), amount("Beta", y))
    }

    fn worker(&self, said: &Path) -> Child {
        let said = std::fs::File::options()
            .append(true)
            .create(true)
            .open(said);
        let mut command = self.command(&["run"]);
        command.stdout(Stdio::null()).stderr(said.unwrap());
        command.spawn().unwrap()
    }
}

#[test]
fn a_handler_that_aborts_is_given_up_by_whoever_takes_over() {
    let place = Place {
        dir: tempfile::tempdir().unwrap(),
        log: format!("kafka:{}", servers::kafka()),
        env: format!("test{}", Uuid::new_v4().simple()),
    };
    place.json(0, &["platform", "create", "--partitions", "1"]);
    let said = place.dir.path().join("workers.txt");
    let (over, deaths) = (AtomicBool::new(false), AtomicUsize::new(0));
    std::thread::scope(|scope| {
        // Whatever runs workers starts them again.
        scope.spawn(|| {
            let mut worker = place.worker(&said);
            while !over.load(Ordering::Relaxed) {
                if worker.try_wait().unwrap().is_some() {
                    deaths.fetch_add(1, Ordering::Relaxed);
                    worker = place.worker(&said);
                }
                std::thread::sleep(std::time::Duration::from_millis(50));
            }
            worker.kill().unwrap();
            worker.wait().unwrap();
        });
        let judged = std::panic::catch_unwind(|| {
            let made = place.json(0, &["txn", "make", "n=10"]);
            let of = |name: &str| made["result"][name].as_str().unwrap().to_owned();
            let (x, y) = (of("id"), of("next"));
            let (with_x, with_y) = (format!("x={x}"), format!("y={y}"));
            let deadly = ["txn", "deadly", &with_x, &with_y, "amount=3", "by=abort"];
            let told = place.json(1, &deadly);
            assert_eq!(told["outcome"], "refused", "{told}");
            assert_eq!(told["error"]["code"], "handler_died", "{told}");
            // Nothing of it stayed, no lock is left, and others go on.
            assert_eq!(place.amounts(&x, &y), (10.into(), 10.into()));
            place.json(0, &["txn", "two_concerns", &with_x, &with_y, "amount=4"]);
            assert_eq!(place.amounts(&x, &y), (6.into(), 14.into()));
        });
        over.store(true, Ordering::Relaxed);
        if let Err(wrong) = judged {
            eprintln!("{}", std::fs::read_to_string(&said).unwrap_or_default());
            std::panic::resume_unwind(wrong);
        }
    });
    let deaths = deaths.load(Ordering::Relaxed);
    assert!((2..=DEATHS).contains(&deaths), "{deaths} processes ended");
}
