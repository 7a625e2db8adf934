//! What the audit trail shows of every member of every operation of Keyward's own service.
//!
//! A presented request is named by its method and path; its headers hold a signature and perhaps a
//! session token, and its query and body are not ours to show.

use keyward_engine::audit::parameters::{
    Declared, Parameter, boolean, secret, structures, text, texts,
};

const CONTEXT: &[Parameter] = &[text("Name"), texts("Values")];

/// The rows, in the alphabet's order.
pub const PARAMETERS: &[Declared] = &[
    (
        "CreateForwardAccessSession",
        &[
            text("Method"),
            text("Path"),
            secret("Query"),
            secret("Headers"),
            secret("Body"),
            text("KeyId"),
        ],
    ),
    (
        "ExplainDecision",
        &[
            text("Principal"),
            text("Issuer"),
            text("Action"),
            text("KeyId"),
            text("Resource"),
            structures("Context", CONTEXT),
        ],
    ),
    (
        "ExplainRecordedDecision",
        &[text("RequestId"), boolean("LastDenied"), text("Principal")],
    ),
    (
        "WhoCan",
        &[
            text("Action"),
            text("KeyId"),
            structures("Context", CONTEXT),
        ],
    ),
];
