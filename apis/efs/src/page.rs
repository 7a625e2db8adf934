//! Pages of lists: how requests ask for one, and how it is answered.

use keyward_engine::page::{Page, Paging};
use keyward_wire::json::{Members, Writer};

use crate::{Cx, fault::EfsFault};

/// How an operation names its pages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Style {
    /// By `MaxItems`, `Marker` and `NextMarker`; the answer repeats the marker.
    Marker,
    /// By `MaxResults` and `NextToken`.
    Token,
}

/// Which page is asked for.
#[derive(Debug)]
pub struct AskedPage {
    style: Style,
    marker: Option<String>,
    paging: Paging,
}

/// A page of a list, as it is answered.
#[derive(Debug)]
pub struct Listed<T> {
    style: Style,
    marker: Option<String>,
    page: Page<T>,
}

impl AskedPage {
    /// Reads where it begins, and how long it may be.
    pub fn read(m: &mut Members<'_>, style: Style) -> Self {
        /// The most items of a page, which is also how many it has if nothing is said of it.
        const MOST: i64 = 100;
        let (marker, most) = match style {
            Style::Marker => ("Marker", "MaxItems"),
            Style::Token => ("NextToken", "MaxResults"),
        };
        let most = m.integer(most).range(1, i64::MAX).optional();
        let marker = m.string(marker).length(1, 128).optional();
        let marker = marker.map(str::to_owned);
        let most = most.unwrap_or(MOST).min(MOST);
        let paging = Paging::new(marker.clone(), usize::try_from(most).unwrap_or(1));
        Self {
            style,
            marker,
            paging,
        }
    }

    /// The page of all that an operation lists, which is in the order of the ids. A marker is good for the same
    /// operation with the same filter only.
    ///
    /// # Errors
    /// If the marker is that of another list.
    pub fn of<T>(
        &self,
        mut all: Vec<T>,
        id: impl Fn(&T) -> &str,
        list: (&str, &str),
        cx: &Cx<'_>,
    ) -> Result<Listed<T>, EfsFault> {
        if let Some(after) = self.paging.after(cx, list)? {
            all.retain(|one| *id(one) > *after);
        }
        let page = self.paging.cut(cx, list, all, |one| id(one).to_owned())?;
        Ok(self.answered(page))
    }

    /// The page of all that an operation lists, found again by number: a marker may have no more than 128
    /// characters.
    ///
    /// # Errors
    /// If the marker is that of another list.
    pub fn numbered<T>(
        &self,
        all: Vec<T>,
        list: (&str, &str),
        cx: &Cx<'_>,
    ) -> Result<Listed<T>, EfsFault> {
        let after = self.paging.after(cx, list)?;
        let after = after.and_then(|after| after.parse::<usize>().ok());
        let rest = (1..).zip(all).skip(after.unwrap_or(0));
        let rest: Vec<(usize, T)> = rest.collect();
        let page = self.paging.cut(cx, list, rest, |(at, _)| at.to_string())?;
        Ok(self.answered(page.map(|(_, one)| one)))
    }

    fn answered<T>(&self, page: Page<T>) -> Listed<T> {
        Listed {
            style: self.style,
            marker: self.marker.clone(),
            page,
        }
    }
}

impl<T> Listed<T> {
    /// The same page with its items converted.
    pub fn map<U>(self, each: impl FnMut(T) -> U) -> Listed<U> {
        Listed {
            style: self.style,
            marker: self.marker,
            page: self.page.map(each),
        }
    }

    /// Writes the page, its items under that name.
    pub fn write(
        &self,
        out: &mut Writer<'_>,
        name: &'static str,
        mut item: impl FnMut(&T, &mut Writer<'_>),
    ) {
        if let (Style::Marker, Some(marker)) = (self.style, &self.marker) {
            out.string("Marker", marker);
        }
        out.array(name, |list| {
            for one in &self.page.items {
                list.object(|out| item(one, out));
            }
        });
        let next = match self.style {
            Style::Marker => "NextMarker",
            Style::Token => "NextToken",
        };
        if let Some(marker) = &self.page.next {
            out.string(next, marker);
        }
    }
}
