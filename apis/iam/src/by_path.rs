//! Lists of all that an account has of one noun, below a path.

use keyward_wire::query::Params;
use serde::de::DeserializeOwned;

use crate::{
    Cx,
    entity::{Entity, Record},
    fault::IamFault,
    names,
    page::{Page, Paging},
};

/// `PathPrefix`, `Marker` and `MaxItems`.
#[derive(Debug)]
pub struct ByPath {
    prefix: String,
    paging: Paging,
}

impl ByPath {
    /// Reads an input that has no other member.
    ///
    /// # Errors
    /// `ValidationError`.
    pub fn parse(params: &Params<'_>) -> Result<Self, IamFault> {
        let mut m = params.members();
        let prefix = names::path_prefix(&mut m);
        let paging = Paging::read(&mut m);
        m.finish()?;
        Ok(Self { prefix, paging })
    }

    /// What a list of these is of, as a resource.
    pub fn resource<E: Entity>(&self, cx: &Cx<'_>) -> String {
        let (partition, account) = cx.caller.home();
        let (noun, prefix) = (E::NOUN, &self.prefix);
        format!("arn:{partition}:iam::{account}:{noun}{prefix}")
    }

    /// The page of the account's records, by name.
    ///
    /// # Errors
    /// `ValidationError` for a marker of another list.
    pub async fn page<R>(&self, cx: &Cx<'_>, operation: &str) -> Result<Page<R>, IamFault>
    where
        R: Record + DeserializeOwned,
    {
        let all = R::all(cx.caller.home());
        let mut found: Vec<R> = cx.directory().every(&all, R::PURPOSE).await?;
        found.retain(|record| record.path().starts_with(&self.prefix));
        let filter = (operation, self.prefix.as_str());
        let name = |record: &R| record.name().to_owned();
        self.paging.cut(cx, filter, found, name)
    }
}
