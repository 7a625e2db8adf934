//! What the master user may do, and that it cannot become more.

use std::{fs, os::unix::fs::symlink};

use keyward_postgres::{
    names::Verifier,
    options::{Bounds, State},
};

use crate::world::{OTHER_PASSWORD, OTHER_VERIFIER, PASSWORD, World, succeeded};

#[test]
fn the_master_user_manages_roles_and_databases_and_is_no_superuser() {
    let Some(world) = World::new() else { return };
    world.run();
    let own = "SELECT rolsuper, rolcreaterole, rolcreatedb, rolreplication, rolbypassrls FROM pg_roles WHERE rolname = 'admin'";
    assert_eq!(world.ask(own), "f|t|t|f|f");
    let owners = "SELECT datname, pg_get_userbyid(datdba) FROM pg_database ORDER BY datname";
    assert_eq!(
        world.ask(owners),
        "app|admin\npostgres|admin\nrdsadmin|rdsadmin\ntemplate0|rdsadmin\ntemplate1|rdsadmin"
    );
    for allowed in [
        "CREATE TABLE t (n int)",
        "CREATE DATABASE other",
        "CREATE ROLE reader LOGIN PASSWORD 'x'",
        "GRANT rds_superuser TO reader",
        "GRANT pg_read_all_data TO reader",
        "CREATE EXTENSION pgcrypto",
        "CHECKPOINT",
        "SELECT query FROM pg_stat_activity",
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'reader'",
        "SELECT pg_ls_waldir()",
    ] {
        world.ask(allowed);
    }
    let hashed = "SELECT 1 FROM pg_roles WHERE rolname = 'reader'";
    assert_eq!(world.ask(hashed), "1");
    for forbidden in [
        "ALTER ROLE admin SUPERUSER",
        "CREATE ROLE s SUPERUSER",
        "CREATE ROLE r REPLICATION",
        "ALTER ROLE rdsadmin PASSWORD 'x'",
        "GRANT rdsadmin TO admin",
        "SET ROLE rdsadmin",
        "SET SESSION AUTHORIZATION rdsadmin",
        "ALTER SYSTEM SET ssl = off",
        "CREATE EXTENSION file_fdw",
        "SELECT pg_reload_conf()",
        "SELECT rolpassword FROM pg_authid",
        "UPDATE pg_authid SET rolsuper = true",
        "SET allow_system_table_mods = on",
        "DROP DATABASE rdsadmin",
        "ALTER DATABASE rdsadmin SET search_path = x",
    ] {
        world.refused(forbidden);
    }
}

/// Up to PostgreSQL 15, whoever may create roles may make members of all that are no superusers.
#[test]
fn the_master_user_cannot_reach_files_or_programs_of_the_machine() {
    let Some(world) = World::new() else { return };
    world.run();
    world.ask("CREATE TABLE t (line text)");
    for role in [
        "pg_execute_server_program",
        "pg_read_server_files",
        "pg_write_server_files",
    ] {
        for attempt in [
            format!("GRANT {role} TO admin"),
            format!("GRANT {role} TO rds_superuser"),
            format!("CREATE ROLE a IN ROLE {role}"),
            format!("ALTER GROUP {role} ADD USER admin"),
            format!("SET ROLE {role}"),
            format!("ALTER ROLE {role} LOGIN"),
            format!("ALTER TABLE t OWNER TO {role}"),
        ] {
            let said = world.refused(&attempt);
            assert!(!said.contains("syntax error"), "{said}");
        }
    }
    for attempt in [
        "COPY t FROM PROGRAM 'id'",
        "COPY t TO PROGRAM 'cat'",
        "COPY t FROM '/etc/passwd'",
        "COPY t TO '/tmp/keyward-t'",
        "SELECT pg_read_file('/etc/passwd')",
        "SELECT pg_ls_dir('/')",
        "SELECT lo_import('/etc/passwd')",
        "CREATE FUNCTION f() RETURNS int LANGUAGE c AS 'x'",
        "CREATE EXTENSION adminpack",
    ] {
        let said = world.refused(attempt);
        assert!(!said.contains("syntax error"), "{said}");
    }
}

#[test]
fn what_the_owner_drops_is_not_made_again() {
    let Some(world) = World::new() else { return };
    world.run();
    let drop = "DROP DATABASE app";
    let mut client = world.client(crate::world::PASSWORD);
    client.env("PGDATABASE", "postgres").args(["-c", drop]);
    crate::world::succeeded(drop, &client.output().unwrap());
    world.all().stop(&world.name, Bounds::default()).unwrap();
    world.run();
    let said = world.refused("SELECT 1");
    assert!(said.contains("database \"app\" does not exist"), "{said}");
}

/// The directory of the socket belongs to the server's system user.
#[test]
fn a_socket_that_is_a_link_to_that_of_another_server_is_not_used() {
    let (Some(own), Some(other)) = (World::new(), World::new()) else {
        return;
    };
    own.run();
    other.run();
    let socket = |world: &World| {
        let within = format!("run/{}/socket/.s.PGSQL.{}", world.name, world.port);
        world.path(&within)
    };
    let moved = own.path(&format!("run/{}/socket/moved", own.name));
    fs::rename(socket(&own), &moved).unwrap();
    symlink(socket(&other), socket(&own)).unwrap();
    let mut wanted = own.wanted();
    wanted.verifier = Verifier::parse(OTHER_VERIFIER).unwrap();
    wanted.password_epoch = 2;
    own.want(wanted.clone());
    let failed = own.wait(State::Failed);
    let expected = format!(
        "requirepeer specifies \"{}\", but actual peer user name is \"{}\"",
        own.user().name,
        other.user().name
    );
    assert!(failed.message.contains(&expected), "{}", failed.message);
    // The other one has the password that it had.
    assert_eq!(other.ask("SELECT 1"), "1");
    fs::rename(&moved, socket(&own)).unwrap();
    own.wait_for("the new password", |status| status.password_epoch == 2);
    own.wait(State::Running);
    let new = own.client(OTHER_PASSWORD).args(["-c", "SELECT 1"]).output();
    assert_eq!(succeeded("the new password", &new.unwrap()), "1");
    let old = own.client(PASSWORD).args(["-c", "SELECT 1"]).output();
    assert!(!old.unwrap().status.success());
}
