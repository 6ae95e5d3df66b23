//! A platform on real files, and a runtime for its callers.
#![allow(dead_code, reason = "each test target uses its part")]

use rkcy_runtime::codegen::Platform;
use rkcy_runtime::driver::{Audit, Settings};
use rkcy_runtime::driver::{LogChoice, Options, Running, StoreChoice};
use tempfile::TempDir;
use tokio::runtime::Runtime;

/// Where a platform is; it may be started there again.
pub(crate) struct Place {
    platform: Platform,
    dir: TempDir,
    /// Which transactions the audit tells of.
    pub(crate) audit: Audit,
    pub(crate) runtime: Runtime,
}

impl Place {
    pub(crate) fn new(platform: Platform) -> Place {
        let mut runtime = tokio::runtime::Builder::new_current_thread();
        Place {
            platform,
            dir: tempfile::tempdir().unwrap(),
            audit: Audit::Off,
            runtime: runtime.enable_all().build().unwrap(),
        }
    }

    pub(crate) fn start(&self) -> Running {
        let settings = Settings {
            audit: self.audit,
            ..Settings::default()
        };
        let options = Options {
            settings,
            log: LogChoice::Embedded(self.dir.path().join("log")),
            store: StoreChoice::Sqlite(self.dir.path().join("rows.db")),
            ..Options::default()
        };
        Running::start(&self.platform, &options).unwrap()
    }
}
