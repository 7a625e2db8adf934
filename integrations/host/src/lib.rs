//! The agent of a storage host: it asks the server which volumes this machine is to have, and sees to it that it
//! has them.
//!
//! What is to be done with a volume is decided in `keyward_agent`, which knows neither servers nor mounts. Here it is
//! connected with them: [`talk`] asks and tells the server, [`host`] is the machine, [`look`] sees what there is, and
//! [`exports`] serves volumes over NFS, for [`clients`] that the server lets in, and
//! [`run`] goes on until the agent is stopped. Each encrypted volume has a process of its own ([`keep`]), which
//! outlives the agent; an unencrypted one needs none ([`plain`]). Database servers run on volumes ([`databases`]).
//! [`backups`] are made and put back. `keyward mount` speaks
//! with the agent through [`door`].
#![forbid(unsafe_code)]

pub mod adopt;
pub mod backups;
mod beats;
pub mod clients;
pub mod copy;
pub mod databases;
pub mod door;
pub mod exports;
pub mod host;
pub mod keep;
pub mod local;
pub mod look;
pub mod plain;
pub mod register;
pub mod run;
pub mod talk;
