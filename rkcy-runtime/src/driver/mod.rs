//! The drivers: they carry out what the engine's state machines say.
//!
//! ```text
//! Client ─► submitter ─frames─► Log ─records─► process thread (Worker × partitions) ─► Log
//!    ▲                                             │ answers, once durable      │ change records
//!    └──────────────── Answers ◄───────────────────┘                            ▼
//!                                   cold rows ◄──── Store ◄──── storage thread ◄─ Log
//! ```
//!
//! Each has one file: `answers` who waits for what, `submit` from callers to the log, `process` the
//! worker thread, `watchdog` ends a process that hangs, `storage` from the changelog to the database, `running`
//! all of them together.

pub(crate) mod answers;
pub(crate) mod batch;
pub(crate) mod process;
pub(crate) mod running;
pub(crate) mod storage;
pub(crate) mod submit;
pub(crate) mod watchdog;

pub use crate::log::LogChoice;
pub use crate::store::StoreChoice;
pub use running::{Options, Running, StartError, Told};
pub use submit::Client;
