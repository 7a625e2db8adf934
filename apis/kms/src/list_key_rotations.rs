//! `ListKeyRotations`: the rotations of a key, or all its materials, page by page.
//!
//! <https://docs.aws.amazon.com/kms/latest/APIReference/API_ListKeyRotations.html>

use keyward_engine::{
    audit::parameters::{Parameter, integer, text},
    gate::{Denied, Gate},
    operation::{Done, Operation, Output},
    page::{Page, Paging},
    policy::permit::Permit,
};
use keyward_types::{
    key_id::KeyArn, key_spec::RotationType, material_id::MaterialId, time::Timestamp,
};
use keyward_wire::json::{Members, Object, Writer};

use crate::{Cx, Kms, fault::KmsFault, members, resolved::ResolvedKey};

/// The input.
#[derive(Debug)]
pub struct ListKeyRotations {
    key_id: String,
    all_material: bool,
    paging: Paging,
}

/// The output.
#[derive(Debug)]
pub struct KeyRotations {
    key: KeyArn,
    page: Page<Rotation>,
}

/// One material.
#[derive(Debug)]
struct Rotation {
    material_id: MaterialId,
    current: bool,
    rotated: Option<(Timestamp, RotationType)>,
}

keyward_types::action!("kms": ListKeyRotations = "kms:ListKeyRotations");

impl Operation for ListKeyRotations {
    const NAME: &'static str = "ListKeyRotations";
    const READ_ONLY: bool = true;
    const PARAMETERS: &'static [Parameter] = &[
        text("KeyId"),
        text("IncludeKeyMaterial"),
        integer("Limit"),
        text("Marker"),
    ];
    type Api = Kms;
    type Output = KeyRotations;
    type Fault = KmsFault;
    type Resolved = ResolvedKey;
    type Permits = Permit<Self>;

    fn parse(body: &Object<'_>) -> Result<Self, KmsFault> {
        let mut m = Members::of(body);
        let key_id = members::key_id(&mut m, "KeyId");
        let words = &["ALL_KEY_MATERIAL", "ROTATIONS_ONLY"];
        let include = m.enumeration("IncludeKeyMaterial", words).optional();
        let all_material = include == Some("ALL_KEY_MATERIAL");
        let paging = members::paging(&mut m, 100, 1000);
        m.finish()?;
        Ok(Self {
            key_id,
            all_material,
            paging,
        })
    }

    async fn resolve(&self, cx: &Cx<'_>) -> Result<ResolvedKey, KmsFault> {
        cx.key_to_manage(&self.key_id).await
    }

    fn authorize(&self, key: &ResolvedKey, gate: &Gate<'_>) -> Result<Self::Permits, Denied> {
        gate.permit(key, |_| ())
    }

    async fn call(
        &self,
        _permit: &Self::Permits,
        key: &ResolvedKey,
        cx: &Cx<'_>,
    ) -> Result<Done<KeyRotations>, KmsFault> {
        let key = key.unit()?;
        let filter = format!("{} {}", key.arn(), self.all_material);
        let list = (Self::NAME, filter.as_str());
        let after = self.paging.after(cx, list)?;
        let after = after.map(|position| position.parse()).transpose();
        let after: Option<usize> = after.map_err(|_| KmsFault::InvalidMarker)?;
        let from = after.map_or(0, |last| last.saturating_add(1));
        let materials = &key.record().materials;
        let current = materials.len().saturating_sub(1);
        let listed = materials.iter().enumerate().skip(from);
        let listed = listed.filter(|(_, m)| self.all_material || m.rotation.is_some());
        let rotations = listed
            .take(self.paging.wanted())
            .map(|(index, m)| {
                let rotation = Rotation {
                    material_id: m.id,
                    current: index == current,
                    rotated: m.rotation.map(|kind| (m.since, kind)),
                };
                (index, rotation)
            })
            .collect();
        let position = |(index, _): &(usize, Rotation)| index.to_string();
        let page = self.paging.cut(cx, list, rotations, position)?;
        let page = page.map(|(_, rotation)| rotation);
        let key = key.arn().clone();
        Ok(Done::unchanged(KeyRotations { key, page }))
    }
}

impl Output<Kms> for KeyRotations {
    fn render(&self, out: &mut Writer<'_>) {
        out.array("Rotations", |list| {
            for rotation in &self.page.items {
                list.object(|entry| {
                    entry.string("KeyId", self.key.as_str());
                    entry.string("KeyMaterialId", &rotation.material_id.to_string());
                    let state = if rotation.current {
                        "CURRENT"
                    } else {
                        "NON_CURRENT"
                    };
                    entry.string("KeyMaterialState", state);
                    if let Some((at, kind)) = rotation.rotated {
                        entry.timestamp("RotationDate", at);
                        entry.string("RotationType", kind.as_str());
                    }
                });
            }
        });
        members::render_page(out, self.page.next.as_deref());
    }
}
