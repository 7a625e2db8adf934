//! Requests to a bucket, their signatures, and what its answers mean.

use super::*;

#[test]
fn a_bucket_of_amazon_has_a_host_of_its_own_and_others_have_a_path() {
    let found = |name: &str, region: &str, given: Option<&str>| {
        let (endpoint, path) = locate(name, region, given.map(ToOwned::to_owned));
        format!("{endpoint} {path}")
    };
    for (name, region, given, expected) in [
        (
            "b-1",
            "eu-west-1",
            None,
            "https://b-1.s3.eu-west-1.amazonaws.com ",
        ),
        (
            "b.1",
            "eu-west-1",
            None,
            "https://s3.eu-west-1.amazonaws.com /b.1",
        ),
        (
            "b-1",
            "cn-north-1",
            None,
            "https://b-1.s3.cn-north-1.amazonaws.com.cn ",
        ),
        (
            "b-1",
            "eu-west-1",
            Some("http://h:9000"),
            "http://h:9000 /b-1",
        ),
    ] {
        assert_eq!(found(name, region, given), expected);
    }
}

#[test]
fn the_host_has_no_port_that_is_the_usual_one() {
    for (endpoint, host) in [
        (
            "https://b.s3.eu-west-1.amazonaws.com",
            "b.s3.eu-west-1.amazonaws.com",
        ),
        ("https://h:9000", "h:9000"),
        ("http://h:80/", "h"),
        ("http://[::1]", "[::1]"),
        ("http://h:443", "h:443"),
    ] {
        let address = Address::new(endpoint, None, None).unwrap();
        assert_eq!(address.authority(), host, "{endpoint}");
    }
}
