//! `CreateKey`: a new customer managed key, Enabled at once.
//!
//! <https://docs.aws.amazon.com/kms/latest/APIReference/API_CreateKey.html>
//!
//! This version creates symmetric encryption keys with material of its own, in one Region;
//! everything else that AWS can create is refused by name.

use std::sync::Arc;

use keyward_engine::{
    audit::parameters::{Parameter, boolean, structures, text},
    counts::Counted,
    directory::{purpose, records},
    fault::Internal,
    gate::{Denied, Gate, supply::Supply},
    operation::{Done, Operation, Output},
    policy::{permit::Permit, record::PolicyRecord},
};
use keyward_keys::{
    hierarchy::{DomainKey, DomainKeyRecord},
    record::KeyRecord,
    ring::{KeyKind, NewKey, Ring, RingError, Unsupported},
};
use keyward_store::batch::Precondition;
use keyward_types::{
    action,
    key_id::KeyArn,
    key_spec::{KeySpec, KeyUsage, Origin},
    tag::Tag,
};
use keyward_wire::json::{Members, Object, Writer};

use crate::{
    Cx, Kms, condition_keys,
    fault::{KmsFault, too_large},
    lookup::put_new_key,
    members, metadata, paths,
    policies::{DEFAULT_POLICY_NAME, default_policy},
    put_key_policy::LOCKED_OUT,
    resolved::ResolvedKey,
};

/// The input.
#[derive(Debug)]
pub struct CreateKey {
    policy: Option<String>,
    description: String,
    kind: KeyKind,
    custom_key_store: bool,
    bypass: Option<bool>,
    tags: Vec<Tag>,
    multi_region: bool,
}

/// The output.
#[derive(Debug)]
pub struct KeyCreated {
    record: KeyRecord,
    arn: KeyArn,
}

/// The domain key that a new key is wrapped under, and its record if it is created together with
/// the key.
#[derive(Debug)]
struct Domain {
    domain: Arc<DomainKey>,
    new: Option<DomainKeyRecord>,
}

impl Domain {
    async fn of(cx: &Cx<'_>) -> Result<Self, KmsFault> {
        let (region, account) = (cx.region, cx.account());
        if let Some(domain) = cx.state().domain_key(region, account).await? {
            return Ok(Self { domain, new: None });
        }
        let record = DomainKeyRecord::generate(cx.state().root(), region, account)
            .map_err(|error| KmsFault::Internal(Internal::new(error)))?;
        let domain = cx.state().open_domain_key(&record).await?;
        Ok(Self {
            domain: Arc::new(domain),
            new: Some(record),
        })
    }
}

impl CreateKey {
    fn supply(&self, cx_account: &str, supply: &mut Supply) {
        supply.text(condition_keys::CALLER_ACCOUNT, cx_account);
        let (spec, usage) = (self.kind.spec.as_str(), self.kind.usage.as_str());
        supply.one(condition_keys::KEY_SPEC, spec);
        supply.one(condition_keys::CUSTOMER_MASTER_KEY_SPEC, spec);
        supply.one(condition_keys::KEY_USAGE, usage);
        supply.one(condition_keys::CUSTOMER_MASTER_KEY_USAGE, usage);
        supply.one(condition_keys::KEY_ORIGIN, self.kind.origin.as_str());
        supply.boolean(condition_keys::MULTI_REGION, self.multi_region);
        if let Some(bypass) = self.bypass {
            supply.boolean(condition_keys::BYPASS_LOCKOUT, bypass);
        }
        supply.request_tags(&self.tags);
    }

    /// What AWS creates and this version does not.
    fn refuse_unsupported(&self, ring: &Ring) -> Result<(), KmsFault> {
        if self.custom_key_store {
            return Err(RingError::Unsupported(Unsupported::CustomKeyStore).into());
        }
        ring.check_kind(self.kind)?;
        if self.multi_region {
            return Err(KmsFault::unsupported("MultiRegion"));
        }
        Ok(())
    }
}

impl Operation for CreateKey {
    const NAME: &'static str = "CreateKey";
    const READ_ONLY: bool = false;
    const PARAMETERS: &'static [Parameter] = &[
        text("Policy"),
        text("Description"),
        text("KeyUsage"),
        text("CustomerMasterKeySpec"),
        text("KeySpec"),
        text("Origin"),
        text("CustomKeyStoreId"),
        boolean("BypassPolicyLockoutSafetyCheck"),
        structures("Tags", members::SHOWN_TAG),
        boolean("MultiRegion"),
        text("XksKeyId"),
    ];
    type Api = Kms;
    type Output = KeyCreated;
    type Fault = KmsFault;
    type Resolved = ();
    type Permits = (
        Permit<action::CreateKey>,
        Option<Permit<action::TagResource>>,
    );

    fn parse(body: &Object<'_>) -> Result<Self, KmsFault> {
        let mut m = Members::of(body);
        let policy = members::policy(&mut m);
        let description = m
            .string("Description")
            .length(0, 8192)
            .optional()
            .unwrap_or_default();
        let description = description.to_owned();
        let key_usage = m.enumeration("KeyUsage", KeyUsage::WORDS).optional();
        let old_spec = m
            .enumeration("CustomerMasterKeySpec", KeySpec::WORDS)
            .optional();
        let key_spec = m.enumeration("KeySpec", KeySpec::WORDS).optional();
        let origin = m.enumeration("Origin", Origin::WORDS).optional();
        let custom_key_store = m
            .string("CustomKeyStoreId")
            .length(1, 64)
            .optional()
            .is_some();
        let bypass = m.boolean("BypassPolicyLockoutSafetyCheck").optional();
        let tags = members::tags(&mut m);
        let multi_region = m.boolean("MultiRegion").optional().unwrap_or(false);
        let xks_key = m.string("XksKeyId").length(1, 128).optional().is_some();
        m.finish()?;
        if old_spec.is_some() && key_spec.is_some() && old_spec != key_spec {
            return Err(KmsFault::validation(
                "You cannot specify KeySpec and CustomerMasterKeySpec in the same request. CustomerMasterKeySpec is deprecated.",
            ));
        }
        let spec = key_spec
            .or(old_spec)
            .and_then(KeySpec::parse)
            .unwrap_or(KeySpec::SymmetricDefault);
        let usage = match key_usage.and_then(KeyUsage::parse) {
            Some(usage) => usage,
            None if spec == KeySpec::SymmetricDefault => KeyUsage::EncryptDecrypt,
            None => {
                return Err(KmsFault::validation(
                    "You must specify a KeyUsage value for all KMS keys except for symmetric encryption keys.",
                ));
            }
        };
        if !spec.usages().contains(&usage) {
            return Err(KmsFault::Validation {
                message: format!("KeyUsage {usage} is not compatible with KeySpec {spec}"),
            });
        }
        let origin = origin.and_then(Origin::parse).unwrap_or(Origin::AwsKms);
        let kind = KeyKind {
            spec,
            usage,
            origin,
        };
        Ok(Self {
            policy,
            description,
            kind,
            custom_key_store: custom_key_store || xks_key,
            bypass,
            tags: tags.checked()?.unwrap_or_default(),
            multi_region,
        })
    }

    async fn resolve(&self, _cx: &Cx<'_>) -> Result<(), KmsFault> {
        Ok(())
    }

    fn authorize(&self, (): &(), gate: &Gate<'_>) -> Result<Self::Permits, Denied> {
        let account = gate.caller_account();
        let permit = gate.account(|supply| self.supply(account, supply))?;
        let tagging = if self.tags.is_empty() {
            None
        } else {
            Some(gate.account(|supply| self.supply(account, supply))?)
        };
        Ok((permit, tagging))
    }

    async fn call(
        &self,
        (permit, _): &Self::Permits,
        (): &(),
        cx: &Cx<'_>,
    ) -> Result<Done<KeyCreated>, KmsFault> {
        self.refuse_unsupported(cx.state().ring())?;
        let counted = Counted::regional(paths::KEY, cx.region, cx.account());
        if cx
            .shared()
            .counts()
            .get(counted)
            .is_some_and(|count| count >= cx.shared().quotas().keys)
        {
            let message = format!(
                "Cannot exceed quota of {} KMS keys",
                cx.shared().quotas().keys
            );
            return Err(KmsFault::LimitExceeded { message });
        }
        let checked = match &self.policy {
            Some(text) => Some(cx.check_policy(text).await??),
            None => None,
        };
        let policy = match &checked {
            Some(policy) => policy.record.clone(),
            None => PolicyRecord::unbound(default_policy(cx.partition(), cx.account())),
        };
        let Domain { domain, new: made } = Domain::of(cx).await?;
        let new = NewKey {
            kind: self.kind,
            description: self.description.clone(),
            policy,
            tags: self.tags.clone(),
        };
        let record = cx
            .state()
            .ring()
            .create(permit, &domain, new, cx.now)
            .await?;
        let mut batch = cx.batch();
        let internal =
            |error: &dyn std::fmt::Display| KmsFault::Internal(Internal::new(error.to_string()));
        if let Some(domain) = &made {
            let path = paths::domain_key(cx.region, cx.account());
            let bytes = records::encode(domain).map_err(|e| internal(&e))?;
            batch
                .put(path, purpose::DOMAIN_KEY, &bytes, Precondition::Absent)
                .map_err(too_large)?;
        }
        let arn = record.arn();
        // Whoever may create a key may give it the default policy.
        if let Some(checked) = &checked
            && self.bypass != Some(true)
        {
            let key = ResolvedKey::absent(arn.clone());
            let supply = |supply: &mut Supply| {
                supply.one(condition_keys::POLICY_NAME, DEFAULT_POLICY_NAME);
            };
            if !cx.would_allow::<action::PutKeyPolicy>(&key.with_policy(&checked.policy), supply) {
                let message = LOCKED_OUT.to_owned();
                return Err(KmsFault::MalformedPolicyDocument { message });
            }
        }
        put_new_key(&mut batch, &arn, &record)?;
        Ok(Done::changed(KeyCreated { record, arn }, batch).counting(counted))
    }
}

impl Output<Kms> for KeyCreated {
    fn render(&self, out: &mut Writer<'_>) {
        out.object("KeyMetadata", |out| {
            metadata::describe(&self.record, &self.arn, out);
        });
    }

    fn response_elements(&self, elements: &mut Writer<'_>) {
        elements.object("keyMetadata", |out| {
            metadata::describe_in_event(&self.record, &self.arn, out);
        });
    }

    fn made(&self) -> Option<KeyArn> {
        Some(self.arn.clone())
    }
}
