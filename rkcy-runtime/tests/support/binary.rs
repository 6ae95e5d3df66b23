//! A generated binary, as a user types its commands.
#![allow(dead_code, reason = "each test target uses its part")]

use rkcy_runtime::codegen::serde_json;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};

/// A command of the binary `exe` in a directory, without settings of the shell that the tests run in.
pub(crate) fn command(exe: &str, dir: &Path, args: &[&str]) -> Command {
    let mut command = Command::new(exe);
    command.current_dir(dir).args(args);
    for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("RKCY_")) {
        command.env_remove(name);
    }
    command.env_remove("RUST_BACKTRACE").env_remove("NO_COLOR");
    command
}

/// Starts `run --format json`; gives its process once it is ready.
pub(crate) fn running(command: &mut Command) -> Child {
    let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
    let mut line = String::new();
    let out = child.stdout.as_mut().unwrap();
    BufReader::new(out).read_line(&mut line).unwrap();
    let ready: serde_json::Value = serde_json::from_str(&line).unwrap();
    assert_eq!(ready["pid"], child.id());
    child
}

/// What a command has said.
pub(crate) struct Said {
    pub(crate) code: Option<i32>,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Said {
    pub(crate) fn of(output: &Output) -> Said {
        Said {
            code: output.status.code(),
            out: String::from_utf8(output.stdout.clone()).unwrap(),
            err: String::from_utf8(output.stderr.clone()).unwrap(),
        }
    }

    /// Ended with this code, saying all of this.
    #[track_caller]
    pub(crate) fn says(&self, code: i32, needles: &[&str]) {
        assert_eq!(self.code, Some(code), "{}{}", self.out, self.err);
        for needle in needles {
            assert!(
                self.err.contains(needle),
                "{needle:?} is not said: {}",
                self.err
            );
        }
        for never in ["panic", "RUST_BACKTRACE"] {
            assert!(!self.err.contains(never), "{}", self.err);
        }
    }
}
