//! Requests to a bucket, their signatures, and what its answers mean.

use std::{
    io::{BufRead as _, BufReader, Write as _},
    net::{TcpListener, TcpStream},
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
};

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
        let address = Address::new(endpoint, None, None, Plaintext::Everywhere).unwrap();
        assert_eq!(address.authority(), host, "{endpoint}");
    }
}

/// A bucket of a service that answers each request with the page of this number, and how many requests it has had.
fn listing(page: impl Fn(u32) -> String + Send + 'static) -> (Bucket, Arc<AtomicU32>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    let asked = Arc::new(AtomicU32::new(0));
    let count = Arc::clone(&asked);
    let answer = move |stream: TcpStream| {
        let mut lines = BufReader::new(stream.try_clone().unwrap()).lines();
        while let Some(Ok(line)) = lines.next() {
            // A GET has no body.
            if line.is_empty() {
                let body = page(count.fetch_add(1, Ordering::Relaxed));
                let length = body.len();
                let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {length}\r\n\r\n");
                (&stream).write_all((head + &body).as_bytes()).unwrap();
            }
        }
    };
    thread::spawn(move || answer(listener.accept().unwrap().0));
    let address = Address::new(&endpoint, None, None, Plaintext::Here).unwrap();
    let bucket = Bucket {
        name: "bucket".to_owned(),
        host: address.authority(),
        address,
        path: "/bucket".to_owned(),
        region: "us-east-1".to_owned(),
        credentials: Credentials {
            access_key_id: "id".to_owned(),
            secret: "secret".to_owned().into(),
            session_token: None,
        },
        idle: Mutex::new(Vec::new()),
    };
    (bucket, asked)
}

fn page(names: &[String], next: Option<u32>) -> String {
    let names = names.iter().map(|name| {
        format!("<Contents><Key>x/{name}</Key><Size>1</Size><StorageClass>STANDARD</StorageClass></Contents>")
    });
    let next = next.map_or_else(
        || "<IsTruncated>false</IsTruncated>".to_owned(),
        |next| {
            format!(
                "<IsTruncated>true</IsTruncated><NextContinuationToken>t{next}</NextContinuationToken>"
            )
        },
    );
    let names = names.collect::<String>();
    format!("<?xml version=\"1.0\"?><ListBucketResult>{names}{next}</ListBucketResult>")
}

fn listed(bucket: &Bucket) -> anyhow::Result<u32> {
    let mut found = 0;
    bucket.list("x/", &mut |_, _| {
        found += 1;
        anyhow::Ok(())
    })?;
    Ok(found)
}

#[test]
fn a_list_without_an_end_is_refused() {
    let endless = "its list has no end";
    let name = |number: u32| [number.to_string()];
    // Tokens that come again, in turn, although each page has something new.
    let (bucket, asked) = listing(move |at| page(&name(at), Some(at % 3)));
    assert!(listed(&bucket).unwrap_err().to_string().contains(endless));
    assert_eq!(asked.load(Ordering::Relaxed), 4);
    // Tokens that do not, of pages on which there is nothing.
    let (bucket, asked) = listing(|at| page(&[], Some(at)));
    assert!(listed(&bucket).unwrap_err().to_string().contains(endless));
    assert_eq!(asked.load(Ordering::Relaxed), MAX_EMPTY_PAGES);
    // Some such pages there may be.
    let (bucket, _) = listing(move |at| match at {
        298 => page(&name(at), None),
        _ if at % 99 == 0 => page(&name(at), Some(at)),
        _ => page(&[], Some(at)),
    });
    assert_eq!(listed(&bucket).unwrap(), 5);
}
