//! The database behind a platform: written behind the log, in order.

mod desc;

pub use desc::{Migration, SqlValue, TableDesc};
