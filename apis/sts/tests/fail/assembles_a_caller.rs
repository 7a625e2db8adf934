//! A caller put together from its parts, and another caller's request.
use std::sync::Arc;

use keyward_engine::{
    caller::{Bearer, Caller},
    context::Context,
};
use keyward_types::principal::Principal;

fn of_its_parts(somebody: Caller, principal: Arc<Principal>) -> Caller {
    Caller {
        principal,
        bearer: Bearer::Root,
        ..somebody
    }
}

fn of_another<'a>(cx: &'a Context<'a>, caller: &'a Caller) -> Context<'a> {
    Context { caller, ..*cx }
}

fn main() {}
