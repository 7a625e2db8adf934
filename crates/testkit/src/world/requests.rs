//! The requests that tests make, signed if there is a key.

use std::net::{IpAddr, Ipv4Addr};

use keyward_engine::request::{Peer, Received};

use super::World;
use crate::answer::{Answer, Key, Line};

impl World {
    /// A request of STS.
    pub async fn sts(&self, key: &Key, action: &str, parameters: &[(&str, &str)]) -> Answer {
        self.query(Some(key), "sts", "2011-06-15", action, parameters)
            .await
    }

    /// A request of STS that nobody signed.
    pub async fn unsigned(&self, action: &str, parameters: &[(&str, &str)]) -> Answer {
        self.query(None, "sts", "2011-06-15", action, parameters)
            .await
    }

    /// A request of IAM.
    pub async fn iam(&self, key: &Key, action: &str, parameters: &[(&str, &str)]) -> Answer {
        self.query(Some(key), "iam", "2010-05-08", action, parameters)
            .await
    }

    /// A request of RDS.
    pub async fn rds(&self, key: &Key, action: &str, parameters: &[(&str, &str)]) -> Answer {
        self.query(Some(key), "rds", "2014-10-31", action, parameters)
            .await
    }

    async fn query(
        &self,
        key: Option<&Key>,
        service: &str,
        version: &str,
        action: &str,
        parameters: &[(&str, &str)],
    ) -> Answer {
        let mut body = format!("Version={version}&Action={action}");
        for (name, value) in parameters {
            let coded: String = value.bytes().map(|byte| format!("%{byte:02X}")).collect();
            body.push_str(&format!("&{name}={coded}"));
        }
        let fields = vec![("host".to_owned(), "keyward.test".to_owned())];
        self.send(key, service, (Line::POST, fields), body).await
    }

    /// A request of an API that speaks JSON, such as `TrentService.ListKeys`.
    pub async fn json(&self, key: &Key, service: &str, target: &str, body: &str) -> Answer {
        let fields = vec![
            ("host".to_owned(), "keyward.test".to_owned()),
            ("x-amz-target".to_owned(), target.to_owned()),
        ];
        self.send(Some(key), service, (Line::POST, fields), body.to_owned())
            .await
    }

    /// As [`World::json`], signed for a Region.
    pub async fn json_in(
        &self,
        region: &str,
        key: &Key,
        service: &str,
        target: &str,
        body: &str,
    ) -> Answer {
        let mut fields = vec![
            ("host".to_owned(), "keyward.test".to_owned()),
            ("x-amz-target".to_owned(), target.to_owned()),
        ];
        let signed = (Line::POST, body.as_bytes());
        self.sign(key, (region, service), signed, &mut fields);
        self.send(None, service, (Line::POST, fields), body.to_owned())
            .await
    }

    /// A request of an API that speaks JSON that nobody signed.
    pub async fn unsigned_json(&self, target: &str, body: &str) -> Answer {
        let fields = vec![
            ("host".to_owned(), "keyward.test".to_owned()),
            ("x-amz-target".to_owned(), target.to_owned()),
        ];
        let line = (Line::POST, fields);
        self.send(None, "", line, body.to_owned()).await
    }

    /// A request of an API of REST-JSON, such as `GET` of `/2015-02-01/file-systems?MaxItems=1`, signed
    /// if there is a key.
    pub async fn rest(
        &self,
        key: Option<&Key>,
        service: &str,
        (method, target): (&str, &str),
        body: &str,
    ) -> Answer {
        let fields = vec![("host".to_owned(), "keyward.test".to_owned())];
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let line = Line {
            method,
            path,
            query,
        };
        self.send(key, service, (line, fields), body.to_owned())
            .await
    }

    async fn send(
        &self,
        key: Option<&Key>,
        service: &str,
        (line, mut fields): (Line<'_>, Vec<(String, String)>),
        body: String,
    ) -> Answer {
        if let Some(key) = key {
            let scope = ("us-east-1", service);
            self.sign(key, scope, (line, body.as_bytes()), &mut fields);
        }
        let headers: Vec<(&str, &[u8])> = fields
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_bytes()))
            .collect();
        let peer = Peer::new(IpAddr::V4(Ipv4Addr::LOCALHOST), None);
        let received = Received {
            method: line.method,
            path: line.path,
            query: line.query,
            headers: &headers,
            peer: &peer,
        };
        let answer = self.front.answer(&received, body.as_bytes()).await;
        Answer {
            status: answer.status,
            error_type: answer.error_type.map(std::borrow::Cow::into_owned),
            body: String::from_utf8(answer.body.to_vec()).unwrap(),
        }
    }
}
