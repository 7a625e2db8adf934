//! The budget of one decision: the most that evaluating policies may cost, whoever wrote them.

use std::cell::Cell;

/// Units of work granted to one decision. A unit is about one comparison of a character or one
/// look at a statement, a nanosecond or a few. The largest policies that AWS's limits admit take
/// some hundred thousand.
pub(crate) const BUDGET: u64 = 1 << 20;

/// What is left of the budget. Once it is used up, every further charge fails, and the decision is
/// a denial whatever was found before.
#[derive(Debug)]
pub(crate) struct Work {
    left: Cell<u64>,
}

impl Work {
    pub(crate) fn new(units: u64) -> Self {
        Self {
            left: Cell::new(units),
        }
    }

    /// Takes units away; false if there are not as many left, and then none are.
    pub(crate) fn charge(&self, units: usize) -> bool {
        let units = u64::try_from(units).unwrap_or(u64::MAX);
        let left = self.left.get().checked_sub(units.max(1));
        self.left.set(left.unwrap_or(0));
        left.is_some()
    }

    /// Whether nothing is left.
    pub(crate) fn is_exhausted(&self) -> bool {
        self.left.get() == 0
    }
}
