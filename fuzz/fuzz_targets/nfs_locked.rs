//! Any stream is answered with whole RPC messages or closed, however it is cut into pieces.
#![no_main]

use keyward_nfs::fuzz_locked;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|stream: &[u8]| {
    let Some(whole) = fuzz_locked(stream, stream.len()) else {
        return;
    };
    for step in [1, 7] {
        assert_eq!(fuzz_locked(stream, step).as_ref(), Some(&whole));
    }
    // What is sent back is bounded by what was received, and is one record after another.
    assert!(whole.len() <= 2 * stream.len());
    let mut rest = &*whole;
    while let Some((mark, after)) = rest.split_first_chunk() {
        let mark = u32::from_be_bytes(*mark);
        assert!(mark & (1 << 31) != 0);
        let length = (mark & !(1 << 31)) as usize;
        rest = after.get(length..).expect("a record is complete");
    }
    assert!(rest.is_empty());
});
