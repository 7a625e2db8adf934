//! Pages of what an organization has: at most twenty at a time, in the order of their ids.

use keyward_engine::{
    marker::MarkerError,
    page::{self, Paging},
};
use keyward_wire::json::{Members, Writer};

use crate::{
    Cx,
    fault::{NEXT_TOKEN, OrganizationsFault},
};

/// The most on one page, and what AWS gives if nothing else is asked.
const MOST: i64 = 20;

/// Which page is asked for.
#[derive(Debug)]
pub struct Pagination(Paging);

/// A page, and the token of the next one.
#[derive(Debug)]
pub struct Paged<T>(pub page::Page<T>);

impl Pagination {
    /// Reads `MaxResults` and `NextToken`.
    pub fn read(m: &mut Members<'_>) -> Self {
        let most = m.integer("MaxResults").range(1, MOST).optional();
        let most = usize::try_from(most.unwrap_or(MOST)).unwrap_or(1);
        Self::read_token(m, most)
    }

    /// Reads `NextToken` alone.
    pub fn read_token(m: &mut Members<'_>, most: usize) -> Self {
        let token = m.string("NextToken").length(0, 100_000).optional();
        Self(Paging::new(token.map(str::to_owned), most))
    }

    /// The page of `all`, which are in the order of their `id`. `filter` is the rest of the
    /// request: a token is valid only for the same request.
    ///
    /// # Errors
    /// `InvalidInputException` for a token of another question.
    pub fn cut<T>(
        &self,
        cx: &Cx<'_>,
        list: (&str, &str),
        all: impl IntoIterator<Item = T>,
        id: impl Fn(&T) -> &str,
    ) -> Result<Paged<T>, OrganizationsFault> {
        let fault = |error| match error {
            MarkerError::Invalid => OrganizationsFault::invalid(NEXT_TOKEN),
            MarkerError::Internal(_) => {
                OrganizationsFault::internal("the token of a page cannot be sealed")
            }
        };
        let after = self.0.after(cx, list).map_err(fault)?;
        let later = |item: &T| after.as_deref().is_none_or(|after| id(item) > after);
        let later = all.into_iter().filter(later).take(self.0.wanted());
        let page = self
            .0
            .cut(cx, list, later.collect(), |item| id(item).to_owned());
        page.map(Paged).map_err(fault)
    }
}

impl<T> Paged<T> {
    /// Writes the page under `name`, and the token of the next.
    pub fn render(
        &self,
        out: &mut Writer<'_>,
        name: &'static str,
        each: impl Fn(&T, &mut Writer<'_>),
    ) {
        out.array(name, |list| {
            for item in &self.0.items {
                list.object(|entry| each(item, entry));
            }
        });
        if let Some(next) = &self.0.next {
            out.string("NextToken", next);
        }
    }
}
