//! The bytes of version 2.

use std::fs;

use expect_test::expect_file;
use keyward_copies::{About, Manifest, stream};

use crate::kit::{Kit, PIECE};

/// Bytes as `hexdump` shows them, without repeated lines.
fn dump(bytes: &[u8]) -> String {
    let mut out = String::new();
    let mut last: Option<(&[u8], bool)> = None;
    for (number, line) in bytes.chunks(16).enumerate() {
        match last {
            Some((same, said)) if same == line => {
                if !said {
                    out.push_str("*\n");
                }
                last = Some((same, true));
            }
            _ => {
                let digits: Vec<String> = line.iter().map(|byte| format!("{byte:02x}")).collect();
                out.push_str(&format!("{:08x}  {}\n", number * 16, digits.join(" ")));
                last = Some((line, false));
            }
        }
    }
    out.push_str(&format!("{:08x}\n", bytes.len()));
    out
}

#[test]
fn a_manifest_a_chunk_and_a_stream_have_these_bytes() {
    let kit = Kit::new();
    let image = kit.image(
        2 * PIECE + 20,
        &[(2 * 4096, b"first"), (2 * PIECE, b"last")],
    );
    let sent = kit.send(&image, "v/one").unwrap();
    let bytes = fs::read(kit.path("place/copies/v/one")).unwrap();
    assert_eq!(Manifest::parse("it", &bytes).unwrap(), sent.manifest);
    expect_file!["../golden/manifest-v2.txt"].assert_eq(&dump(&bytes));
    let first = kit.path("place/chunks/v").join(chunk(&sent.manifest, 0));
    let bytes = fs::read(first).unwrap();
    expect_file!["../golden/chunk-v2.txt"].assert_eq(&dump(&bytes));
    let mut out = Vec::new();
    let about = About::from([("from".to_owned(), "a test".to_owned())]);
    stream::send(&image, &mut out, &about, &mut |_, _| true).unwrap();
    expect_file!["../golden/stream-v2.txt"].assert_eq(&dump(&out));
    assert_eq!(
        kit.files(),
        [
            "chunks/v/.lock".to_owned(),
            format!("chunks/v/{}", chunk(&sent.manifest, 0)),
            format!("chunks/v/{}", chunk(&sent.manifest, 1)),
            "copies/v/one".to_owned(),
        ]
    );
}

fn chunk(manifest: &Manifest, at: usize) -> String {
    let hash = manifest.chunks()[at].hash.to_string();
    format!("{}/{hash}", &hash[..2])
}
