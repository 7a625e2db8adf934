//! Signature Version 4, as a client makes it.

use keyward_crypto::{digest::sha256, mac::hmac_sha256};
use keyward_types::time::Clock as _;

use crate::{
    answer::{Key, Line},
    world::World,
};

impl World {
    pub(crate) fn sign(
        &self,
        key: &Key,
        (region, service): (&str, &str),
        (line, body): (Line<'_>, &[u8]),
        fields: &mut Vec<(String, String)>,
    ) {
        let stamp = self.hands.now().iso8601_basic();
        let date = stamp.split('T').next().unwrap();
        fields.push(("x-amz-date".to_owned(), stamp.to_string()));
        if let Some(token) = &key.token {
            fields.push(("x-amz-security-token".to_owned(), token.clone()));
        }
        let lines: String = fields.iter().map(|(n, v)| format!("{n}:{v}\n")).collect();
        let names: Vec<&str> = fields.iter().map(|(name, _)| name.as_str()).collect();
        let names = names.join(";");
        let Line {
            method,
            path,
            query,
        } = line;
        // What is encoded in a path is encoded once more.
        let path = path.replace('%', "%25");
        let canonical = format!(
            "{method}\n{path}\n{query}\n{lines}\n{names}\n{}",
            hex::encode(sha256(body))
        );
        let scope = format!("{date}/{region}/{service}/aws4_request");
        let hash = hex::encode(sha256(canonical.as_bytes()));
        let text = format!("AWS4-HMAC-SHA256\n{stamp}\n{scope}\n{hash}");
        let mut signing = format!("AWS4{}", key.secret).into_bytes();
        for part in [date, region, service, "aws4_request"] {
            signing = hmac_sha256(&signing, &[part.as_bytes()]).to_vec();
        }
        let signature = hex::encode(hmac_sha256(&signing, &[text.as_bytes()]));
        let authorization = format!(
            "AWS4-HMAC-SHA256 Credential={}/{scope}, SignedHeaders={names}, Signature={signature}",
            key.id
        );
        fields.push(("authorization".to_owned(), authorization));
    }
}
