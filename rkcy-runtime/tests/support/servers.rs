//! Real servers for tests.
//!
//! They are those of `scripts/services`. `scripts/test` starts them and says where they are; a test that is run by
//! itself starts them, and leaves them running for the next one. A test without its server fails.
#![allow(dead_code, reason = "each test target uses its part")]

use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::OnceLock;

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
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("..");
    let services = |arguments: &[&str]| {
        let output = Command::new(root.join("scripts/services"))
            .args(arguments)
            .stderr(Stdio::inherit())
            .output()
            .expect("scripts/services can be run");
        assert!(
            output.status.success(),
            "scripts/services {arguments:?} failed: this test needs its servers"
        );
        String::from_utf8(output.stdout).expect("text")
    };
    services(&["start", server]);
    let all = services(&["env"]);
    all.lines()
        .find_map(|line| line.strip_prefix(variable)?.strip_prefix('='))
        .unwrap_or_else(|| panic!("scripts/services env does not tell {variable}"))
        .to_owned()
}

/// A variable of the running servers, as `scripts/services env WAY` tells it.
pub(crate) fn variables(way: &str) -> impl Fn(&str) -> Option<String> {
    // It is started, if it was not.
    kafka();
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("..");
    let output = Command::new(root.join("scripts/services"))
        .args(["env", way])
        .stderr(Stdio::inherit())
        .output()
        .expect("scripts/services can be run");
    let all = String::from_utf8(output.stdout).expect("text");
    move |name| {
        all.lines()
            .find_map(|line| line.strip_prefix(name)?.strip_prefix('='))
            .map(str::to_owned)
    }
}
