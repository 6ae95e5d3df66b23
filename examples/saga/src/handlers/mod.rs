//! What happens to the instances of each concern.

mod functions;
mod room;
mod trip;
mod wallet;

/// The handlers of this platform.
#[derive(Debug)]
pub struct Handlers;
