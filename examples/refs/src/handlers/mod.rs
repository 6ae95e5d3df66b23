//! What happens to the instances of each concern.

mod budget;
mod device;

/// The handlers of this platform.
#[derive(Debug)]
pub struct Handlers;
