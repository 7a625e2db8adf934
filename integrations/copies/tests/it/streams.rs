//! A copy as a stream.

use std::{fs, io::Write};

use keyward_copies::{About, Error, stream};

use crate::kit::{Kit, PIECE, allocated, stored};

/// Bytes of the second piece in the stream, which has 7.
const LAST: usize = 9 + 17 + 7;

fn streamed(kit: &Kit) -> Vec<u8> {
    let image = kit.image(3 * PIECE + 7, &[(5, b"one"), (3 * PIECE, b"two")]);
    let mut out = Vec::new();
    let sent = stream::send(&image, &mut out, &About::new(), &mut |_, _| true).unwrap();
    assert_eq!(sent.chunks().len(), 2);
    out
}

fn receive(kit: &Kit, mut bytes: &[u8]) -> Result<(), String> {
    let to = kit.path("received");
    let received = stream::receive(&mut bytes, &to, &mut |_, _| true);
    match received {
        Ok(received) => received.keep().map(drop).map_err(|error| kit.said(&error)),
        Err(error) => Err(kit.said(&error)),
    }
}

#[test]
fn an_image_comes_back_with_its_holes() {
    let kit = Kit::new();
    let bytes = streamed(&kit);
    receive(&kit, &bytes).unwrap();
    assert_eq!(
        fs::read(kit.path("received")).unwrap(),
        fs::read(kit.path("image")).unwrap()
    );
    assert!(allocated(&kit.path("received")) <= 4 * 4096);
}

#[test]
fn whatever_is_cut_off_or_changed_is_refused_and_leaves_nothing() {
    let kit = Kit::new();
    let bytes = streamed(&kit);
    let early = "the stream is damaged: it ends too early. Nothing was kept: send it again";
    let (piece, end) = (24 + 9, bytes.len());
    for length in [
        0,
        3,
        8,
        10,
        23,
        24,
        28,
        piece,
        piece + 100,
        end - 60,
        end - 1,
    ] {
        assert_eq!(
            receive(&kit, &bytes[..length]),
            Err(early.to_owned()),
            "{length}"
        );
    }
    let said = |at: usize, to: u8| {
        let mut bytes = bytes.clone();
        bytes[at] = to;
        let error = receive(&kit, &bytes).unwrap_err();
        error
            .replace("the stream is damaged: ", "")
            .replace(". Nothing was kept: send it again", "")
    };
    assert_eq!(
        said(0, b'X'),
        "it does not begin like a stream of `keyward volume send`"
    );
    assert_eq!(
        said(9, 3),
        "the stream has version 3, and this release knows version 2: use a newer release"
    );
    assert_eq!(
        said(9, 1),
        "the stream has version 1, and this release knows version 2: send the volume again, if it still exists; \
         otherwise use the release that sent it"
    );
    assert_eq!(said(10, 1), "a flag is not known");
    assert_eq!(said(12, 0xff), "its size is not possible");
    assert_eq!(said(24, 9), "a part of it is not known");
    let length = "a piece does not have a length that it can have";
    assert_eq!(said(28, 3), length);
    assert_eq!(said(29, 1), length);
    assert_eq!(
        said(piece + 16, 0xc0),
        "a chunk does not have the length of its blocks"
    );
    assert_eq!(said(piece, 0), "a chunk does not begin with a valid header");
    assert_eq!(
        said(piece + 14, 1),
        "a chunk does not have the length of its blocks"
    );
    // A piece that is shorter, within its last block.
    let mut shorter = bytes.clone();
    shorter[piece + 12..piece + 16].copy_from_slice(&[0, 0x3f, 0xff, 0xf0]);
    assert!(
        receive(&kit, &shorter)
            .unwrap_err()
            .contains("a piece does not have the size that it should have")
    );
    assert_eq!(
        said(piece + 144 + 5, 0),
        "its pieces are not what its manifest says"
    );
    assert_eq!(said(end - 1, 0), "its manifest is damaged");
    let longer = [&bytes[..], b"x"].concat();
    assert!(
        receive(&kit, &longer)
            .unwrap_err()
            .contains("there are bytes behind its end")
    );
    // The second piece before the first.
    let second = piece + stored(1) as usize;
    let swapped = [
        &bytes[..24],
        &bytes[second..second + LAST],
        &bytes[24..second],
        &bytes[second + LAST..],
    ];
    assert!(
        receive(&kit, &swapped.concat())
            .unwrap_err()
            .contains("its pieces are not sorted")
    );
    // A piece is missing.
    let fewer = [&bytes[..24], &bytes[second..]].concat();
    assert!(
        receive(&kit, &fewer)
            .unwrap_err()
            .contains("its pieces are not what its manifest says")
    );
    assert!(!kit.path("received").exists() && !kit.path("received.receiving").exists());
}

#[test]
fn nothing_is_written_over() {
    let kit = Kit::new();
    let bytes = streamed(&kit);
    fs::write(kit.path("received"), "mine").unwrap();
    assert_eq!(
        receive(&kit, &bytes),
        Err("received exists already: choose another name, or remove it first".to_owned())
    );
}

/// Takes so many bytes, and no more.
struct Full(usize);

impl Write for Full {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        if self.0 < bytes.len() {
            return Err(std::io::ErrorKind::BrokenPipe.into());
        }
        self.0 -= bytes.len();
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[test]
fn who_takes_no_more_is_noticed() {
    let kit = Kit::new();
    let length = streamed(&kit).len();
    let image = fs::File::open(kit.path("image")).unwrap();
    let error = stream::send(&image, &mut Full(length - 1), &About::new(), &mut |_, _| {
        true
    });
    assert_eq!(
        kit.said(&error.unwrap_err()),
        "cannot write the stream: broken pipe"
    );
    stream::send(&image, &mut Full(length), &About::new(), &mut |_, _| true).unwrap();
    let stopped = stream::send(&image, &mut Vec::new(), &About::new(), &mut |_, _| false);
    assert!(matches!(stopped, Err(Error::Stopped)));
}
