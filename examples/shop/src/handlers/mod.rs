//! What happens to the instances of each concern.

mod customer;
mod functions;
mod order;
mod product;

/// The handlers of this platform.
#[derive(Debug)]
pub struct Handlers;
