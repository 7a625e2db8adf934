//! Pages of lists: where one begins, how long it may be, and the sealed marker of the next.

use crate::{context::Context, marker::MarkerError};

/// Which page of a list is asked for.
///
/// A marker is good for one list alone: the pages of one operation with one filter.
#[derive(Clone, Debug)]
pub struct Paging {
    marker: Option<String>,
    most: usize,
}

/// A page of a list.
#[derive(Clone, Debug)]
pub struct Page<T> {
    /// Its items, in order.
    pub items: Vec<T>,
    /// The marker of the next page; `None` if this is the last.
    pub next: Option<String>,
}

impl Paging {
    /// The page that begins after a marker, or the first, with at most so many items.
    pub fn new(marker: Option<String>, most: usize) -> Self {
        Self { marker, most }
    }

    /// The same, with at most so many items.
    #[must_use]
    pub fn at_most(&self, most: usize) -> Self {
        Self::new(self.marker.clone(), self.most.min(most))
    }

    /// How many items to look for: one more than the page may hold tells whether there is another.
    pub fn wanted(&self) -> usize {
        self.most.saturating_add(1)
    }

    /// The position of the last item before the page; `None` for the first page.
    ///
    /// # Errors
    /// [`MarkerError::Invalid`] for a marker of another list.
    pub fn after(
        &self,
        cx: &Context<'_>,
        (operation, filter): (&str, &str),
    ) -> Result<Option<String>, MarkerError> {
        let marker = self.marker.as_ref();
        marker
            .map(|marker| cx.open_marker(operation, filter, marker))
            .transpose()
    }

    /// The page of the items that come [`after`](Self::after) its beginning, as many as are
    /// [`wanted`](Self::wanted) or more.
    ///
    /// # Errors
    /// When the marker of the next page cannot be sealed.
    pub fn cut<T>(
        &self,
        cx: &Context<'_>,
        (operation, filter): (&str, &str),
        mut items: Vec<T>,
        position: impl Fn(&T) -> String,
    ) -> Result<Page<T>, MarkerError> {
        let more = items.len() > self.most;
        items.truncate(self.most);
        let last = items.last().filter(|_| more);
        let next = last
            .map(|last| cx.seal_marker(operation, filter, &position(last)))
            .transpose()?;
        Ok(Page { items, next })
    }
}

impl<T> Page<T> {
    /// A list without items.
    pub fn empty() -> Self {
        Self {
            items: Vec::new(),
            next: None,
        }
    }

    /// The page with other items.
    pub fn map<U>(self, make: impl FnMut(T) -> U) -> Page<U> {
        Page {
            items: self.items.into_iter().map(make).collect(),
            next: self.next,
        }
    }
}
