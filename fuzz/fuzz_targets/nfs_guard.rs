//! Whether a call of NFS is passed on does not depend on how it is cut into pieces.
#![no_main]

use keyward_nfs::fuzz_guard;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|call: &[u8]| {
    let whole = fuzz_guard(call, call.len());
    for step in [1, 5, 64] {
        assert_eq!(fuzz_guard(call, step), whole);
    }
});
