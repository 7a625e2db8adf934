//! A permit to describe is none to decrypt.
use keyward_policy::permit::Permit;
use keyward_types::action;

fn decrypt(_: &Permit<action::Decrypt>) {}

fn describe(permit: &Permit<action::DescribeKey>) {
    decrypt(permit);
}

fn main() {
    let _ = describe;
}
