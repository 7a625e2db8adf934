//! What a request is signed with, what it asks for, and what came back.

/// What a request is signed with.
#[derive(Clone, Debug)]
pub struct Key {
    pub id: String,
    pub secret: String,
    pub token: Option<String>,
}

/// What stands on a request line. Paths have no characters that are encoded but `%`, and parameters
/// are in order.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Line<'a> {
    pub method: &'a str,
    pub path: &'a str,
    pub query: &'a str,
}

impl Line<'static> {
    /// That of the APIs whose body or header names the operation.
    pub const POST: Self = Self {
        method: "POST",
        path: "/",
        query: "",
    };
}

/// What came back.
#[derive(Clone, Debug)]
pub struct Answer {
    pub status: u16,
    /// The code of an error of REST-JSON.
    pub error_type: Option<String>,
    pub body: String,
}

impl Answer {
    /// The text of the first element of that name.
    pub fn text(&self, name: &str) -> Option<&str> {
        let (_, rest) = self.body.split_once(&format!("<{name}>"))?;
        Some(rest.split_once(&format!("</{name}>"))?.0)
    }

    /// Code and message of an error.
    pub fn error(&self) -> (u16, &str, String) {
        let message = self
            .text("Message")
            .unwrap_or_default()
            .replace("&apos;", "'");
        (self.status, self.text("Code").unwrap_or("none"), message)
    }

    /// The credentials of a success.
    #[track_caller]
    pub fn key(&self) -> Key {
        assert_eq!(self.status, 200, "{}", self.body);
        let text = |name| self.text(name).unwrap().to_owned();
        Key {
            id: text("AccessKeyId"),
            secret: text("SecretAccessKey"),
            token: Some(text("SessionToken")),
        }
    }
}
