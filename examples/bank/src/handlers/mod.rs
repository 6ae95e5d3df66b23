//! What happens to the instances of each concern.

mod account;
mod customer;
mod day;
mod functions;

/// The handlers of this platform.
#[derive(Debug)]
pub struct Handlers;
