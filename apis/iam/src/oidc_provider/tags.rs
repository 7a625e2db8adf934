//! `TagOpenIDConnectProvider`, `UntagOpenIDConnectProvider`, `ListOpenIDConnectProviderTags`
//!
//! <https://docs.aws.amazon.com/IAM/latest/APIReference/API_TagOpenIDConnectProvider.html>

use keyward_engine::{
    audit::parameters::{Parameter, integer, structures, text, texts},
    gate::{Denied, Gate},
    operation::{Done, Empty, Operation, Output},
    policy::permit::Permit,
};
use keyward_types::tag::Tag;
use keyward_wire::{query::Params, xml};

use crate::{
    Cx, Iam,
    fault::IamFault,
    names,
    oidc_provider::{ProviderArn, ProviderLookup},
    page::{Page, Paging},
    shape,
    tag_keys::Keys,
};

/// `TagOpenIDConnectProvider`
#[derive(Debug)]
pub struct TagOpenIDConnectProvider {
    arn: ProviderArn,
    tags: Vec<Tag>,
}

keyward_types::action!("iam": TagOpenIDConnectProvider = "iam:TagOpenIDConnectProvider");

impl Operation for TagOpenIDConnectProvider {
    const NAME: &'static str = "TagOpenIDConnectProvider";
    const READ_ONLY: bool = false;
    const PARAMETERS: &'static [Parameter] = &[
        text("OpenIDConnectProviderArn"),
        structures("Tags", names::SHOWN_TAG),
    ];
    type Api = Iam;
    type Output = Empty;
    type Fault = IamFault;
    type Resolved = ProviderLookup;
    type Permits = Permit<Self>;

    fn parse(params: &Params<'_>) -> Result<Self, IamFault> {
        let mut m = params.members();
        let arn = ProviderArn::read(&mut m);
        let tags = names::required_tags(&mut m);
        m.finish()?;
        Ok(Self {
            arn,
            tags: Keys::Exact.checked(tags)?,
        })
    }

    async fn resolve(&self, cx: &Cx<'_>) -> Result<ProviderLookup, IamFault> {
        self.arn.find(cx).await
    }

    fn authorize(&self, asked: &ProviderLookup, gate: &Gate<'_>) -> Result<Self::Permits, Denied> {
        asked.permit(gate, |supply| supply.request_tags(&self.tags))
    }

    async fn call(
        &self,
        _permit: &Self::Permits,
        asked: &ProviderLookup,
        cx: &Cx<'_>,
    ) -> Result<Done<Empty>, IamFault> {
        asked.change(cx, |provider| {
            Keys::Exact.add(&mut provider.tags, &self.tags)
        })
    }
}

/// `UntagOpenIDConnectProvider`
#[derive(Debug)]
pub struct UntagOpenIDConnectProvider {
    arn: ProviderArn,
    keys: Vec<String>,
}

keyward_types::action!("iam": UntagOpenIDConnectProvider = "iam:UntagOpenIDConnectProvider");

impl Operation for UntagOpenIDConnectProvider {
    const NAME: &'static str = "UntagOpenIDConnectProvider";
    const READ_ONLY: bool = false;
    const PARAMETERS: &'static [Parameter] = &[text("OpenIDConnectProviderArn"), texts("TagKeys")];
    type Api = Iam;
    type Output = Empty;
    type Fault = IamFault;
    type Resolved = ProviderLookup;
    type Permits = Permit<Self>;

    fn parse(params: &Params<'_>) -> Result<Self, IamFault> {
        let mut m = params.members();
        let arn = ProviderArn::read(&mut m);
        let keys = names::tag_keys(&mut m);
        m.finish()?;
        Ok(Self { arn, keys })
    }

    async fn resolve(&self, cx: &Cx<'_>) -> Result<ProviderLookup, IamFault> {
        self.arn.find(cx).await
    }

    fn authorize(&self, asked: &ProviderLookup, gate: &Gate<'_>) -> Result<Self::Permits, Denied> {
        asked.permit(gate, |supply| {
            if !self.keys.is_empty() {
                supply.tag_keys(&self.keys);
            }
        })
    }

    async fn call(
        &self,
        _permit: &Self::Permits,
        asked: &ProviderLookup,
        cx: &Cx<'_>,
    ) -> Result<Done<Empty>, IamFault> {
        asked.change(cx, |provider| {
            Keys::Exact.remove(&mut provider.tags, &self.keys);
            Ok(())
        })
    }
}

/// `ListOpenIDConnectProviderTags`
#[derive(Debug)]
pub struct ListOpenIDConnectProviderTags {
    arn: ProviderArn,
    paging: Paging,
}

/// A page of tags.
#[derive(Debug)]
pub struct Tags(Page<Tag>);

keyward_types::action!("iam": ListOpenIDConnectProviderTags = "iam:ListOpenIDConnectProviderTags");

impl Operation for ListOpenIDConnectProviderTags {
    const NAME: &'static str = "ListOpenIDConnectProviderTags";
    const READ_ONLY: bool = true;
    const PARAMETERS: &'static [Parameter] = &[
        text("OpenIDConnectProviderArn"),
        text("Marker"),
        integer("MaxItems"),
    ];
    type Api = Iam;
    type Output = Tags;
    type Fault = IamFault;
    type Resolved = ProviderLookup;
    type Permits = Permit<Self>;

    fn parse(params: &Params<'_>) -> Result<Self, IamFault> {
        let mut m = params.members();
        let arn = ProviderArn::read(&mut m);
        let paging = Paging::read(&mut m);
        m.finish()?;
        Ok(Self { arn, paging })
    }

    async fn resolve(&self, cx: &Cx<'_>) -> Result<ProviderLookup, IamFault> {
        self.arn.find(cx).await
    }

    fn authorize(&self, asked: &ProviderLookup, gate: &Gate<'_>) -> Result<Self::Permits, Denied> {
        asked.permit(gate, |_| ())
    }

    async fn call(
        &self,
        _permit: &Self::Permits,
        asked: &ProviderLookup,
        cx: &Cx<'_>,
    ) -> Result<Done<Tags>, IamFault> {
        let mut tags = asked.get()?.record().tags.clone();
        tags.sort_by(|a, b| a.key.cmp(&b.key));
        // A key may be longer than a marker can be, so the marker holds its place in the order.
        let numbered = tags.into_iter().enumerate().collect();
        let filter = (Self::NAME, asked.arn());
        let page = self
            .paging
            .cut(cx, filter, numbered, |(at, _)| format!("{at:02}"))?;
        Ok(Done::unchanged(Tags(page.map(|(_, tag)| tag))))
    }
}

impl Output<Iam> for Tags {
    fn render(&self, out: &mut xml::Writer<'_>) {
        self.0.render(out, "Tags", shape::tag);
    }
}
