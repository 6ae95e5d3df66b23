//! The platform `rpg`: a small multiplayer role-playing game.

pub mod economy;
pub mod generated;
pub mod handlers;

/// The platform with its handlers.
pub fn platform() -> rkcy_runtime::codegen::Platform {
    generated::platform::<handlers::Handlers>()
}
