//! What happens to a surname: customers are entered.

use crate::generated::{Named, Surname, SurnameEnterRefusal, SurnameHandlers};
use rkcy_runtime::codegen::Context;

impl SurnameHandlers for super::Handlers {
    fn enter(
        surname: &mut Surname,
        payload: &Named,
        _cx: &Context<'_>,
    ) -> Result<(), SurnameEnterRefusal> {
        let customers = &mut surname.customers;
        if customers.iter().any(|it| it.customer == payload.customer) {
            return Err(SurnameEnterRefusal::EnteredAlready);
        }
        customers.push(payload.clone());
        Ok(())
    }
}
