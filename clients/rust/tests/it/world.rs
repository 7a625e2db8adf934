//! A `keyward serve` that one test owns, and the SDK's clients that talk to it.

use std::{
    env, fs,
    io::{BufRead as _, BufReader},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    thread,
};

use aws_credential_types::Credentials;
use aws_sdk_kms::{
    config::{BehaviorVersion, Region, retry::RetryConfig},
    types::Tag,
};

pub const ACCOUNT: &str = "000000000000";
pub const REGION: &str = "us-east-1";
pub const ROOT_ARN: &str = "arn:aws:iam::000000000000:root";

/// One server process on a data directory of its own. Dropping it kills the one and removes the
/// other.
pub struct World {
    child: Child,
    home: PathBuf,
    url: String,
}

impl World {
    /// Starts a server on a fresh data directory and waits until it listens.
    pub fn new(test: &str) -> Self {
        let home = Path::new(env!("CARGO_TARGET_TMPDIR")).join(test);
        let _ = fs::remove_dir_all(&home);
        fs::create_dir_all(&home).unwrap();
        let mut child = Command::new(program())
            .args(["serve", "--listen", "127.0.0.1:0", "--data-dir"])
            .arg(home.join("data"))
            .stdout(Stdio::piped())
            .stderr(fs::File::create(home.join("log")).unwrap())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let url = lines
            .by_ref()
            .map_while(Result::ok)
            .find_map(|line| Some(line.strip_prefix("listening on ")?.to_owned()));
        let log = || fs::read_to_string(home.join("log")).unwrap();
        let url = url.unwrap_or_else(|| panic!("the server left:\n{}", log()));
        // Read on, so that the server never stops at a full pipe.
        thread::spawn(move || lines.for_each(drop));
        Self { child, home, url }
    }

    /// The root user's access key, from the file that the first start leaves.
    pub fn root(&self) -> Credentials {
        let text = fs::read_to_string(self.home.join("data/admin-credentials")).unwrap();
        let value = |name: &str| {
            let line = text.lines().find_map(|line| line.strip_prefix(name));
            line.unwrap().trim_start_matches([' ', '=']).to_owned()
        };
        let (id, secret) = (value("aws_access_key_id"), value("aws_secret_access_key"));
        Credentials::from_keys(id, secret, None)
    }

    pub fn kms(&self) -> aws_sdk_kms::Client {
        self.kms_of(self.root(), REGION)
    }

    pub fn kms_of(&self, caller: Credentials, region: &'static str) -> aws_sdk_kms::Client {
        let config = aws_sdk_kms::Config::builder()
            .behavior_version(BehaviorVersion::latest())
            .endpoint_url(&self.url)
            .region(Region::new(region))
            .credentials_provider(caller)
            .retry_config(RetryConfig::disabled())
            .http_client(aws_smithy_http_client::Builder::new().build_http());
        aws_sdk_kms::Client::from_conf(config.build())
    }

    pub fn iam(&self) -> aws_sdk_iam::Client {
        self.iam_of(self.root())
    }

    pub fn iam_of(&self, caller: Credentials) -> aws_sdk_iam::Client {
        let config = aws_sdk_iam::Config::builder()
            .behavior_version(BehaviorVersion::latest())
            .endpoint_url(&self.url)
            .region(Region::new(REGION))
            .credentials_provider(caller)
            .retry_config(RetryConfig::disabled())
            .http_client(aws_smithy_http_client::Builder::new().build_http());
        aws_sdk_iam::Client::from_conf(config.build())
    }

    pub fn sts_of(&self, caller: Credentials) -> aws_sdk_sts::Client {
        let config = aws_sdk_sts::Config::builder()
            .behavior_version(BehaviorVersion::latest())
            .endpoint_url(&self.url)
            .region(Region::new(REGION))
            .credentials_provider(caller)
            .retry_config(RetryConfig::disabled())
            .http_client(aws_smithy_http_client::Builder::new().build_http());
        aws_sdk_sts::Client::from_conf(config.build())
    }

    /// A new IAM user with an access key, whom nothing allows anything yet.
    pub async fn user(&self, name: &str) -> Credentials {
        let iam = self.iam();
        iam.create_user().user_name(name).send().await.unwrap();
        let made = iam.create_access_key().user_name(name).send().await;
        let key = made.unwrap().access_key.unwrap();
        Credentials::from_keys(key.access_key_id, key.secret_access_key, None)
    }

    /// Writes a user's inline policy: one statement that allows the actions on everything.
    pub async fn allow(&self, user: &str, actions: &[&str]) {
        let document = format!(
            r#"{{"Version":"2012-10-17","Statement":{{"Effect":"Allow","Action":["{}"],"Resource":"*"}}}}"#,
            actions.join(r#"",""#)
        );
        let put = self.iam().put_user_policy().user_name(user);
        let put = put.policy_name("p").policy_document(document);
        put.send().await.unwrap();
    }
}

impl Drop for World {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if !thread::panicking() {
            let _ = fs::remove_dir_all(&self.home);
        }
    }
}

/// What `./dev test` built.
fn program() -> PathBuf {
    let built = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/debug/keyward");
    let path = env::var_os("KEYWARD_BIN").map_or(built, PathBuf::from);
    assert!(path.exists(), "start the tests by ./dev test");
    path
}

/// The id of a new key with the default policy.
pub async fn key(kms: &aws_sdk_kms::Client) -> String {
    let made = kms.create_key().send().await.unwrap();
    made.key_metadata.unwrap().key_id
}

/// The metadata of a key.
pub async fn metadata(kms: &aws_sdk_kms::Client, key: &str) -> aws_sdk_kms::types::KeyMetadata {
    let found = kms.describe_key().key_id(key).send().await.unwrap();
    found.key_metadata.unwrap()
}

pub fn key_arn(id: &str) -> String {
    format!("arn:aws:kms:{REGION}:{ACCOUNT}:key/{id}")
}

pub fn alias_arn(name: &str) -> String {
    format!("arn:aws:kms:{REGION}:{ACCOUNT}:{name}")
}

pub fn tag(key: &str, value: &str) -> Tag {
    Tag::builder()
        .tag_key(key)
        .tag_value(value)
        .build()
        .unwrap()
}
