//! `Null`: whether a key is absent.

use crate::attributes::Values;

/// What the listed values ask for.
#[derive(Clone, Copy, Debug)]
pub(super) struct Presence {
    absent: bool,
    present: bool,
}

impl Presence {
    pub(super) fn new(values: &[String]) -> Self {
        let lists = |wanted| {
            values
                .iter()
                .any(|value| super::bool::parse(value) == Some(wanted))
        };
        Self {
            absent: lists(true),
            present: lists(false),
        }
    }

    pub(super) fn holds(self, values: &Values<'_>) -> bool {
        let absent = match values {
            Values::Absent => true,
            Values::One(_) => false,
            Values::Many(list) | Values::Clash(list) => list.is_empty(),
        };
        if absent { self.absent } else { self.present }
    }
}
