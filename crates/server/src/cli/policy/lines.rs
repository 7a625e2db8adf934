//! Lines of bounded length from a stream, as many at a time as have arrived.

use std::io::{self, ErrorKind, Read};

use keyward_policy::case::MAX_CASE;

/// How much is read at once.
const READ: usize = 256 * 1024;

/// Some lines of a stream.
#[derive(Debug)]
pub enum Chunk {
    /// Whole lines with their ends; the last line of a stream may lack its end.
    Lines(Vec<u8>),
    /// Stands for a line of more than [`MAX_CASE`] bytes.
    TooLong,
}

/// Passes every chunk to `take` until that answers false. What has arrived is passed on before it
/// waits for more.
pub fn each_chunk(mut input: impl Read, mut take: impl FnMut(Chunk) -> bool) -> io::Result<()> {
    let mut kept: Vec<u8> = Vec::new();
    // Inside a line that is too long, the rest of which is dropped.
    let mut dropping = false;
    let mut block = vec![0; READ];
    loop {
        let count = match input.read(&mut block) {
            Ok(0) => break,
            Ok(count) => count,
            Err(error) if error.kind() == ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        };
        let mut new = block.get(..count).unwrap_or_default();
        if dropping {
            let Some(end) = new.iter().position(|byte| *byte == b'\n') else {
                continue;
            };
            new = new.get(end + 1..).unwrap_or_default();
            dropping = false;
        }
        let whole = new.iter().rposition(|byte| *byte == b'\n');
        let (lines, rest) = new.split_at(whole.map_or(0, |end| end + 1));
        if !lines.is_empty() {
            kept.extend_from_slice(lines);
            if !take(Chunk::Lines(std::mem::take(&mut kept))) {
                return Ok(());
            }
        }
        kept.extend_from_slice(rest);
        if kept.len() > MAX_CASE {
            kept = Vec::new();
            dropping = true;
            if !take(Chunk::TooLong) {
                return Ok(());
            }
        }
    }
    if !kept.is_empty() {
        take(Chunk::Lines(kept));
    }
    Ok(())
}

/// The lines of a chunk without their line feeds. A blank line is not a case.
pub fn cases(lines: &[u8]) -> impl Iterator<Item = (usize, &[u8])> {
    let lines = lines.split(|byte| *byte == b'\n').enumerate();
    lines.filter(|(_, line)| !line.iter().all(u8::is_ascii_whitespace))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns one byte for each read, like a very slow pipe.
    struct Slow<'a>(&'a [u8]);

    impl Read for Slow<'_> {
        fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
            let Some((first, rest)) = self.0.split_first() else {
                return Ok(0);
            };
            out[0] = *first;
            self.0 = rest;
            Ok(1)
        }
    }

    fn chunks(input: impl Read) -> Vec<String> {
        let mut found = Vec::new();
        each_chunk(input, |chunk| {
            found.push(match chunk {
                Chunk::Lines(lines) => String::from_utf8(lines).unwrap(),
                Chunk::TooLong => "too long".to_owned(),
            });
            true
        })
        .unwrap();
        found
    }

    #[test]
    fn whatever_has_arrived_is_given() {
        let text = b"a\n\nbc\nd";
        assert_eq!(chunks(&text[..]), ["a\n\nbc\n", "d"]);
        assert_eq!(chunks(Slow(text)), ["a\n", "\n", "bc\n", "d"]);
    }

    #[test]
    fn a_line_that_is_too_long_stands_in_its_place_and_is_not_kept() {
        let mut text = b"a\n".to_vec();
        text.extend(vec![b'x'; 3 * MAX_CASE]);
        text.extend(b"\nb\n");
        assert_eq!(chunks(&text[..]), ["a\n", "too long", "b\n"]);
        let fits = vec![b'x'; MAX_CASE];
        assert_eq!(
            chunks(&fits[..]),
            [String::from_utf8(fits.clone()).unwrap()]
        );
    }

    #[test]
    fn blank_lines_are_no_cases() {
        let found: Vec<(usize, &[u8])> = cases(b"a\r\n \r\n\nb").collect();
        assert_eq!(found, [(0, &b"a\r"[..]), (3, &b"b"[..])]);
    }
}
