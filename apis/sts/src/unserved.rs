//! Members that this version does not serve. They are held to the model's constraints first, as
//! those that are served, and then refused by name (`unsupported.txt`).

use keyward_wire::json::Members;

use crate::{fault::StsFault, names};

/// Reads `MinimumSessionTokenSize`.
pub fn read_token_size(m: &mut Members<'_>) -> Option<StsFault> {
    let name = "MinimumSessionTokenSize";
    let size = m.integer(name).range(0, 4096).optional();
    size.map(|_| StsFault::unserved(name))
}

/// Reads `ProvidedContexts`.
pub fn read_contexts(m: &mut Members<'_>) -> Option<StsFault> {
    let name = "ProvidedContexts";
    let contexts = m.structures(name, |context| {
        let arn = context.string("ProviderArn").length(20, 2048);
        arn.pattern(names::ARN_PATTERN, names::is_arn_text)
            .optional();
        context
            .string("ContextAssertion")
            .sensitive()
            .length(4, 2048)
            .optional();
    });
    let contexts = contexts.count(1, 5).optional();
    contexts.map(|_| StsFault::unserved(name))
}

/// Reads `ProviderId`, which only tokens of OAuth 2.0 have.
pub fn read_provider(m: &mut Members<'_>) -> Option<StsFault> {
    let name = "ProviderId";
    let provider = m.string(name).length(4, 2048).optional();
    provider.map(|_| StsFault::unserved(name))
}
