//! What an object's key is called in etcd: the key's ARN and, behind a `#`, the id of its material. So an object is
//! stale as soon as the key has new material.

use std::fmt;

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
}
