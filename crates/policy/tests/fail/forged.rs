//! A permit comes from an authority only.
use keyward_policy::decision::Evidence;
use keyward_policy::permit::Permit;
use keyward_types::action;

fn main() {
    let _: Permit<action::Encrypt> = Permit {
        caller: "arn:aws:iam::111122223333:root".into(),
        resource: "*".into(),
        evidence: Evidence::RootUser,
    };
}
