//! `UpdateFileSystemProtection`: whether a replication may overwrite the file system. There are no replications
//! here, so nothing does.
//!
//! <https://docs.aws.amazon.com/efs/latest/ug/API_UpdateFileSystemProtection.html>

use keyward_engine::{
    audit::parameters::{Parameter, text},
    operation::{Done, Output},
};
use keyward_wire::json::{Members, Writer};

use crate::{
    Cx, Efs, fault::EfsFault, file_system::OneFileSystem, on_file_system::OnFileSystem,
    shown::protection_word,
};

/// The words of the model.
const PROTECTIONS: &[&str] = &["ENABLED", "DISABLED", "REPLICATING"];

/// The input.
#[derive(Debug)]
pub struct UpdateFileSystemProtection {
    word: Option<&'static str>,
}

/// The output.
#[derive(Debug)]
pub struct Protection {
    is_overwritable: bool,
}

keyward_types::action!("elasticfilesystem": UpdateFileSystemProtection = "elasticfilesystem:UpdateFileSystemProtection");

impl OnFileSystem for UpdateFileSystemProtection {
    const READ_ONLY: bool = false;
    const PARAMETERS: &'static [Parameter] =
        &[text("FileSystemId"), text("ReplicationOverwriteProtection")];
    type Output = Protection;

    fn read(m: &mut Members<'_>) -> Self {
        let word = m.enumeration("ReplicationOverwriteProtection", PROTECTIONS);
        let word = word.optional();
        Self { word }
    }

    fn checked(self) -> Result<Self, EfsFault> {
        if self.word == Some("REPLICATING") {
            let message = "ReplicationOverwriteProtection can be set to ENABLED or DISABLED.";
            return Err(EfsFault::BadRequest(message.to_owned()));
        }
        Ok(self)
    }

    async fn answer(&self, one: &OneFileSystem, cx: &Cx<'_>) -> Result<Done<Protection>, EfsFault> {
        let found = one.get()?.available()?;
        let mut record = found.record.clone();
        if let Some(word) = self.word {
            record.is_overwritable = word == "DISABLED";
        }
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
