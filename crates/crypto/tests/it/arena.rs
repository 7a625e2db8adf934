//! The arena under threads, and what the kernel says of its pages.

use keyward_crypto::secret::arena::{Arena, ArenaFull, SLOT_BYTES};

#[test]
fn secrets_of_many_threads_never_share_bytes() {
    let (arena, _) = Arena::new(256 * SLOT_BYTES).unwrap();
    std::thread::scope(|scope| {
        for thread in 0..4u8 {
            let arena = &arena;
            scope.spawn(move || {
                for round in 0..3000u32 {
                    let length = usize::try_from(round % 300).unwrap();
                    let mark = thread.wrapping_mul(61) ^ round.to_le_bytes()[0];
                    let held = arena.store_bytes(&vec![mark; length]).unwrap();
                    std::thread::yield_now();
                    assert_eq!(held.expose(), vec![mark; length]);
                }
            });
        }
    });
    assert_eq!(arena.used_slots(), 0);
}

#[test]
fn an_arena_fills_to_its_last_slot_and_refuses_what_has_no_run() {
    let (arena, _) = Arena::new(100 * SLOT_BYTES).unwrap();
    let mut held: Vec<_> = (0..100)
        .map(|_| arena.store_bytes(&[1; 32]).unwrap())
        .collect();
    assert_eq!(arena.store_bytes(&[1]).unwrap_err(), ArenaFull);
    // Every second slot free: room for one slot, none for two.
    let mut index = 0;
    held.retain(|_| {
        index += 1;
        index % 2 == 0
    });
    assert_eq!(
        arena.store_bytes(&[1; SLOT_BYTES + 1]).unwrap_err(),
        ArenaFull
    );
    assert!(arena.store_bytes(&[1; SLOT_BYTES]).is_ok());
}

#[test]
fn the_kernel_keeps_the_arena_out_of_dumps_and_swap_as_reported() {
    let (arena, report) = Arena::new(1 << 20).unwrap();
    let held = arena.store_bytes(&[7; 32]).unwrap();
    let flags = flags_of_mapping(held.expose().as_ptr().addr());
    assert!(report.dump_excluded, "{:?}", report.warnings);
    assert!(flags.contains(&"dd".to_owned()), "not in dumps: {flags:?}");
    assert!(
        flags.contains(&"wf".to_owned()),
        "not in forked children: {flags:?}"
    );
    assert_eq!(
        flags.contains(&"lo".to_owned()),
        report.locked,
        "{:?}",
        report.warnings
    );
    assert_eq!(report.warnings.is_empty(), report.locked);
}

/// The `VmFlags` of the mapping that holds an address, from `/proc/self/smaps`.
fn flags_of_mapping(address: usize) -> Vec<String> {
    let mut inside = false;
    for line in std::fs::read_to_string("/proc/self/smaps").unwrap().lines() {
        let range = line
            .split_whitespace()
            .next()
            .and_then(|word| word.split_once('-'));
        if let Some((from, to)) = range
            && let (Ok(from), Ok(to)) = (
                usize::from_str_radix(from, 16),
                usize::from_str_radix(to, 16),
            )
        {
            inside = (from..to).contains(&address);
        } else if let Some(flags) = line.strip_prefix("VmFlags:")
            && inside
        {
            return flags.split_whitespace().map(str::to_owned).collect();
        }
    }
    panic!("no mapping holds the address");
}
