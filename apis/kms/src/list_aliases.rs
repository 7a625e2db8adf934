//! `ListAliases`: the aliases of the caller's account and Region, or of one key, page by page.
//!
//! <https://docs.aws.amazon.com/kms/latest/APIReference/API_ListAliases.html>
//!
//! The aliases of AWS managed keys are listed before their keys are there, without a key.

use keyward_engine::{
    audit::parameters::{Parameter, integer, text},
    directory::{ReadError, purpose, records},
    gate::{Denied, Gate},
    operation::{Done, Operation, Output},
    page::{Page, Paging},
    policy::permit::Permit,
};
use keyward_store::path::Path;
use keyward_types::{
    alias::AliasName,
    via_service::{ActingService, SERVICES},
};
use keyward_wire::json::{Members, Object, Writer};

use crate::{
    Cx, Kms, fault::KmsFault, members, paths, records::AliasRecord, resolved::ResolvedKey,
};

/// The input.
#[derive(Debug)]
pub struct ListAliases {
    key_id: Option<String>,
    paging: Paging,
}

/// The output.
#[derive(Debug)]
pub struct AliasesListed(Page<(String, Listed)>);

/// An alias as it is listed.
#[derive(Debug)]
enum Listed {
    /// One that is stored.
    Stored(AliasRecord),
    /// That of an AWS managed key that nothing has used yet.
    Predefined(AliasName),
}

impl Listed {
    fn name(&self) -> &AliasName {
        match self {
            Self::Stored(alias) => &alias.name,
            Self::Predefined(name) => name,
        }
    }
}

keyward_types::action!("kms": ListAliases = "kms:ListAliases");

impl Operation for ListAliases {
    const NAME: &'static str = "ListAliases";
    const READ_ONLY: bool = true;
    const PARAMETERS: &'static [Parameter] = &[text("KeyId"), integer("Limit"), text("Marker")];
    type Api = Kms;
    type Output = AliasesListed;
    type Fault = KmsFault;
    type Resolved = ();
    type Permits = Permit<Self>;

    fn parse(body: &Object<'_>) -> Result<Self, KmsFault> {
        let mut m = Members::of(body);
        let key_id = members::optional_key_id(&mut m, "KeyId");
        let paging = members::paging(&mut m, 50, 100);
        m.finish()?;
        Ok(Self { key_id, paging })
    }

    async fn resolve(&self, _cx: &Cx<'_>) -> Result<(), KmsFault> {
        Ok(())
    }

    fn authorize(&self, (): &(), gate: &Gate<'_>) -> Result<Self::Permits, Denied> {
        gate.account(|_| ())
    }

    async fn call(
        &self,
        _permit: &Self::Permits,
        (): &(),
        cx: &Cx<'_>,
    ) -> Result<Done<AliasesListed>, KmsFault> {
        let key = match &self.key_id {
            Some(key_id) => Some(cx.key_to_manage(key_id).await?),
            None => None,
        };
        let filter = key
            .as_ref()
            .map(|key| key.arn().as_str())
            .unwrap_or_default();
        let list = (Self::NAME, filter);
        let after = self.paging.after(cx, list)?;
        let aliases = match &key {
            Some(key) => self.of_key(key, after.as_deref(), cx).await?,
            None => self.of_account(after.as_deref(), cx).await?,
        };
        let position = |(position, _): &(String, Listed)| position.clone();
        let page = self.paging.cut(cx, list, aliases, position)?;
        let shown = |(_, alias): (String, Listed)| {
            let arn = alias.name().arn(cx.region, cx.account());
            (arn, alias)
        };
        Ok(Done::unchanged(AliasesListed(page.map(shown))))
    }
}

impl ListAliases {
    /// A key's aliases by name, one more than asked for, each with its position.
    async fn of_key(
        &self,
        key: &ResolvedKey,
        after: Option<&str>,
        cx: &Cx<'_>,
    ) -> Result<Vec<(String, Listed)>, KmsFault> {
        // Aliases of another account's key are not this account's to list.
        let Some(unit) = key
            .found_unit()
            .filter(|key| key.arn().account() == cx.account())
        else {
            return Err(KmsFault::KeyNotFound {
                key: key.arn().to_string(),
            });
        };
        let mut names = unit.record().aliases.clone();
        names.sort();
        let mut aliases = Vec::new();
        for name in names
            .iter()
            .filter(|name| after.is_none_or(|after| name.as_str() > after))
        {
            if aliases.len() == self.paging.wanted() {
                break;
            }
            if let Some(alias) = cx.state().alias(cx.region, cx.account(), name).await? {
                aliases.push((name.to_string(), Listed::Stored(alias.record.clone())));
            }
        }
        Ok(aliases)
    }

    /// The account's aliases in the order of their hashes, one more than asked for.
    async fn of_account(
        &self,
        position: Option<&str>,
        cx: &Cx<'_>,
    ) -> Result<Vec<(String, Listed)>, KmsFault> {
        let prefix = paths::aliases(cx.region, cx.account());
        let after = match position {
            Some(hash) => {
                let path = Path::parse(&format!("{}{hash}", prefix.as_str()));
                Some(path.map_err(|_| KmsFault::InvalidMarker)?)
            }
            None => None,
        };
        let reader = cx.directory().reader();
        let page = reader
            .range(&prefix, after.as_ref(), self.paging.wanted())
            .await;
        let mut aliases = Vec::new();
        for record in page.map_err(ReadError::from)?.value {
            let bytes = record.bytes_of(purpose::ALIAS).map_err(ReadError::from)?;
            let alias: AliasRecord = records::decode(bytes).map_err(ReadError::from)?;
            let hash = record.path.segments().last().unwrap_or_default().to_owned();
            aliases.push((hash, Listed::Stored(alias)));
        }
        // What stands beyond the page that was read sorts after it, and is cut off with it.
        for alias in SERVICES.iter().filter_map(ActingService::alias) {
            let hash = cx.state().alias_hash(cx.region, cx.account(), &alias);
            let hash = String::from(hash);
            let place = aliases.binary_search_by(|(stored, _)| stored.cmp(&hash));
            if let Err(place) = place
                && position.is_none_or(|after| hash.as_str() > after)
            {
                aliases.insert(place, (hash, Listed::Predefined(alias)));
            }
        }
        Ok(aliases)
    }
}

impl Output<Kms> for AliasesListed {
    fn render(&self, out: &mut Writer<'_>) {
        out.array("Aliases", |list| {
            for (arn, alias) in &self.0.items {
                list.object(|entry| {
                    entry.string("AliasName", alias.name().as_str());
                    entry.string("AliasArn", arn);
                    if let Listed::Stored(alias) = alias {
                        entry.string("TargetKeyId", alias.target.as_str());
                        entry.timestamp("CreationDate", alias.created);
                        entry.timestamp("LastUpdatedDate", alias.updated);
                    }
                });
            }
        });
        members::render_page(out, self.0.next.as_deref());
    }
}
