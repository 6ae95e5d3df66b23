//! What happens to the instances of each concern.

mod customer;
mod district;
mod order;
mod stock;
mod warehouse;

/// The handlers of this platform.
#[derive(Debug)]
pub struct Handlers;
