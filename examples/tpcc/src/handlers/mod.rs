//! What happens to the instances of each concern.

mod customer;
mod district;
mod functions;
mod order;
mod stock;
mod surname;
mod warehouse;

/// The handlers of this platform.
#[derive(Debug)]
pub struct Handlers;
