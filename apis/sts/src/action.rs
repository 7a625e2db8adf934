//! The actions of STS that a permit can be for.
//!
//! <https://docs.aws.amazon.com/service-authorization/latest/reference/list_awssecuritytokenservice.html>

use keyward_types::actions;

actions! {
    "sts":
    AssumeRole = "sts:AssumeRole",
    AssumeRoleWithWebIdentity = "sts:AssumeRoleWithWebIdentity",
    DecodeAuthorizationMessage = "sts:DecodeAuthorizationMessage",
    GetAccessKeyInfo = "sts:GetAccessKeyInfo",
    GetFederationToken = "sts:GetFederationToken",
    SetSourceIdentity = "sts:SetSourceIdentity",
    TagSession = "sts:TagSession",
}
