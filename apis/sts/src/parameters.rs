//! What the audit trail shows of every member of every operation of STS.
//!
//! Tokens and codes never stand on the trail.
//!
//! <https://docs.aws.amazon.com/STS/latest/APIReference/>

use keyward_engine::audit::parameters::{
    Declared, Parameter, integer, omitted, secret, structures, text, texts,
};

const POLICY_DESCRIPTOR: &[Parameter] = &[text("arn")];
const TAG: &[Parameter] = &[text("Key"), text("Value")];

const PROVIDED_CONTEXT: &[Parameter] = &[text("ProviderArn"), secret("ContextAssertion")];

/// The rows, in the alphabet's order; members in the order of AWS's model.
pub const PARAMETERS: &[Declared] = &[
    (
        "AssumeRole",
        &[
            text("RoleArn"),
            text("RoleSessionName"),
            structures("PolicyArns", POLICY_DESCRIPTOR),
            text("Policy"),
            integer("DurationSeconds"),
            structures("Tags", TAG),
            texts("TransitiveTagKeys"),
            text("ExternalId"),
            text("SerialNumber"),
            secret("TokenCode"),
            text("SourceIdentity"),
            structures("ProvidedContexts", PROVIDED_CONTEXT),
            integer("MinimumSessionTokenSize"),
        ],
    ),
    (
        "AssumeRoleWithWebIdentity",
        &[
            text("RoleArn"),
            text("RoleSessionName"),
            secret("WebIdentityToken"),
            text("ProviderId"),
            structures("PolicyArns", POLICY_DESCRIPTOR),
            text("Policy"),
            integer("DurationSeconds"),
            integer("MinimumSessionTokenSize"),
        ],
    ),
    ("DecodeAuthorizationMessage", &[omitted("EncodedMessage")]),
    ("GetAccessKeyInfo", &[text("AccessKeyId")]),
    ("GetCallerIdentity", &[]),
    (
        "GetFederationToken",
        &[
            text("Name"),
            text("Policy"),
            structures("PolicyArns", POLICY_DESCRIPTOR),
            integer("DurationSeconds"),
            structures("Tags", TAG),
            integer("MinimumSessionTokenSize"),
        ],
    ),
    (
        "GetSessionToken",
        &[
            integer("DurationSeconds"),
            text("SerialNumber"),
            secret("TokenCode"),
            integer("MinimumSessionTokenSize"),
        ],
    ),
];
