//! `keyward env`

use std::borrow::Cow;

use clap::Args;
use keyward_client::exports::Exports;
use zeroize::Zeroizing;

use keyward_services::apis;

use crate::{cli::Existing, out::say};

const EXAMPLES: &str = "\
Examples:
  eval \"$(keyward env --data-dir /var/lib/keyward)\"
  aws sts get-caller-identity

The lines are for sh, bash and zsh; every value is quoted as it has to be. They hold the secret
access key, so do not write them to a file that others can read.

A server with a certificate of its own needs one more variable: AWS_CA_BUNDLE, the file with the
certificate, or with that of the authority that signed it.";

/// Print the shell commands that point AWS clients at this server
///
/// Prints `export` commands for the server's URL, the access key of the account's root user and the
/// default Region. The server need not run, but must have been started before.
#[derive(Debug, Args)]
#[command(after_long_help = EXAMPLES)]
pub struct Env {
    #[command(flatten)]
    existing: Existing,
}

impl Env {
    pub fn run(self) -> anyhow::Result<()> {
        let config = self.existing.place().resolve()?;
        let exports = Exports::read(&config.data_dir)?;
        let secret = Zeroizing::new(quoted(&exports.credentials.secret).into_owned());
        for (name, value) in [
            ("AWS_ENDPOINT_URL", exports.endpoint.as_str()),
            ("AWS_ACCESS_KEY_ID", &exports.credentials.access_key_id),
        ] {
            say!("export {name}={}", quoted(value))?;
        }
        say!("export AWS_SECRET_ACCESS_KEY={}", *secret)?;
        for name in ["AWS_REGION", "AWS_DEFAULT_REGION"] {
            say!("export {name}={}", quoted(&exports.region))?;
        }
        // Variables that would take precedence over these.
        say!("unset AWS_SESSION_TOKEN AWS_PROFILE AWS_DEFAULT_PROFILE")?;
        let of_each = apis::titles().into_iter();
        let of_each = of_each.map(|title| format!(" AWS_ENDPOINT_URL_{}", title.to_uppercase()));
        Ok(say!("unset{}", of_each.collect::<String>())?)
    }
}

/// Quotes a word so that a POSIX shell reads back exactly this word.
pub fn quoted(word: &str) -> Cow<'_, str> {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_./:@%+=,".contains(&byte);
    if !word.is_empty() && word.bytes().all(plain) {
        return Cow::Borrowed(word);
    }
    let mut out = String::with_capacity(word.len() * 4 + 2);
    out.push('\'');
    for character in word.chars() {
        if character == '\'' {
            out.push_str("'\\''");
        } else {
            out.push(character);
        }
    }
    out.push('\'');
    Cow::Owned(out)
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    #[test]
    fn a_plain_word_needs_no_quotes() {
        for word in [
            "http://127.0.0.1:5670",
            "AKIAEXAMPLE",
            "a/b+c=",
            "us-east-1",
        ] {
            assert_eq!(quoted(word), word);
        }
    }

    #[test]
    fn a_shell_reads_back_every_word_and_runs_nothing_in_it() {
        let home = tempfile::tempdir().unwrap();
        for word in [
            "",
            "$(touch ran)",
            "`touch ran`",
            "a'b\"c\\",
            "two words ; touch ran",
            "line\nfeed\n",
            "~ * ? [a] {b,c} !x #y &",
            "'",
            "grüße",
        ] {
            let script = format!("printf %s {}", quoted(word));
            let mut shell = Command::new("sh");
            let output = shell.current_dir(home.path()).args(["-c", &script]);
            let output = output.output().unwrap();
            assert_eq!(String::from_utf8(output.stdout).unwrap(), word);
        }
        assert!(!home.path().join("ran").exists());
    }
}
