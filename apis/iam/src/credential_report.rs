//! The credential report: every user of an account with its access keys, as CSV.
//!
//! The request for a report is stored, but not its text: it is written when it is fetched, with what
//! is true then, and `GeneratedTime` says so.
//!
//! <https://docs.aws.amazon.com/IAM/latest/UserGuide/id_credentials_getting-report.html>

use base64::{Engine as _, engine::general_purpose::STANDARD};
use keyward_engine::{
    audit::parameters::Parameter,
    directory::{
        purpose,
        records::{self, AccessKeyRecord, UserRecord, V1, identity::CredentialUseRecord},
    },
    operation::{Done, Output},
};
use keyward_store::batch::Precondition;
use keyward_types::{time::Timestamp, unique_id::AccessKeyId};
use keyward_wire::{json::Members, xml};

use crate::{
    Cx, Iam,
    entity::{Record, every},
    fault::IamFault,
    on_one::{OnOne, WholeAccount},
    paths,
    records::CredentialReportRecord,
};

/// How long a requested report can be fetched, as at AWS.
const GOOD_FOR_MILLIS: i64 = 4 * 60 * 60 * 1000;

const COLUMNS: &str = "user,arn,user_creation_time,password_enabled,password_last_used,\
                       password_last_changed,password_next_rotation,mfa_active,\
                       access_key_1_active,access_key_1_last_rotated,\
                       access_key_1_last_used_date,access_key_1_last_used_region,\
                       access_key_1_last_used_service,access_key_2_active,\
                       access_key_2_last_rotated,access_key_2_last_used_date,\
                       access_key_2_last_used_region,access_key_2_last_used_service,\
                       cert_1_active,cert_1_last_rotated,cert_2_active,cert_2_last_rotated";

/// When a report was last requested, and the revision of that record.
async fn asked(cx: &Cx<'_>) -> Result<Option<CredentialReportRecord>, IamFault> {
    let (partition, account) = cx.caller.home();
    let path = paths::credential_report(partition, account);
    let found = cx
        .directory()
        .rare(&path, purpose::CREDENTIAL_REPORT)
        .await?;
    Ok(found.map(|(record, _)| record))
}

fn is_good(record: &CredentialReportRecord, now: Timestamp) -> bool {
    now.millis_since(record.asked) < GOOD_FOR_MILLIS
}

/// `GenerateCredentialReport`
#[derive(Debug)]
pub struct GenerateCredentialReport;

/// Whether the report is there already.
#[derive(Debug)]
pub struct ReportState {
    complete: bool,
}

keyward_types::action!("iam": GenerateCredentialReport = "iam:GenerateCredentialReport");

impl OnOne for GenerateCredentialReport {
    const READ_ONLY: bool = false;
    const PARAMETERS: &'static [Parameter] = &[];
    type Action = Self;
    type Operand = WholeAccount;
    type Output = ReportState;

    fn read(_m: &mut Members<'_>) -> Self {
        Self
    }

    fn operand(&self) -> &WholeAccount {
        &WholeAccount
    }

    async fn answer(&self, (): &(), cx: &Cx<'_>) -> Result<Done<ReportState>, IamFault> {
        if asked(cx)
            .await?
            .is_some_and(|record| is_good(&record, cx.now))
        {
            return Ok(Done::unchanged(ReportState { complete: true }));
        }
        let (partition, account) = cx.caller.home();
        let record = CredentialReportRecord {
            version: V1,
            asked: cx.now,
        };
        let mut batch = cx.batch();
        let path = paths::credential_report(partition, account);
        let bytes = records::encode(&record)?;
        // Requests at the same time are for the same report.
        batch.put(path, purpose::CREDENTIAL_REPORT, &bytes, Precondition::Any)?;
        Ok(Done::changed(ReportState { complete: false }, batch))
    }
}

impl Output<Iam> for ReportState {
    fn render(&self, out: &mut xml::Writer<'_>) {
        if self.complete {
            out.text("State", "COMPLETE");
        } else {
            out.text("State", "STARTED");
            let text = "No report exists. Starting a new report generation task";
            out.text("Description", text);
        }
    }
}

/// `GetCredentialReport`
#[derive(Debug)]
pub struct GetCredentialReport;

/// A report.
#[derive(Debug)]
pub struct Report {
    csv: String,
    generated: Timestamp,
}

keyward_types::action!("iam": GetCredentialReport = "iam:GetCredentialReport");

impl OnOne for GetCredentialReport {
    const READ_ONLY: bool = true;
    const PARAMETERS: &'static [Parameter] = &[];
    type Action = Self;
    type Operand = WholeAccount;
    type Output = Report;

    fn read(_m: &mut Members<'_>) -> Self {
        Self
    }

    fn operand(&self) -> &WholeAccount {
        &WholeAccount
    }

    async fn answer(&self, (): &(), cx: &Cx<'_>) -> Result<Done<Report>, IamFault> {
        match asked(cx).await? {
            None => return Err(IamFault::ReportNotPresent),
            Some(record) if !is_good(&record, cx.now) => return Err(IamFault::ReportExpired),
            Some(_) => {}
        }
        let csv = write(cx).await?;
        let generated = cx.now;
        Ok(Done::unchanged(Report { csv, generated }))
    }
}

impl Output<Iam> for Report {
    fn render(&self, out: &mut xml::Writer<'_>) {
        out.text("Content", &STANDARD.encode(&self.csv));
        out.text("ReportFormat", "text/csv");
        out.timestamp("GeneratedTime", self.generated);
    }
}

/// Writes the report: the root user first, then users by their names.
async fn write(cx: &Cx<'_>) -> Result<String, IamFault> {
    let (partition, account) = cx.caller.home();
    let mut csv = COLUMNS.to_owned();
    if let Some((root, _)) = cx.directory().account(partition, account).await? {
        let row = Row {
            user: "<root_account>",
            arn: &format!("arn:{partition}:iam::{account}:root"),
            created: root.created,
            // What AWS shows for every root user.
            password: [
                "not_supported",
                "no_information",
                "not_supported",
                "not_supported",
            ],
            keys: keys(cx, &root.root_access_keys).await?,
        };
        row.write(&mut csv);
    }
    let mut users: Vec<UserRecord> = every(cx).await?;
    users.sort_by_key(|user| user.name.to_lowercase());
    for user in &users {
        let row = Row {
            user: &user.name,
            arn: &user.arn_in(cx.caller.home()),
            created: user.created,
            password: ["false", "N/A", "N/A", "N/A"],
            keys: keys(cx, &user.access_keys).await?,
        };
        row.write(&mut csv);
    }
    Ok(csv)
}

/// A line of the report.
struct Row<'a> {
    user: &'a str,
    arn: &'a str,
    created: Timestamp,
    password: [&'a str; 4],
    keys: Vec<Key>,
}

/// An access key in the report.
struct Key {
    active: bool,
    created: Timestamp,
    used: Option<CredentialUseRecord>,
}

async fn keys(cx: &Cx<'_>, ids: &[AccessKeyId]) -> Result<Vec<Key>, IamFault> {
    let mut found = Vec::new();
    for id in ids {
        let path = paths::access_key(id);
        let record = cx.directory().rare(&path, purpose::CREDENTIAL).await?;
        let record: Option<(AccessKeyRecord, _)> = record;
        if let Some((record, _)) = record {
            found.push(Key {
                active: record.active,
                created: record.created,
                used: last_use(cx, id).await?,
            });
        }
    }
    Ok(found)
}

async fn last_use(cx: &Cx<'_>, id: &AccessKeyId) -> Result<Option<CredentialUseRecord>, IamFault> {
    if let Some(noted) = cx.shared().access_key_usage().noted(id) {
        return Ok(Some(noted.to_record()));
    }
    let path = paths::access_key_last_use(id);
    let read = cx.directory().rare(&path, purpose::LAST_USE).await?;
    Ok(read.map(|(used, _)| used))
}

impl Row<'_> {
    fn write(&self, csv: &mut String) {
        let mut cells = vec![quoted(self.user), quoted(self.arn), instant(self.created)];
        cells.extend(self.password.map(str::to_owned));
        // There are no devices.
        cells.push("false".to_owned());
        for place in 0..2 {
            let key = self.keys.get(place);
            let used = key.and_then(|key| key.used.as_ref());
            let or_none = |text: Option<String>| text.unwrap_or_else(|| "N/A".to_owned());
            cells.push(key.is_some_and(|key| key.active).to_string());
            cells.push(or_none(key.map(|key| instant(key.created))));
            cells.push(or_none(used.map(|used| instant(used.at))));
            cells.push(or_none(used.map(|used| used.region.to_string())));
            cells.push(or_none(used.map(|used| used.service.clone())));
        }
        // There are no signing certificates.
        for _ in 0..2 {
            cells.extend(["false".to_owned(), "N/A".to_owned()]);
        }
        csv.push('\n');
        csv.push_str(&cells.join(","));
    }
}

/// A name may have commas, but no quotes.
fn quoted(text: &str) -> String {
    if text.contains(',') {
        format!("\"{text}\"")
    } else {
        text.to_owned()
    }
}

fn instant(at: Timestamp) -> String {
    at.iso8601().replace('Z', "+00:00")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_line_has_a_cell_for_every_column() {
        let row = Row {
            user: "ann,bob",
            arn: "arn:aws:iam::111122223333:user/ann,bob",
            created: Timestamp::from_seconds(1_430_757_321),
            password: ["false", "N/A", "N/A", "N/A"],
            keys: vec![Key {
                active: true,
                created: Timestamp::from_seconds(1_430_757_322),
                used: None,
            }],
        };
        let mut csv = String::new();
        row.write(&mut csv);
        assert_eq!(
            csv,
            "\n\"ann,bob\",\"arn:aws:iam::111122223333:user/ann,bob\",2015-05-04T16:35:21+00:00,\
             false,N/A,N/A,N/A,false,true,2015-05-04T16:35:22+00:00,N/A,N/A,N/A,\
             false,N/A,N/A,N/A,N/A,false,N/A,false,N/A"
        );
        // Two commas are in quotes.
        let commas = csv.matches(',').count() - 2;
        assert_eq!(commas, COLUMNS.matches(',').count());
    }
}
