//! `UpdateFileSystemProtection`: whether a replication may overwrite the file system. There are no replications
//! here, so that nothing does.
//!
//! <https://docs.aws.amazon.com/efs/latest/ug/API_UpdateFileSystemProtection.html>

use keyward_engine::{
    audit::parameters::{Parameter, text},
    gate::{Denied, Gate},
    operation::{Done, Operation, Output},
    policy::permit::Permit,
};
use keyward_wire::json::{Members, Object, Writer};

use crate::{
    Cx, Efs, fault::EfsFault, file_system::OneFileSystem, members, shown::protection_word,
};

/// The words of the model.
const PROTECTIONS: &[&str] = &["ENABLED", "DISABLED", "REPLICATING"];

/// The input.
#[derive(Debug)]
pub struct UpdateFileSystemProtection {
    id: String,
    is_overwritable: Option<bool>,
}

/// The output.
#[derive(Debug)]
pub struct Protection {
    is_overwritable: bool,
}

keyward_types::action!("elasticfilesystem": UpdateFileSystemProtection = "elasticfilesystem:UpdateFileSystemProtection");

impl Operation for UpdateFileSystemProtection {
    const NAME: &'static str = "UpdateFileSystemProtection";
    const READ_ONLY: bool = false;
    const PARAMETERS: &'static [Parameter] =
        &[text("FileSystemId"), text("ReplicationOverwriteProtection")];
    type Api = Efs;
    type Output = Protection;
    type Fault = EfsFault;
    type Resolved = OneFileSystem;
    type Permits = Permit<Self>;

    fn parse(body: &Object<'_>) -> Result<Self, EfsFault> {
        let mut m = Members::of(body);
        let id = members::file_system_id(&mut m);
        let word = m.enumeration("ReplicationOverwriteProtection", PROTECTIONS);
        let word = word.optional();
        m.finish()?;
        if word == Some("REPLICATING") {
            let message = "ReplicationOverwriteProtection can be set to ENABLED or DISABLED.";
            return Err(EfsFault::BadRequest(message.to_owned()));
        }
        Ok(Self {
            id,
            is_overwritable: word.map(|word| word == "DISABLED"),
        })
    }

    async fn resolve(&self, cx: &Cx<'_>) -> Result<OneFileSystem, EfsFault> {
        cx.named_file_system(&self.id).await
    }

    fn authorize(&self, one: &OneFileSystem, gate: &Gate<'_>) -> Result<Permit<Self>, Denied> {
        gate.permit(one, |_| ())
    }

    async fn call(
        &self,
        _permit: &Permit<Self>,
        one: &OneFileSystem,
        cx: &Cx<'_>,
    ) -> Result<Done<Protection>, EfsFault> {
        let found = one.get()?.available()?;
        let mut record = found.record.clone();
        record.is_overwritable = self.is_overwritable.unwrap_or(record.is_overwritable);
        let output = Protection {
            is_overwritable: record.is_overwritable,
        };
        Ok(Done::changed(output, cx.put(found, &record)?))
    }
}

impl Output<Efs> for Protection {
    fn render(&self, out: &mut Writer<'_>) {
        let word = protection_word(self.is_overwritable);
        out.string("ReplicationOverwriteProtection", word);
    }

    fn response_elements(&self, elements: &mut Writer<'_>) {
        let word = protection_word(self.is_overwritable);
        elements.string("replicationOverwriteProtection", word);
    }
}
