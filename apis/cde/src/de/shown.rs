//! Services as Cloudera's model shows them, and their parts, for which it has no members: Keyward's own CLI shows those.

use keyward_engine::{dependents::ResourceState, operation::Output};
use keyward_wire::json::{Elements, Writer};

use crate::{
    Cx, De,
    de::{
        parts::{self, Parts},
        provision::CONTEXT,
    },
    fault::CdeFault,
    kept,
    records::{EnvironmentRecord, ServiceRecord},
};

/// A service.
#[derive(Debug)]
pub struct ShownService {
    /// Its record.
    pub record: ServiceRecord,
    /// Whether the request has made it, so that the event tells of it.
    is_new: bool,
    /// What EFS and RDS say of its parts.
    parts: Parts,
    status: (String, Option<String>),
    environment_crn: Option<String>,
    file_system_arn: Option<String>,
    database_arn: String,
}

impl ShownService {
    /// A service as it is now.
    ///
    /// # Errors
    /// When its parts cannot be read.
    pub async fn new(record: ServiceRecord, cx: &Cx<'_>) -> Result<Self, CdeFault> {
        let parts = parts::of(cx, &record).await?;
        let environment = kept::find::<EnvironmentRecord>(cx, &record.environment).await?;
        Ok(Self {
            status: parts::status(&record, &parts, cx.now),
            environment_crn: environment.map(|(one, _)| cx.crn_of_environment(&one)),
            file_system_arn: parts::file_system_arn(cx, &record),
            database_arn: parts::database_arn(cx, &record),
            parts,
            record,
            is_new: false,
        })
    }

    /// The same, made by the request.
    #[must_use]
    pub fn made(self) -> Self {
        Self {
            is_new: true,
            ..self
        }
    }

    /// Its status, in Cloudera's words.
    pub fn status(&self) -> &str {
        &self.status.0
    }

    /// Writes what lists show.
    pub fn write_summary(&self, out: &mut Writer<'_>) {
        let record = &self.record;
        out.string("name", &record.name);
        out.string("clusterId", &record.id);
        out.string("environmentName", &record.environment);
        out.string("status", self.status());
        out.string("creatorEmail", &record.creator);
        out.string("enablingTime", &record.created.iso8601());
    }

    /// Writes all members.
    pub fn write(&self, out: &mut Writer<'_>) {
        let record = &self.record;
        self.write_summary(out);
        if let Some(crn) = &self.environment_crn {
            out.string("environmentCrn", crn);
        }
        out.object("resources", |resources| {
            for (name, value) in &record.resources {
                resources.named_string(name, value);
            }
        });
        out.string("creatorCrn", &record.creator);
        out.string("cloudPlatform", "AWS");
        if let Some(reason) = &self.status.1 {
            out.string("statusReason", reason);
        }
        if let Some(key) = &record.key {
            out.string("encryptionKeyArn", key);
        }
        out.array("parts", |parts| {
            if let Some(arn) = &self.file_system_arn {
                write_part(parts, "FileSystem", arn, self.parts.file_system.as_ref());
            }
            write_part(
                parts,
                "Database",
                &self.database_arn,
                self.parts.database.as_ref(),
            );
            if let Some(key) = &record.key {
                parts.object(|part| self.write_provider(part, key));
            }
        });
    }

    /// What starts a provider of Kubernetes secrets for the service.
    fn write_provider(&self, part: &mut Writer<'_>, key: &str) {
        let record = &self.record;
        part.string("kind", "KubernetesSecrets");
        part.string("keyArn", key);
        part.string("state", "configured");
        let command = format!(
            "keyward k8s-plugin --key {key} --region {} --encryption-context {CONTEXT}={} --listen /var/run/kmsplugin/{}.sock",
            record.region, record.id, record.id
        );
        part.string("command", &command);
    }
}

fn write_part(
    parts: &mut Elements<'_>,
    kind: &'static str,
    arn: &str,
    state: Option<&ResourceState>,
) {
    parts.object(|part| {
        part.string("kind", kind);
        part.string("arn", arn);
        let Some(state) = state else {
            part.string("state", "absent");
            return;
        };
        part.string("state", &state.state);
        if let Some(key) = &state.key {
            part.string("keyArn", key);
        }
        part.strings("grantIds", &state.grants);
        part.strings("addresses", &state.addresses);
        part.array("mountTargets", |targets| {
            for (id, state) in &state.parts {
                targets.object(|target| {
                    target.string("id", id);
                    target.string("state", state);
                });
            }
        });
    });
}

impl Output<De> for ShownService {
    fn render(&self, out: &mut Writer<'_>) {
        out.object("service", |out| self.write(out));
    }

    fn response_elements(&self, elements: &mut Writer<'_>) {
        if self.is_new {
            elements.object("service", |out| self.write_summary(out));
        }
    }
}
