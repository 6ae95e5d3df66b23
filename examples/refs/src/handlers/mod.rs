//! What happens to the instances of each concern.

mod budget;
mod device;
mod tenant;

/// The handlers of this platform.
#[derive(Debug)]
pub struct Handlers;
