//! A count of what may never be committed.
use keyward_engine::{context::Context, counts::Counted};

fn before_the_commit(cx: &Context<'_>, counted: Counted) {
    cx.shared().counts().made(counted);
}

fn main() {}
