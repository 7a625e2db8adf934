//! A caller whose signature nobody verified, and one whom a token speaks for without its provider.
use std::sync::Arc;

use keyward_engine::{
    caller::{Caller, WebIdentity},
    context::Context,
    directory::{
        identities::Home,
        units::{AccessKeyUnit, identity::OidcProviderUnit},
    },
    session::SessionUnit,
};
use keyward_oidc::issuers::VerifiedToken;

async fn of_a_key(cx: &Context<'_>, key: Arc<AccessKeyUnit>) {
    let _ = Caller::of_access_key(cx.directory(), key, cx.region).await;
}

async fn of_a_session(cx: &Context<'_>, session: Arc<SessionUnit>) {
    let _ = Caller::of_session(cx.directory(), session).await;
}

async fn of_a_token(cx: &Context<'_>, home: Home, provider: &OidcProviderUnit, token: VerifiedToken) {
    let identity = WebIdentity::new(home, provider, token);
    let _ = Caller::of_web_identity(cx.directory(), home, identity).await;
}

fn main() {}
