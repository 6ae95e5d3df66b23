//! Which log a platform is run on, as a setting says it.

use super::kafka;
use std::fmt;
use std::path::PathBuf;

/// Which log a platform is run on.
#[derive(Clone, Debug)]
pub enum LogChoice {
    /// Files of one process, in this directory.
    Embedded(PathBuf),
    /// A Kafka cluster.
    Kafka(kafka::Settings),
}

/// As the setting `log` is written, without secrets.
impl fmt::Display for LogChoice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            LogChoice::Embedded(dir) => write!(f, "embedded:{}", dir.display()),
            LogChoice::Kafka(settings) => write!(f, "kafka:{}", settings.brokers),
        }
    }
}
