//! `ListGrants`: the grants on a key, page by page, perhaps of one grantee or the one of an id.
//!
//! <https://docs.aws.amazon.com/kms/latest/APIReference/API_ListGrants.html>

use keyward_engine::{
    audit::parameters::{Parameter, integer, text},
    directory::ReadError,
    gate::{Denied, Gate},
    operation::{Done, Operation, Output},
    page::{Page, Paging},
    policy::permit::Permit,
};
use keyward_store::path::Path;
use keyward_types::grant::GrantId;
use keyward_wire::json::{Members, Object, Writer};

use crate::{
    Cx, Kms, condition_keys,
    fault::KmsFault,
    grant_members::{self, GrantEntry},
    grants::{
        index::GrantPaths,
        lookup::{StoredGrant, stored},
        record::GrantRecord,
    },
    members,
    resolved::ResolvedKey,
};

/// The input.
#[derive(Debug)]
pub struct ListGrants {
    key_id: String,
    paging: Paging,
    grant_id: Option<GrantId>,
    grantee: Option<String>,
    service: Option<String>,
}

/// The output.
#[derive(Debug)]
pub struct GrantsListed(Page<GrantEntry>);

/// The key, and what is in paths for the grantee that is asked for; that there is no such principal
/// is for those to know who may list.
#[derive(Debug)]
pub struct KeyAndGrantee {
    key: ResolvedKey,
    grantee: Option<Option<String>>,
}

keyward_types::action!("kms": ListGrants = "kms:ListGrants");

impl Operation for ListGrants {
    const NAME: &'static str = "ListGrants";
    const READ_ONLY: bool = true;
    const PARAMETERS: &'static [Parameter] = &[
        integer("Limit"),
        text("Marker"),
        text("KeyId"),
        text("GrantId"),
        text("GranteePrincipal"),
        text("GranteeServicePrincipal"),
    ];
    type Api = Kms;
    type Output = GrantsListed;
    type Fault = KmsFault;
    type Resolved = KeyAndGrantee;
    type Permits = Permit<Self>;

    fn parse(body: &Object<'_>) -> Result<Self, KmsFault> {
        let mut m = Members::of(body);
        let key_id = members::key_id(&mut m, "KeyId");
        let paging = members::paging(&mut m, 50, 100);
        let grant_id = grant_members::id(&mut m);
        let grantee = grant_members::principal(&mut m, "GranteePrincipal");
        let service = grant_members::service(&mut m, "GranteeServicePrincipal");
        m.finish()?;
        if service.is_some() && grantee.is_some() {
            return Err(KmsFault::validation(
                "Specify either GranteePrincipal or GranteeServicePrincipal.",
            ));
        }
        let grant_id = grant_id.as_deref().map(grant_members::checked_id);
        Ok(Self {
            key_id,
            paging,
            grant_id: grant_id.transpose()?,
            grantee,
            service,
        })
    }

    async fn resolve(&self, cx: &Cx<'_>) -> Result<KeyAndGrantee, KmsFault> {
        let key = cx.key_to_manage(&self.key_id).await?;
        let grantee = match (&self.grantee, &self.service) {
            (Some(text), _) => Some(cx.party_segment(text).await?),
            (None, Some(service)) if cx.is_own_service(service) => Some(Some(service.clone())),
            (None, Some(_)) => {
                return Err(KmsFault::validation(
                    "GranteeServicePrincipal can only be used by AWS services.",
                ));
            }
            (None, None) => None,
        };
        Ok(KeyAndGrantee { key, grantee })
    }

    fn authorize(&self, wanted: &KeyAndGrantee, gate: &Gate<'_>) -> Result<Self::Permits, Denied> {
        gate.permit(&wanted.key, |supply| {
            supply.boolean(
                condition_keys::GRANT_IS_FOR_AWS_RESOURCE,
                gate.is_forwarded(),
            );
        })
    }

    async fn call(
        &self,
        _permit: &Self::Permits,
        wanted: &KeyAndGrantee,
        cx: &Cx<'_>,
    ) -> Result<Done<GrantsListed>, KmsFault> {
        let key = wanted.key.unit()?.arn();
        let grantee = match (&wanted.grantee, &self.grantee) {
            (Some(None), Some(text)) => return Err(KmsFault::unknown_principal(text)),
            (Some(Some(segment)), _) => Some(segment.as_str()),
            (_, _) => None,
        };
        let id = self.grant_id.as_ref().map_or("", |id| id.as_str());
        let filter = format!("{key} {} {id}", grantee.unwrap_or_default());
        let list = (Self::NAME, filter.as_str());
        let after = self.paging.after(cx, list)?;
        let after = after.map(|position| GrantId::parse(&position)).transpose();
        let after = after.map_err(|_| KmsFault::InvalidMarker)?;
        let found = match (&self.grant_id, grantee) {
            (Some(id), _) => self.one(id, wanted, grantee, cx).await?,
            (None, Some(grantee)) => self.of_grantee(wanted, grantee, after, cx).await?,
            (None, None) => self.of_key(wanted, after, cx).await?,
        };
        let position = |grant: &StoredGrant| grant.record.id.as_str().to_owned();
        let page = self.paging.cut(cx, list, found, position)?;
        let page = page.map(|grant| grant.record);
        Ok(Done::unchanged(GrantsListed::of(page, cx).await?))
    }
}

impl ListGrants {
    /// The grant of that id, if it is the grantee's.
    async fn one(
        &self,
        id: &GrantId,
        wanted: &KeyAndGrantee,
        grantee: Option<&str>,
        cx: &Cx<'_>,
    ) -> Result<Vec<StoredGrant>, KmsFault> {
        let reader = cx.directory().reader();
        let grant = cx.state().grants().grant(wanted.key.arn(), id).await?;
        let is_theirs = |grant: &StoredGrant| {
            grantee.is_none_or(|grantee| grant.record.grantee.segment(reader) == grantee)
        };
        Ok(grant.into_iter().filter(is_theirs).collect())
    }

    /// The grants of the key, one more than asked for.
    async fn of_key(
        &self,
        wanted: &KeyAndGrantee,
        after: Option<GrantId>,
        cx: &Cx<'_>,
    ) -> Result<Vec<StoredGrant>, KmsFault> {
        let reader = cx.directory().reader();
        let places = GrantPaths::new(reader, wanted.key.arn());
        let after = after.map(|id| places.grant(&id));
        let page = reader
            .range(&places.grants(), after.as_ref(), self.paging.wanted())
            .await;
        let page = page.map_err(ReadError::from)?.value;
        let grants: Result<_, ReadError> = page.iter().map(stored).collect();
        Ok(grants?)
    }

    /// The grants of one grantee, one more than asked for.
    async fn of_grantee(
        &self,
        wanted: &KeyAndGrantee,
        grantee: &str,
        after: Option<GrantId>,
        cx: &Cx<'_>,
    ) -> Result<Vec<StoredGrant>, KmsFault> {
        let key = wanted.key.arn();
        let reader = cx.directory().reader();
        let prefix = GrantPaths::new(reader, key).grants_of(grantee);
        let prefix = prefix.map_err(ReadError::from)?;
        let mut after = match after {
            Some(id) => {
                let path = Path::parse(&format!("{}{id}", prefix.as_str()));
                Some(path.map_err(ReadError::from)?)
            }
            None => None,
        };
        let mut grants = Vec::new();
        // A grant that ended since its entry was read is skipped.
        while grants.len() < self.paging.wanted() {
            let most = self.paging.wanted() - grants.len();
            let page = reader.entries(&prefix, after.as_ref(), most).await;
            let page = page.map_err(ReadError::from)?.value;
            let Some(last) = page.last() else { break };
            after = Some(last.path.clone());
            for entry in &page {
                let id = entry.path.segments().last().unwrap_or_default();
                if let Ok(id) = GrantId::parse(id) {
                    // The entry was not opened, so only the grant says whose it is.
                    grants.extend(self.one(&id, wanted, Some(grantee), cx).await?);
                }
            }
        }
        Ok(grants)
    }
}

impl Output<Kms> for GrantsListed {
    fn render(&self, out: &mut Writer<'_>) {
        out.array("Grants", |list| {
            for grant in &self.0.items {
                list.object(|entry| grant.render(entry));
            }
        });
        members::render_page(out, self.0.next.as_deref());
    }
}

impl GrantsListed {
    /// A page of grants, as answers show them.
    ///
    /// # Errors
    /// When who they name cannot be read.
    pub async fn of(page: Page<GrantRecord>, cx: &Cx<'_>) -> Result<Self, KmsFault> {
        let mut items = Vec::with_capacity(page.items.len());
        for grant in page.items {
            items.push(cx.grant_entry(grant).await?);
        }
        let next = page.next;
        Ok(Self(Page { items, next }))
    }
}
