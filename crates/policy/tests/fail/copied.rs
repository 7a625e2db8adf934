//! A permit is for one use and one holder.
use keyward_policy::permit::Permit;
use keyward_types::action;

fn twice(permit: &Permit<action::Decrypt>) -> (Permit<action::Decrypt>, Permit<action::Decrypt>) {
    (Permit::clone(permit), Permit::clone(permit))
}

fn main() {
    let _ = twice;
}
