//! One check for each kind of value. An error names the key, the value and the remedy.

use std::{net::SocketAddr, time::Duration};

use keyward_client::config::{RawLimits, RawOidc, RawTls};
use keyward_oidc::url::HttpsUrl;
use keyward_types::region::Region;

use super::{
    AuditDurability, Connections, Network, OidcOptions, PrivateHost, TlsFiles,
    error::{Refused, refuse},
};

/// How often a principal may ask; none if there is no limit.
pub(super) fn interval(per_second: f64) -> Result<Option<Duration>, Refused> {
    if per_second == 0.0 {
        return Ok(None);
    }
    let interval = Duration::try_from_secs_f64(per_second.recip());
    let interval = interval.ok().filter(|_| per_second <= 1e6);
    interval.map(Some).ok_or_else(|| {
        refuse(
            "quotas.requests_per_second",
            per_second,
            "use a number from 0 (no limit) to 1000000",
        )
    })
}

pub(super) fn address(key: &'static str, text: &str) -> Result<SocketAddr, Refused> {
    text.parse()
        .map_err(|_| refuse(key, text, "use an address and port, such as 127.0.0.1:5670"))
}

/// The Regions served, of which the default Region is one.
pub(super) fn regions(names: Option<Vec<String>>, default: Region) -> Result<Vec<Region>, Refused> {
    let Some(names) = names else {
        return Ok(Region::of_partition(default.partition()).collect());
    };
    let mut regions = Vec::new();
    for name in &names {
        let region = Region::parse(name)
            .map_err(|_| refuse("regions", name, "use Regions of AWS, such as us-east-1"))?;
        if !regions.contains(&region) {
            regions.push(region);
        }
    }
    if regions.is_empty() {
        return Err(refuse(
            "regions",
            "[]",
            "name at least one Region, or leave the key out",
        ));
    }
    if !regions.contains(&default) {
        let remedy = format!(
            "this default Region is not served: choose one of `regions` ({}), or add it there",
            names.join(", ")
        );
        return Err(refuse("region", default, remedy));
    }
    Ok(regions)
}

pub(super) fn tls(raw: RawTls) -> Result<Option<TlsFiles>, Refused> {
    match (raw.certificate, raw.private_key) {
        (Some(certificate), Some(private_key)) => Ok(Some(TlsFiles {
            certificate,
            private_key,
        })),
        (None, None) => Ok(None),
        (Some(certificate), None) => Err(refuse(
            "tls.certificate",
            certificate.display(),
            "give tls.private_key too",
        )),
        (None, Some(private_key)) => Err(refuse(
            "tls.private_key",
            private_key.display(),
            "give tls.certificate too",
        )),
    }
}

pub(super) fn connections(raw: &RawLimits) -> Result<Connections, Refused> {
    let positive = |key, value: Option<usize>| value.map(|n| at_least(key, n, 1)).transpose();
    let all = positive("limits.connections", raw.connections)?;
    let strangers = positive("limits.stranger_connections", raw.stranger_connections)?;
    let per_address = positive(
        "limits.connections_per_address",
        raw.connections_per_address,
    )?;
    if let (Some(all), Some(strangers)) = (all, strangers)
        && strangers > all
    {
        let remedy = "use no more than limits.connections";
        return Err(refuse("limits.stranger_connections", strangers, remedy));
    }
    Ok(Connections {
        all,
        strangers,
        per_address: per_address.unwrap_or(1024),
    })
}

pub(super) fn oidc(raw: RawOidc) -> Result<OidcOptions, Refused> {
    for issuer in raw.jwks_files.keys() {
        if HttpsUrl::parse(issuer).is_err() {
            let remedy = "name issuers as tokens do, such as https://issuer.example";
            return Err(refuse("oidc.jwks_files", issuer, remedy));
        }
    }
    Ok(OidcOptions {
        ca_file: raw.ca_file,
        jwks_files: raw.jwks_files,
        private: raw
            .private_addresses
            .iter()
            .map(|(host, addresses)| private_host(host, addresses))
            .collect::<Result<_, _>>()?,
        timeout: seconds("oidc.timeout_seconds", raw.timeout_seconds, 5)?,
    })
}

pub(super) fn private_host(text: &str, addresses: &[String]) -> Result<PrivateHost, Refused> {
    let key = "oidc.private_addresses";
    let url = HttpsUrl::parse(&format!("https://{text}")).ok();
    let url = url.filter(|url| url.authority() == text);
    let url = url.ok_or_else(|| {
        let remedy =
            "name hosts as issuers' URLs do, such as issuer.example or issuer.example:8443";
        refuse(key, text, remedy)
    })?;
    Ok(PrivateHost {
        host: url.host().to_owned(),
        port: url.port(),
        addresses: networks(key, addresses)?,
    })
}

pub(super) fn durability(text: Option<&str>) -> Result<AuditDurability, Refused> {
    match text {
        None | Some("written") => Ok(AuditDurability::Written),
        Some("strict") => Ok(AuditDurability::Strict),
        Some(other) => Err(refuse(
            "audit.durability",
            other,
            "use `written` or `strict`",
        )),
    }
}

pub(super) fn seconds(
    key: &'static str,
    value: Option<u64>,
    default: u64,
) -> Result<Duration, Refused> {
    match value.unwrap_or(default) {
        0 => Err(refuse(key, 0, "use at least one second")),
        value => Ok(Duration::from_secs(value)),
    }
}

pub(super) fn at_least<N: PartialOrd + ToString>(
    key: &'static str,
    value: N,
    least: N,
) -> Result<N, Refused> {
    if value < least {
        return Err(refuse(
            key,
            value,
            format!("use at least {}", least.to_string()),
        ));
    }
    Ok(value)
}
pub(super) fn networks(key: &'static str, texts: &[String]) -> Result<Vec<Network>, Refused> {
    let parse = |text: &String| {
        let remedy = "use an address or a network, such as 10.0.0.0/8";
        Network::parse(text).ok_or_else(|| refuse(key, text, remedy))
    };
    texts.iter().map(parse).collect()
}
