//! The generator of Rocketcycle: from a `.rkcy` schema to a crate.
//!
//! ```text
//! text ──parse──▶ ast ──check──▶ Model ──plan──▶ Plan ──render──▶ files ──write──▶ disk
//!                  └──────┬───────┘
//!                         ▼
//!                    Diagnostics
//! ```
//!
//! Each arrow is a function from value to value. Only `write` and the binary touch the file system.

pub mod breaking;
pub mod check;
pub mod diagnostic;
pub mod diagram;
pub mod evolve;
pub mod json_schema;
pub mod layout;
pub mod lock;
pub mod model;
pub mod naming;
pub mod plan;
pub mod render;
pub mod starter;
pub mod syntax;
pub mod write;
