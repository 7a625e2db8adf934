//! The policy engine as APIs see it: everything but [`Authority`](keyward_policy::permit::Authority),
//! which makes permits. APIs do not depend on the crate `keyward-policy`, so none of them can name it.

pub use keyward_policy::{
    applying, attributes, case, condition, decision, document, evaluate, explain, grant, known,
    policy, position, principal, record, render, request,
};

/// What the policies allowed or denied.
pub mod permit {
    pub use keyward_policy::permit::{Denied, Permit};
}
