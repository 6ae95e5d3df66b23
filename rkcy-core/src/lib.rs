//! The pure engine of rkcy: no I/O, no threads, no clock, no async.
//!
//! A partition is a deterministic state machine over its command log. A crashed or doubled worker does
//! no harm, since it computes the same thing again; envelopes between partitions carry dense numbers,
//! so that sending twice has the effect of sending once.
//!
//! ```text
//!  submitter ──frame──► command log of a partition
//!                            │ durable records
//!                            ▼
//!            ┌────────────── Worker ──────────────┐          Storage ──► database
//!            │  Partition::apply(envelope)        │             ▲
//!            │     state  rows  locks  queues     │             │ change records
//!            └──┬───────────────┬─────────────┬───┘             │
//!               │ frames        │ answers     └──► changelog ───┘
//!               ▼               ▼
//!      other partitions     submitters
//! ```
//!
//! Nothing here performs I/O: [`worker::Worker`] and [`storage::Storage`] say what is to be done, and the
//! drivers of `rkcy-runtime` and its simulator do it.

// Names and forms.
pub mod decimal;
pub mod fault;
pub mod id;
pub mod key;
pub mod wire;

// What travels.
pub mod frame;
pub mod plan;
pub mod settings;
pub mod txn;

// The state machine.
pub mod logic;
pub mod partition;
pub mod rows;
pub mod state;
pub mod status;

// What is carried over, and by whom.
pub mod change;
pub mod claim;
pub mod config;
pub mod drain;
pub mod expect;
pub mod keyed;
pub mod related;
pub mod storage;
pub mod worker;

// Bugs on purpose, for the simulator.
pub mod bugs;
