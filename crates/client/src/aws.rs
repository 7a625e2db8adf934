//! The settings that AWS's own tools read: environment variables and the profiles of two files, in the
//! order of the AWS CLI.
//!
//! <https://docs.aws.amazon.com/cli/latest/userguide/cli-configure-files.html>

use std::{
    fmt, fs, io,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, bail};
use zeroize::Zeroizing;

/// What a profile may have instead of an access key. Other programs turn it into credentials.
const INDIRECT: [&str; 6] = [
    "role_arn",
    "credential_process",
    "sso_session",
    "sso_start_url",
    "web_identity_token_file",
    "login_session",
];

/// The name of a session if nobody has given one.
pub const SESSION_NAME: &str = "keyward";
/// An access key.
pub struct Credentials {
    /// Its id.
    pub access_key_id: String,
    /// Its secret.
    pub secret: Zeroizing<String>,
    /// The session token of temporary credentials.
    pub session_token: Option<String>,
}

impl fmt::Debug for Credentials {
    // The rest is secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credentials")
            .field("access_key_id", &self.access_key_id)
            .finish_non_exhaustive()
    }
}

impl Credentials {
    /// The same, for one request.
    pub(crate) fn copy(&self) -> Self {
        Self {
            access_key_id: self.access_key_id.clone(),
            secret: self.secret.clone(),
            session_token: self.session_token.clone(),
        }
    }
}

/// Whose token becomes a session of which role.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WebIdentity {
    /// The role's ARN.
    pub role_arn: String,
    /// The file of the token. Whoever has put it there replaces it before it expires.
    pub token_file: PathBuf,
    /// The name of the session.
    pub session_name: String,
}

/// The caller.
#[derive(Debug)]
pub enum Asker {
    /// Whoever has this access key.
    Key(Credentials),
    /// A session of a role, for a token.
    WebIdentity(WebIdentity),
}

/// A file of profiles.
///
/// A section begins with its name in brackets, followed by lines of the form `key = value`.
/// Indented lines belong to the value above them; no such value is read here.
pub struct ProfileFile(Zeroizing<String>);

impl fmt::Debug for ProfileFile {
    // There are secrets in it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ProfileFile").finish_non_exhaustive()
    }
}

impl ProfileFile {
    /// Takes the text of a file.
    pub fn new(text: Zeroizing<String>) -> Self {
        Self(text)
    }

    fn read(path: &Path) -> anyhow::Result<Self> {
        match fs::read_to_string(path) {
            Ok(text) => Ok(Self(Zeroizing::new(text))),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Self(Zeroizing::default())),
            Err(error) => Err(error).with_context(|| format!("cannot read {}", path.display())),
        }
    }

    /// The value of a key in the last section of that name that has it.
    pub fn value(&self, section: &str, key: &str) -> Option<&str> {
        let lines = self.lines().filter(|(within, _)| *within == section);
        let found = lines.filter_map(|(_, line)| {
            let (name, value) = line.split_once('=')?;
            name.trim_end()
                .eq_ignore_ascii_case(key)
                .then(|| value.trim())
        });
        found.last()
    }

    /// Whether there is a section of that name, even if it is empty.
    fn has(&self, section: &str) -> bool {
        self.0
            .lines()
            .filter_map(heading)
            .any(|name| name == section)
    }

    /// The lines of all sections, each with its section's name.
    fn lines(&self) -> impl Iterator<Item = (&str, &str)> {
        let mut section = "";
        self.0.lines().filter_map(move |line| {
            if let Some(name) = heading(line) {
                section = name;
                return None;
            }
            let skipped = line.starts_with([' ', '\t', '#', ';']);
            (!skipped).then_some((section, line))
        })
    }
}

/// The name of the section that a line begins. The configuration file has `profile NAME`, with or
/// without quotation marks.
fn heading(line: &str) -> Option<&str> {
    let name = line.strip_prefix('[')?.split(']').next()?.trim();
    let name = match name.strip_prefix("profile") {
        Some(rest) if rest.starts_with([' ', '\t']) => rest.trim_start(),
        Some(_) | None => name,
    };
    Some(name.trim_matches(['"', '\'']))
}

/// The settings of this process.
pub struct Settings<'v> {
    variable: &'v dyn Fn(&str) -> Option<String>,
    profile: String,
    /// Whether the profile was chosen on the command line, and so takes precedence over the
    /// environment.
    chosen: bool,
    config: ProfileFile,
    credentials: ProfileFile,
}

impl fmt::Debug for Settings<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Settings")
            .field("profile", &self.profile)
            .finish_non_exhaustive()
    }
}

impl<'v> Settings<'v> {
    /// Reads the profile files. `variable` answers the value of an environment variable that is set
    /// and not empty, `chosen` is the profile given on the command line, and `home` is the user's
    /// home directory.
    ///
    /// # Errors
    /// When a file cannot be read, or the chosen profile is in neither.
    pub fn read(
        variable: &'v dyn Fn(&str) -> Option<String>,
        chosen: Option<&str>,
        home: Option<&Path>,
    ) -> anyhow::Result<Self> {
        let place = |name: &str, usual: &str| {
            let path = variable(name).unwrap_or_else(|| format!("~/.aws/{usual}"));
            match (path.strip_prefix("~/"), home) {
                (Some(rest), Some(home)) => home.join(rest),
                (Some(_), None) | (None, _) => PathBuf::from(path),
            }
        };
        let config_file = place("AWS_CONFIG_FILE", "config");
        let credentials_file = place("AWS_SHARED_CREDENTIALS_FILE", "credentials");
        let config = ProfileFile::read(&config_file)?;
        let credentials = ProfileFile::read(&credentials_file)?;
        let named = chosen
            .map(ToOwned::to_owned)
            .or_else(|| variable("AWS_PROFILE"))
            .or_else(|| variable("AWS_DEFAULT_PROFILE"));
        if let Some(name) = &named
            && !config.has(name)
            && !credentials.has(name)
        {
            bail!(
                "there is no profile `{name}` in {} or {}",
                config_file.display(),
                credentials_file.display()
            );
        }
        Ok(Self {
            variable,
            profile: named.unwrap_or_else(|| "default".to_owned()),
            chosen: chosen.is_some(),
            config,
            credentials,
        })
    }

    /// The Region.
    ///
    /// # Errors
    /// When none is set.
    pub fn region(&self) -> anyhow::Result<String> {
        self.first(&["AWS_REGION", "AWS_DEFAULT_REGION"], "region")
            .context("no Region is set: give --region, or set AWS_REGION")
    }

    /// The server's URL.
    ///
    /// # Errors
    /// When none is set.
    pub fn endpoint(&self) -> anyhow::Result<String> {
        self.first(&["AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_KMS"], "endpoint_url")
            .context("the server's URL is not set: give --endpoint-url or --data-dir, or set AWS_ENDPOINT_URL")
    }

    /// The URL of KMS: what is said of KMS alone goes before what is said of all services.
    ///
    /// # Errors
    /// When none is set.
    pub fn kms_endpoint(&self) -> anyhow::Result<String> {
        match (self.variable)("AWS_ENDPOINT_URL_KMS") {
            Some(url) => Ok(url),
            None => self
                .first(&["AWS_ENDPOINT_URL"], "endpoint_url")
                .context("the URL of KMS is not set: give --endpoint-url or --data-dir, or set AWS_ENDPOINT_URL_KMS"),
        }
    }

    /// The URL of S3, if one is set: what is said of S3 alone goes before what is said of all services.
    pub fn s3_endpoint(&self) -> Option<String> {
        self.endpoint_of("S3")
    }

    /// A file of certificates to trust, and which setting named it.
    pub fn ca_bundle(&self) -> Option<(&'static str, PathBuf)> {
        if let Some(path) = (self.variable)("AWS_CA_BUNDLE") {
            return Some(("AWS_CA_BUNDLE", path.into()));
        }
        let path = self.of_profile("ca_bundle")?;
        Some(("the profile's `ca_bundle`", path.into()))
    }

    /// The access key.
    ///
    /// # Errors
    /// If none is set, or if the profile has something else from which one would have to be
    /// obtained.
    pub fn credentials(&self) -> anyhow::Result<Credentials> {
        self.credentials_or("choose a profile with --profile or AWS_PROFILE, or give --data-dir")
    }

    /// The same; `otherwise` says what else could be done than to set an access key.
    pub(crate) fn credentials_or(&self, otherwise: &str) -> anyhow::Result<Credentials> {
        if !self.chosen
            && let Some(credentials) = self.environment_credentials()?
        {
            return Ok(credentials);
        }
        let profile = &self.profile;
        for member in INDIRECT {
            if self.of_profile(member).is_some() {
                bail!(
                    "the profile `{profile}` has `{member}` instead of an access key, which keyward does not use: run `eval \"$(aws configure export-credentials --profile {profile} --format env)\"` first, and leave --profile out"
                );
            }
        }
        let files = [&self.credentials, &self.config];
        let file = files
            .into_iter()
            .find(|file| file.value(profile, "aws_access_key_id").is_some());
        let Some(file) = file else {
            bail!(
                "no credentials are set: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, {otherwise}"
            );
        };
        let value = |key: &str| {
            file.value(profile, key)
                .with_context(|| format!("the profile `{profile}` has no `{key}`"))
        };
        Ok(Credentials {
            access_key_id: value("aws_access_key_id")?.to_owned(),
            secret: Zeroizing::new(value("aws_secret_access_key")?.to_owned()),
            session_token: value("aws_session_token").ok().map(ToOwned::to_owned),
        })
    }

    /// Who asks: an access key, or a role and a file with a token, which STS turns into a session. The order is that of
    /// AWS's own tools.
    ///
    /// # Errors
    /// As for [`credentials`](Self::credentials), and if a file is given without a role.
    pub fn asker(&self) -> anyhow::Result<Asker> {
        const FILE: &str = "AWS_WEB_IDENTITY_TOKEN_FILE";
        const ROLE: &str = "AWS_ROLE_ARN";
        if !self.chosen {
            if let Some(credentials) = self.environment_credentials()? {
                return Ok(Asker::Key(credentials));
            }
            if let Some(token_file) = (self.variable)(FILE) {
                let Some(role_arn) = (self.variable)(ROLE) else {
                    bail!("{FILE} is set, but {ROLE} is not");
                };
                let name = (self.variable)("AWS_ROLE_SESSION_NAME");
                return Ok(Asker::WebIdentity(WebIdentity {
                    role_arn,
                    token_file: token_file.into(),
                    session_name: name.unwrap_or_else(|| SESSION_NAME.to_owned()),
                }));
            }
        }
        let Some(token_file) = self.of_profile("web_identity_token_file") else {
            let otherwise = "choose a profile with --profile or AWS_PROFILE, or give --instance-role on an EC2 instance";
            return self.credentials_or(otherwise).map(Asker::Key);
        };
        let Some(role_arn) = self.of_profile("role_arn") else {
            bail!(
                "the profile `{}` has `web_identity_token_file`, but no `role_arn`",
                self.profile
            );
        };
        let name = self.of_profile("role_session_name");
        Ok(Asker::WebIdentity(WebIdentity {
            role_arn: role_arn.to_owned(),
            token_file: token_file.into(),
            session_name: name.unwrap_or(SESSION_NAME).to_owned(),
        }))
    }

    /// The URL of one service, such as `KMS`, if one is set: what is said of it alone goes before what is said of all
    /// services.
    pub fn endpoint_of(&self, service: &str) -> Option<String> {
        let alone = format!("AWS_ENDPOINT_URL_{service}");
        self.first(&[&alone, "AWS_ENDPOINT_URL"], "endpoint_url")
    }

    /// Where the metadata service of an EC2 instance is, if that is set.
    pub fn metadata_endpoint(&self) -> Option<String> {
        self.first(
            &["AWS_EC2_METADATA_SERVICE_ENDPOINT"],
            "ec2_metadata_service_endpoint",
        )
    }

    /// Whether it is asked by version 6 of the Internet Protocol.
    pub fn metadata_is_ipv6(&self) -> bool {
        let mode = self.first(
            &["AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE"],
            "ec2_metadata_service_endpoint_mode",
        );
        mode.is_some_and(|mode| mode.eq_ignore_ascii_case("ipv6"))
    }

    fn environment_credentials(&self) -> anyhow::Result<Option<Credentials>> {
        const ID: &str = "AWS_ACCESS_KEY_ID";
        const SECRET: &str = "AWS_SECRET_ACCESS_KEY";
        match ((self.variable)(ID), (self.variable)(SECRET)) {
            (Some(access_key_id), Some(secret)) => Ok(Some(Credentials {
                access_key_id,
                secret: Zeroizing::new(secret),
                session_token: (self.variable)("AWS_SESSION_TOKEN"),
            })),
            (Some(_), None) => bail!("{ID} is set, but {SECRET} is not"),
            (None, _) => Ok(None),
        }
    }

    /// The first of these variables that is set, or else the profile's value.
    fn first(&self, variables: &[&str], key: &str) -> Option<String> {
        variables
            .iter()
            .find_map(|name| (self.variable)(name))
            .or_else(|| self.of_profile(key).map(ToOwned::to_owned))
    }

    fn of_profile(&self, key: &str) -> Option<&str> {
        self.config
            .value(&self.profile, key)
            .or_else(|| self.credentials.value(&self.profile, key))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CONFIG: &str = "\
# A comment
[default]
region = eu-west-1
[profile \"with space\"]
region=eu-north-1
s3 =
  endpoint_url = http://not-this-one
endpoint_url = http://127.0.0.1:1
[profile role]
role_arn = arn:aws:iam::111122223333:role/r
source_profile = default
";
    const CREDENTIALS: &str = "\
[default]
aws_access_key_id = AKIADEFAULT
aws_secret_access_key = a=b
[with space]
AWS_ACCESS_KEY_ID = AKIASPACE
aws_secret_access_key = s
aws_session_token = t
[half]
aws_access_key_id = AKIAHALF
";

    /// What the settings come to: Region, endpoint, access key id, secret and token, with words in
    /// place of what is missing.
    fn settings(variables: &[(&str, &str)], profile: Option<&str>) -> String {
        let home = tempfile::tempdir().unwrap();
        fs::create_dir(home.path().join(".aws")).unwrap();
        fs::write(home.path().join(".aws/config"), CONFIG).unwrap();
        fs::write(home.path().join(".aws/credentials"), CREDENTIALS).unwrap();
        let variable = |wanted: &str| {
            let found = variables.iter().find(|(name, _)| *name == wanted);
            found.map(|(_, value)| (*value).to_owned())
        };
        let settings = match Settings::read(&variable, profile, Some(home.path())) {
            Ok(settings) => settings,
            Err(error) => {
                return error
                    .to_string()
                    .replace(home.path().to_str().unwrap(), "~");
            }
        };
        let or = |found: anyhow::Result<String>| found.unwrap_or_else(|error| error.to_string());
        let credentials = settings.credentials().map(|found| {
            let token = found.session_token.unwrap_or_default();
            format!("{} {} {token}", found.access_key_id, *found.secret)
        });
        format!(
            "{} | {} | {}",
            or(settings.region()),
            or(settings.endpoint()),
            or(credentials)
        )
    }

    #[test]
    fn the_environment_goes_before_the_default_profile() {
        let url = ("AWS_ENDPOINT_URL", "http://e");
        assert_eq!(
            settings(&[url], None),
            "eu-west-1 | http://e | AKIADEFAULT a=b "
        );
        let key = [
            url,
            ("AWS_ACCESS_KEY_ID", "AKIAENV"),
            ("AWS_SECRET_ACCESS_KEY", "s"),
            ("AWS_SESSION_TOKEN", "t"),
            ("AWS_DEFAULT_REGION", "us-west-2"),
        ];
        assert_eq!(settings(&key, None), "us-west-2 | http://e | AKIAENV s t");
        let both = [&key[..], &[("AWS_REGION", "us-east-2")]].concat();
        assert_eq!(settings(&both, None), "us-east-2 | http://e | AKIAENV s t");
    }

    #[test]
    fn a_profile_named_on_the_command_line_goes_before_the_environments_key() {
        let key = [
            ("AWS_ACCESS_KEY_ID", "AKIAENV"),
            ("AWS_SECRET_ACCESS_KEY", "s"),
        ];
        let by_profile = "eu-north-1 | http://127.0.0.1:1 | AKIASPACE s t";
        assert_eq!(settings(&key, Some("with space")), by_profile);
        let profile = [("AWS_PROFILE", "with space")];
        assert_eq!(settings(&profile, None), by_profile);
        assert_eq!(
            settings(&[&profile[..], &key[..]].concat(), None),
            "eu-north-1 | http://127.0.0.1:1 | AKIAENV s "
        );
    }

    #[test]
    fn what_is_said_of_kms_alone_goes_before_what_is_said_of_all_services() {
        let url = |variables: &'static [(&str, &str)]| {
            let variable = |wanted: &str| {
                let found = variables.iter().find(|(name, _)| *name == wanted);
                found.map(|(_, value)| (*value).to_owned())
            };
            Settings::read(&variable, None, None)
                .unwrap()
                .kms_endpoint()
        };
        const NO_FILES: [(&str, &str); 2] = [
            ("AWS_CONFIG_FILE", "/dev/null"),
            ("AWS_SHARED_CREDENTIALS_FILE", "/dev/null"),
        ];
        const ALL: (&str, &str) = ("AWS_ENDPOINT_URL", "http://all");
        const KMS: (&str, &str) = ("AWS_ENDPOINT_URL_KMS", "http://kms");
        assert_eq!(
            url(&[NO_FILES[0], NO_FILES[1], ALL, KMS]).unwrap(),
            "http://kms"
        );
        assert_eq!(url(&[NO_FILES[0], NO_FILES[1], ALL]).unwrap(), "http://all");
        assert!(url(&[NO_FILES[0], NO_FILES[1]]).is_err());
    }

    #[test]
    fn a_token_and_a_role_are_found_where_an_access_key_would_be() {
        const PROFILES: &str = "\
[profile pod]
role_arn = arn:aws:iam::111122223333:role/pod
web_identity_token_file = /pod/token
role_session_name = named
[profile half]
web_identity_token_file = /half/token
";
        let folder = tempfile::tempdir().unwrap();
        let config = folder.path().join("config");
        fs::write(&config, PROFILES).unwrap();
        let found = |variables: &[(&str, &str)], profile: Option<&str>| {
            let variable = |wanted: &str| match wanted {
                "AWS_CONFIG_FILE" => config.to_str().map(ToOwned::to_owned),
                "AWS_SHARED_CREDENTIALS_FILE" => Some("/dev/null".to_owned()),
                _ => {
                    let found = variables.iter().find(|(name, _)| *name == wanted);
                    found.map(|(_, value)| (*value).to_owned())
                }
            };
            let settings = Settings::read(&variable, profile, None).unwrap();
            match settings.asker() {
                Ok(Asker::Key(credentials)) => credentials.access_key_id,
                Ok(Asker::WebIdentity(WebIdentity {
                    role_arn,
                    token_file,
                    session_name,
                })) => format!("{role_arn} {} {session_name}", token_file.display()),
                Err(error) => error.to_string(),
            }
        };
        let file = ("AWS_WEB_IDENTITY_TOKEN_FILE", "/token");
        let role = ("AWS_ROLE_ARN", "arn:aws:iam::111122223333:role/r");
        let key = [
            ("AWS_ACCESS_KEY_ID", "AKIAENV"),
            ("AWS_SECRET_ACCESS_KEY", "s"),
        ];
        let by_environment = "arn:aws:iam::111122223333:role/r /token keyward";
        let by_profile = "arn:aws:iam::111122223333:role/pod /pod/token named";
        assert_eq!(found(&[file, role], None), by_environment);
        assert_eq!(found(&[file, role, key[0], key[1]], None), "AKIAENV");
        assert_eq!(found(&[file, role], Some("pod")), by_profile);
        assert_eq!(found(&[("AWS_PROFILE", "pod")], None), by_profile);
        assert_eq!(
            found(&[file], None),
            "AWS_WEB_IDENTITY_TOKEN_FILE is set, but AWS_ROLE_ARN is not"
        );
        assert_eq!(
            found(&[], Some("half")),
            "the profile `half` has `web_identity_token_file`, but no `role_arn`"
        );
    }

    #[test]
    fn what_is_missing_is_said_with_what_to_do() {
        assert_eq!(
            settings(&[], Some("none")),
            "there is no profile `none` in ~/.aws/config or ~/.aws/credentials"
        );
        assert_eq!(
            settings(&[], Some("half")),
            "no Region is set: give --region, or set AWS_REGION | the server's URL is not set: give \
             --endpoint-url or --data-dir, or set AWS_ENDPOINT_URL | the profile `half` has no \
             `aws_secret_access_key`"
        );
        let url = ("AWS_ENDPOINT_URL", "http://e");
        let region = ("AWS_REGION", "us-east-1");
        assert_eq!(
            settings(&[url, region], Some("role")),
            "us-east-1 | http://e | the profile `role` has `role_arn` instead of an access key, which \
             keyward does not use: run `eval \"$(aws configure export-credentials --profile role \
             --format env)\"` first, and leave --profile out"
        );
        assert_eq!(
            settings(&[url, region, ("AWS_ACCESS_KEY_ID", "AKIAENV")], None),
            "us-east-1 | http://e | AWS_ACCESS_KEY_ID is set, but AWS_SECRET_ACCESS_KEY is not"
        );
        let nowhere = ("AWS_SHARED_CREDENTIALS_FILE", "/dev/null");
        assert_eq!(
            settings(&[url, region, nowhere], None),
            "us-east-1 | http://e | no credentials are set: set AWS_ACCESS_KEY_ID and \
             AWS_SECRET_ACCESS_KEY, choose a profile with --profile or AWS_PROFILE, or give --data-dir"
        );
    }
}
