//! Pages of lists: read whole, sorted as IAM sorts, cut behind a sealed marker.

use keyward_engine::page;
use keyward_wire::{json::Members, xml};

use crate::{Cx, fault::IamFault};

/// Where a page begins and how long it may be.
#[derive(Debug)]
pub struct Paging(page::Paging);

impl Paging {
    /// `Marker` and `MaxItems`.
    pub fn read(m: &mut Members<'_>) -> Self {
        let legal = |text: &str| text.chars().all(|c| matches!(c, '\u{20}'..='\u{ff}'));
        let marker = m
            .string("Marker")
            .length(1, 320)
            .pattern("[\\u0020-\\u00FF]+", legal)
            .optional()
            .map(str::to_owned);
        let most = m.integer("MaxItems").range(1, 1000).optional();
        let most = most.and_then(|most| usize::try_from(most).ok());
        Self(page::Paging::new(marker, most.unwrap_or(100)))
    }

    /// The same, with at most so many items on a page.
    pub fn at_most(&self, most: usize) -> Self {
        Self(self.0.at_most(most))
    }

    /// The page of these items, which are sorted by `key` without regard to case. The marker is
    /// good for this operation and filter alone.
    ///
    /// # Errors
    /// `ValidationError` for a marker that was not given here.
    pub fn cut<T>(
        &self,
        cx: &Cx<'_>,
        list: (&str, &str),
        items: Vec<T>,
        key: impl Fn(&T) -> String,
    ) -> Result<Page<T>, IamFault> {
        // Some names count case after all, so two may differ by it alone.
        let order = |key: String| (key.to_lowercase(), key);
        let after = self.0.after(cx, list)?.map(order);
        let mut keyed: Vec<((String, String), T)> = items
            .into_iter()
            .map(|item| (order(key(&item)), item))
            .filter(|(key, _)| after.as_ref().is_none_or(|after| key > after))
            .collect();
        keyed.sort_by(|(a, _), (b, _)| a.cmp(b));
        let page = self.0.cut(cx, list, keyed, |((_, key), _)| key.clone())?;
        let page::Page { items, next } = page.map(|(_, item)| item);
        let marker = next;
        Ok(Page { items, marker })
    }
}

/// A page of a list.
#[derive(Debug)]
pub struct Page<T> {
    /// Its items, in order.
    pub items: Vec<T>,
    /// What goes on after it; `None` if it is the last.
    pub marker: Option<String>,
}

impl<T> Page<T> {
    /// Nothing at all.
    pub fn empty() -> Self {
        let items = Vec::new();
        Self {
            items,
            marker: None,
        }
    }

    /// The page with other items.
    pub fn map<U>(self, make: impl FnMut(T) -> U) -> Page<U> {
        let items = self.items.into_iter().map(make).collect();
        let marker = self.marker;
        Page { items, marker }
    }

    /// Writes the list, `IsTruncated` and `Marker`.
    pub fn render(
        &self,
        out: &mut xml::Writer<'_>,
        name: &str,
        mut member: impl FnMut(&mut xml::Writer<'_>, &T),
    ) {
        out.list(name, &self.items, |out, item| member(out, item));
        self.render_end(out);
    }

    /// Writes `IsTruncated` and `Marker`.
    pub fn render_end(&self, out: &mut xml::Writer<'_>) {
        out.boolean("IsTruncated", self.marker.is_some());
        if let Some(marker) = &self.marker {
            out.text("Marker", marker);
        }
    }
}
