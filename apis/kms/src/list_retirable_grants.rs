//! `ListRetirableGrants`: the grants of a Region, on keys of any account, that a principal of the
//! caller's account may retire because they name it so.
//!
//! <https://docs.aws.amazon.com/kms/latest/APIReference/API_ListRetirableGrants.html>

use keyward_engine::{
    audit::parameters::{Parameter, integer, text},
    directory::ReadError,
    gate::{Denied, Gate},
    operation::{Done, Operation},
    page::Paging,
    policy::permit::Permit,
};
use keyward_store::path::Path;
use keyward_types::{
    account::AccountId,
    grant::GrantId,
    key_id::{KeyArn, KeyId},
};
use keyward_wire::json::{Members, Object};

use crate::{
    Cx, Kms,
    fault::KmsFault,
    grant_members,
    grants::{
        index::{self, GrantPaths},
        record::GrantRecord,
    },
    list_grants::GrantsListed,
    members,
};

/// The input.
#[derive(Debug)]
pub struct ListRetirableGrants {
    paging: Paging,
    retiring: String,
}

keyward_types::action!("kms": ListRetirableGrants = "kms:ListRetirableGrants");

impl Operation for ListRetirableGrants {
    const NAME: &'static str = "ListRetirableGrants";
    const READ_ONLY: bool = true;
    const PARAMETERS: &'static [Parameter] = &[
        integer("Limit"),
        text("Marker"),
        text("RetiringPrincipal"),
        text("RetiringServicePrincipal"),
    ];
    type Api = Kms;
    type Output = GrantsListed;
    type Fault = KmsFault;
    type Resolved = ();
    type Permits = Permit<Self>;

    fn parse(body: &Object<'_>) -> Result<Self, KmsFault> {
        let mut m = Members::of(body);
        let paging = members::paging(&mut m, 50, 100);
        let retiring = grant_members::principal(&mut m, "RetiringPrincipal");
        let service = grant_members::service(&mut m, "RetiringServicePrincipal");
        m.finish()?;
        if service.is_some() && retiring.is_none() {
            return Err(KmsFault::validation(
                "RetiringServicePrincipal can only be used by AWS services.",
            ));
        }
        match (retiring, service) {
            (Some(retiring), None) => Ok(Self { paging, retiring }),
            (_, _) => Err(KmsFault::validation(
                "Specify either RetiringPrincipal or RetiringServicePrincipal.",
            )),
        }
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
    ) -> Result<Done<GrantsListed>, KmsFault> {
        // It is not revealed whether another account has such a principal.
        let foreign = keyward_types::arn::ArnParts::parse(&self.retiring)
            .is_some_and(|parts| parts.account != cx.account().as_str());
        let own = match foreign {
            true => None,
            false => cx.party_segment(&self.retiring).await?,
        };
        let Some(retiring) = own.as_deref() else {
            return Err(KmsFault::unknown_principal(&self.retiring));
        };
        let prefix = index::retirable_by(cx.region, cx.account(), retiring);
        let prefix = prefix.map_err(ReadError::from)?;
        let list = (Self::NAME, retiring);
        let mut after = match self.paging.after(cx, list)? {
            Some(position) => {
                let path = Path::parse(&format!("{}{position}", prefix.as_str()));
                Some(path.map_err(|_| KmsFault::InvalidMarker)?)
            }
            None => None,
        };
        let mut found: Vec<(String, GrantRecord)> = Vec::new();
        // One more than asked for tells whether there is another page.
        while found.len() < self.paging.wanted() {
            let most = self.paging.wanted() - found.len();
            let reader = cx.directory().reader();
            let page = reader.entries(&prefix, after.as_ref(), most).await;
            let page = page.map_err(ReadError::from)?.value;
            let Some(last) = page.last() else { break };
            after = Some(last.path.clone());
            for entry in &page {
                let position = entry.path.as_str().strip_prefix(prefix.as_str());
                let position = position.unwrap_or_default();
                if let Some(grant) = grant_at(&entry.path, position, cx).await? {
                    found.push((position.to_owned(), grant));
                }
            }
        }
        let position = |(position, _): &(String, GrantRecord)| position.clone();
        let page = self.paging.cut(cx, list, found, position)?;
        let page = page.map(|(_, grant)| grant);
        Ok(Done::unchanged(GrantsListed::of(page, cx).await?))
    }
}

/// The grant at `account/key/grant`, unless it or its key is gone. The entry was not opened, so only
/// the grant says who may retire it.
async fn grant_at(
    entry: &Path,
    position: &str,
    cx: &Cx<'_>,
) -> Result<Option<GrantRecord>, ReadError> {
    let mut parts = position.split('/');
    let account = parts.next().and_then(|text| AccountId::parse(text).ok());
    let key = parts.next().and_then(|text| KeyId::parse(text).ok());
    let grant = parts.next().and_then(|text| GrantId::parse(text).ok());
    let (Some(account), Some(key), Some(grant)) = (account, key, grant) else {
        return Ok(None);
    };
    let key = KeyArn::new(cx.region, account, key);
    if cx.state().key(&key).await?.is_none() {
        return Ok(None);
    }
    let Some(found) = cx.state().grants().grant(&key, &grant).await? else {
        return Ok(None);
    };
    let places = GrantPaths::new(cx.directory().reader(), &key);
    let own = places.retirable_of(&found.record)?.as_ref() == Some(entry);
    Ok(own.then_some(found.record))
}
