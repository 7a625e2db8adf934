//! `listServices`

use keyward_engine::{
    audit::parameters::{Parameter, boolean},
    operation::{Done, Output},
};
use keyward_wire::json::{Members, Writer};

use crate::{
    Cx, De,
    ask::Ask,
    de::{parts::word, shown::ShownService},
    fault::CdeFault,
    kept,
    records::ServiceRecord,
};

/// The input.
#[derive(Debug)]
pub struct ListServices {
    removes_deleted: bool,
}

/// The output.
#[derive(Debug)]
pub struct Listed(Vec<ShownService>);

keyward_types::action!("de": ListServices = "de:listServices");

impl Ask for ListServices {
    const READ_ONLY: bool = true;
    const PARAMETERS: &'static [Parameter] = &[boolean("removeDeleted")];
    type Of = De;
    type Output = Listed;

    fn read(m: &mut Members<'_>) -> Self {
        Self {
            removes_deleted: m.boolean("removeDeleted").optional().unwrap_or(false),
        }
    }

    fn resource(&self) -> Option<String> {
        None
    }

    async fn answer(&self, cx: &Cx<'_>) -> Result<Done<Listed>, CdeFault> {
        let mut shown = Vec::new();
        for record in kept::every::<ServiceRecord>(cx).await? {
            let one = ShownService::new(record, cx).await?;
            if !self.removes_deleted || one.status() != word::DELETED {
                shown.push(one);
            }
        }
        Ok(Done::unchanged(Listed(shown)))
    }
}

impl Output<De> for Listed {
    fn render(&self, out: &mut Writer<'_>) {
        out.array("services", |all| {
            for one in &self.0 {
                all.object(|out| one.write_summary(out));
            }
        });
    }
}
