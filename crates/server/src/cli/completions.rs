//! `keyward completions`

use clap::{Args, CommandFactory as _, ValueEnum};
use clap_complete::Shell;

use crate::{cli::Cli, out};

const EXAMPLES: &str = "\
Examples:
  bash:  keyward completions bash > ~/.local/share/bash-completion/completions/keyward
  zsh:   keyward completions zsh > \"${fpath[1]}/_keyward\"
  fish:  keyward completions fish > ~/.config/fish/completions/keyward.fish";

/// Print a script that completes commands and options in a shell
#[derive(Debug, Args)]
#[command(after_long_help = EXAMPLES)]
pub struct Completions {
    /// The shell
    #[arg(value_enum)]
    shell: Supported,
}

/// The shells that have a script.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum Supported {
    Bash,
    Zsh,
    Fish,
}

impl Completions {
    pub fn run(self) -> anyhow::Result<()> {
        let shell = match self.shell {
            Supported::Bash => Shell::Bash,
            Supported::Zsh => Shell::Zsh,
            Supported::Fish => Shell::Fish,
        };
        // Into memory first: the generator panics if it cannot write.
        let mut script = Vec::new();
        clap_complete::generate(shell, &mut Cli::command(), "keyward", &mut script);
        Ok(out::text(format_args!("{}", String::from_utf8(script)?))?)
    }
}
