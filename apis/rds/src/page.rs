//! Pages of lists: `MaxRecords` and `Marker`.

use keyward_engine::page::{Page, Paging};
use keyward_wire::{json::Members, xml};

use crate::{Cx, fault::RdsFault};

/// The fewest records that a page is asked for.
const LEAST: i64 = 20;
/// The most, which is also how many it has if nothing is said of it.
const MOST: i64 = 100;

/// Which page is asked for.
#[derive(Debug)]
pub struct AskedPage {
    most: Option<i64>,
    marker: Option<String>,
}

/// A page of a list, as it is answered.
#[derive(Debug)]
pub struct Listed<T>(Page<T>);

impl AskedPage {
    /// Reads where it begins, and how long it may be.
    pub fn read(m: &mut Members<'_>) -> Self {
        let most = m.integer("MaxRecords").optional();
        let marker = m.string("Marker").length(0, 1024).optional();
        // The CLI and Terraform send what a first answer does not have.
        let marker = marker.filter(|marker| !marker.is_empty());
        Self {
            most,
            marker: marker.map(str::to_owned),
        }
    }

    /// The same, if its length is one that may be asked for.
    ///
    /// # Errors
    /// If it is not.
    pub fn checked(self) -> Result<Self, RdsFault> {
        match self.most {
            Some(most) if !(LEAST..=MOST).contains(&most) => Err(RdsFault::InvalidParameterValue(
                format!("Invalid value {most} for MaxRecords. Must be between {LEAST} and {MOST}"),
            )),
            _ => Ok(self),
        }
    }

    /// The page of all that an operation lists, which is in the order of `position`. A marker is good for the same
    /// operation with the same filter only.
    ///
    /// # Errors
    /// If the marker is of another list.
    pub fn of<T>(
        &self,
        mut all: Vec<T>,
        position: impl Fn(&T) -> String,
        list: (&str, &str),
        cx: &Cx<'_>,
    ) -> Result<Listed<T>, RdsFault> {
        let most = usize::try_from(self.most.unwrap_or(MOST)).unwrap_or(1);
        let paging = Paging::new(self.marker.clone(), most);
        if let Some(after) = paging.after(cx, list)? {
            all.retain(|one| position(one) > after);
        }
        Ok(Listed(paging.cut(cx, list, all, position)?))
    }
}

impl<T> Listed<T> {
    /// The same page of what its items become.
    pub fn map<U>(self, each: impl FnMut(T) -> U) -> Listed<U> {
        Listed(self.0.map(each))
    }

    /// Writes the page, with the list's name and that of its items.
    pub fn write(
        &self,
        out: &mut xml::Writer<'_>,
        names: (&str, &str),
        mut item: impl FnMut(&mut xml::Writer<'_>, &T),
    ) {
        out.optional_text("Marker", self.0.next.as_deref());
        out.list_of(names, &self.0.items, |out, one| item(out, one));
    }
}
