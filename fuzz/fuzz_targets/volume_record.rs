//! Any page is the header of a record of the journal or is refused, and no two pages are the same header.
#![no_main]

use keyward_volume::{journal::record::Header, layout::BLOCK_BYTES};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let mut page = [0; BLOCK_BYTES];
    for (to, from) in page.iter_mut().zip(bytes) {
        *to = *from;
    }
    let Some(header) = Header::parse(&page) else {
        return;
    };
    // Every byte is significant: whatever changes is another header, or none.
    let at = usize::from(page[BLOCK_BYTES - 1]) * 16 + usize::from(page[20] % 16);
    page[at] ^= 1;
    assert!(Header::parse(&page).is_none_or(|other| other != header));
});
