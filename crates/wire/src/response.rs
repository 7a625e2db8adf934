//! Header fields of every answer. The server adds `Date` and `Content-Length` itself.

/// `Content-Type` of AWS JSON 1.1, in requests and answers.
pub const AWS_JSON: &str = "application/x-amz-json-1.1";
/// `Content-Type` of REST-JSON, and of answers of the Query protocol in JSON.
pub const JSON: &str = "application/json";
/// `Content-Type` of answers of the Query protocol.
pub const XML: &str = "text/xml";
/// The name of the field with the code of an error of REST-JSON.
pub const ERROR_TYPE: &str = "x-amzn-errortype";
/// The name of the field with the request's id.
pub const REQUEST_ID: &str = "x-amzn-requestid";

/// Fields that stand in every answer whatever it is: secrets must not rest in caches.
pub const NO_STORE: [(&str, &str); 3] = [
    (
        "cache-control",
        "no-cache, no-store, must-revalidate, private",
    ),
    ("expires", "0"),
    ("pragma", "no-cache"),
];

/// The fields of an answer, names in lower case.
pub fn headers<'a>(
    content_type: &'a str,
    request_id: &'a str,
) -> impl Iterator<Item = (&'static str, &'a str)> {
    [(REQUEST_ID, request_id), ("content-type", content_type)]
        .into_iter()
        .chain(NO_STORE)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_names_its_request_and_forbids_caches() {
        let fields: Vec<_> = headers(AWS_JSON, "an-id").collect();
        assert_eq!(
            fields,
            [
                ("x-amzn-requestid", "an-id"),
                ("content-type", "application/x-amz-json-1.1"),
                (
                    "cache-control",
                    "no-cache, no-store, must-revalidate, private"
                ),
                ("expires", "0"),
                ("pragma", "no-cache"),
            ]
        );
    }
}
