//! `ListKeys`: the keys of the caller's account and Region, in every state, page by page.
//!
//! <https://docs.aws.amazon.com/kms/latest/APIReference/API_ListKeys.html>

use keyward_engine::{
    audit::parameters::{Parameter, integer, text, texts},
    directory::{ReadError, purpose},
    fault::Internal,
    gate::{Denied, Gate},
    operation::{Done, Operation, Output},
    page::{Page, Paging},
    policy::permit::Permit,
};
use keyward_keys::record::KeyRecord;
use keyward_store::{path::Path, sealed::Record};
use keyward_types::key_id::KeyArn;
use keyward_wire::json::{Members, Object, Writer};

use crate::{Cx, Kms, fault::KmsFault, members, paths};

/// The input.
#[derive(Debug)]
pub struct ListKeys {
    paging: Paging,
    own: bool,
}

/// The output.
#[derive(Debug)]
pub struct KeysListed(Page<KeyArn>);

keyward_types::action!("kms": ListKeys = "kms:ListKeys");

impl Operation for ListKeys {
    const NAME: &'static str = "ListKeys";
    const READ_ONLY: bool = true;
    const PARAMETERS: &'static [Parameter] =
        &[integer("Limit"), text("Marker"), texts("ResourceOwners")];
    type Api = Kms;
    type Output = KeysListed;
    type Fault = KmsFault;
    type Resolved = ();
    type Permits = Permit<Self>;

    fn parse(body: &Object<'_>) -> Result<Self, KmsFault> {
        let mut m = Members::of(body);
        let paging = members::paging(&mut m, 100, 1000);
        let owners = m
            .enumerations("ResourceOwners", &["SELF", "OTHER_ACCOUNTS_VIA_RAM"])
            .count(1, 2)
            .optional();
        m.finish()?;
        // Nobody shares keys by Resource Access Manager here.
        let own = owners.is_none_or(|owners| owners.contains(&"SELF"));
        Ok(Self { paging, own })
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
    ) -> Result<Done<KeysListed>, KmsFault> {
        let list = (Self::NAME, if self.own { "SELF" } else { "OTHER" });
        let after = self.paging.after(cx, list)?;
        if !self.own {
            return Ok(Done::unchanged(KeysListed(Page::empty())));
        }
        let internal = |error: ReadError| KmsFault::from(error);
        let prefix = paths::keys(cx.region, cx.account());
        let mut after = match after {
            Some(id) => {
                let path = Path::parse(&format!("{}{id}", prefix.as_str()));
                Some(path.map_err(|_| KmsFault::InvalidMarker)?)
            }
            None => None,
        };
        let mut keys = Vec::new();
        // One more than asked for tells whether there is another page.
        while keys.len() < self.paging.wanted() {
            let wanted = self.paging.wanted() - keys.len();
            let read = cx
                .directory()
                .reader()
                .range(&prefix, after.as_ref(), wanted)
                .await;
            let page = read.map_err(|error| internal(error.into()))?.value;
            let Some(last) = page.last() else { break };
            after = Some(last.path.clone());
            for record in &page {
                keys.extend(listed(record)?);
            }
        }
        let position = |key: &KeyArn| key.id().as_str().to_owned();
        let page = self.paging.cut(cx, list, keys, position)?;
        Ok(Done::unchanged(KeysListed(page)))
    }
}

/// A key that is not destroyed.
fn listed(record: &Record) -> Result<Option<KeyArn>, KmsFault> {
    let bytes = record.bytes_of(purpose::KEY).map_err(ReadError::from)?;
    let key = KeyRecord::parse(bytes).map_err(|error| KmsFault::Internal(Internal::new(error)))?;
    Ok(key.state().map(|_| key.arn()))
}

impl Output<Kms> for KeysListed {
    fn render(&self, out: &mut Writer<'_>) {
        out.array("Keys", |list| {
            for key in &self.0.items {
                list.object(|entry| {
                    entry.string("KeyId", key.id().as_str());
                    entry.string("KeyArn", key.as_str());
                });
            }
        });
        members::render_page(out, self.0.next.as_deref());
    }
}
