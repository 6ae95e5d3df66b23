//! What happens to players.

use super::Handlers;
use crate::generated::{
    Player, PlayerAddCharacterRefusal, PlayerDeactivateRefusal, PlayerHandlers,
};
use rkcy_runtime::codegen::Context;

/// A player without limits has at most so many characters, which is what the schema bounds.
const MAX_CHARACTERS: u32 = 100;

impl PlayerHandlers for Handlers {
    fn add_character(
        player: &mut Player,
        cx: &Context<'_>,
    ) -> Result<(), PlayerAddCharacterRefusal> {
        if !player.active {
            return Err(PlayerAddCharacterRefusal::NotActive);
        }
        let limits = player.limits.and_then(|limits| limits.read(cx));
        let most = limits.map_or(MAX_CHARACTERS, |limits| limits.max_characters_per_player);
        if player.count >= most {
            return Err(PlayerAddCharacterRefusal::TooManyCharacters);
        }
        player.count += 1;
        Ok(())
    }

    fn deactivate(player: &mut Player, _cx: &Context<'_>) -> Result<(), PlayerDeactivateRefusal> {
        if !player.active {
            return Err(PlayerDeactivateRefusal::NotActive);
        }
        player.active = false;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::handlers::testing::with_context;
    use uuid::Uuid;

    fn ann() -> Player {
        Player::new(Uuid::from_u128(1), "anna".to_owned())
    }

    #[test]
    fn characters_are_counted_up_to_the_limit() {
        let mut player = ann();
        with_context(|cx| {
            for _ in 0..MAX_CHARACTERS {
                assert_eq!(Handlers::add_character(&mut player, cx), Ok(()));
            }
            assert_eq!(
                Handlers::add_character(&mut player, cx),
                Err(PlayerAddCharacterRefusal::TooManyCharacters)
            );
        });
        assert_eq!(player.count, MAX_CHARACTERS);
    }

    #[test]
    fn who_was_deactivated_does_nothing_more() {
        let mut player = ann();
        with_context(|cx| {
            assert_eq!(Handlers::deactivate(&mut player, cx), Ok(()));
            assert!(!player.active);
            assert_eq!(
                Handlers::deactivate(&mut player, cx),
                Err(PlayerDeactivateRefusal::NotActive)
            );
            assert_eq!(
                Handlers::add_character(&mut player, cx),
                Err(PlayerAddCharacterRefusal::NotActive)
            );
        });
    }
}
