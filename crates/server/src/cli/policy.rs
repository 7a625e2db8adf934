//! `keyward policy`

mod decide;
mod lines;
mod test;

use std::process::ExitCode;

use clap::Subcommand;

/// Try out policies without a server, with the evaluator that the server decides with
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
    Test(test::Test),
    Decide(decide::Decide),
}

impl Policy {
    pub fn run(self) -> anyhow::Result<ExitCode> {
        match self {
            Self::Test(test) => test.run(),
            Self::Decide(decide) => decide.run(),
        }
    }
}
