//! `keyward policy`

mod decide;
mod explain;
mod keys;
mod lines;
mod test;
mod who_can;

use std::process::ExitCode;

use clap::Subcommand;

/// Explain a running server's decisions, and try out policies without a server
///
/// `explain` and `who-can` ask a running server. `test` and `decide` need none: they decide cases
/// with the same code that the server decides with.
///
/// Cases are lines of JSON; docs/policy-cases.md describes their members. Only `principal`,
/// `action` and `resource` are required:
///
///   {"id": "1", "principal": "arn:aws:iam::111122223333:user/alice", "action": "kms:Decrypt",
///    "resource": "arn:aws:kms:us-east-1:111122223333:key/…", "keyPolicy": {…},
///    "identityPolicies": [{…}], "context": {"kms:EncryptionContext:dept": "hr"},
///    "expect": "Allow"}
#[derive(Debug, Subcommand)]
#[command(verbatim_doc_comment)]
pub enum Policy {
    Explain(explain::Explain),
    WhoCan(who_can::WhoCan),
    Keys(keys::Keys),
    Test(test::Test),
    Decide(decide::Decide),
}

impl Policy {
    pub fn run(self) -> anyhow::Result<ExitCode> {
        match self {
            Self::Explain(explain) => explain.run(),
            Self::WhoCan(who_can) => who_can.run().map(|()| ExitCode::SUCCESS),
            Self::Keys(keys) => {
                keys.run()?;
                Ok(ExitCode::SUCCESS)
            }
            Self::Test(test) => test.run(),
            Self::Decide(decide) => decide.run(),
        }
    }
}
