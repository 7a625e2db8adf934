//! A permit that no policy gave.
use keyward_engine::{gate::Gate, policy::permit::Authority};

fn by_the_authority() {
    let _ = Authority::dangerous_new();
    let _ = keyward_policy::permit::Authority::dangerous_new();
}

fn by_a_gate(cx: &keyward_engine::context::Context<'_>) {
    let _ = Gate::new(&cx.shared().authority, cx);
}

fn main() {}
