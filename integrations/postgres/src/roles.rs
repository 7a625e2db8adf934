//! The roles of a server, and the SQL that makes them.
//!
//! They have the names that clients know from Amazon RDS:
//!
//! - `rdsadmin` is the superuser, and only the supervisor, which is root, can connect as it, over a Unix socket. It
//!   connects only to a database of its own, `rdsadmin`, in which nobody else can put anything.
//! - `rds_superuser` is a role without login that administrators are members of: it may see all statistics, end
//!   sessions and start checkpoints.
//! - The master user is a member of it, creates databases and roles, and owns `postgres` and the first database. It is
//!   no superuser.
//!
//! Up to PostgreSQL 15, whoever may create roles may also make anybody a member of any role that is no superuser. Three of
//! the server's own roles allow more than the data: to run programs, and to read and write files, as the server's
//! system user, and so to become superuser. They are marked as superusers themselves: only a superuser can make
//! members of those. Nobody can log in as them.

use crate::{
    names::{ADMINISTRATORS, Name, SUPERVISOR},
    options::Wanted,
};

/// What is done once in a new cluster, in the database `postgres` and then in that of the supervisor: a statement in
/// each line, as the single-user mode wants it.
pub(crate) fn bootstrap() -> [(&'static str, String); 2] {
    let cluster = format!(
        "UPDATE pg_catalog.pg_authid SET rolsuper = true WHERE rolname IN ('pg_execute_server_program', 'pg_read_server_files', 'pg_write_server_files')
CREATE ROLE {ADMINISTRATORS} NOLOGIN
GRANT pg_monitor, pg_signal_backend, pg_checkpoint TO {ADMINISTRATORS}
CREATE DATABASE {SUPERVISOR} TEMPLATE template0
REVOKE ALL ON DATABASE {SUPERVISOR} FROM PUBLIC
"
    );
    let own = "CREATE SCHEMA keyward
CREATE TABLE keyward.applied (one boolean PRIMARY KEY DEFAULT true CHECK (one), prepared boolean NOT NULL DEFAULT false, server text NOT NULL DEFAULT '', password_epoch bigint NOT NULL DEFAULT -1)
INSERT INTO keyward.applied DEFAULT VALUES
"
    .to_owned();
    [("postgres", cluster), (SUPERVISOR, own)]
}

/// What is done after each start, and when the password changes; it can be done again and again. It contains the
/// password's verifier.
///
/// The data say themselves whether they are prepared and which password they have, so that this is as old as they are
/// when a volume is restored. The server says its name, and another is not changed. A password is set once for each server and epoch.
pub(crate) fn apply(name: &Name, wanted: &Wanted) -> String {
    let master = literal(wanted.master.as_str());
    let server = literal(name.as_str());
    let verifier = literal(wanted.verifier.expose());
    let epoch = wanted.password_epoch;
    let mut script = format!(
        "DO $$BEGIN IF current_setting('cluster_name') <> {server} THEN RAISE EXCEPTION 'this is the server of another database'; END IF; END$$;
SELECT format('CREATE ROLE %I', {master}) WHERE NOT EXISTS (SELECT FROM pg_catalog.pg_roles WHERE rolname = {master}) \\gexec
BEGIN;
SELECT statement FROM keyward.applied, LATERAL (VALUES
    (1, format('ALTER ROLE %I LOGIN CREATEDB CREATEROLE PASSWORD %L VALID UNTIL ''infinity''', {master}, {verifier})),
    (2, format('GRANT {ADMINISTRATORS} TO %I', {master}))
) AS statements (number, statement) WHERE (server, password_epoch) <> ({server}, {epoch}) ORDER BY number \\gexec
UPDATE keyward.applied SET server = {server}, password_epoch = {epoch} WHERE (server, password_epoch) <> ({server}, {epoch});
COMMIT;
"
    );
    // What the owner has dropped later is not made again.
    if let Some(database) = &wanted.database {
        let database = literal(database.as_str());
        script.push_str(&format!(
            "SELECT format('CREATE DATABASE %I OWNER %I TEMPLATE template0', {database}, {master}) FROM keyward.applied WHERE NOT prepared AND NOT EXISTS (SELECT FROM pg_catalog.pg_database WHERE datname = {database}) \\gexec
"
        ));
    }
    script.push_str(&format!(
        "SELECT format('ALTER DATABASE postgres OWNER TO %I', {master}) FROM keyward.applied WHERE NOT prepared AND EXISTS (SELECT FROM pg_catalog.pg_database WHERE datname = 'postgres') \\gexec
UPDATE keyward.applied SET prepared = true WHERE NOT prepared;
"
    ));
    script
}

/// A value in SQL. What is parsed has no quotes; this does not rely on it.
fn literal(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_cannot_end_its_literal() {
        assert_eq!(literal("a'; DROP"), "'a''; DROP'");
    }

    #[test]
    fn a_server_says_its_name_before_anything_is_changed() {
        let name = Name::parse("db-1").unwrap();
        let script = apply(&name, &crate::settings::tests::wanted());
        let first = script.lines().next().unwrap();
        assert!(
            first.starts_with(
                "DO $$BEGIN IF current_setting('cluster_name') <> 'db-1' THEN RAISE EXCEPTION "
            ),
            "{first}"
        );
    }

    #[test]
    fn each_line_of_the_bootstrap_is_a_statement() {
        for (_, script) in bootstrap() {
            for line in script.lines() {
                let first = line.split(' ').next().unwrap();
                let verbs = ["UPDATE", "CREATE", "GRANT", "REVOKE", "INSERT"];
                assert!(verbs.contains(&first), "{line}");
            }
        }
    }
}
