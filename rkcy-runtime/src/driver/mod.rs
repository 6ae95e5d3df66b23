//! The drivers: they carry out what the engine's state machines say.
//!
//! ```text
//! Client ─► submitter ─frames─► Log ─records─► process thread (Worker × partitions) ─► Log
//!    ▲                                             │ answers, once durable      │ change records
//!    └──────────────── Answers ◄───────────────────┘                            ▼
//!                                   cold rows ◄──── Store ◄──── storage thread ◄─ Log
//! ```
//!
//! Each has one file: `answers` who waits for what, `submit` from callers to the log, `reply` answers that come
//! through it, `process` the worker thread with its `slot`s, `leave` how what they have to say leaves them,
//! `tenancy` which partitions a process has where several share a log, `take_over` what comes before a worker,
//! `configs` what partitions hear of configuration, `watchdog` ends a process that hangs, `storage` from the
//! changelog to the database, `describe` whose log it is, `launch` how all of them come to work, `running` what
//! they are then, `audit` how transactions have ended, `tail` who hears of that.

pub(crate) mod answers;
mod audit;
pub(crate) mod batch;
pub(crate) mod configs;
mod describe;
mod drain;
mod faults;
mod follow;
mod gate;
mod launch;
mod leave;
mod options;
pub(crate) mod process;
mod reply;
mod running;
mod slot;
pub(crate) mod storage;
pub(crate) mod submit;
pub(crate) mod tail;
mod take_over;
mod tenancy;
mod topics;
pub(crate) mod watchdog;

pub use crate::log::LogChoice;
pub use crate::log::group::Role;
pub use crate::store::StoreChoice;
pub use audit::{Edited, Told};
pub use describe::begin;
pub use drain::Drained;
pub use launch::Parts;
pub use options::Options;
pub use rkcy_core::settings::{Audit, Settings};
pub use running::{Running, StartError};
pub use submit::Client;
pub(crate) use submit::forgotten;
pub use topics::{Extent, Made, create, show};
