//! Keys that are displayed, compared or written as JSON.
use keyward_keys::key::Key;
use keyward_keys::ring::GeneratedDataKey;

fn misuse(a: &GeneratedDataKey, b: &GeneratedDataKey, key: &Key) {
    let _ = format!("{}", a.plaintext);
    let _ = a.plaintext == b.plaintext;
    let _ = format!("{}", key);
}

fn main() {}
