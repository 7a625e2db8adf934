//! Which hosts may be asked without encryption: this machine, and others only if somebody accepts the danger, but never
//! those of AWS.

use std::net::IpAddr;

/// The domains under which AWS serves, one or two for each partition.
///
/// <https://docs.aws.amazon.com/general/latest/gr/rande.html>
const OF_AWS: [&str; 14] = [
    "amazonaws.com",
    "api.aws",
    "amazonaws.com.cn",
    "api.amazonwebservices.com.cn",
    "amazonaws.eu",
    "api.amazonwebservices.eu",
    "c2s.ic.gov",
    "api.aws.ic.gov",
    "sc2s.sgov.gov",
    "api.aws.scloud",
    "cloud.adc-e.uk",
    "api.cloud-aws.adc-e.uk",
    "csp.hci.ic.gov",
    "api.aws.hci.ic.gov",
];

/// Whether requests and answers may be sent without encryption.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Plaintext {
    /// Only within this machine.
    #[default]
    Here,
    /// Also to servers on other machines, but not to AWS.
    Everywhere,
}

impl Plaintext {
    /// What a flag says.
    pub const fn everywhere_if(accepted: bool) -> Self {
        if accepted {
            Self::Everywhere
        } else {
            Self::Here
        }
    }
}

/// Whether a host is one of AWS.
pub fn is_of_aws(host: &str) -> bool {
    let host = plain(host);
    OF_AWS.iter().any(|domain| {
        let before = host.strip_suffix(domain);
        before.is_some_and(|before| before.is_empty() || before.ends_with('.'))
    })
}

/// Whether a host, as it is in a URL, is this machine.
pub fn is_this_machine(host: &str) -> bool {
    let host = plain(host);
    let address = host.trim_start_matches('[').trim_end_matches(']');
    match address.parse::<IpAddr>() {
        Ok(address) => address.to_canonical().is_loopback(),
        // https://www.rfc-editor.org/rfc/rfc6761#section-6.3
        Err(_) => host == "localhost" || host.ends_with(".localhost"),
    }
}

/// In lower case, and without the dot that a complete name may end with.
fn plain(host: &str) -> String {
    host.trim_end_matches('.').to_ascii_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_of_aws_is_told_from_one_that_only_looks_like_it() {
        for (host, of_aws) in [
            ("kms.eu-west-1.amazonaws.com", true),
            ("vpce-1-2.kms.eu-west-1.vpce.amazonaws.com", true),
            ("kms.cn-north-1.amazonaws.com.cn", true),
            ("KMS.EU-WEST-1.AmazonAWS.com", true),
            ("kms.eu-west-1.amazonaws.com.", true),
            ("kms.eu-west-1.api.aws", true),
            ("kms.eusc-de-east-1.amazonaws.eu", true),
            ("kms.us-iso-east-1.c2s.ic.gov", true),
            ("amazonaws.com", true),
            ("keyward.example", false),
            ("amazonaws.com.example", false),
            ("notamazonaws.com", false),
            ("127.0.0.1", false),
        ] {
            assert_eq!(is_of_aws(host), of_aws, "{host}");
        }
    }

    #[test]
    fn this_machine_is_told_from_others() {
        for (host, here) in [
            ("127.0.0.1", true),
            ("127.8.9.10", true),
            ("[::1]", true),
            ("[::ffff:127.0.0.1]", true),
            ("localhost", true),
            ("LocalHost.", true),
            ("kms.localhost", true),
            ("0.0.0.0", false),
            ("10.0.0.1", false),
            ("[fe80::1]", false),
            ("localhost.example", false),
            ("127.0.0.1.example", false),
            ("notlocalhost", false),
        ] {
            assert_eq!(is_this_machine(host), here, "{host}");
        }
    }
}
