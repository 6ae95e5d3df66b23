//! Real servers for tests.
//!
//! They are those of `scripts/services`. `scripts/test` starts them and says where they are; a test that is run by
//! itself starts them, and leaves them running for the next one. A test without its server fails.
#![allow(dead_code, reason = "each test target uses its part")]

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;
use tempfile::TempDir;

/// Where the log of the running servers is, without `kafka:`.
pub(crate) fn kafka() -> String {
    static BROKERS: OnceLock<String> = OnceLock::new();
    let brokers = BROKERS.get_or_init(|| {
        let place = std::env::var("RKCY_TEST_LOG").unwrap_or_else(|_| started("kafka", "RKCY_LOG"));
        let brokers = place.strip_prefix("kafka:");
        brokers
            .expect("RKCY_TEST_LOG is kafka:HOST:PORT")
            .to_owned()
    });
    brokers.clone()
}

/// `postgres://USER@HOST:PORT` of the running server, without database.
pub(crate) fn postgres() -> String {
    static SERVER: OnceLock<String> = OnceLock::new();
    let server = SERVER.get_or_init(|| {
        let url = std::env::var("RKCY_TEST_STORE");
        let url = url.unwrap_or_else(|_| started("postgres", "RKCY_STORE"));
        let (server, _) = url
            .rsplit_once('/')
            .expect("RKCY_TEST_STORE is postgres://…/DATABASE");
        server.to_owned()
    });
    server.clone()
}

/// Starts a server, unless it runs, and asks for one of its variables.
fn started(server: &str, variable: &str) -> String {
    services(None, &["start", server]);
    let told = variable_of(&services(None, &["env"]), variable);
    told.unwrap_or_else(|| panic!("scripts/services env does not tell {variable}"))
}

/// A variable of the running servers, as `scripts/services env WAY` tells it.
pub(crate) fn variables(way: &str) -> impl Fn(&str) -> Option<String> {
    // It is started, if it was not.
    kafka();
    let all = services(None, &["env", way]);
    move |name| variable_of(&all, name)
}

fn variable_of(all: &str, name: &str) -> Option<String> {
    all.lines()
        .find_map(|line| line.strip_prefix(name)?.strip_prefix('='))
        .map(str::to_owned)
}

/// What `scripts/services` says, of the servers that all tests share or of those whose place is in a file.
fn services(own: Option<&Path>, arguments: &[&str]) -> String {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("..");
    let mut command = Command::new(root.join("scripts/services"));
    if let Some(place) = own {
        command.env("RKCY_SERVICES", place);
    }
    let output = command
        .args(arguments)
        .stderr(Stdio::inherit())
        .output()
        .expect("scripts/services can be run");
    assert!(
        output.status.success(),
        "scripts/services {arguments:?} failed: this test needs its servers"
    );
    String::from_utf8(output.stdout).expect("text")
}

/// Servers of one test, which may kill them.
pub(crate) struct Own(TempDir);

impl Own {
    /// Starts a server.
    pub(crate) fn start(server: &str) -> Own {
        let own = Own(TempDir::new().expect("a directory can be made"));
        own.start_again(server);
        own
    }

    /// Starts a server that was killed.
    pub(crate) fn start_again(&self, server: &str) {
        self.say(&["start", server]);
    }

    /// A variable as `scripts/services env` tells it.
    pub(crate) fn variable(&self, name: &str) -> String {
        variable_of(&self.say(&["env"]), name).expect("it is told")
    }

    /// Sends a signal to the process of a server.
    pub(crate) fn signal(&self, name: &str, signal: &str) {
        let all = self.say(&["status"]);
        let line = all.lines().find(|line| line.starts_with(name));
        let process = line.and_then(|line| line.rsplit(' ').next());
        let sent = Command::new("kill")
            .args(["-s", signal, process.expect("it runs")])
            .status();
        assert!(sent.is_ok_and(|status| status.success()));
    }

    fn say(&self, arguments: &[&str]) -> String {
        services(Some(&self.0.path().join("services")), arguments)
    }
}

impl Drop for Own {
    fn drop(&mut self) {
        self.say(&["stop"]);
    }
}
