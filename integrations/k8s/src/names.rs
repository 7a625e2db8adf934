//! What an object's key is called in etcd: the key's ARN and, behind a `#`, the id of its material. So an object is
//! stale as soon as the key has new material.

use std::fmt;

use keyward_client::words;

/// A key with the material that it has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyName {
    /// The key's ARN.
    pub arn: String,
    /// The id of its material. Keys of custom key stores have none.
    pub material: Option<String>,
}

impl fmt::Display for KeyName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.material {
            Some(material) => write!(f, "{}#{material}", self.arn),
            None => f.write_str(&self.arn),
        }
    }
}

/// What is in etcd: the key as it was named, and the id of its material if there is one. aws-encryption-provider writes
/// the key as its `--key` says it, and no material.
pub fn parts(key_id: &str) -> (&str, Option<&str>) {
    match key_id.rsplit_once('#') {
        Some((key, material)) => (key, Some(material)),
        None => (key_id, None),
    }
}

/// Whether this can be the name of a KMS key or an alias, as an id or as an ARN.
pub fn is_well_formed(key: &str) -> bool {
    key.len() <= words::MAX && is_plain(key) && !key.starts_with('-') && !key.contains(['.', '@'])
}

/// Whether this can be the id of a key's material.
pub fn is_material(id: &str) -> bool {
    id.len() <= words::MAX && is_plain(id)
}

/// Whether these are only characters that mean nothing to a shell and do not end a pair of an encryption context.
pub fn is_plain(text: &str) -> bool {
    !text.is_empty()
        && text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b":/_-.@".contains(&byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_read_as_it_was_written() {
        for material in [None, Some("0a")] {
            let name = KeyName {
                arn: "arn:aws:kms:eu-west-1:111122223333:key/k".to_owned(),
                material: material.map(ToOwned::to_owned),
            };
            assert_eq!(parts(&name.to_string()), (name.arn.as_str(), material));
        }
        assert_eq!(parts("alias/secrets"), ("alias/secrets", None));
    }

    #[test]
    fn a_key_has_a_name_that_can_be_typed() {
        for (name, expected) in [
            ("arn:aws-cn:kms:cn-north-1:111122223333:key/mrk-1", true),
            ("1234abcd-12ab-34cd-56ef-1234567890ab", true),
            ("alias/a_b/c", true),
            ("", false),
            ("-k", false),
            ("k#m", false),
            ("k k", false),
            ("k\n", false),
            ("ä", false),
            (&*"k".repeat(301), false),
        ] {
            assert_eq!(is_well_formed(name), expected, "{name}");
        }
        assert!(is_material("0a1b") && !is_material("") && !is_material("a#b"));
    }
}
