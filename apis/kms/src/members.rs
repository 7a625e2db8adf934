//! Members that several KMS operations have, with AWS's constraints for them.

use keyward_engine::{
    audit::parameters::{Parameter, text},
    page::Paging,
};
use keyward_types::{
    encryption_context::{EncryptionContext, EncryptionContextError},
    key_spec::{DataKeySpec, EncryptionAlgorithm, KeySpec},
    tag::Tag,
};
use keyward_wire::json::{Members, Rejected};

use crate::fault::KmsFault;

/// What the audit trail shows of a tag.
pub const SHOWN_TAG: &[Parameter] = &[text("TagKey"), text("TagValue")];

/// How many words of `KeySpec` AWS lists when a data key's is wrong. They are those of KMS keys but
/// the latest, an oddity of its own.
const KEY_SPECS_LISTED_FOR_DATA_KEYS: usize = 17;

impl From<Rejected> for KmsFault {
    fn from(rejected: Rejected) -> Self {
        let message = rejected.to_string();
        match rejected {
            Rejected::Serialization(_) | Rejected::MalformedInput(_) => {
                Self::Serialization { message }
            }
            Rejected::Validation(_) | Rejected::QueryValidation(_) => Self::Validation { message },
        }
    }
}

/// A key identifier that must be given.
pub fn key_id(m: &mut Members<'_>, name: &'static str) -> String {
    m.string(name).length(1, 2048).ascii().required().to_owned()
}

/// A key identifier that may be given.
pub fn optional_key_id(m: &mut Members<'_>, name: &'static str) -> Option<String> {
    m.string(name)
        .length(1, 2048)
        .ascii()
        .optional()
        .map(str::to_owned)
}

/// Up to ten grant tokens.
pub fn grant_tokens(m: &mut Members<'_>) -> Vec<String> {
    let tokens = m
        .strings("GrantTokens")
        .sensitive()
        .count(0, 10)
        .each_length(1, 8192)
        .optional();
    let tokens = tokens.unwrap_or_default().into_iter();
    tokens.map(str::to_owned).collect()
}

/// An encryption algorithm, `SYMMETRIC_DEFAULT` if none is given.
pub fn encryption_algorithm(m: &mut Members<'_>, name: &'static str) -> EncryptionAlgorithm {
    m.enumeration(name, EncryptionAlgorithm::WORDS)
        .optional()
        .and_then(EncryptionAlgorithm::parse)
        .unwrap_or(EncryptionAlgorithm::SymmetricDefault)
}

/// How long a data key is to be: `KeySpec` or `NumberOfBytes`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DataKeyLength {
    spec: Option<DataKeySpec>,
    bytes: Option<i64>,
}

impl DataKeyLength {
    /// Reads both members; AWS looks at them together only after it has found the key.
    pub fn of(m: &mut Members<'_>) -> Self {
        let (listed, _) = KeySpec::WORDS
            .split_at_checked(KEY_SPECS_LISTED_FOR_DATA_KEYS)
            .unwrap_or((KeySpec::WORDS, &[]));
        Self {
            spec: m
                .enumeration("KeySpec", listed)
                .accepting(DataKeySpec::WORDS)
                .optional()
                .and_then(DataKeySpec::parse),
            bytes: m.integer("NumberOfBytes").range(1, 1024).optional(),
        }
    }

    /// The number of bytes.
    ///
    /// # Errors
    /// Unless exactly one member was given.
    pub fn bytes(&self) -> Result<usize, KmsFault> {
        match (self.spec, self.bytes) {
            (Some(spec), None) => Ok(spec.bytes()),
            (None, Some(bytes)) => Ok(usize::try_from(bytes).unwrap_or(0)),
            (None, None) | (Some(_), Some(_)) => Err(KmsFault::validation(
                "Please specify either number of bytes or key spec.",
            )),
        }
    }
}

/// An encryption context, empty if none is given; [`checked_context`] checks it.
pub fn encryption_context(
    m: &mut Members<'_>,
    name: &'static str,
) -> Result<EncryptionContext, EncryptionContextError> {
    let pairs = m.string_map(name).optional().unwrap_or_default();
    EncryptionContext::new(
        pairs
            .into_iter()
            .map(|(name, value)| (name.to_owned(), value.into_owned()))
            .collect(),
    )
}

/// The context, or the fault that says what is wrong with it.
///
/// # Errors
/// When it is longer than 8192 bytes.
pub fn checked_context(
    context: Result<EncryptionContext, EncryptionContextError>,
) -> Result<EncryptionContext, KmsFault> {
    context.map_err(|error| match error {
        EncryptionContextError::TooLong => {
            KmsFault::validation("EncryptionContext must not be longer than 8192 bytes.")
        }
        EncryptionContextError::Duplicate => {
            KmsFault::validation("EncryptionContext names a key more than once.")
        }
    })
}

/// The tags of CreateKey and TagResource.
pub fn tags(m: &mut Members<'_>) -> TagsReader {
    let tags = m.structures("Tags", |tag| Tag {
        key: tag.string("TagKey").length(1, 128).required().to_owned(),
        value: tag.string("TagValue").length(0, 256).required().to_owned(),
    });
    TagsReader(tags.optional())
}

/// Tags as they were given, not yet checked against each other.
#[derive(Debug)]
pub struct TagsReader(Option<Vec<Tag>>);

impl TagsReader {
    /// The tags, if the member was given.
    ///
    /// # Errors
    /// `TagException` for reserved and duplicate keys, for characters that no tag has, and for too
    /// many.
    pub fn checked(self) -> Result<Option<Vec<Tag>>, KmsFault> {
        let Some(tags) = self.0 else { return Ok(None) };
        if tags.iter().any(|tag| is_reserved(&tag.key)) {
            return Err(KmsFault::Tag {
                message: "Tags beginning with aws: are reserved",
            });
        }
        if tags
            .iter()
            .any(|tag| !is_tag_text(&tag.key) || !is_tag_text(&tag.value))
        {
            return Err(KmsFault::Tag {
                message: "Invalid tag",
            });
        }
        let duplicate = |index: usize, tag: &Tag| tags.iter().take(index).any(|t| t.key == tag.key);
        if tags
            .iter()
            .enumerate()
            .any(|(index, tag)| duplicate(index, tag))
        {
            return Err(KmsFault::Tag {
                message: "Duplicate tag keys",
            });
        }
        if tags.len() > MAX_TAGS {
            return Err(KmsFault::Tag {
                message: "Too many tags",
            });
        }
        Ok(Some(tags))
    }
}

/// Whether a tag's key or value has only letters, digits, spaces and `_ . : / = + - @`.
fn is_tag_text(text: &str) -> bool {
    let legal = |c: char| c.is_alphanumeric() || c == ' ' || "_.:/=+-@".contains(c);
    text.chars().all(legal)
}

/// The most tags of a key.
pub const MAX_TAGS: usize = 50;

/// Whether a tag's key belongs to AWS.
pub fn is_reserved(key: &str) -> bool {
    key.get(..4)
        .is_some_and(|prefix| prefix.eq_ignore_ascii_case("aws:"))
}

/// `Limit` and `Marker` of a list operation.
pub fn paging(m: &mut Members<'_>, default: usize, most: usize) -> Paging {
    let limit = limit(m, default, most);
    Paging::new(marker(m), limit)
}

/// `Limit` of a list operation within the model's 1 to 1000, brought down to what the service
/// really gives at most.
pub fn limit(m: &mut Members<'_>, default: usize, most: usize) -> usize {
    let limit = m.integer("Limit").range(1, 1000).optional();
    limit
        .and_then(|limit| usize::try_from(limit).ok())
        .unwrap_or(default)
        .min(most)
}

/// `Marker` of a list operation.
pub fn marker(m: &mut Members<'_>) -> Option<String> {
    let pattern = "[\\u0020-\\u00FF]*";
    let legal = |text: &str| text.chars().all(|c| ('\u{20}'..='\u{ff}').contains(&c));
    m.string("Marker")
        .length(1, 1024)
        .pattern(pattern, legal)
        .optional()
        .map(str::to_owned)
}

/// An alias name that must be given; the `alias/` prefix is checked by [`checked_alias`].
pub fn alias_name(m: &mut Members<'_>) -> String {
    let legal = |c: char| c.is_ascii_alphanumeric() || matches!(c, ':' | '/' | '_' | '-');
    m.string("AliasName")
        .length(1, 256)
        .pattern("^[a-zA-Z0-9:/_-]+$", |text| {
            !text.is_empty() && text.chars().all(legal)
        })
        .required()
        .to_owned()
}

/// The alias name that an alias operation changes.
///
/// # Errors
/// Without its prefix or with a colon (`ValidationException`), under `alias/aws/`
/// (`NotAuthorizedException`), or with nothing after the prefix (`InvalidAliasNameException`).
pub fn checked_alias(name: &str) -> Result<keyward_types::alias::AliasName, KmsFault> {
    use keyward_types::alias::{AliasName, AliasNameError};
    let alias = AliasName::parse(name).map_err(|error| match error {
        AliasNameError::Prefix => KmsFault::validation(
            "Alias must start with the prefix \"alias/\". Please see https://docs.aws.amazon.com/kms/latest/developerguide/kms-alias.html",
        ),
        AliasNameError::Shape => KmsFault::InvalidAliasName,
    })?;
    if alias.is_reserved() {
        return Err(KmsFault::AliasReserved);
    }
    // The model has the colon in its pattern, and the service refuses it.
    if name.contains(':') {
        return Err(KmsFault::Validation {
            message: format!("{name} contains invalid characters for an alias"),
        });
    }
    Ok(alias)
}

/// The regular expression of a policy's characters, as AWS prints it.
pub const POLICY_PATTERN: &str = "[\\u0009\\u000A\\u000D\\u0020-\\u00FF]+";

/// A key policy's text, if given.
pub fn policy(m: &mut Members<'_>) -> Option<String> {
    let text = m
        .string("Policy")
        .length(1, 131_072)
        .pattern(POLICY_PATTERN, is_policy_text);
    text.optional().map(str::to_owned)
}

/// A key policy's text that must be given.
pub fn required_policy(m: &mut Members<'_>) -> String {
    let text = m
        .string("Policy")
        .length(1, 131_072)
        .pattern(POLICY_PATTERN, is_policy_text);
    text.required().to_owned()
}

fn is_policy_text(text: &str) -> bool {
    let legal = |c: char| matches!(c, '\t' | '\n' | '\r' | '\u{20}'..='\u{ff}');
    !text.is_empty() && text.chars().all(legal)
}

/// Whether `DryRunModifiers` says `IGNORE_CIPHERTEXT`.
pub fn ignores_ciphertext(m: &mut Members<'_>) -> bool {
    let modifiers = m
        .enumerations("DryRunModifiers", &["IGNORE_CIPHERTEXT"])
        .optional();
    modifiers.is_some_and(|modifiers| !modifiers.is_empty())
}

/// Checks that `IGNORE_CIPHERTEXT` stands with `DryRun` and a key.
///
/// # Errors
/// `ValidationException` when either is missing.
pub fn check_ignore(
    ignore: bool,
    dry_run: bool,
    has_key: bool,
    key_member: &str,
) -> Result<(), KmsFault> {
    if ignore && !dry_run {
        return Err(KmsFault::validation(
            "DryRunModifiers can only be used with DryRun.",
        ));
    }
    if ignore && !has_key {
        return Err(KmsFault::Validation {
            message: format!("{key_member} is required when the ciphertext is ignored."),
        });
    }
    Ok(())
}

/// Demands that `Tags` is there, where it must be.
pub fn require_tags(m: &mut Members<'_>) {
    if !m.has("Tags") {
        m.strings("Tags").required();
    }
}

/// Writes the end of a page.
pub fn render_page(out: &mut keyward_wire::json::Writer<'_>, next: Option<&str>) {
    if let Some(next) = next {
        out.string("NextMarker", next);
    }
    out.boolean("Truncated", next.is_some());
}

/// `PolicyName`, if given.
pub fn policy_name(m: &mut Members<'_>) -> Option<String> {
    let legal = |c: char| c.is_ascii_alphanumeric() || c == '_';
    m.string("PolicyName")
        .length(1, 128)
        .pattern("[\\w]+", |text| !text.is_empty() && text.chars().all(legal))
        .optional()
        .map(str::to_owned)
}
