//! What an agent has to do so that its machine has the volumes that are wanted of it, and no others.
//!
//! ```text
//! what is wanted ([`wanted`]) ─┐
//!                              ├─▶ the next step ([`plan`]) ──▶ done on a machine ([`steps`])
//! what is there ([`local`]) ───┘
//! ```
//!
//! A volume is made, attached and deleted in small steps. What is on disk ([`note`], in the places of [`layout`])
//! says after a crash how far it was, so that the agent needs no memory of its own: it looks at what there is and
//! plans again.
//!
//! - Nothing is created in the place of a volume that has ever been reported as ready.
//! - Nothing is deleted that the server does not name as to be gone. What it does not name at all is taken out of
//!   use, and stays on disk.
//!
//! Whether the process of a volume has been silent for so long that it counts as dead, says [`silence`].
//!
//! When backups of volumes are due, and which have expired, is decided here, too ([`backup`]).
//!
//! Whether a database is to run on a volume, says [`database`].
//!
//! What root does by these files counts only if the agent wrote them ([`authentic`]).
//!
//! Nothing here knows HTTP, AWS, encryption or mounting: [`steps::Machine`] is what a machine has to offer.
#![forbid(unsafe_code)]

pub mod authentic;
pub mod backup;
pub mod database;
pub mod export;
pub mod files;
pub mod layout;
pub mod local;
pub mod note;
pub mod plan;
pub mod report;
pub mod silence;
pub mod steps;
pub mod wanted;
pub mod yields;
