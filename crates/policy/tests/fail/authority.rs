//! An authority is not made by writing it out, and its one constructor says what it is.
use keyward_policy::permit::Authority;

fn main() {
    let _ = Authority(());
}
