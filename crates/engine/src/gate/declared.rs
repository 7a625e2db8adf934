//! Condition keys, with their types and who supplies them: those of every service, and how an API declares its own.
//!
//! <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_condition-keys.html>

use self::{
    Supplier::{Caller, Network, Operation, Request, Resource, Service, Session},
    ValueType::{Arn, Bool, Date, Ip, String, Strings},
};

/// The type of a key's values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ValueType {
    /// Text.
    String,
    /// `true` or `false`.
    Bool,
    /// A number.
    Numeric,
    /// An instant.
    Date,
    /// An ARN.
    Arn,
    /// An IP address.
    Ip,
    /// Several texts: only set operators apply.
    Strings,
}

/// Who supplies a key's value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Supplier {
    /// The caller's identity.
    Caller,
    /// The caller's temporary credentials.
    Session,
    /// The connection.
    Network,
    /// The resource.
    Resource,
    /// The request at large.
    Request,
    /// The service that calls, on its own behalf or for somebody.
    Service,
    /// The operation, from its parameters.
    Operation,
}

/// One key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DeclaredKey {
    /// Its name; `<…>` is a placeholder for what a user chose.
    pub name: &'static str,
    /// Its type.
    pub kind: ValueType,
    /// Who supplies it.
    pub from: Supplier,
}

impl DeclaredKey {
    /// Whether a condition key of that name, in any case, is this one.
    pub fn covers(&self, name: &str) -> bool {
        let Some((start, chosen)) = self.name.split_once('<') else {
            return self.name.eq_ignore_ascii_case(name);
        };
        let end = chosen.split_once('>').map_or("", |(_, end)| end);
        // Something is in between.
        let Some(most) = name.len().checked_sub(start.len() + end.len() + 1) else {
            return false;
        };
        let fits = |part: Option<&str>, with: &str| {
            part.is_some_and(|part| part.eq_ignore_ascii_case(with))
        };
        fits(name.get(..start.len()), start) && fits(name.get(start.len() + most + 1..), end)
    }
}

const fn key(name: &'static str, kind: ValueType, from: Supplier) -> DeclaredKey {
    DeclaredKey { name, kind, from }
}

/// The keys of every service. Each API declares its own.
pub const GLOBAL: &[DeclaredKey] = &[
    key("aws:CalledVia", Strings, Service),
    key("aws:CalledViaFirst", String, Service),
    key("aws:CalledViaLast", String, Service),
    key("aws:CurrentTime", Date, Request),
    key("aws:EpochTime", Date, Request),
    key("aws:FederatedProvider", String, Session),
    key("aws:MultiFactorAuthPresent", Bool, Session),
    key("aws:PrincipalAccount", String, Caller),
    key("aws:PrincipalArn", Arn, Caller),
    key("aws:PrincipalIsAWSService", Bool, Caller),
    key("aws:PrincipalOrgID", String, Caller),
    key("aws:PrincipalOrgPaths", Strings, Caller),
    key("aws:PrincipalServiceName", String, Service),
    key("aws:PrincipalServiceNamesList", Strings, Service),
    key("aws:PrincipalTag/<key>", String, Caller),
    key("aws:PrincipalType", String, Caller),
    key("aws:RequestTag/<key>", String, Operation),
    key("aws:RequestedRegion", String, Request),
    key("aws:ResourceAccount", String, Resource),
    key("aws:ResourceOrgID", String, Resource),
    key("aws:ResourceOrgPaths", Strings, Resource),
    key("aws:ResourceTag/<key>", String, Resource),
    key("aws:SecureTransport", Bool, Network),
    key("aws:SourceAccount", String, Service),
    key("aws:SourceArn", Arn, Service),
    key("aws:SourceIdentity", String, Session),
    key("aws:SourceIp", Ip, Network),
    key("aws:SourceOrgID", String, Service),
    key("aws:SourceOrgPaths", Strings, Service),
    key("aws:TagKeys", Strings, Operation),
    key("aws:TokenIssueTime", Date, Session),
    key("aws:UserAgent", String, Request),
    key("aws:ViaAWSService", Bool, Service),
    key("aws:referer", String, Request),
    key("aws:userid", String, Caller),
    key("aws:username", String, Caller),
    key("<provider>:aud", String, Session),
    key("<provider>:sub", String, Session),
];

/// Declares the condition keys of an API, a row each: those that its operations supply, with the name that operations
/// call them by, and those that come from elsewhere, such as the resource. `ALL` has every row.
#[macro_export]
macro_rules! condition_keys {
    (
        supplied { $( $(#[$doc:meta])* $name:ident = $text:literal, $kind:ident, $from:ident; )* }
        $( others { $( $other:literal, $other_kind:ident, $other_from:ident; )* } )?
    ) => {
        $(
            $(#[$doc])*
            pub const $name: $crate::gate::supply::ConditionKey =
                $crate::gate::supply::ConditionKey($text);
        )*

        /// Every condition key of the API.
        pub const ALL: &[$crate::gate::declared::DeclaredKey] = &[
            $( $crate::gate::declared::DeclaredKey {
                name: $text,
                kind: $crate::gate::declared::ValueType::$kind,
                from: $crate::gate::declared::Supplier::$from,
            }, )*
            $( $( $crate::gate::declared::DeclaredKey {
                name: $other,
                kind: $crate::gate::declared::ValueType::$other_kind,
                from: $crate::gate::declared::Supplier::$other_from,
            }, )* )?
        ];
    };
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_covers_its_name_in_any_case_and_whatever_a_user_chose() {
        let covered = |name: &str| {
            GLOBAL
                .iter()
                .find(|key| key.covers(name))
                .map(|key| key.name)
        };
        for (name, by) in [
            ("AWS:sourceip", Some("aws:SourceIp")),
            ("aws:RequestTag/cost", Some("aws:RequestTag/<key>")),
            ("aws:requesttag/c:/", Some("aws:RequestTag/<key>")),
            ("aws:RequestTag/", None),
            ("aws:RequestTag", None),
            ("aws:SourceIpv6", None),
            ("id.example.org/realm:sub", Some("<provider>:sub")),
            (":sub", None),
            ("sub", None),
            ("é:aud", Some("<provider>:aud")),
            ("aws:RequestTagé", None),
        ] {
            assert_eq!(covered(name), by, "{name}");
        }
    }
}
