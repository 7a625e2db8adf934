//! PostgreSQL servers on mounted volumes, each supervised by a thread.
//!
//! ```text
//! agent ──Databases::run──▶ supervisor ──sh, setpriv──▶ postgres of a user of its own ──▶ VOLUME/pgdata
//!                             ├─ psql over a socket that only root can reach: roles, password, whether it answers
//!                             └─ signals: fast, immediate, then SIGKILL to everything that the user runs
//! ```
//!
//! A volume is any directory that somebody else has mounted. Nothing here knows AWS, HTTP, or encryption.
//!
//! - What belongs to the data is on the volume (`VOLUME/pgdata` and `VOLUME/log`). What the server is told is
//!   written again at each start, outside of it, where the server cannot change it (`settings`).
//! - A server outlives the program that has started it, and is found again by its number, its start time and the
//!   machine's boot (`process`). Each has a system user of its own (`user`): whatever runs as that user belongs to it.
//! - Clients come by TLS with a password (SCRAM-SHA-256), and find a certificate of the [`authority`].
//! - The master user is no superuser, and cannot become one (`roles`).
#![forbid(unsafe_code)]

pub mod authority;
mod cgroup;
mod data;
pub mod databases;
pub mod error;
mod files;
pub mod installed;
mod launch;
mod log;
pub mod names;
pub mod options;
mod ownership;
mod process;
pub mod requirements;
mod roles;
mod server_paths;
mod settings;
mod shared_memory;
mod sql;
mod stop;
mod supervisor;
mod tool;
mod user;
mod watch;
