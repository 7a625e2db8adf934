//! Instance classes: names that clients know. How much of its machine a database gets is up to the agent.

const SMALL: &[&str] = &["micro", "small", "medium", "large", "xlarge", "2xlarge"];
const LARGE: &[&str] = &[
    "large", "xlarge", "2xlarge", "4xlarge", "8xlarge", "12xlarge", "16xlarge", "24xlarge",
];
/// The families of classes for PostgreSQL, each with its sizes.
const FAMILIES: &[(&str, &[&str])] = &[
    ("m5", LARGE),
    ("m6g", LARGE),
    ("m6i", LARGE),
    ("m7g", LARGE),
    ("m7i", LARGE),
    ("m8g", LARGE),
    ("r5", LARGE),
    ("r6g", LARGE),
    ("r6i", LARGE),
    ("r7g", LARGE),
    ("r7i", LARGE),
    ("r8g", LARGE),
    ("t3", SMALL),
    ("t4g", SMALL),
];

/// Whether it is an instance class, such as `db.t3.micro`.
pub fn is_class(text: &str) -> bool {
    let parts = text
        .strip_prefix("db.")
        .and_then(|rest| rest.split_once('.'));
    parts.is_some_and(|(family, size)| {
        let mut families = FAMILIES.iter();
        families.any(|(name, sizes)| *name == family && sizes.contains(&size))
    })
}

/// Every class.
pub fn all() -> impl Iterator<Item = String> {
    FAMILIES
        .iter()
        .flat_map(|(family, sizes)| sizes.iter().map(move |size| format!("db.{family}.{size}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_class_has_a_family_and_a_size_of_it() {
        for class in ["db.t3.micro", "db.m5.large", "db.r7g.24xlarge"] {
            assert!(is_class(class), "{class}");
        }
        for class in [
            "",
            "t3.micro",
            "db.t3",
            "db.t3.24xlarge",
            "db.x1.large",
            "db..micro",
        ] {
            assert!(!is_class(class), "{class}");
        }
    }
}
