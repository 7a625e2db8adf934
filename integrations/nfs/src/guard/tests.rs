//! Handles are found wherever they are in a message, and however it is cut.

use proptest::prelude::*;

use super::*;
use crate::xdr::Writer;

const GOOD: [u8; HANDLE] = [1; HANDLE];

fn forged() -> [u8; HANDLE] {
    let mut handle = GOOD;
    handle[HANDLE - 4..].fill(0);
    handle
}

/// A COMPOUND: its minor version and its operations.
fn compound(minor: u32, operations: &[Vec<u8>]) -> Vec<u8> {
    let mut writer = Writer::default();
    writer.opaque(b"tag").unsigned(minor);
    writer.unsigned(u32::try_from(operations.len()).unwrap());
    [writer.finish(), operations.concat()].concat()
}

fn put_handle(handle: &[u8]) -> Vec<u8> {
    let mut writer = Writer::default();
    writer.unsigned(22).opaque(handle);
    writer.finish()
}

fn write(length: usize) -> Vec<u8> {
    let mut writer = Writer::default();
    writer
        .unsigned(38)
        .fixed(&[0; 28])
        .opaque(&vec![0xee; length]);
    writer.finish()
}

/// What becomes of a call whose arguments arrive in these pieces.
fn passes_in(pieces: &[&[u8]], procedure: (u32, u32, u32)) -> Result<(), Refused> {
    let mut writer = Writer::default();
    writer.unsigned(1).unsigned(0).unsigned(2);
    writer
        .unsigned(procedure.0)
        .unsigned(procedure.1)
        .unsigned(procedure.2);
    writer.unsigned(0).opaque(b"").unsigned(0).opaque(b"");
    let mut head = writer.finish();
    let (first, rest) = pieces.split_first().unwrap();
    head.extend_from_slice(first);
    let mut guard = Guard::default();
    guard.begin(&Call::parse(&head).unwrap())?;
    rest.iter().try_for_each(|piece| guard.more(piece))?;
    guard.end()
}

fn passes(arguments: &[u8]) -> Result<(), Refused> {
    passes_in(&[arguments], (100_003, 4, 1))
}

#[test]
fn a_handle_with_the_generation_0_is_refused_wherever_it_is() {
    let root = 24_u32.to_be_bytes().to_vec();
    for before in [vec![], vec![root], vec![put_handle(&GOOD), write(100_001)]] {
        let with =
            |handle: &[u8]| compound(1, &[before.clone(), vec![put_handle(handle)]].concat());
        assert_eq!(passes(&with(&GOOD)), Ok(()));
        assert_eq!(passes(&with(&forged())), Err(Refused::Handle));
    }
}

#[test]
fn only_what_was_made_with_the_file_system_may_have_the_generation_0() {
    let of_inode = |inode: u32| {
        let mut handle = forged();
        handle[HANDLE - 8..HANDLE - 4].copy_from_slice(&inode.to_le_bytes());
        handle
    };
    let refused = |handle: &[u8]| !is_given_out(handle, &[2, 11]);
    assert!(!refused(&of_inode(2)) && !refused(&of_inode(11)));
    assert!(refused(&of_inode(12)) && refused(&of_inode(2 << 24)));
    assert!(!is_given_out(&of_inode(2), &[]));
}

#[test]
fn a_handle_of_another_form_is_refused() {
    for handle in [&[1; HANDLE - 1][..], &[1; HANDLE + 1], b"", &[1; 128]] {
        assert_eq!(
            passes(&compound(0, &[put_handle(handle)])),
            Err(Refused::Handle)
        );
    }
}

#[test]
fn what_cannot_be_read_is_refused() {
    let refused = Err(Refused::Malformed);
    // LAYOUTGET, and numbers that no operation has.
    for number in [50_u32, 0, 2, 59, 10_044] {
        assert_eq!(
            passes(&compound(1, &[number.to_be_bytes().to_vec()])),
            refused,
            "{number}"
        );
    }
    // An operation that is missing, and one that is too many.
    let whole = compound(1, &[put_handle(&GOOD)]);
    assert_eq!(passes(&whole[..whole.len() - 4]), refused);
    assert_eq!(passes(&[&whole[..], &[0; 4]].concat()), refused);
    // A name longer than any.
    let mut writer = Writer::default();
    writer.unsigned(15).opaque(&[b'a'; MAX_TEXT + 1]);
    assert_eq!(passes(&compound(1, &[writer.finish()])), refused);
    let mut writer = Writer::default();
    writer.opaque(b"").unsigned(1).unsigned(MAX_OPERATIONS + 1);
    assert_eq!(passes(&writer.finish()), refused);
    // A list that does not end.
    let mut writer = Writer::default();
    writer
        .unsigned(9)
        .unsigned(u32::MAX)
        .fixed(&[0; 3 * MAX_OPERATION]);
    assert_eq!(passes(&compound(1, &[writer.finish()])), refused);
}

#[test]
fn what_the_server_does_not_carry_out_passes() {
    let forged = compound(2, &[put_handle(&forged())]);
    assert_eq!(passes(&forged), Ok(()));
    for procedure in [(100_003, 4, 0), (100_003, 3, 1), (100_200, 1, 1)] {
        assert_eq!(passes_in(&[b"anything"], procedure), Ok(()));
    }
}

#[test]
fn nothing_is_hidden_by_a_cut_before_the_padding() {
    let operations = [put_handle(&GOOD), put_handle(&forged())];
    let arguments = compound(1, &operations);
    // The handle has 23 bytes, and one of padding.
    let at = arguments.len() - operations[1].len() - 1;
    let pieces = [&arguments[..at], &arguments[at..]];
    assert_eq!(passes_in(&pieces, (100_003, 4, 1)), Err(Refused::Handle));
    let pieces = [&arguments[..at], &arguments[at..=at]];
    assert_eq!(passes_in(&pieces, (100_003, 4, 1)), Err(Refused::Malformed));
    let whole = compound(1, &operations[..1]);
    let pieces = [&whole[..at], &whole[at..]];
    assert_eq!(passes_in(&pieces, (100_003, 4, 1)), Ok(()));
}

proptest! {
    #[test]
    fn a_message_is_read_however_it_is_cut(
        lengths in prop::collection::vec(0..5000_usize, 1..4),
        is_forged in any::<bool>(),
        cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..6),
    ) {
        let mut operations: Vec<_> = lengths.into_iter().map(write).collect();
        operations.push(put_handle(if is_forged { forged() } else { GOOD }.as_slice()));
        let arguments = compound(1, &operations);
        let mut cuts: Vec<_> = cuts.iter().map(|cut| cut.index(arguments.len())).collect();
        cuts.extend([0, arguments.len()]);
        cuts.sort_unstable();
        let pieces: Vec<_> = cuts.windows(2).map(|pair| &arguments[pair[0]..pair[1]]).collect();
        let wanted = if is_forged { Err(Refused::Handle) } else { Ok(()) };
        prop_assert_eq!(passes_in(&pieces, (100_003, 4, 1)), wanted);
    }
}

#[test]
fn answers_about_wrong_handles_are_noticed() {
    let answer = |status: u32| {
        let mut writer = Writer::default();
        writer
            .unsigned(1)
            .unsigned(1)
            .unsigned(0)
            .unsigned(0)
            .opaque(b"")
            .unsigned(0);
        writer.unsigned(status).opaque(b"tag");
        writer.finish()
    };
    for (status, is_wrong) in [(0, false), (2, false), (70, true), (10_001, true)] {
        assert_eq!(says_wrong_handle(&answer(status)), is_wrong);
    }
}
