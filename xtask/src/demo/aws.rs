//! The AWS CLI of the virtual environment, as one caller.

use std::{
    path::PathBuf,
    process::{Command, Output},
};

use anyhow::{Context, bail};
use serde_json::Value;

/// One caller: the environment that a shell would have, and nothing of this machine's own.
#[derive(Clone, Debug)]
pub struct Aws {
    /// The program.
    pub program: PathBuf,
    /// Where it runs, so that file names are short.
    pub folder: PathBuf,
    /// Who it is, for the reader.
    pub name: String,
    /// `AWS_…` variables.
    pub environment: Vec<(String, String)>,
}

impl Aws {
    /// Shows the command, runs it, and answers its JSON (null if it prints none).
    pub fn call(&self, arguments: &[&str]) -> anyhow::Result<Value> {
        self.show(arguments);
        let output = self.output(arguments)?;
        if !output.status.success() {
            bail!("{}", said(&output));
        }
        if output.stdout.iter().all(u8::is_ascii_whitespace) {
            return Ok(Value::Null);
        }
        serde_json::from_slice(&output.stdout).context("the AWS CLI did not print JSON")
    }

    /// Runs a command that the reader need not see, and answers its JSON.
    pub fn quietly(&self, arguments: &[&str]) -> anyhow::Result<Value> {
        let output = self.output(arguments)?;
        if !output.status.success() {
            bail!("{}", said(&output));
        }
        serde_json::from_slice(&output.stdout).context("the AWS CLI did not print JSON")
    }

    /// Shows the command, runs it, and answers why it was refused; an error if it was not.
    pub fn refused(&self, arguments: &[&str]) -> anyhow::Result<String> {
        self.show(arguments);
        let output = self.output(arguments)?;
        if output.status.success() {
            bail!("this should have been refused, and was not");
        }
        Ok(said(&output))
    }

    /// One of the caller's variables.
    pub fn variable(&self, wanted: &str) -> anyhow::Result<&str> {
        let mut variables = self.environment.iter();
        let found = variables.find(|(name, _)| name == wanted);
        let (_, value) = found.with_context(|| format!("{} has no {wanted}", self.name))?;
        Ok(value)
    }

    fn show(&self, arguments: &[&str]) {
        let words = self.words(arguments);
        let quoted = words.iter().map(|word| {
            if word.contains(' ') {
                format!("'{word}'")
            } else {
                (*word).to_owned()
            }
        });
        println!(
            "   {}$ aws {}",
            self.name,
            quoted.collect::<Vec<_>>().join(" ")
        );
    }

    /// The words of a command. In us-east-1, version 1 of the AWS CLI takes the endpoint of RDS only from the command line.
    fn words<'a>(&'a self, arguments: &[&'a str]) -> Vec<&'a str> {
        let mut words = arguments.to_vec();
        if let (Some(&"rds"), Ok(url)) = (words.first(), self.variable("AWS_ENDPOINT_URL")) {
            words.splice(1..1, ["--endpoint-url", url]);
        }
        words
    }

    fn output(&self, arguments: &[&str]) -> anyhow::Result<Output> {
        let mut command = Command::new(&self.program);
        command
            .current_dir(&self.folder)
            .args(self.words(arguments));
        for (name, _) in std::env::vars_os() {
            if name.to_string_lossy().starts_with("AWS_") {
                command.env_remove(name);
            }
        }
        // No profile of whoever runs this may steer it.
        command
            .env("AWS_CONFIG_FILE", "/dev/null")
            .env("AWS_SHARED_CREDENTIALS_FILE", "/dev/null")
            .env("AWS_EC2_METADATA_DISABLED", "true")
            .env("AWS_PAGER", "")
            .env("AWS_DEFAULT_OUTPUT", "json")
            .envs(self.environment.iter().map(|(name, value)| (name, value)));
        command.output().context("cannot start the AWS CLI")
    }
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).trim().to_owned()
}
