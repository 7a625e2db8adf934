//! `CreateGrant`: lets a principal use a key, for some operations and under constraints.
//!
//! <https://docs.aws.amazon.com/kms/latest/APIReference/API_CreateGrant.html>
//!
//! A caller who may create grants only because of a grant can create only grants that allow no more
//! than that one. A service that calls for its user may name itself where principals are named;
//! everybody else names services by `GranteeServicePrincipal`.

use std::sync::Arc;

use keyward_crypto::random;
use keyward_engine::{
    audit::parameters::{Parameter, boolean, map, secret, structure, text, texts},
    directory::{
        ReadError, purpose,
        records::{self, V1},
    },
    gate::{Denied, Gate},
    operation::{Done, Operation, Output},
    policy::{decision::Evidence, permit::Permit},
};
use keyward_store::batch::Precondition;
use keyward_types::{
    action,
    grant::{GrantId, GrantOperation},
    key_id::KeyArn,
    key_spec::KeySpec,
};
use keyward_wire::json::{Members, Object, Writer};

use crate::{
    Cx, Kms, condition_keys,
    fault::{KmsFault, too_large},
    grant_members,
    grants::{
        index::GrantPaths,
        lookup::Shapes,
        party::Party,
        record::{GrantNameRecord, GrantRecord},
        terms::{Act, ContextConstraint, Terms},
        write::put_grant,
    },
    identifier::Forms,
    lookup::put_key,
    members, paths,
    resolved::ResolvedKey,
    units::KeyUnit,
};

/// What the audit trail shows of constraints.
const CONSTRAINTS: &[Parameter] = &[
    map("EncryptionContextSubset"),
    map("EncryptionContextEquals"),
    text("SourceArn"),
];

/// The input.
#[derive(Debug)]
pub struct CreateGrant {
    key_id: String,
    grantee: NamedParty,
    retiring: Option<NamedParty>,
    terms: Terms,
    grant_tokens: Vec<String>,
    name: Option<String>,
    dry_run: bool,
}

/// How a request names a party.
#[derive(Debug)]
enum NamedParty {
    Principal(String),
    Service(String),
}

/// The output.
#[derive(Debug)]
pub struct GrantCreated {
    token: String,
    id: GrantId,
    key: KeyArn,
    /// Whether it was not there before under its name.
    is_new: bool,
}

/// What a new grant needs.
#[derive(Debug)]
pub struct NewGrant {
    key: ResolvedKey,
    /// The grant as it would be, or the principal that there is not.
    grant: Result<GrantRecord, String>,
    /// The grant that an equal request of that name has made.
    made_before: Option<GrantId>,
    /// The shapes that the grantee's grants have.
    shapes: Option<Arc<Shapes>>,
}

impl Operation for CreateGrant {
    const NAME: &'static str = "CreateGrant";
    const READ_ONLY: bool = false;
    const PARAMETERS: &'static [Parameter] = &[
        text("KeyId"),
        text("GranteePrincipal"),
        text("RetiringPrincipal"),
        texts("Operations"),
        structure("Constraints", CONSTRAINTS),
        secret("GrantTokens"),
        text("Name"),
        boolean("DryRun"),
        text("GranteeServicePrincipal"),
        text("RetiringServicePrincipal"),
    ];
    type Api = Kms;
    type Output = GrantCreated;
    type Fault = KmsFault;
    type Resolved = NewGrant;
    type Permits = Permit<action::CreateGrant>;

    fn parse(body: &Object<'_>) -> Result<Self, KmsFault> {
        let mut m = Members::of(body);
        let dry_run = m.boolean("DryRun").optional().unwrap_or(false);
        let key_id = members::key_id(&mut m, "KeyId");
        let grantee = grant_members::principal(&mut m, "GranteePrincipal");
        let grantee_service = grant_members::service(&mut m, "GranteeServicePrincipal");
        let retiring = grant_members::principal(&mut m, "RetiringPrincipal");
        let retiring_service = grant_members::service(&mut m, "RetiringServicePrincipal");
        let operations = grant_members::operations(&mut m);
        let constraints = grant_members::constraints(&mut m);
        let grant_tokens = members::grant_tokens(&mut m);
        let name = grant_members::name(&mut m);
        m.finish()?;
        let constraint = constraints.checked()?;
        let grantee = match (grantee, grantee_service) {
            (Some(arn), None) => NamedParty::Principal(arn),
            (None, Some(name)) => NamedParty::Service(name),
            (None, None) | (Some(_), Some(_)) => {
                return Err(KmsFault::validation(
                    "Specify either GranteePrincipal or GranteeServicePrincipal.",
                ));
            }
        };
        let retiring = match (retiring, retiring_service) {
            (Some(_), Some(_)) => {
                return Err(KmsFault::validation(
                    "Specify either RetiringPrincipal or RetiringServicePrincipal.",
                ));
            }
            (Some(arn), None) => Some(NamedParty::Principal(arn)),
            (None, Some(name)) => Some(NamedParty::Service(name)),
            (None, None) => None,
        };
        let to_service = matches!(grantee, NamedParty::Service(_));
        if to_service && (constraint.source_arn.is_none() || retiring.is_none()) {
            return Err(KmsFault::validation(
                "GranteeServicePrincipal requires a SourceArn constraint and a RetiringPrincipal or RetiringServicePrincipal.",
            ));
        }
        if operations.is_empty() {
            return Err(KmsFault::validation(
                "Grants must contain at least one operation.",
            ));
        }
        if operations.iter().all(|o| o == GrantOperation::CreateGrant) {
            return Err(KmsFault::validation(
                "Grants must not contain only the CreateGrant operation.",
            ));
        }
        Ok(Self {
            key_id,
            grantee,
            retiring,
            terms: Terms {
                operations,
                constraint,
            },
            grant_tokens,
            name,
            dry_run,
        })
    }

    async fn resolve(&self, cx: &Cx<'_>) -> Result<NewGrant, KmsFault> {
        let act = Act::Child(&self.terms);
        let key = cx
            .key_to_use(&self.key_id, Forms::KeyOnly, &self.grant_tokens, act)
            .await?;
        let grant = self.grant(key.arn(), cx).await?;
        let (mut made_before, mut shapes) = (None, None);
        if let Ok(grant) = &grant {
            let reader = cx.directory().reader();
            let places = GrantPaths::new(reader, key.arn());
            if let Some(path) = places.name_of(grant) {
                let read = reader.get(&path).await.map_err(ReadError::from)?;
                made_before = read.value.as_ref().map(named_grant).transpose()?;
            }
            let grantee = grant.grantee.segment(reader);
            shapes = cx.state().grants().shapes_of(key.arn(), &grantee).await?;
        }
        Ok(NewGrant {
            key,
            grant,
            made_before,
            shapes,
        })
    }

    fn authorize(&self, new: &NewGrant, gate: &Gate<'_>) -> Result<Self::Permits, Denied> {
        gate.permit(&new.key, |supply| {
            let constraint = &self.terms.constraint;
            grant_members::supply_constraint(supply, constraint);
            if let Some(arn) = &constraint.source_arn {
                supply.text(condition_keys::GRANT_CONSTRAINT_SOURCE_ARN, arn);
            }
            supply.boolean(
                condition_keys::GRANT_IS_FOR_AWS_RESOURCE,
                gate.is_forwarded(),
            );
            let operations = self.terms.operations.iter();
            supply.many(
                condition_keys::GRANT_OPERATIONS,
                operations.map(|operation| operation.as_str().to_owned()),
            );
            match &self.grantee {
                NamedParty::Principal(arn) => supply.text(condition_keys::GRANTEE_PRINCIPAL, arn),
                NamedParty::Service(name) => {
                    supply.text(condition_keys::GRANTEE_SERVICE_PRINCIPAL, name);
                }
            }
            match &self.retiring {
                None => {}
                Some(NamedParty::Principal(arn)) => {
                    supply.text(condition_keys::RETIRING_PRINCIPAL, arn);
                }
                Some(NamedParty::Service(name)) => {
                    supply.text(condition_keys::RETIRING_SERVICE_PRINCIPAL, name);
                }
            }
        })
    }

    async fn call(
        &self,
        permit: &Self::Permits,
        new: &NewGrant,
        cx: &Cx<'_>,
    ) -> Result<Done<GrantCreated>, KmsFault> {
        let unit = new.key.unit()?;
        self.check_operations(unit)?;
        let record = cx.state().ring().add_grant(permit, unit.key())?;
        let grant = match &new.grant {
            Ok(grant) => grant,
            Err(arn) => return Err(KmsFault::unknown_principal(arn)),
        };
        if let Some(id) = &new.made_before {
            if self.dry_run {
                return Err(KmsFault::DryRunOperation);
            }
            let is_new = false;
            return Ok(Done::unchanged(created(cx, unit.arn(), id, is_new)?));
        }
        cx.check_grants_of(unit.arn()).await?;
        let mut batch = cx.batch();
        cx.put_shapes(&mut batch, grant, new.shapes.as_deref())
            .await?;
        if self.dry_run {
            return Err(KmsFault::DryRunOperation);
        }
        if unit.record().has_grants {
            // The key as it was decided about: its policy and state.
            let path = paths::key(unit.arn());
            let precondition = Precondition::At(unit.revision());
            batch.check(path, precondition).map_err(too_large)?;
        } else {
            put_key(&mut batch, unit, &record)?;
        }
        let places = GrantPaths::new(cx.directory().reader(), unit.arn());
        if let (Evidence::Grant(_), Some(parent)) = (permit.evidence(), new.key.found_grant())
            && let Some(revision) = parent.revision
        {
            let path = places.grant(&parent.id);
            let precondition = Precondition::At(revision);
            batch.check(path, precondition).map_err(too_large)?;
        }
        put_grant(&mut batch, &places, grant)?;
        let is_new = true;
        Ok(Done::changed(
            created(cx, unit.arn(), &grant.id, is_new)?,
            batch,
        ))
    }

    async fn committed(&self, output: &GrantCreated, cx: &Cx<'_>) {
        if output.is_new {
            cx.state().grant_counts().made(&output.key);
        }
    }
}

impl CreateGrant {
    /// The grant as it would be; the principal that it names and that there is not.
    async fn grant(
        &self,
        key: &KeyArn,
        cx: &Cx<'_>,
    ) -> Result<Result<GrantRecord, String>, KmsFault> {
        let grantee = match party(&self.grantee, cx).await? {
            Ok(party) => party,
            Err(arn) => return Ok(Err(arn)),
        };
        let retiring = match &self.retiring {
            None => None,
            Some(named) => match party(named, cx).await? {
                Ok(party) => Some(party),
                Err(arn) => return Ok(Err(arn)),
            },
        };
        Ok(Ok(GrantRecord {
            version: V1,
            id: GrantId::from_random(random::array()),
            region: key.region(),
            account: key.account(),
            key: key.id().clone(),
            name: self.name.clone(),
            created: cx.now,
            // A service belongs to no account, so a grant that it creates counts as issued by the
            // key's account.
            issuing_account: cx.caller.principal().account().unwrap_or(key.account()),
            grantee,
            retiring,
            terms: self.terms.clone(),
        }))
    }

    fn check_operations(&self, unit: &KeyUnit) -> Result<(), KmsFault> {
        let (spec, usage) = (unit.record().spec, unit.record().usage);
        let unfit = self.terms.operations.iter().find(|o| !o.fits(spec, usage));
        if let Some(operation) = unfit {
            return Err(KmsFault::Validation {
                message: format!(
                    "Operation {operation} is not supported for {} with key usage {usage}.",
                    unit.arn()
                ),
            });
        }
        if spec != KeySpec::SymmetricDefault
            && self.terms.constraint.context != ContextConstraint::None
        {
            return Err(KmsFault::validation(
                "Encryption context constraints are only supported for symmetric encryption keys.",
            ));
        }
        Ok(())
    }
}

/// The party, or the ARN that names none.
async fn party(named: &NamedParty, cx: &Cx<'_>) -> Result<Result<Party, String>, KmsFault> {
    match named {
        NamedParty::Principal(arn) => Ok(cx.party(arn).await?.ok_or_else(|| arn.clone())),
        NamedParty::Service(name) => Ok(Ok(Party::Service {
            name: name.clone(),
            as_principal: false,
        })),
    }
}

fn named_grant(record: &keyward_store::sealed::Record) -> Result<GrantId, ReadError> {
    let leads: GrantNameRecord = records::decode(record.bytes_of(purpose::GRANT_NAME)?)?;
    Ok(leads.id)
}

fn created(
    cx: &Cx<'_>,
    key: &KeyArn,
    id: &GrantId,
    is_new: bool,
) -> Result<GrantCreated, KmsFault> {
    Ok(GrantCreated {
        token: cx.seal_grant_token(key, id)?,
        id: id.clone(),
        key: key.clone(),
        is_new,
    })
}

impl Output<Kms> for GrantCreated {
    fn render(&self, out: &mut Writer<'_>) {
        out.string("GrantToken", &self.token);
        out.string("GrantId", self.id.as_str());
    }

    fn response_elements(&self, elements: &mut Writer<'_>) {
        elements.string("grantId", self.id.as_str());
        elements.string("keyId", self.key.as_str());
    }
}
