//! OpenID Connect identity providers: the issuers whose tokens an account's roles may trust.
//!
//! AWS refuses a port in a provider's URL; here it is part of the provider's name, since private
//! issuers often have one. Thumbprints are stored but have no effect: an issuer's certificate is
//! verified with the trusted authorities, as AWS does for authorities that it knows.
//!
//! <https://docs.aws.amazon.com/IAM/latest/APIReference/API_CreateOpenIDConnectProvider.html>

pub mod client_ids;
pub mod create;
pub mod delete;
pub mod get;
pub mod list;
pub mod tags;
pub mod thumbprints;

use std::sync::Arc;

use keyward_engine::{
    directory::{
        purpose,
        records::{self, identity::OidcProviderRecord},
        units::identity::OidcProviderUnit,
    },
    gate::{Denied, Gate, protected::IdentityOnly, supply::Supply},
    operation::{Done, Empty},
    policy::permit::Permit,
};
use keyward_store::{batch::Precondition, path::Path};
use keyward_types::{action::Action, arn::ArnParts};
use keyward_wire::json::Members;

use crate::{
    Cx,
    fault::IamFault,
    on_one::{NamedOperand, Operand},
    paths,
};

/// The most client ids of a provider.
const MAX_CLIENT_IDS: usize = 100;
/// The most thumbprints of a provider.
const MAX_THUMBPRINTS: usize = 5;

/// The ARN of a provider that a request names.
#[derive(Clone, Debug)]
pub struct ProviderArn(String);

impl Operand for ProviderArn {
    type Found = ProviderLookup;

    /// Looks it up in the caller's account; `InvalidInput` for the ARN of anything else.
    async fn find(&self, cx: &Cx<'_>) -> Result<ProviderLookup, IamFault> {
        let parts = ArnParts::parse(&self.0).filter(|parts| {
            parts.service == "iam" && parts.region.is_empty() && !parts.account.is_empty()
        });
        let named = parts.and_then(|parts| {
            let host_and_path = parts.resource.strip_prefix("oidc-provider/")?;
            let own = parts.partition == cx.partition().as_str()
                && parts.account == cx.account().as_str();
            Some((host_and_path, own))
        });
        let Some((host_and_path, own)) = named else {
            let message = format!("Invalid ARN: {}", self.0);
            return Err(IamFault::InvalidInput { message });
        };
        let home = cx.caller.home();
        let unit = match own {
            true => cx.directory().oidc_provider(home, host_and_path).await?,
            false => None,
        };
        Ok(ProviderLookup {
            arn: self.0.clone(),
            unit,
        })
    }

    fn permit<A: Action>(
        &self,
        found: &ProviderLookup,
        gate: &Gate<'_>,
        supply: impl FnOnce(&mut Supply),
    ) -> Result<Permit<A>, Denied> {
        found.permit(gate, supply)
    }
}

impl NamedOperand for ProviderArn {
    const MEMBER: &'static str = "OpenIDConnectProviderArn";

    fn read(m: &mut Members<'_>) -> Self {
        Self(
            m.string(Self::MEMBER)
                .length(20, 2048)
                .required()
                .to_owned(),
        )
    }

    fn name(&self) -> &str {
        &self.0
    }
}

/// A requested provider, which may not exist.
#[derive(Clone, Debug)]
pub struct ProviderLookup {
    arn: String,
    unit: Option<Arc<OidcProviderUnit>>,
}

impl ProviderLookup {
    /// A permit on it.
    ///
    /// # Errors
    /// When the policies deny.
    pub fn permit<A: Action>(
        &self,
        gate: &Gate<'_>,
        supply: impl FnOnce(&mut Supply),
    ) -> Result<Permit<A>, Denied> {
        let tags = self.unit.as_ref().map(|unit| unit.record().tags.as_slice());
        gate.permit(
            &IdentityOnly::new(&self.arn).tagged(tags.unwrap_or_default()),
            supply,
        )
    }

    /// The provider, if there is one.
    pub fn found(&self) -> Option<&Arc<OidcProviderUnit>> {
        self.unit.as_ref()
    }

    /// The provider.
    ///
    /// # Errors
    /// `NoSuchEntity` when there is none.
    pub fn get(&self) -> Result<&Arc<OidcProviderUnit>, IamFault> {
        self.unit.as_ref().ok_or_else(|| IamFault::NoSuchEntity {
            message: format!("OpenIDConnect Provider not found for arn {}", self.arn),
        })
    }

    /// Its ARN.
    pub fn arn(&self) -> &str {
        &self.arn
    }

    /// The provider with its record changed.
    ///
    /// # Errors
    /// What `edit` refuses; `NoSuchEntity`.
    pub fn change(
        &self,
        cx: &Cx<'_>,
        edit: impl FnOnce(&mut OidcProviderRecord) -> Result<(), IamFault>,
    ) -> Result<Done<Empty>, IamFault> {
        let unit = self.get()?;
        let mut record = unit.record().clone();
        edit(&mut record)?;
        let bytes = records::encode(&record)?;
        let mut batch = cx.batch();
        let (place, at) = (
            place(cx, &record.host_and_path),
            Precondition::At(unit.revision()),
        );
        batch.put(place, purpose::OIDC_PROVIDER, &bytes, at)?;
        Ok(Done::changed(Empty, batch))
    }
}

/// Where the record of a provider is stored.
fn place(cx: &Cx<'_>, host_and_path: &str) -> Path {
    let home = cx.caller.home();
    let hash = cx.directory().oidc_provider_hash(home, host_and_path);
    paths::oidc_provider(home.0, home.1, &hash)
}

/// Reads a list of thumbprints: 40 hexadecimal digits each.
fn read_thumbprints(m: &mut Members<'_>) -> Option<Vec<String>> {
    let list = m.strings("ThumbprintList").each_length(40, 40).optional();
    list.map(|list| list.into_iter().map(str::to_owned).collect())
}

/// Refuses invalid thumbprints, and too many of them.
///
/// # Errors
/// `InvalidInput`.
fn check_thumbprints(list: &[String]) -> Result<(), IamFault> {
    let hexadecimal = |text: &String| text.bytes().all(|byte| byte.is_ascii_hexdigit());
    if !list.iter().all(hexadecimal) {
        let message = "Thumbprint must be hexadecimal digits.".to_owned();
        return Err(IamFault::InvalidInput { message });
    }
    if list.len() > MAX_THUMBPRINTS {
        let message = format!("Thumbprint list must contain fewer than {MAX_THUMBPRINTS} entries.");
        return Err(IamFault::InvalidInput { message });
    }
    Ok(())
}

fn too_many_client_ids() -> IamFault {
    IamFault::LimitExceeded {
        message: format!(
            "Cannot exceed quota for ClientIdsPerOpenIdConnectProvider: {MAX_CLIENT_IDS}"
        ),
    }
}
