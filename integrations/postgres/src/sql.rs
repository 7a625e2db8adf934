//! Questions to a running server, by its own `psql` over the socket that only root can reach.

use std::{process::Command, time::Duration};

use crate::{
    error::Error,
    installed::Installed,
    names::{SUPERVISOR, Verifier},
    server_paths::ServerPaths,
    tool::{self, Task},
    user,
    watch::Watch,
};

/// How long a question may take. Creating a database copies a template and makes a checkpoint.
const PATIENCE: Duration = Duration::from_secs(60);

/// What a server says that runs and has no place for another connection (53300).
const TOO_MANY: &str = "sorry, too many clients already";

/// Where a server is asked.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Client<'c> {
    pub(crate) server: &'c Installed,
    pub(crate) place: &'c ServerPaths,
    pub(crate) port: u16,
    pub(crate) watch: &'c Watch,
}

impl Client<'_> {
    /// Whether the server accepts a connection and answers.
    pub(crate) fn answers(&self, within: Duration) -> Result<(), Error> {
        self.run("SELECT 1;\n", within).map(drop)
    }

    /// Whether the server runs: it may also answer that it has too many clients.
    pub(crate) fn lives(&self, within: Duration) -> Result<(), Error> {
        match self.answers(within) {
            // Whoever reaches the port can cause this, without a password.
            Err(Error::Program { said, .. }) if said.contains(TOO_MANY) => {
                tracing::warn!(database = %self.place.name(), "PostgreSQL runs, and has too many clients for another connection");
                Ok(())
            }
            answered => answered,
        }
    }

    /// Runs a script up to its first error. An error does not contain the verifier.
    pub(crate) fn script(&self, script: &str, verifier: &Verifier) -> Result<(), Error> {
        match self.run(script, PATIENCE) {
            Err(Error::Program {
                program,
                status,
                said,
            }) => Err(Error::Program {
                program,
                status,
                said: said.replace(verifier.expose(), "****"),
            }),
            run => run.map(drop),
        }
    }

    /// The script goes to its input: others can read the command line.
    fn run(&self, script: &str, within: Duration) -> Result<String, Error> {
        let mut command = Command::new(self.server.programs.join("psql"));
        tool::clean(&mut command);
        command.env("PGCONNECT_TIMEOUT", "5");
        command.env("PGPASSFILE", "/dev/null");
        command.env("PGAPPNAME", "keyward");
        // The directory of the socket belongs to the server's user, which can put a link there to the socket of another
        // server: that would take root for its supervisor as well.
        command.env("PGREQUIREPEER", user::name_of(self.place.name()));
        command.env(
            "PGOPTIONS",
            "-c search_path=pg_catalog -c statement_timeout=60s -c synchronous_commit=on",
        );
        command.args(["--no-psqlrc", "--quiet", "--no-align", "--tuples-only"]);
        command.args(["--no-password", "--set", "ON_ERROR_STOP=1"]);
        // Or an error shows the statement.
        command.args(["--set", "VERBOSITY=terse"]);
        command.arg("--host").arg(self.place.socket());
        command.args(["--port", &self.port.to_string()]);
        command.args(["--username", SUPERVISOR, "--dbname", SUPERVISOR]);
        let task = Task {
            program: "psql",
            within,
        };
        tool::run(task, command, script, self.watch)
    }
}
