//! Pages of what an organization holds: at most twenty at a time, in the order of their ids.

use keyward_wire::json::{Members, Writer};

use crate::{
    organizations::Cx,
    organizations::fault::{NEXT_TOKEN, OrganizationsFault},
};

/// The most on one page, and what AWS gives if nothing else is asked.
const MOST: i64 = 20;

/// Which page is asked for.
#[derive(Debug)]
pub struct Page {
    most: usize,
    token: Option<String>,
}

/// A page, and the token of the next one.
#[derive(Debug)]
pub struct Paged<T> {
    /// What stands on it.
    pub items: Vec<T>,
    /// The token of the next page.
    pub next: Option<String>,
}

impl Page {
    /// Reads `MaxResults` and `NextToken`.
    pub fn read(m: &mut Members<'_>) -> Self {
        let most = m.integer("MaxResults").range(1, MOST).optional();
        Self {
            most: usize::try_from(most.unwrap_or(MOST)).unwrap_or(1),
            token: m
                .string("NextToken")
                .length(0, 100_000)
                .optional()
                .map(str::to_owned),
        }
    }

    /// Reads `NextToken` alone.
    pub fn read_token(m: &mut Members<'_>, most: usize) -> Self {
        let token = m.string("NextToken").length(0, 100_000).optional();
        Self {
            most,
            token: token.map(str::to_owned),
        }
    }

    /// The page of `all`, which come in the order of what `id` tells of them. `filter` is what
    /// else was asked: a token is good for the same question only.
    ///
    /// # Errors
    /// `InvalidInputException` for a token of another question.
    pub fn cut<T>(
        &self,
        cx: &Cx<'_>,
        (operation, filter): (&str, &str),
        all: impl IntoIterator<Item = T>,
        id: impl Fn(&T) -> &str,
    ) -> Result<Paged<T>, OrganizationsFault> {
        let after = match &self.token {
            Some(token) => {
                let opened = cx.open_marker(operation, filter, token);
                Some(opened.map_err(|_| OrganizationsFault::invalid(NEXT_TOKEN))?)
            }
            None => None,
        };
        let later = |item: &T| after.as_deref().is_none_or(|after| id(item) > after);
        let mut items: Vec<T> = all.into_iter().filter(later).take(self.most + 1).collect();
        let more = items.len() > self.most;
        items.truncate(self.most);
        let next = match items.last().filter(|_| more) {
            Some(last) => {
                let sealed = cx.seal_marker(operation, filter, id(last));
                let sealed = sealed.map_err(|_| {
                    OrganizationsFault::internal("the token of a page cannot be sealed")
                });
                Some(sealed?)
            }
            None => None,
        };
        Ok(Paged { items, next })
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
            for item in &self.items {
                list.object(|entry| each(item, entry));
            }
        });
        if let Some(next) = &self.next {
            out.string("NextToken", next);
        }
    }
}
