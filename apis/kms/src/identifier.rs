//! How a request names a key: id, key ARN, alias name or alias ARN.
//!
//! <https://docs.aws.amazon.com/kms/latest/developerguide/find-cmk-id-arn.html>

use keyward_types::{
    account::AccountId,
    alias::AliasName,
    arn::ArnParts,
    key_id::{KeyArn, KeyId},
    region::Region,
};

use crate::fault::KmsFault;

/// What a `KeyId` parameter is, before anything is looked up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KeyIdentifier {
    /// A key of this account or, by ARN, of any.
    Key(KeyArn),
    /// An alias of this account or, by ARN, of any.
    Alias {
        /// The account the alias belongs to.
        account: AccountId,
        /// The alias's name.
        name: AliasName,
    },
}

/// Which forms an operation takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Forms {
    /// Key id, key ARN, alias name, alias ARN.
    All,
    /// Key id or key ARN only.
    KeyOnly,
}

impl KeyIdentifier {
    /// Reads the parameter for a caller of `account` in `region`. Without an account only ARNs
    /// name anything.
    ///
    /// # Errors
    /// The faults of AWS's resolution table, before any look-up: `InvalidArnException` for an
    /// alias where none is taken, `NotFoundException` for wrong shapes and foreign Regions.
    pub fn parse(
        text: &str,
        forms: Forms,
        region: Region,
        account: Option<AccountId>,
    ) -> Result<Self, KmsFault> {
        if text.starts_with("arn:") {
            return Self::parse_arn(text, forms, region);
        }
        if text.starts_with("alias/") {
            if forms == Forms::KeyOnly {
                return Err(KmsFault::AliasNotSupported);
            }
            let missing = || KmsFault::AliasNotFound {
                alias: match account {
                    Some(account) => {
                        format!("arn:{}:kms:{region}:{account}:{text}", region.partition())
                    }
                    None => text.to_owned(),
                },
            };
            let name = AliasName::parse(text).map_err(|_| missing())?;
            let account = account.ok_or_else(missing)?;
            return Ok(Self::Alias { account, name });
        }
        let id = KeyId::parse(text).map_err(|_| KmsFault::NotFound {
            message: format!("Invalid keyId '{text}'"),
        })?;
        match account {
            Some(account) => Ok(Self::Key(KeyArn::new(region, account, id))),
            None => Err(KmsFault::KeyNotFound {
                key: text.to_owned(),
            }),
        }
    }

    fn parse_arn(text: &str, forms: Forms, region: Region) -> Result<Self, KmsFault> {
        let malformed = || KmsFault::InvalidArn {
            message: format!("Invalid arn {text}").into(),
        };
        let parts = ArnParts::parse(text).ok_or_else(malformed)?;
        let account = AccountId::parse(parts.account).map_err(|_| malformed())?;
        if parts.service != "kms" || parts.region.is_empty() {
            return Err(malformed());
        }
        let alias = parts.resource.starts_with("alias/");
        if alias && forms == Forms::KeyOnly {
            return Err(KmsFault::AliasNotSupported);
        }
        if parts.region != region.as_str() || parts.partition != region.partition().as_str() {
            return Err(KmsFault::NotFound {
                message: format!("Invalid arn {}", parts.region),
            });
        }
        if alias {
            let name = AliasName::parse(parts.resource).map_err(|_| KmsFault::AliasNotFound {
                alias: text.to_owned(),
            })?;
            return Ok(Self::Alias { account, name });
        }
        let id = parts.resource.strip_prefix("key/").ok_or_else(malformed)?;
        let id = KeyId::parse(id).map_err(|_| KmsFault::NotFound {
            message: format!("Invalid keyId {id}"),
        })?;
        Ok(Self::Key(KeyArn::new(region, account, id)))
    }
}

#[cfg(test)]
mod tests {
    use keyward_engine::fault::Fault;

    use super::*;

    const ID: &str = "1234abcd-12ab-34cd-56ef-1234567890ab";

    fn check(text: &str, forms: Forms, expect: &str) {
        let region = Region::parse("us-east-1").unwrap();
        let account = AccountId::parse("111122223333").unwrap();
        check_for(Some(account), text, (forms, region), expect);
    }

    fn check_for(
        account: Option<AccountId>,
        text: &str,
        (forms, region): (Forms, Region),
        expect: &str,
    ) {
        let got = match KeyIdentifier::parse(text, forms, region, account) {
            Ok(KeyIdentifier::Key(arn)) => arn.to_string(),
            Ok(KeyIdentifier::Alias { account, name }) => name.arn(region, account),
            Err(fault) => {
                let fault = Fault::from(fault);
                format!("{}: {}", fault.code(), fault.message().unwrap_or_default())
            }
        };
        assert_eq!(got, expect);
    }

    #[test]
    fn all_four_forms_are_read() {
        let key = format!("arn:aws:kms:us-east-1:111122223333:key/{ID}");
        let alias = "arn:aws:kms:us-east-1:111122223333:alias/app";
        check(ID, Forms::All, &key);
        check(&key, Forms::All, &key);
        check("alias/app", Forms::All, alias);
        check(alias, Forms::All, alias);
    }

    #[test]
    fn who_belongs_to_no_account_names_keys_by_arn_alone() {
        let region = Region::parse("us-east-1").unwrap();
        let key = format!("arn:aws:kms:us-east-1:111122223333:key/{ID}");
        let alias = "arn:aws:kms:us-east-1:111122223333:alias/app";
        for (text, expect) in [
            (key.as_str(), key.as_str()),
            (alias, alias),
            (
                ID,
                "NotFoundException: Key '1234abcd-12ab-34cd-56ef-1234567890ab' does not exist",
            ),
            (
                "alias/app",
                "NotFoundException: Alias alias/app is not found.",
            ),
        ] {
            check_for(None, text, (Forms::All, region), expect);
        }
    }

    #[test]
    fn wrong_shapes_say_so_as_aws_does() {
        check("foo", Forms::All, "NotFoundException: Invalid keyId 'foo'");
        check(
            "mrk-1234",
            Forms::KeyOnly,
            "NotFoundException: Invalid keyId 'mrk-1234'",
        );
        check(
            "arn:aws:kms:us-east-1:111122223333:key/foo",
            Forms::All,
            "NotFoundException: Invalid keyId foo",
        );
        check(
            &format!("arn:aws:kms:us-west-2:111122223333:key/{ID}"),
            Forms::All,
            "NotFoundException: Invalid arn us-west-2",
        );
        check(
            "alias/app",
            Forms::KeyOnly,
            "InvalidArnException: Key Aliases are not supported for this operation.",
        );
        check(
            "arn:aws:kms",
            Forms::All,
            "InvalidArnException: Invalid arn arn:aws:kms",
        );
    }
}
