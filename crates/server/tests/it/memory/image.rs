//! The memory of another process, and searching it.

use std::{
    collections::HashMap,
    fs::{self, File},
    io::ErrorKind,
    os::unix::fs::FileExt as _,
};

use crate::memory::keys::Secret;

/// The writable memory of a process.
pub struct Image {
    mappings: Vec<Mapping>,
}

struct Mapping {
    name: String,
    start: u64,
    is_arena: bool,
    bytes: Vec<u8>,
}

/// Where secrets were found, each as one line for the reader.
pub struct Found {
    pub in_arena: Vec<String>,
    pub elsewhere: Vec<String>,
}

/// How much of a secret is searched for: half of an AES-256 key is what a register holds.
const PIECE: usize = 16;
/// Pages without content are passed over: the allocator has many that were never touched.
const PAGE: usize = 4096;

impl Image {
    /// Reads the memory of a process; none if the system does not let us.
    pub fn of(pid: u32) -> Option<Self> {
        let memory = match File::open(format!("/proc/{pid}/mem")) {
            Ok(memory) => memory,
            Err(error) if error.kind() == ErrorKind::PermissionDenied => return None,
            Err(error) => panic!("{error}"),
        };
        let maps = fs::read_to_string(format!("/proc/{pid}/smaps")).unwrap();
        let mut mappings: Vec<Mapping> = Vec::new();
        for line in maps.lines() {
            let words: Vec<&str> = line.split_ascii_whitespace().collect();
            if let Some((start, end)) = range(words[0]) {
                let readable = words[1].starts_with("rw");
                let mut bytes = vec![0; if readable { (end - start) as usize } else { 0 }];
                memory.read_exact_at(&mut bytes, start).unwrap();
                mappings.push(Mapping {
                    name: words.get(5).unwrap_or(&"anonymous").to_string(),
                    start,
                    is_arena: false,
                    bytes,
                });
            } else if words[0] == "VmFlags:" {
                // Left out of core dumps and wiped on fork: nothing but the arena is both.
                let is_arena = words.contains(&"dd") && words.contains(&"wf");
                mappings.last_mut().unwrap().is_arena = is_arena;
            }
        }
        Some(Self { mappings })
    }

    /// Looks for both halves of every secret, as they are and as text in hexadecimal and base64.
    pub fn search(&self, secrets: &[Secret]) -> Found {
        let mut pieces: HashMap<[u8; PIECE], String> = HashMap::new();
        let mut first = vec![false; 1 << 16];
        for Secret { name, bytes } in secrets {
            let forms = [
                ("", bytes.clone()),
                (" in hexadecimal", hex::encode(bytes).into_bytes()),
                (" in base64", crate::wire::base64(bytes).into_bytes()),
            ];
            for (form, bytes) in forms {
                for piece in bytes.as_chunks::<PIECE>().0 {
                    first[pair(piece[0], piece[1])] = true;
                    pieces.insert(*piece, format!("{name}{form}"));
                }
            }
        }
        let (mut in_arena, mut elsewhere) = (Vec::new(), Vec::new());
        for mapping in &self.mappings {
            let pages = mapping.bytes.chunks(PAGE).enumerate();
            let touched = pages.filter(|(_, page)| *page != &[0; PAGE][..page.len()]);
            let windows = touched.flat_map(|(page, _)| {
                let start = page * PAGE;
                let end = mapping.bytes.len().min(start + PAGE + PIECE - 1);
                let windows = mapping.bytes[start..end].windows(PIECE).enumerate();
                windows.map(move |(offset, window)| (start + offset, window))
            });
            for (offset, window) in windows {
                if !first[pair(window[0], window[1])] {
                    continue;
                }
                if let Some(name) = pieces.get(window) {
                    let at = mapping.start + offset as u64;
                    let place = format!("{name} at {at:x} in {}", mapping.name);
                    let list = if mapping.is_arena {
                        &mut in_arena
                    } else {
                        &mut elsewhere
                    };
                    list.push(place);
                }
            }
        }
        Found {
            in_arena,
            elsewhere,
        }
    }
}

fn pair(first: u8, second: u8) -> usize {
    usize::from(first) << 8 | usize::from(second)
}

/// `7f00-7fff` of a line that begins a mapping.
fn range(word: &str) -> Option<(u64, u64)> {
    let (start, end) = word.split_once('-')?;
    let number = |digits| u64::from_str_radix(digits, 16).ok();
    Some((number(start)?, number(end)?))
}
