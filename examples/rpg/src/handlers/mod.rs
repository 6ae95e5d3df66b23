//! What happens to the instances of each concern.

mod character;
mod player;

/// The handlers of this platform.
#[derive(Debug)]
pub struct Handlers;

#[cfg(test)]
mod testing {
    use rkcy_runtime::codegen::{Bytes, Context, TxnId};

    /// Calls a handler as the engine would.
    pub(super) fn with_context<T>(call: impl FnOnce(&Context<'_>) -> T) -> T {
        call(&Context::new(TxnId::from_parts(0, 0), 0, &Bytes::new()))
    }
}
