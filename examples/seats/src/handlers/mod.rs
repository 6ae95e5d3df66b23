//! What happens to the instances of each concern.

mod booking;
mod functions;
mod show;

/// The handlers of this platform.
#[derive(Debug)]
pub struct Handlers;
