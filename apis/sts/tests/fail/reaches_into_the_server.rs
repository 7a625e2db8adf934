//! The trail's writer, the keys of sessions and of page markers, and the key core.
use keyward_engine::context::Context;

fn the_trail(cx: &Context<'_>) {
    let _ = cx.shared().writer.clone();
}

fn the_sessions(cx: &Context<'_>) {
    let _ = cx.shared().sessions.clone();
}

fn the_marker_key(cx: &Context<'_>) {
    let _ = cx.shared().marker_key.expose();
}

fn the_key_core(_: &keyward_keys::ring::Ring) {}

fn another_api(_: &keyward_api_kms::state::KmsState) {}

fn main() {}
