//! The log on a Kafka cluster.

/// Where the cluster is.
#[derive(Clone, Debug, Default)]
pub struct Settings {
    /// Brokers to begin with: `HOST:PORT[,…]`.
    pub brokers: String,
}
