//! An encrypted PostgreSQL database: `psql` works with it, and cannot while its key is disabled.

use std::{fs, path::PathBuf, process::Command};

use anyhow::{Context, bail, ensure};
use serde_json::Value;

use super::{
    aws::Aws,
    stage::Stage,
    storage::{contains, eventually, output},
    text,
};

/// The instance's name, its master user and that user's password.
const NAME: &str = "demo";
const USER: &str = "accountant";
const PASSWORD: &str = "correct-horse-battery";
/// What is put into a row.
const TEXT: &str = "the bonus of the chairman";
/// Where the authority's certificate is saved.
const AUTHORITY: &str = "rds-ca.pem";

/// The client of PostgreSQL, if this machine has client and server.
fn client() -> Option<PathBuf> {
    let folders = fs::read_dir("/usr/lib/postgresql").ok()?;
    folders
        .flatten()
        .map(|version| version.path().join("bin"))
        .find(|bin| bin.join("postgres").exists() && bin.join("psql").exists())
        .map(|bin| bin.join("psql"))
}

/// What this machine lacks, in one sentence; none if it can run databases.
pub fn missing() -> Option<String> {
    client()
        .is_none()
        .then(|| "this needs PostgreSQL: on Debian 12, the package postgresql-15".to_owned())
}

/// The instance.
#[derive(Debug)]
pub struct Database {
    psql: PathBuf,
    folder: PathBuf,
    host: String,
    port: u64,
    image: PathBuf,
}

impl Database {
    /// Creates it under a key, and puts rows into it.
    pub fn create(stage: &Stage, caller: &Aws, key: &str) -> anyhow::Result<Self> {
        caller.call(&[
            "rds",
            "create-db-instance",
            "--db-instance-identifier",
            NAME,
            "--engine",
            "postgres",
            "--db-instance-class",
            "db.t3.micro",
            "--allocated-storage",
            "20",
            "--master-username",
            USER,
            "--master-user-password",
            PASSWORD,
            "--storage-encrypted",
            "--kms-key-id",
            key,
            "--backup-retention-period",
            "0",
        ])?;
        eventually("the database is not there", || {
            Ok(status(caller)?.as_deref() == Some("available"))
        })?;
        let found = caller.quietly(&describe())?;
        let instance = text(&found, "/DBInstances/0/DbiResourceId")?;
        save_authority(stage)?;
        let port = found.pointer("/DBInstances/0/Endpoint/Port");
        let database = Self {
            psql: client().context("no psql")?,
            folder: stage.path(""),
            host: text(&found, "/DBInstances/0/Endpoint/Address")?,
            port: port.and_then(Value::as_u64).context("no port")?,
            image: stage.path(&format!("agent/volumes/{instance}.img")),
        };
        let rows = format!(
            "CREATE TABLE secrets AS SELECT n, '{TEXT}' AS what FROM generate_series(1, 1000) n; CHECKPOINT"
        );
        database.show(stage, &rows);
        database.query(&rows)?;
        database.is_complete()?;
        ensure!(
            !contains(&database.image, TEXT)?,
            "the plaintext is on the disk"
        );
        stage.shows("1000 rows over verified TLS; the text is nowhere in the database's image");
        Ok(database)
    }

    /// Its key was disabled: no connection, and it cannot be started.
    pub fn is_unreadable(&self, stage: &Stage, caller: &Aws) -> anyhow::Result<()> {
        let wanted = "inaccessible-encryption-credentials-recoverable";
        eventually("the database does not notice that its key is gone", || {
            Ok(status(caller)?.as_deref() == Some(wanted))
        })?;
        ensure!(
            self.query("SELECT 1").is_err(),
            "the database still answers"
        );
        let said =
            caller.refused(&["rds", "start-db-instance", "--db-instance-identifier", NAME])?;
        ensure!(said.contains("KMSKeyNotAccessibleFault"), "{said}");
        stage.prints(&said);
        stage.shows(&format!("database: {wanted}"));
        Ok(())
    }

    /// Its key was enabled: it is started, and the rows are there.
    pub fn is_back(&self, stage: &Stage, caller: &Aws) -> anyhow::Result<()> {
        caller.call(&["rds", "start-db-instance", "--db-instance-identifier", NAME])?;
        eventually("the database does not start", || {
            Ok(status(caller)?.as_deref() == Some("available"))
        })?;
        self.is_complete()?;
        stage.shows("database: all 1000 rows are back");
        Ok(())
    }

    /// Deletes it.
    pub fn delete(self, caller: &Aws) -> anyhow::Result<()> {
        caller.call(&[
            "rds",
            "delete-db-instance",
            "--db-instance-identifier",
            NAME,
            "--skip-final-snapshot",
        ])?;
        eventually("the database is still there", || {
            Ok(status(caller)?.is_none() && !self.image.exists())
        })
    }

    fn is_complete(&self) -> anyhow::Result<()> {
        let count = self.query(&format!(
            "SELECT count(*) FROM secrets WHERE what = '{TEXT}'"
        ))?;
        ensure!(count == "1000", "there are {count} rows");
        Ok(())
    }

    fn address(&self) -> String {
        format!(
            "host={} port={} user={USER} dbname=postgres sslmode=verify-full sslrootcert={AUTHORITY}",
            self.host, self.port
        )
    }

    fn show(&self, stage: &Stage, statement: &str) {
        stage.command(&format!("psql '{}' -c \"{statement}\"", self.address()));
    }

    fn query(&self, statement: &str) -> anyhow::Result<String> {
        let mut command = Command::new(&self.psql);
        command
            .current_dir(&self.folder)
            .args(["--no-psqlrc", "--quiet", "--tuples-only", "--no-align"])
            .args(["--set", "ON_ERROR_STOP=1", "--command", statement])
            .arg(self.address())
            .env("PGPASSWORD", PASSWORD)
            .env("PGCONNECT_TIMEOUT", "5");
        let output = command.output().context("cannot start psql")?;
        if !output.status.success() {
            bail!("psql: {}", String::from_utf8_lossy(&output.stderr).trim());
        }
        Ok(String::from_utf8(output.stdout)?.trim().to_owned())
    }
}

/// Saves the certificates that psql verifies the server with.
fn save_authority(stage: &Stage) -> anyhow::Result<()> {
    let words = ["agent", "certificates", "--data-dir", "data"];
    stage.command(&format!("keyward {} > {AUTHORITY}", words.join(" ")));
    fs::write(stage.path(AUTHORITY), output(stage, &words)?)?;
    Ok(())
}

fn describe() -> [&'static str; 4] {
    [
        "rds",
        "describe-db-instances",
        "--db-instance-identifier",
        NAME,
    ]
}

/// The instance's status; none if there is no such instance.
fn status(caller: &Aws) -> anyhow::Result<Option<String>> {
    match caller.quietly(&describe()) {
        Ok(found) => text(&found, "/DBInstances/0/DBInstanceStatus").map(Some),
        Err(error) if error.to_string().contains("(DBInstanceNotFound)") => Ok(None),
        Err(error) => Err(error),
    }
}
