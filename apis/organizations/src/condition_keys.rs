//! The condition keys of Organizations, each declared once.
//!
//! <https://docs.aws.amazon.com/service-authorization/latest/reference/list_awsorganizations.html>

use keyward_engine::condition_keys;

condition_keys! {
    supplied {
        /// The type of the policy that a request is about.
        POLICY_TYPE = "organizations:PolicyType", String, Operation;
        /// The service that a request is about.
        SERVICE_PRINCIPAL = "organizations:ServicePrincipal", String, Operation;
    }
}
