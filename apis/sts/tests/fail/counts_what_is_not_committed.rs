//! A count of what may never be committed.
use keyward_engine::{context::Context, counts::{CountChange, Counted}};

fn before_the_commit(cx: &Context<'_>, counted: Counted) {
    cx.shared().counts().note(&CountChange::Made(counted));
}

fn main() {}
