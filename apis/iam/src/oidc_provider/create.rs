//! `CreateOpenIDConnectProvider`
//!
//! <https://docs.aws.amazon.com/IAM/latest/APIReference/API_CreateOpenIDConnectProvider.html>

use keyward_engine::{
    audit::parameters::{Parameter, structures, text, texts},
    directory::{
        ReadError, purpose,
        records::{self, V1, identity::OidcProviderRecord},
    },
    gate::{Denied, Gate, protected::IdentityOnly},
    operation::{Done, Operation, Output},
    policy::permit::Permit,
};
use keyward_oidc::url::HttpsUrl;
use keyward_store::batch::Precondition;
use keyward_types::tag::Tag;
use keyward_wire::{json, query::Params, xml};

use crate::{
    Cx, Iam,
    fault::IamFault,
    names,
    oidc_provider::{
        MAX_CLIENT_IDS, check_thumbprints, place, read_thumbprints, tags::TagOpenIDConnectProvider,
        too_many_client_ids,
    },
    paths, shape,
    tag_keys::Keys,
};

/// The most providers of an account.
const MAX_PROVIDERS: usize = 100;

/// The input.
#[derive(Debug)]
pub struct CreateOpenIDConnectProvider {
    url: String,
    host_and_path: String,
    client_ids: Vec<String>,
    thumbprints: Vec<String>,
    tags: Vec<Tag>,
}

/// The ARN that the new provider will have, whether it is taken, and how many others there are.
#[derive(Debug)]
pub struct NewProvider {
    arn: String,
    taken: bool,
    others: usize,
}

/// The output.
#[derive(Debug)]
pub struct ProviderCreated {
    arn: String,
    tags: Vec<Tag>,
}

keyward_types::action!("iam": CreateOpenIDConnectProvider = "iam:CreateOpenIDConnectProvider");

impl Operation for CreateOpenIDConnectProvider {
    const NAME: &'static str = "CreateOpenIDConnectProvider";
    const READ_ONLY: bool = false;
    const PARAMETERS: &'static [Parameter] = &[
        text("Url"),
        texts("ClientIDList"),
        texts("ThumbprintList"),
        structures("Tags", names::SHOWN_TAG),
    ];
    type Api = Iam;
    type Output = ProviderCreated;
    type Fault = IamFault;
    type Resolved = NewProvider;
    type Permits = (Permit<Self>, Option<Permit<TagOpenIDConnectProvider>>);

    fn parse(params: &Params<'_>) -> Result<Self, IamFault> {
        let mut m = params.members();
        let client_ids = m.strings("ClientIDList").each_length(1, 255).optional();
        let thumbprints = read_thumbprints(&mut m).unwrap_or_default();
        let url = m.string("Url").length(1, 255).required().to_owned();
        let tags = names::tags(&mut m);
        m.finish()?;
        let plain = HttpsUrl::parse(&url).is_ok() && !url.contains('?');
        let Some(host_and_path) = url.strip_prefix("https://").filter(|_| plain) else {
            let message = "Invalid Open ID Connect Provider URL".to_owned();
            return Err(IamFault::Validation { message });
        };
        let mut clients = Vec::new();
        for id in client_ids.unwrap_or_default() {
            if !clients.iter().any(|known| known == id) {
                clients.push(id.to_owned());
            }
        }
        if clients.len() > MAX_CLIENT_IDS {
            return Err(too_many_client_ids());
        }
        check_thumbprints(&thumbprints)?;
        Keys::Exact.check(&tags)?;
        Ok(Self {
            host_and_path: host_and_path.to_owned(),
            url,
            client_ids: clients,
            thumbprints,
            tags,
        })
    }

    async fn resolve(&self, cx: &Cx<'_>) -> Result<NewProvider, IamFault> {
        let (partition, account) = cx.caller.home();
        let directory = cx.directory();
        let found = directory
            .oidc_provider((partition, account), &self.host_and_path)
            .await?;
        let prefix = paths::all_of_kind((partition, account), paths::OIDC_PROVIDER);
        let reader = directory.reader();
        let others = reader
            .range(&prefix, None, MAX_PROVIDERS)
            .await
            .map_err(ReadError::from)?;
        Ok(NewProvider {
            arn: format!(
                "arn:{partition}:iam::{account}:oidc-provider/{}",
                self.host_and_path
            ),
            taken: found.is_some(),
            others: others.value.len(),
        })
    }

    fn authorize(&self, new: &NewProvider, gate: &Gate<'_>) -> Result<Self::Permits, Denied> {
        let on = IdentityOnly::new(&new.arn);
        let create = gate.permit(&on, |supply| supply.request_tags(&self.tags))?;
        Ok((create, gate.tagging(&on, &self.tags)?))
    }

    async fn call(
        &self,
        _permit: &Self::Permits,
        new: &NewProvider,
        cx: &Cx<'_>,
    ) -> Result<Done<ProviderCreated>, IamFault> {
        if new.taken {
            let message = format!("Provider with url {} already exists.", self.url);
            return Err(IamFault::EntityAlreadyExists { message });
        }
        if new.others >= MAX_PROVIDERS {
            let message = format!(
                "Cannot exceed quota for OpenIdConnectProvidersPerAccount: {MAX_PROVIDERS}"
            );
            return Err(IamFault::LimitExceeded { message });
        }
        let record = OidcProviderRecord {
            version: V1,
            host_and_path: self.host_and_path.clone(),
            client_ids: self.client_ids.clone(),
            thumbprints: self.thumbprints.clone(),
            created: cx.now,
            tags: self.tags.clone(),
        };
        let path = place(cx, &self.host_and_path);
        let bytes = records::encode(&record)?;
        let mut batch = cx.batch();
        batch.put(path, purpose::OIDC_PROVIDER, &bytes, Precondition::Absent)?;
        let created = ProviderCreated {
            arn: new.arn.clone(),
            tags: self.tags.clone(),
        };
        Ok(Done::changed(created, batch))
    }
}

impl Output<Iam> for ProviderCreated {
    fn render(&self, out: &mut xml::Writer<'_>) {
        out.text("OpenIDConnectProviderArn", &self.arn);
        shape::tags(out, &self.tags);
    }

    fn response_elements(&self, elements: &mut json::Writer<'_>) {
        elements.string("openIDConnectProviderArn", &self.arn);
    }
}
