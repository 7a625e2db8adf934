//! Serves directories over NFS as it is told on its standard input, for tests. Every line is a command; it is
//! answered by one line, `ok` or what is wrong. Questions about clients are written as lines that begin with
//! `asked`.
//!
//! ```text
//! start STATE-DIRECTORY              set VOLUME TARGET ADDRESS PORT CIDR,CIDR     unset VOLUME
//! unlock VOLUME DIRECTORY            lock VOLUME                                  reauthorize VOLUME
//! rights deny | rights unanswered | rights NAME=VALUE …      (write, root, path, uid, gid, gids, owner, mode)
//! hold yes | hold no           (from when to when answers about clients are not given, but decided)
//! ```
#![expect(clippy::print_stdout, reason = "a program that is spoken with")]

use std::{
    collections::HashMap,
    io::Write as _,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use keyward_nfs::{
    authorize::{AccessPoint, Answer, Authorize, Creation, Question, Refused, Rights, User},
    options::{Options, Target},
    server::Server,
};
use parking_lot::Mutex;

type Failure = Box<dyn std::error::Error>;
type Decision = Arc<Mutex<Result<Rights, Refused>>>;
/// Whether answers are held back.
type Hold = Arc<tokio::sync::watch::Sender<bool>>;

struct Fixed(Decision, Hold);

impl Authorize for Fixed {
    fn authorize(&self, question: Question) -> Answer<'_> {
        let certificate = question.certificate.as_ref();
        let identity = certificate.and_then(|certificate| certificate.identity.as_ref());
        say(&format!(
            "asked {} {} {} tls={} access_point={} hash={} access_key={} date={} signature={} token={}",
            question.volume,
            question.target,
            question.client,
            question.tls,
            certificate
                .and_then(|certificate| certificate.access_point.as_deref())
                .unwrap_or("-"),
            certificate.map_or("-", |certificate| &certificate.public_key_hash),
            identity.map_or("-", |identity| &identity.access_key_id),
            identity.map_or("-", |identity| &identity.date_time),
            identity.map_or("-", |identity| &identity.signature),
            identity
                .and_then(|identity| identity.session_token.as_deref())
                .unwrap_or("-"),
        ));
        let decision = self.0.lock().clone();
        let mut hold = self.1.subscribe();
        Box::pin(async move {
            let _ = hold.wait_for(|is_held| !is_held).await;
            decision
        })
    }
}

fn say(line: &str) {
    println!("{line}");
    let _ = std::io::stdout().flush();
}

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() -> Result<(), Failure> {
    tracing_subscriber::fmt()
        .with_ansi(false)
        .with_writer(std::io::stderr)
        .init();
    let decision: Decision = Arc::new(Mutex::new(Ok(Rights {
        write: true,
        root: true,
        access_point: None,
    })));
    let hold = Hold::default();
    let mut server = None;
    let (send, mut lines) = tokio::sync::mpsc::unbounded_channel();
    std::thread::spawn(move || {
        for line in std::io::stdin().lines().map_while(Result::ok) {
            let _ = send.send(line);
        }
    });
    while let Some(line) = lines.recv().await {
        let words: Vec<_> = line.split_whitespace().collect();
        match carry_out(&words, &mut server, &decision, &hold).await {
            Ok(()) => say("ok"),
            Err(error) => say(&format!("error: {error}")),
        }
    }
    if let Some(server) = server {
        server.stop().await?;
    }
    Ok(())
}

async fn carry_out(
    words: &[&str],
    server: &mut Option<Server>,
    decision: &Decision,
    hold: &Hold,
) -> Result<(), Failure> {
    match words {
        ["start", state] => {
            let mut options = Options::new(PathBuf::from(state));
            options.lease = Duration::from_secs(10);
            options.grace = Duration::from_secs(10);
            options.max_views = 8;
            options.limits.reauthorize = Duration::from_secs(2);
            // The tests change their minds often.
            options.limits.remember = Duration::ZERO;
            *server = Some(Server::start(
                options,
                Fixed(Arc::clone(decision), Arc::clone(hold)),
            )?);
            return Ok(());
        }
        ["hold", word] => {
            hold.send_replace(*word == "yes");
            return Ok(());
        }
        ["rights", rest @ ..] => {
            *decision.lock() = decide(rest)?;
            return Ok(());
        }
        _ => {}
    }
    let server = server.as_ref().ok_or("start it first")?;
    match words {
        ["set", volume, id, address, port, cidrs] => {
            let cidrs = cidrs.split(',').map(str::parse).collect::<Result<_, _>>()?;
            let target = Target {
                id: (*id).to_owned(),
                address: address.parse()?,
                port: port.parse()?,
                cidrs,
            };
            server.set(volume, vec![target]).await?;
        }
        ["unset", volume] => server.set(volume, Vec::new()).await?,
        ["unlock", volume, directory] => server.unlock(volume, Path::new(directory)).await?,
        ["lock", volume] => server.lock(volume).await?,
        ["reauthorize", volume] => server.reauthorize(volume).await,
        _ => return Err("there is no such command".into()),
    }
    Ok(())
}

fn decide(words: &[&str]) -> Result<Result<Rights, Refused>, Failure> {
    let reason = || "by this test".to_owned();
    match words {
        ["deny"] => return Ok(Err(Refused::Denied { reason: reason() })),
        ["unanswered"] => return Ok(Err(Refused::Unanswered { reason: reason() })),
        _ => {}
    }
    let given: HashMap<_, _> = words
        .iter()
        .filter_map(|word| word.split_once('='))
        .collect();
    let number = |name: &str| given.get(name).map(|text| text.parse::<u32>()).transpose();
    let user = match (number("uid")?, number("gid")?) {
        (Some(uid), Some(gid)) => Some(User {
            uid,
            gid,
            secondary_gids: match given.get("gids") {
                Some(gids) => gids.split(',').map(str::parse).collect::<Result<_, _>>()?,
                None => Vec::new(),
            },
        }),
        _ => None,
    };
    let creation = match (number("owner")?, given.get("mode")) {
        (Some(owner), Some(mode)) => Some(Creation {
            owner_uid: owner,
            owner_gid: owner,
            permissions: u32::from_str_radix(mode, 8)?,
        }),
        _ => None,
    };
    Ok(Ok(Rights {
        write: given.get("write") != Some(&"no"),
        root: given.get("root") != Some(&"no"),
        access_point: given.get("path").map(|path| AccessPoint {
            path: (*path).to_owned(),
            user,
            creation,
        }),
    }))
}
