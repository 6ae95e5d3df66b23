//! What happens to characters: mostly to their money.

use super::Handlers;
use crate::generated::{
    Character, CharacterDebitRefusal, CharacterHandlers, CharacterRename, Currency,
};
use rkcy_runtime::codegen::{Context, Text};

impl CharacterHandlers for Handlers {
    fn fund(character: &mut Character, payload: &Currency, _cx: &Context<'_>) -> Result<(), Text> {
        receive(character, payload)
    }

    fn debit(
        character: &mut Character,
        payload: &Currency,
        _cx: &Context<'_>,
    ) -> Result<(), CharacterDebitRefusal> {
        let rest = combined(&character.currency, payload, |have, less| {
            have.checked_sub(less).filter(|rest| *rest >= 0)
        });
        character.currency = rest.ok_or(CharacterDebitRefusal::InsufficientFunds)?;
        Ok(())
    }

    fn credit(
        character: &mut Character,
        payload: &Currency,
        _cx: &Context<'_>,
    ) -> Result<(), Text> {
        receive(character, payload)
    }

    fn credit_back(character: &mut Character, payload: &Currency, _cx: &Context<'_>) {
        // It cannot refuse: what would be too much is lost rather than the whole.
        let sum = combined(&character.currency, payload, |have, more| {
            Some(have.saturating_add(more))
        });
        if let Some(sum) = sum {
            character.currency = sum;
        }
    }

    fn rename(
        character: &mut Character,
        payload: &CharacterRename,
        _cx: &Context<'_>,
    ) -> Result<(), Text> {
        character.fullname.clone_from(&payload.fullname);
        Ok(())
    }

    fn worth(character: &Character, _cx: &Context<'_>) -> Result<i64, Text> {
        amounts(&character.currency)
            .into_iter()
            .try_fold(0, i64::checked_add)
            .ok_or_else(overflow)
    }
}

fn receive(character: &mut Character, more: &Currency) -> Result<(), Text> {
    let sum = combined(&character.currency, more, i64::checked_add);
    character.currency = sum.ok_or_else(overflow)?;
    Ok(())
}

fn overflow() -> Text {
    Text::from("overflow")
}

fn amounts(currency: &Currency) -> [i64; 4] {
    let Currency {
        gold,
        faction_0,
        faction_1,
        faction_2,
    } = *currency;
    [gold, faction_0, faction_1, faction_2]
}

/// The two, combined kind by kind; `None` where that is not possible for one of them.
fn combined(
    left: &Currency,
    right: &Currency,
    combine: impl Fn(i64, i64) -> Option<i64>,
) -> Option<Currency> {
    Some(Currency {
        gold: combine(left.gold, right.gold)?,
        faction_0: combine(left.faction_0, right.faction_0)?,
        faction_1: combine(left.faction_1, right.faction_1)?,
        faction_2: combine(left.faction_2, right.faction_2)?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::generated::Player;
    use crate::handlers::testing::with_context;
    use rkcy_runtime::codegen::Ref;
    use uuid::Uuid;

    fn gold(gold: i64) -> Currency {
        Currency {
            gold,
            ..Currency::default()
        }
    }

    fn bob(has: i64) -> Character {
        let player = Ref::<Player>::new(Uuid::from_u128(1));
        let mut bob = Character::new(Uuid::from_u128(2), player, "Bob".to_owned());
        bob.currency = gold(has);
        bob
    }

    #[test]
    fn what_is_paid_is_gone_and_what_is_received_is_there() {
        let mut character = bob(10);
        with_context(|cx| {
            assert_eq!(Handlers::debit(&mut character, &gold(4), cx), Ok(()));
            assert_eq!(character.currency, gold(6));
            assert_eq!(Handlers::credit(&mut character, &gold(1), cx), Ok(()));
            assert_eq!(Handlers::fund(&mut character, &gold(3), cx), Ok(()));
        });
        assert_eq!(character.currency, gold(10));
    }

    #[test]
    fn nobody_pays_more_than_they_have() {
        let mut character = bob(3);
        let paid = with_context(|cx| Handlers::debit(&mut character, &gold(4), cx));
        assert_eq!(paid, Err(CharacterDebitRefusal::InsufficientFunds));
        assert_eq!(character.currency, gold(3));
    }

    #[test]
    fn too_much_money_is_refused() {
        let mut character = bob(i64::MAX);
        with_context(|cx| {
            assert_eq!(
                Handlers::fund(&mut character, &gold(1), cx),
                Err(overflow())
            );
            character.currency.faction_2 = 1;
            assert_eq!(Handlers::worth(&character, cx), Err(overflow()));
        });
    }

    #[test]
    fn worth_counts_every_kind_of_money() {
        let mut character = bob(1);
        character.currency.faction_0 = 20;
        character.currency.faction_1 = 300;
        character.currency.faction_2 = 4_000;
        assert_eq!(
            with_context(|cx| Handlers::worth(&character, cx)),
            Ok(4_321)
        );
    }

    #[test]
    fn a_character_takes_another_name() {
        let mut character = bob(0);
        let payload = CharacterRename {
            fullname: "Robert".to_owned(),
        };
        with_context(|cx| Handlers::rename(&mut character, &payload, cx)).unwrap();
        assert_eq!(character.fullname, "Robert");
    }
}
