//! A caller whose signature nobody verified.
use std::sync::Arc;

use keyward_engine::{
    caller::Caller,
    context::Context,
    directory::units::AccessKeyUnit,
    session::SessionUnit,
};

async fn of_a_key(cx: &Context<'_>, key: Arc<AccessKeyUnit>) {
    let _ = Caller::of_access_key(cx.directory(), key, cx.region).await;
}

async fn of_a_session(cx: &Context<'_>, session: Arc<SessionUnit>) {
    let _ = Caller::of_session(cx.directory(), session).await;
}

fn main() {}
