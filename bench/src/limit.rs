//! Baseline (b), the limit of the work: hyper verifies the signature, derives a key, seals a
//! data key, appends a record of the size of Keyward's to a file in batches, and answers once
//! the write has returned. No policy, no store, no key lookup, no JSON parsing.

use std::{
    collections::HashMap,
    fs::File,
    io::Write,
    path::PathBuf,
    sync::{Arc, RwLock},
};

use anyhow::Context;
use base64::{Engine, engine::general_purpose::STANDARD};
use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use keyward_crypto::{
    aead,
    aead::{Aad, Purpose},
    derive, random,
};
use keyward_wire::{
    sigv4,
    sigv4::{Claim, Presigned, SigningKey, Skew},
};
use tokio::sync::{mpsc, oneshot};

use crate::{bare, clock};

/// Arguments of the limit.
#[derive(Debug, clap::Args)]
pub struct Limit {
    /// Bytes of the answer's body.
    #[arg(long)]
    body_bytes: usize,
    /// Bytes of the record of one request.
    #[arg(long)]
    record_bytes: usize,
    /// The file that the records are appended to.
    #[arg(long)]
    file: PathBuf,
    /// The secret access key of every caller.
    #[arg(long)]
    secret: String,
}

struct State {
    limit: Limit,
    material: [u8; 32],
    signing_keys: RwLock<HashMap<String, Arc<SigningKey>>>,
    records: mpsc::Sender<(Vec<u8>, oneshot::Sender<()>)>,
}

/// Serves until killed.
pub fn serve(limit: Limit) -> anyhow::Result<()> {
    let file = File::create(&limit.file)
        .with_context(|| format!("cannot write {}", limit.file.display()))?;
    let (records, queue) = mpsc::channel(8192);
    let state = Arc::new(State {
        limit,
        material: random::array(),
        signing_keys: RwLock::default(),
        records,
    });
    // The writer starts with the first request, inside the runtime.
    let start = std::sync::Mutex::new(Some((file, queue)));
    bare::listen(move |request| {
        if let Some((file, queue)) = start.lock().ok().and_then(|mut start| start.take()) {
            tokio::spawn(append(file, queue));
        }
        respond(Arc::clone(&state), request)
    })
}

/// Appends all that is queued in one write, then answers all that wait for it.
async fn append(mut file: File, mut queue: mpsc::Receiver<(Vec<u8>, oneshot::Sender<()>)>) {
    let (mut items, mut batch) = (Vec::new(), Vec::new());
    while queue.recv_many(&mut items, 1024).await > 0 {
        // Whatever is ready runs first, and may hand in a record for the same write.
        tokio::task::yield_now().await;
        while items.len() < 1024
            && let Ok(item) = queue.try_recv()
        {
            items.push(item);
        }
        batch.clear();
        for (record, _) in &items {
            batch.extend_from_slice(record);
        }
        if file.write_all(&batch).is_err() {
            return;
        }
        for (_, done) in items.drain(..) {
            let _ = done.send(());
        }
    }
}

async fn respond(state: Arc<State>, request: Request<Incoming>) -> Response<Full<Bytes>> {
    let (parts, body) = request.into_parts();
    let body = match body.collect().await {
        Ok(body) => body.to_bytes(),
        Err(_) => return refusal(),
    };
    if !state.verifies(&parts, &body) {
        return refusal();
    }
    let answer = state.work();
    let record = vec![b'r'; state.limit.record_bytes];
    let (done, written) = oneshot::channel();
    if state.records.send((record, done)).await.is_err() || written.await.is_err() {
        return refusal();
    }
    bare::answer(answer)
}

impl State {
    fn verifies(&self, parts: &http::request::Parts, body: &[u8]) -> bool {
        let fields = parts
            .headers
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_bytes()));
        let path = parts.uri.path();
        let Ok(request) = sigv4::Request::new("POST", path, None, None, fields, body) else {
            return false;
        };
        let Ok(claim) = Claim::parse(&request, Presigned::Refused) else {
            return false;
        };
        let scope = claim.check_scope("kms", |_| true).is_ok();
        let clock = claim.check_clock(clock::now(), Skew::FiveMinutes).is_ok();
        scope && clock && claim.verify(self.signing_key(&claim).borrow()).is_ok()
    }

    /// The cached signing key of the claim's day and Region.
    fn signing_key(&self, claim: &Claim<'_>) -> Arc<SigningKey> {
        let (date, region) = (claim.credential().date(), claim.credential().region());
        let name = format!("{date}/{region}");
        let known = self.signing_keys.read().ok();
        if let Some(key) = known.and_then(|keys| keys.get(&name).cloned()) {
            return key;
        }
        let key = SigningKey::derive(self.limit.secret.as_bytes(), date, region, "kms");
        let key = Arc::new(key);
        if let Ok(mut keys) = self.signing_keys.write() {
            keys.insert(name, Arc::clone(&key));
        }
        key
    }

    /// A fresh data key, sealed under a derived key, both in base64 in a body of the full size.
    fn work(&self) -> Bytes {
        let plaintext = random::secret(32);
        let salt: [u8; 16] = random::array();
        let key = derive::kbkdf(&self.material, b"limit", &salt);
        let aad = Aad::new(Purpose::UserData, 1).part(&salt);
        let sealed = aead::seal(&key, random::array(), &aad, plaintext.expose());
        let mut body = String::with_capacity(self.limit.body_bytes);
        STANDARD.encode_string(plaintext.expose(), &mut body);
        STANDARD.encode_string(&sealed, &mut body);
        let mut body = body.into_bytes();
        body.resize(self.limit.body_bytes, b'x');
        Bytes::from(body)
    }
}

fn refusal() -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::from_static(b"refused")));
    *response.status_mut() = http::StatusCode::FORBIDDEN;
    response
}
