//! A caller of the API's own choice, as if it had been proven.
use keyward_engine::{context::Context, front::authenticate::Proven, request::Source};

fn of_another(cx: &Context<'_>) -> Proven {
    Proven { caller: cx.caller.clone(), region: cx.region, at: cx.now, source: Source::default() }
}

fn main() {}
