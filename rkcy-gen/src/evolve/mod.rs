//! Owns schemas that change while there are rows: what differs, what to do about it in both databases, and
//! what that does to rows.
//!
//! ```text
//! Model + Lock ──plan──▶ tables ──diff──▶ changes ──▶ up and down, for each database
//!        lock: tables that the last migration reached ─┘     └──▶ findings by code
//! ```

mod create;
mod derived;
mod reached;
mod shape;
mod table;
mod words;

pub use create::{Script, initial};
pub use derived::Derived;
pub use shape::{Member, Shape};
pub use table::{Check, Column, ColumnType, Dialect, Fill, Index, Table};

pub(crate) use reached::{Reader, WORDS, print};
