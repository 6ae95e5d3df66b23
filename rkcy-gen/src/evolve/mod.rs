//! Owns schemas that change while there are rows: what differs, what to do about it in both databases, and
//! what that does to rows.
//!
//! ```text
//! Model + Lock ──plan──▶ tables ──diff──▶ changes ──▶ up and down, for each database
//!        lock: tables that the last migration reached ─┘     └──▶ findings by code
//! ```

mod carry;
mod change;
mod convert;
mod create;
mod decimal;
mod derived;
mod describe;
mod list;
mod migration;
mod placeholder;
mod postgres;
mod reached;
mod refill;
mod risk;
mod shape;
mod sqlite;
mod table;
mod words;

pub use change::{Change, Difference, Pair, difference};
pub use convert::Way;
pub use create::{Script, initial};
pub use derived::Derived;
pub use migration::{FOLDER, Migration, SUM, Tampered, sum, verify};
pub use risk::findings;
pub use shape::{Member, Shape};
pub use table::{Check, Column, ColumnType, Dialect, Fill, Index, PLACE, Table};

pub(crate) use reached::{Reader, WORDS, print};
pub(crate) use words::{Words, quoted};
